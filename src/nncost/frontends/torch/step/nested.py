"""Nested tensors: pieces of different sizes in one. A step with them runs on copies, where their sizes are known.

Those of the jagged layout take themselves apart. An operator on those of the strided layout counts as what it is on each
piece, or on all rows of all pieces where that is how PyTorch runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nested._internal.nested_tensor import NestedTensor

from nncost.errors import SourceError
from nncost.frontends.torch.step.dispatch_table import Handling, OperatorInfo
from nncost.frontends.torch.step.fake_tensors import tensors_in

_DIMENSIONS = {"dim", "dims", "dim0", "dim1"}
_MOVES = {"aten::to_padded_tensor", "aten::clone", "aten::_to_copy", "aten::copy", "aten::contiguous"}
"""Operators that change where values lie, and nothing else."""


def is_pieces(tensor: torch.Tensor) -> bool:
    """Whether a tensor is nested, of the strided layout."""
    return bool(tensor.is_nested) and not isinstance(tensor, NestedTensor)


def takes_pieces(args: Any, kwargs: Any) -> bool:
    """Whether nested tensors of the strided layout are among an operator's arguments."""
    return any(map(is_pieces, tensors_in((args, kwargs))))


def copied_nested(tensor: Any) -> torch.Tensor:
    """A copy of a nested tensor; the places of its pieces are the same."""
    if not isinstance(tensor, NestedTensor):
        made: torch.Tensor = tensor.detach().clone()
        return made
    return NestedTensor(
        tensor._values.detach().clone(), tensor._offsets, lengths=tensor._lengths, _ragged_idx=tensor._ragged_idx,
        _metadata_cache=dict(tensor._metadata_cache),
    )  # fmt: skip


def run_on_pieces(func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> None:
    """Run what an operator does to nested tensors of the strided layout. Raise SourceError where that is not known."""
    if info.handling in (Handling.QUERY, Handling.VIEW) or info.name in _MOVES:
        return
    try:
        if info.name in _ON_ROWS:
            _ON_ROWS[info.name](*args, **kwargs)
            return
        count = next(tensor.size(0) for tensor in tensors_in((args, kwargs)) if is_pieces(tensor))
        arguments = {**dict(zip(info.names, args, strict=False)), **kwargs}
        for number in range(count):
            _FORMS.get(info.name, func)(**{name: _piece(name, value, number) for name, value in arguments.items()})
    except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError) as error:
        raise SourceError(
            f"{info.name} of nested tensors of the strided layout cannot be counted.",
            hint="Make them with layout=torch.jagged.",
        ) from error


def _piece(name: str, value: Any, number: int) -> Any:
    if isinstance(value, torch.Tensor):
        return value.select(0, number) if is_pieces(value) else value
    if name in _DIMENSIONS and value is not None:
        return [_moved(dim) for dim in value] if isinstance(value, (list, tuple)) else _moved(value)
    return [_piece("", item, number) for item in value] if isinstance(value, list) else value


def _moved(dim: int) -> int:
    """An axis of the whole as one of a piece. Raise ValueError for the axis of pieces."""
    if dim == 0:
        raise ValueError("along the pieces")
    return dim - 1 if dim > 0 else dim


def _rows(tensor: torch.Tensor) -> torch.Tensor:
    """All rows of all pieces."""
    return torch.cat([piece.reshape(-1, piece.shape[-1]) for piece in tensor.unbind()])


def _linear(x: Any, weight: Any, bias: Any = None) -> None:
    torch.ops.aten.linear.default(_quiet(x), weight, bias)


def _linear_backward(x: Any, gradient: Any, weight: Any, wanted: Any) -> None:
    rows = _quiet(gradient)
    if wanted[0]:
        torch.ops.aten.mm.default(rows, weight)
    if wanted[1]:
        torch.ops.aten.mm.default(rows.t(), _quiet(x))
    if wanted[2]:
        torch.ops.aten.sum.dim_IntList(rows, [0])


def _matmul_backward(grad: Any, self: Any, other: Any, mask: Any) -> None:
    if mask[0]:
        torch.matmul(grad, other.transpose(-2, -1))
    if mask[1]:
        torch.matmul(self.transpose(-2, -1), grad)


_FORMS: Mapping[str, Callable[..., Any]] = {"aten::matmul_backward": _matmul_backward}
"""Operators that run on nested tensors only, as what they are on a piece."""


def _norm_backward(gradient: Any, x: Any, shape: Any, mean: Any, rstd: Any, *others: Any) -> None:
    backward = torch.ops.aten.native_layer_norm_backward.default
    backward(_quiet(gradient), _quiet(x), shape, mean.view(-1, 1), rstd.view(-1, 1), *others)


def _norm(x: Any, *others: Any) -> None:
    torch.ops.aten.native_layer_norm.default(_quiet(x), *others)


def _quiet(tensor: torch.Tensor) -> torch.Tensor:
    """All rows of all pieces, which lie side by side already."""
    with torch.utils._python_dispatch._disable_current_modes():
        return _rows(tensor)


_ON_ROWS: Mapping[str, Callable[..., None]] = {
    "aten::linear": _linear, "aten::linear_backward": _linear_backward, "aten::native_layer_norm": _norm,
    "aten::native_layer_norm_backward": _norm_backward,
}  # fmt: skip
