"""What every front end takes and gives: load options in, a model with its forward graph out."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from nncost.dims import Dim, Shape
from nncost.ir.graph import Graph, Parameter
from nncost.records import field, record

if TYPE_CHECKING:
    from nncost.ir.storage import Timeline
    from nncost.ir.trace import Trace

BiasChoice = Literal["all", "hidden", "none"]


@record
class TensorShape:
    """A shape that stands for a tensor; ``dtype`` is None if the model decides."""

    shape: Shape
    dtype: str | None = None


@record
class Inputs:
    """The arguments of a model's call; leaves are tensors, :class:`TensorShape` or plain values."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@record
class Training:
    """What a front end that traces a framework's own training step must know.

    ``loss`` is a name, a callable of the model's output or None; ``optimizer`` a name, a class, an
    instance or None. ``backward`` is ``auto`` (the framework's own) or ``derived`` (ours).
    """

    loss: Any = None
    optimizer: Any = None
    backward: str = "auto"
    mode: str | None = None
    freeze: tuple[str, ...] = ()


@record
class LoadOptions:
    """How to read a source.

    ``batch`` is the number of examples (None: one, or what the file says), ``symbols`` bind names
    to sizes, ``inputs`` override input shapes by name (or under ``""`` for the only one).
    ``dtype_given``: whether the caller chose ``dtype``, so that it holds for a source that has types of its own.
    ``named_elsewhere`` are names that the batch or the examples have: a source need not have them.
    ``bias`` and ``activation`` apply to widths such as ``784-16-10``. ``given`` are a module's
    arguments as they were given, ``steps`` what it is trained with; ``reuse`` lets equal blocks be
    analysed once; ``learn`` lets operators run alone to learn their workspace (None: cheap ones).
    """

    batch: Dim | None = None
    symbols: Mapping[str, int] = field(default_factory=dict)
    named_elsewhere: frozenset[str] = frozenset()
    inputs: Mapping[str, Shape] = field(default_factory=dict)
    training: bool = False
    dtype: str = "float32"
    dtype_given: bool = False
    bias: BiasChoice = "all"
    activation: str = "sigmoid"
    given: Inputs | None = None
    steps: Training = field(default_factory=Training)
    reuse: bool = True
    learn: bool | None = None


@record
class Stored:
    """A tensor of a file as the file has it: a parameter, a buffer, or what stands beside both and is no part of the network.

    ``role`` is that of a parameter, ``quantization`` (scales, zero points, code books) or ``optimizer`` (its state).
    ``packed`` names the format of quantized weights; ``shape`` is theirs in the network, ``stored_shape`` that in the file.
    """

    name: str
    path: str
    role: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    packed: str
    stored_shape: tuple[int, ...]


@record
class Model:
    """A loaded source: its forward graph, the batch it was built for and what a reader should know.

    A front end that traces the framework's own step hands over ``trace`` (every phase of it) and the
    parameters that received a gradient; the graph then holds the parameters only. ``layers`` name
    what each layer is, in the order of the network; ``recurrent_neurons`` are those of one example that the
    trace's products do not show (recurrent layers).
    ``batch_neurons`` says that the layers of the graph name the neurons of the whole batch, not of one example.
    ``active_parameters`` are those that one token uses if a router chooses among experts.
    ``stored`` are the tensors of a checkpoint.
    ``layer_outputs`` are the shapes of what the layers that ran return, in the order in which they end (None: the graph
    tells them). ``timeline`` are the traced step's allocations (None if they were not recorded), with the bytes of
    the optimizer's state and of the inputs that are there before the step. ``outputs`` name the graph's outputs, where
    the source does; ``nested_outputs`` are those that are sequences, with their elements among the outputs (None: an
    optional without one).
    """

    kind: str
    name: str
    graph: Graph
    batch: Dim
    inputs: Mapping[str, Shape]
    default_loss: str
    default_optimizer: str
    notes: tuple[str, ...] = ()
    trace: Trace | None = None
    layers: Mapping[str, str] | None = None
    layer_outputs: Mapping[str, Shape] | None = None
    recurrent_neurons: Dim = 0
    batch_neurons: bool = False
    trained: tuple[Parameter, ...] = ()
    active_parameters: Dim | None = None
    stored: tuple[Stored, ...] = ()
    timeline: Timeline | None = None
    state_bytes: Dim = 0
    input_bytes: Dim = 0
    outputs: tuple[str, ...] = ()
    nested_outputs: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)


def matches(pattern: str, layer: str, leaf: str) -> bool:
    """Whether a pattern of ``freeze`` names a parameter: its layer, its own name, or all below a layer."""
    names = (layer, f"{layer}.{leaf}" if layer else leaf)
    return any(fnmatchcase(name, pattern) or name.startswith(f"{pattern}.") for name in names)
