"""The network that is trained: its graph at every batch size, its inputs and its outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nncost.dims import is_symbolic, product, shape_text
from nncost.errors import OptionError, ShapeError, SourceError, SymbolError
from nncost.frontends import registry
from nncost.ir import ops
from nncost.ir.graph import Graph, Region, Tensor, walk
from nncost.ir.library.activations import ACTIVATIONS
from nncost.ir.training.losses import NO_LOSS
from nncost.pipeline.count import Counted, count_source
from nncost.pipeline.settings import Settings, load_options
from nncost.records import replace
from nncost.trainer.tables.table import Array, names_of
from nncost.trainer.task import CLASSIFICATION, Task
from nncost.units import counted

SPEC = "spec"
UNBOUNDED = frozenset({"leaky_relu"})
"""Activations without bounds; the others have a lower bound, an upper one or both."""
SQUASHING = frozenset({"sigmoid", "tanh", "hardsigmoid", "hardtanh", "softsign"})
"""Activations between two bounds: their outputs are not logits."""
BOUNDED = SQUASHING | {"softmax", "log_softmax"}


@dataclass(slots=True)
class Network:
    """A source under the settings of a count; ``step`` and ``inference`` return its graphs at a batch size."""

    source: Any
    settings: Settings
    name: str
    inputs: tuple[int, ...]
    takes_indices: bool
    units: int
    ending: str
    steps: dict[int, Counted] = field(default_factory=dict)
    forwards: dict[int, Graph] = field(default_factory=dict)

    def step(self, batch: int) -> Counted:
        """The joint graph of a training step on that many examples: the one that is counted."""
        if batch not in self.steps:
            self.steps[batch] = count_source(self.source, self.sized(batch))
        return self.steps[batch]

    def inference(self, batch: int) -> Graph:
        """The forward graph in inference mode: no dropout, batch norm by its running averages."""
        if batch not in self.forwards:
            self.forwards[batch] = _model(self.source, replace(self.sized(batch), loss=NO_LOSS, optimizer=None)).graph
        return self.forwards[batch]

    def sized(self, batch: int) -> Settings:
        """The settings of a count at that many examples."""
        return replace(self.settings, load=replace(self.settings.load, batch=batch))

    def trained(self, loss: str, optimizer: str) -> Network:
        """The same network with a loss and an optimizer."""
        return replace(self, settings=replace(self.settings, loss=loss, optimizer=optimizer), steps={}, forwards={})


def network_of(source: Any, settings: Settings) -> Network:
    """Load a network. Raise an NncostError for a source that cannot be trained here."""
    model = _model(source, replace(settings, loss=NO_LOSS, optimizer=None))
    graph = model.graph
    if len(graph.inputs) != 1 or not graph.outputs:
        raise SourceError(f"{model.name} has {len(graph.inputs)} inputs; nncost train takes networks with one.")
    for tensor in (*graph.inputs, *graph.outputs, *(parameter.tensor for parameter in graph.parameters)):
        unbound = [dim for dim in tensor.shape if is_symbolic(dim)]
        if unbound:
            raise SymbolError(
                f"a network that is trained needs numbers, received {unbound[0]}.", hint="For example: --symbol h=128"
            )
    for node in walk(graph.items):
        if isinstance(node.op, (ops.Opaque, ops.Algorithm)):
            raise SourceError(f"{node.path}: {node.op.name} can be counted but not trained.")
    if not any(parameter.trainable for parameter in graph.parameters):
        raise SourceError(f"{model.name} has no parameter to train.")
    x, y = graph.inputs[0], graph.outputs[0]
    if len(y.shape) != 2:
        raise ShapeError(
            f"{model.name} gives {shape_text(y.shape[1:])} for each example; nncost train needs a vector.",
            hint="Add flatten (or last to a recurrent layer) and a dense layer.",
        )
    size = tuple(int(dim) for dim in x.shape[1:])
    units = int(y.shape[1])
    return Network(source, settings, model.name, size, "int" in x.dtype, units, _ending(graph, y))


def _model(source: Any, settings: Settings) -> Any:
    if not isinstance(source, str):
        raise SourceError(
            f"nncost train takes a spec, received a {type(source).__module__}.{type(source).__qualname__}.",
            hint="A spec is a text such as 64-32-10:softmax; nncost measure times a module.",
        )
    model = registry.load(source, load_options(source, settings))
    if model.kind != SPEC:
        raise SourceError(
            f"nncost train takes a spec, and {model.name} is of the kind {model.kind}.",
            hint="Write the network as a spec such as 64-32-10:softmax, or in a file net.nncost.",
        )
    return model


def _ending(graph: Graph, output: Tensor) -> str:
    """The name of the composite that gives the output, such as ``softmax``."""
    last = graph.items[-1]
    return last.layer.name if isinstance(last, Region) and output in last.outputs else ""


def loss_for(network: Network, task: Task, asked: str | None) -> str:
    """The loss: the one asked for, or the usual one of the task and the last layer. Raise OptionError if it does not fit."""
    if asked is None:
        return _usual_loss(network, task)
    if asked == "cross_entropy" and (task.kind != CLASSIFICATION or network.units == 1):
        raise OptionError(
            "cross_entropy needs a class for each of several outputs.", hint="Accepted here: " + _fitting(network, task)
        )
    endings = {
        "binary_cross_entropy": ("ends in a sigmoid", network.ending == "sigmoid"),
        "binary_cross_entropy_with_logits": ("does not end in a sigmoid or its like", network.ending not in BOUNDED),
    }
    if asked in endings and (task.kind != CLASSIFICATION or not endings[asked][1]):
        raise OptionError(
            f"{asked} needs classes and a network that {endings[asked][0]}.",
            hint="Accepted here: " + _fitting(network, task),
        )
    return asked


def _fitting(network: Network, task: Task) -> str:
    return f"squared_error, or leave --loss out ({_usual_loss(network, task)})."


def _usual_loss(network: Network, task: Task) -> str:
    """Squared error for numbers and for outputs between bounds, as in the textbook; otherwise cross-entropy."""
    if task.kind != CLASSIFICATION:
        return "squared_error"
    if network.units == 1:
        return "binary_cross_entropy" if network.ending == "sigmoid" else "squared_error"
    return "squared_error" if network.ending in SQUASHING else "cross_entropy"


def bounded_below(network: Network) -> bool:
    """Whether the network's last activation has a bound, so that a target must be scaled to 0…1."""
    return network.ending in ACTIVATIONS and network.ending not in UNBOUNDED


def check_width(network: Network, names: tuple[str, ...], target: str) -> None:
    """Raise ShapeError if the number of columns is not the number of the network's inputs."""
    wanted = int(product(network.inputs))
    if len(names) != wanted:
        shape = "" if len(network.inputs) == 1 else f" ({shape_text(network.inputs)})"
        few = len(names) < wanted
        raise ShapeError(
            f"the table has {counted(len(names), 'column')} beside the target {target!r}, "
            f"the network takes {wanted:,}{shape}: {names_of(list(names))}.",
            hint=f"Begin the spec with {len(names)}"
            + (", or add columns." if few else ", or leave columns out with --ignore NAME."),
        )


def check_indices(network: Network, numbers: Array, names: tuple[str, ...]) -> None:
    """Raise SourceError if a value is not the index of a row of the embedding's table."""
    graph = network.inference(1)
    parameters = {parameter.tensor: parameter for parameter in graph.parameters}
    for node in walk(graph.items):
        if isinstance(node.op, ops.Gather) and node.inputs[1] in graph.inputs and node.inputs[0] in parameters:
            rows = int(node.inputs[0].shape[node.op.axis])
            wrong = (numbers != numbers.round()) | (numbers < 0) | (numbers >= rows)
            if wrong.any():
                row, column = (int(places[0]) for places in wrong.nonzero())
                raise SourceError(
                    f"row {row + 1:,}, column {names[column]!r}: {numbers[row, column]:g} is no whole number from 0 to "
                    f"{rows - 1:,}, which the embedding takes.",
                    hint=f"Make the table of the embedding larger than {rows:,} rows, or correct the cell.",
                )
