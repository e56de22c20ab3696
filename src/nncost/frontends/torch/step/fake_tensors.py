"""Fake tensors made directly, and operators on them by a fast path.

A fake tensor is a meta tensor that claims a device. PyTorch's own way to make one, and to run an
operator on one, takes ten times as long as the trace needs: here a tensor is made from its shape,
and an operator runs by its meta kernel only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, in_kernel_invocation_manager

from nncost.dims import Shape, is_symbolic, product, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.model import LoadOptions, matches
from nncost.frontends.torch.inputs import concrete
from nncost.frontends.torch.step.provenance import (
    OF_MODULE,
    PARAMETER,
    STORED,
    from_inputs,
    set_provenance,
    stored_values,
)
from nncost.frontends.torch.step.symbolic_sizes import Sizes

_CPU = torch.device("cpu")
_TOO_MANY_BYTES = 1 << 63
_NO_DISPATCH = torch._C._DisableTorchDispatch

_GROUPED = torch.ops.aten._grouped_mm.default
_BATCH_NORM = torch.ops.aten.native_batch_norm.default


class Layout(NamedTuple):
    """What a tensor looks like: sizes, strides in elements, and type."""

    shape: Any
    stride: Any
    dtype: torch.dtype

    @property
    def extent(self) -> int:
        """The elements of memory from the first to the last."""
        if 0 in self.shape:
            return 0
        return 1 + int(sum((size - 1) * abs(stride) for size, stride in zip(self.shape, self.stride, strict=True)))


class Outputs(NamedTuple):
    """How to make results again: layouts (None: absent) in a tensor, list or tuple; or which argument is the result."""

    kind: type
    layouts: tuple[Layout | None, ...] = ()
    argument: int | None = None


class FastPath:
    """Makes fake tensors, and runs operators on them, for one FakeTensorMode."""

    def __init__(self, mode: FakeTensorMode) -> None:
        self.mode = mode
        with mode:
            self._attributes = dict(vars(torch.empty(0)))

    def wrap(self, meta: torch.Tensor, *, requires_grad: bool = False) -> torch.Tensor:
        """A meta tensor as a fake tensor on the CPU, sharing its storage."""
        made = torch.Tensor._make_subclass(
            FakeTensor, meta, requires_grad, dispatch_device=True, device_for_backend_keys=_CPU
        )
        torch._C._set_throw_on_mutable_data_ptr(made)
        vars(made).update(self._attributes)
        return made

    def make(self, shape: Any, stride: Any, dtype: torch.dtype, *, requires_grad: bool = False) -> torch.Tensor:
        """A fake tensor with its own storage."""
        with _NO_DISPATCH():
            meta = torch.empty_strided(shape, stride, dtype=dtype, device="meta")
        return self.wrap(meta, requires_grad=requires_grad)

    def again(self, outputs: Outputs, args: Any) -> Any:
        """The results of a call equal to an earlier one."""
        if outputs.argument is not None:
            return args[outputs.argument]
        made = [None if layout is None else self.make(*layout) for layout in outputs.layouts]
        return made[0] if outputs.kind is torch.Tensor else outputs.kind(made)

    def view(self, operator: Any, args: Any, kwargs: Any) -> Any:
        """A view operator on fake tensors, run by its meta kernel only."""
        with in_kernel_invocation_manager(self.mode):
            result = operator(*args, **kwargs)
        if isinstance(result, torch.Tensor):
            return self.wrap(result)
        return type(result)(self.wrap(piece) for piece in result)

    def run(self, operator: Any, args: Any, kwargs: Any) -> Any:
        """An operator on fake tensors by its meta kernel only; NotImplemented where PyTorch's own way is needed."""
        if operator is _BATCH_NORM:
            return self._batch_norm(*args)
        if operator is _GROUPED:
            return self._grouped(*args, **kwargs)
        try:
            with in_kernel_invocation_manager(self.mode):
                result = operator(*args, **kwargs)
        except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
            return NotImplemented  # the long way repeats it, and raises what is to be raised
        pieces = result if isinstance(result, tuple) else (result,)
        if not all(type(piece) is torch.Tensor and piece.layout is torch.strided for piece in pieces):
            return NotImplemented
        made = [self.wrap(piece) for piece in pieces]
        return tuple(made) if isinstance(result, tuple) else made[0]

    def _grouped(
        self, left: torch.Tensor, right: torch.Tensor, offs: Any = None, bias: Any = None, out_dtype: Any = None
    ) -> torch.Tensor:
        """A grouped product's result: its meta kernel knows bfloat16 only, the operator other types too."""
        groups = (offs.shape[0],) if offs is not None and left.dim() == right.dim() == 2 else left.shape[:-2]
        shape = (*groups, left.shape[-2], right.shape[-1])
        return self.make(shape, contiguous_strides(shape), out_dtype or left.dtype)

    def _batch_norm(
        self, x: torch.Tensor, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, *_: Any
    ) -> Any:
        """Batch norm's results: its meta kernel is a whole decomposition, and half the time of counting a ResNet."""
        statistics = (x.shape[1],) if training else (0,)
        dtype = torch.float32 if x.dtype in (torch.bfloat16, torch.float16) else x.dtype
        return (
            self.make(x.shape, x.stride(), x.dtype), self.make(statistics, (1,), dtype), self.make(statistics, (1,), dtype)
        )  # fmt: skip


def layout_of(tensor: torch.Tensor) -> Layout | None:
    """The layout of a fake tensor; None if that is not all there is to know of it."""
    if type(tensor) is not FakeTensor or tensor.constant is not None or tensor.layout is not torch.strided:
        return None
    if tensor.storage_offset() or tensor.is_conj() or tensor.is_neg() or tensor.fake_device.type != "cpu":
        return None
    return Layout(tensor.shape, tensor.stride(), tensor.dtype)


def outputs_like(result: Any) -> Outputs | None:
    """How to make a call's results again as new tensors; None if their layouts do not tell."""
    pieces = result if isinstance(result, (list, tuple)) else (result,)
    layouts = tuple([None if piece is None else layout_of(piece) for piece in pieces])
    if result is None or any(t is not None and layout is None for t, layout in zip(pieces, layouts, strict=True)):
        return None
    return Outputs(list if isinstance(result, list) else tuple if isinstance(result, tuple) else torch.Tensor, layouts)


def tensors_in(value: Any) -> list[Any]:
    """The tensors in lists, tuples and dicts."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return []
    return [tensor for item in value for tensor in tensors_in(item)]


class FakeFactory:
    """Makes the fake tensors of one step; copies of the real ones if the step needs values (no ``mode``).

    ``gradients``: parameters that are trained require them.
    """

    def __init__(
        self, mode: FakeTensorMode | None, options: LoadOptions, *, gradients: bool, sizes: Sizes | None = None
    ) -> None:
        self._mode, self._options, self._gradients, self._sizes = mode, options, gradients, sizes
        self._path = None if mode is None else FastPath(mode)
        self._captured: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @property
    def fast(self) -> FastPath | None:
        """The fast path; None with real tensors and with symbolic sizes, which it does not know."""
        return None if self._sizes is not None else self._path

    def of_stored(self, tensor: torch.Tensor, name: str, *, is_parameter: bool) -> torch.Tensor:
        """For a parameter or a buffer."""
        made = self._like(tensor)
        layer, _, leaf = name.rpartition(".")
        if is_parameter:
            made._is_param = True
            frozen = any(matches(pattern, layer, leaf) for pattern in self._options.steps.freeze)
            if self._gradients and tensor.requires_grad and not frozen:
                made.requires_grad_()
        return set_provenance(made, (PARAMETER, name) if is_parameter else (STORED, ""))

    def of_captured(self, tensor: torch.Tensor) -> torch.Tensor:
        """For a tensor that is neither parameter nor buffer; one tensor has one fake tensor."""
        found = self._captured.get(id(tensor))
        if found is None:
            found = self._captured[id(tensor)] = (tensor, set_provenance(self._like(tensor), OF_MODULE))
        return found[1]

    def of_shape(self, shape: Shape, dtype: torch.dtype) -> torch.Tensor:
        """For an input given as a shape. Raise ShapeError for one that no tensor of PyTorch has."""
        if not any(map(is_symbolic, shape)) and product(shape) * dtype.itemsize >= _TOO_MANY_BYTES:
            raise ShapeError(f"an input of {shape_text(shape)} is too large: tensors have fewer than 2^63 bytes.")
        if self._path is None:
            return from_inputs(torch.empty(concrete(shape), dtype=dtype))
        sizes: Sequence[Any] = concrete(shape) if self._sizes is None else self._sizes.shape(shape)
        return from_inputs(self._path.make(sizes, contiguous_strides(sizes), dtype))

    def of_input(self, tensor: torch.Tensor) -> torch.Tensor:
        """For an input given as a tensor."""
        made = from_inputs(self._like(tensor))
        return made.requires_grad_() if self._gradients and tensor.requires_grad else made

    def _like(self, tensor: torch.Tensor) -> torch.Tensor:
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            raise SourceError(
                "the module has lazy parameters without a shape.", hint="Call it once on real data first."
            )
        if self._mode is None or self._path is None:
            return tensor.detach().clone()
        if (
            tensor.layout is not torch.strided
            or tensor.is_quantized
            or type(tensor) not in (torch.Tensor, nn.Parameter, nn.Buffer)
        ):
            made = self._mode.from_tensor(tensor.detach())
            if tensor.layout is not torch.strided:
                made._nncost_stored = stored_values(tensor)
            return made
        return self._path.make(tensor.shape, tensor.stride(), tensor.dtype)


def contiguous_strides(shape: Sequence[Any]) -> tuple[Any, ...]:
    """The strides of a tensor in row-major order."""
    strides: list[Any] = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * (max(size, 1) if isinstance(size, int) else size))
    return tuple(reversed(strides)) if shape else ()
