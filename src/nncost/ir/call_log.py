"""What other tools can see of a network while it runs, as plain data: its layers and its calls.

A front end observes a network once and hands over one :class:`CallLog`; conventions read nothing
else. Arguments and results are plain: numbers, texts, None, :class:`TensorMeta` for a tensor, tuples and
dicts of these; anything else is its class's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Union

from nncost.ir.graph import Phase
from nncost.records import record

Plain = Any
"""Numbers, texts, None, TensorMeta, and tuples and dicts of these."""


@record
class Instrumentation:
    """How a tool runs a network and where it looks.

    ``evaluates``: it switches the network to inference first. ``composed``: it sees operators before
    they are taken apart (a linear layer, not its matrix product). ``backward``: it also looks at the
    gradients. ``hooked``: it hangs hooks on layers, which keeps PyTorch from fusing an encoder's layers.
    ``functions`` are the functions and methods that it replaces by counting ones.
    """

    evaluates: bool = False
    composed: bool = False
    backward: bool = False
    hooked: bool = True
    functions: tuple[str, ...] = ()


@record
class TensorMeta:
    """A tensor."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


def sizes(value: Plain) -> tuple[int, ...]:
    """The sizes of a tensor. Raise TypeError for anything else."""
    if not isinstance(value, TensorMeta):
        raise TypeError(f"expected a tensor, received {value!r}")
    return value.shape


@record
class Layer:
    """One module: its class by full name, the distinct modules right below it, its own parameters, its plain attributes."""

    path: str
    kind: str
    children: tuple[str, ...]
    parameters: Mapping[str, TensorMeta]
    options: Mapping[str, Plain]

    @property
    def name(self) -> str:
        """The class's short name."""
        return self.kind.rpartition(".")[2]


@record
class LayerCall:
    """One call of a layer, noted when it ended."""

    path: str
    inputs: tuple[Plain, ...]
    output: Plain


@record
class FunctionCall:
    """One call of a function (``torch.nn.functional.linear``) or of an operator (``aten::addmm``) and the innermost layer then running."""

    name: str
    path: str
    phase: Phase
    inputs: tuple[Plain, ...]
    keywords: Mapping[str, Plain]
    output: Plain = None

    def shape(self, position: int) -> tuple[int, ...]:
        """The sizes of a positional tensor. Raise TypeError if there is none."""
        return sizes(self.inputs[position])

    def elements(self, position: int) -> int:
        """How many numbers a positional tensor holds."""
        return prod(self.shape(position))


Event = Union[LayerCall, FunctionCall]


@record
class CallLog:
    """All layers by path, in their order, and all calls in theirs."""

    layers: Mapping[str, Layer]
    events: tuple[Event, ...]

    def layer_calls(self) -> list[LayerCall]:
        """The calls of layers."""
        return [event for event in self.events if isinstance(event, LayerCall)]

    def function_calls(self) -> list[FunctionCall]:
        """The calls of functions and operators."""
        return [event for event in self.events if isinstance(event, FunctionCall)]
