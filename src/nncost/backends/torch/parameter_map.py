"""Where each parameter of a graph lives in a module, in which layout, and its values there and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np
import torch
from torch import nn

from nncost.backends.initial_values import shape_of
from nncost.backends.operands import integers
from nncost.backends.torch.core_ops import dtype_of, tensor_of
from nncost.backends.torch.layer import ModuleTensor
from nncost.errors import ShapeError
from nncost.ir import ops
from nncost.ir.graph import Parameter
from nncost.records import record, replace

Array = Any


@record
class Rows:
    """Ranges of the first axis, one behind another: what splitting a parameter and joining parts of it gives."""

    ranges: tuple[tuple[int, int], ...]


Moved = Union[ops.Reshape, ops.Transpose, Rows]


@record
class ParameterView:
    """A parameter, or the slice of a stacked one that one repetition uses, seen through moves."""

    parameter: Parameter
    index: tuple[int, ...] = ()
    moves: tuple[Moved, ...] = ()

    def inside(self, number: int) -> ParameterView:
        """The slice of a stack for one iteration."""
        return replace(self, index=(*self.index, number))

    def moved(self, move: Moved) -> ParameterView:
        """The same numbers in the layout that a layer takes."""
        return replace(self, moves=(*self.moves, move))

    def read(self, whole: Array) -> Array:
        """The view's numbers out of the parameter's."""
        part = np.asarray(whole)[self.index]
        for move in self.moves:
            part = _moved(part, move)
        return part

    def write(self, part: Array, whole: Array) -> None:
        """Write the view's numbers into the parameter's."""
        positions = np.arange(whole.size).reshape(whole.shape)
        whole.reshape(-1)[self.read(positions)] = part


def _moved(part: Array, move: Moved) -> Array:
    if isinstance(move, Rows):
        return np.concatenate([part[start:stop] for start, stop in move.ranges])
    if isinstance(move, ops.Transpose):
        return part.transpose(move.order)
    return part.reshape(integers(move.shape))


def joined(views: Sequence[ParameterView]) -> ParameterView | None:
    """Parts of one parameter, joined along their first axis, as one view; None if they are not parts of one."""
    first = views[0]
    ranges: list[tuple[int, int]] = []
    for view in views:
        last = view.moves[-1] if view.moves else None
        alike = (view.parameter, view.index, view.moves[:-1]) == (first.parameter, first.index, first.moves[:-1])
        if not isinstance(last, Rows) or not alike:
            return None
        ranges += last.ranges
    return replace(first, moves=(*first.moves[:-1], Rows(tuple(ranges))))


@dataclass(slots=True)
class ParameterMap:
    """The module and name of every parameter; ``initial`` are the numbers they are made with."""

    initial: Mapping[Parameter, Array]
    tensors: dict[ParameterView, ModuleTensor] = field(default_factory=dict)

    def register(self, view: ParameterView, module: nn.Module, name: str) -> ModuleTensor:
        """Make what the view shows a parameter or buffer of a module."""
        parameter = view.parameter
        tensor = tensor_of(view.read(self.initial[parameter])).to(dtype_of(parameter.tensor.dtype))
        is_buffer = parameter.role == "buffer"
        if is_buffer:
            module.register_buffer(name, tensor)
        else:
            learned = nn.Parameter(tensor, requires_grad=parameter.trainable and tensor.is_floating_point())
            setattr(module, name, learned)
        found = self.tensors[view] = ModuleTensor(module, name, is_buffer)
        return found

    def values(self) -> dict[Parameter, Array]:
        """Every parameter's numbers as they are now, in the graph's layout."""
        found = {p: np.array(array) for p, array in self.initial.items()}
        for view, held in self.tensors.items():
            tensor = held.value()
            assert isinstance(tensor, torch.Tensor)
            whole = found[view.parameter]
            plain = tensor.detach().cpu().to(tensor_of(np.empty(0, whole.dtype)).dtype).numpy()
            view.write(plain.astype(whole.dtype, copy=False), whole)
        return found

    def set_values(self, values: Mapping[Parameter, Array]) -> None:
        """Overwrite parameters. Raise ShapeError for numbers of another shape."""
        for parameter, array in values.items():
            expected, received = shape_of(parameter), tuple(np.shape(array))
            if expected != received:
                raise ShapeError(f"{parameter.name} has the shape {expected}, received values of {received}.")
        with torch.no_grad():
            for view, held in self.tensors.items():
                if view.parameter in values:
                    tensor = held.value()
                    assert isinstance(tensor, torch.Tensor)
                    tensor.copy_(tensor_of(view.read(values[view.parameter])))
