"""Stand-in tensors made directly, and operators answered from memory.

A fake tensor is a meta tensor that claims a device. PyTorch's own way to make one, and to run an
operator on one, takes ten times as long as the trace needs: here a tensor is made from its shape,
and an operator that ran before on the same shapes, strides and types is not run again.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, in_kernel_invocation_manager

_CPU = torch.device("cpu")
_NO_DISPATCH = torch._C._DisableTorchDispatch

_GROUPED = torch.ops.aten._grouped_mm.default
_BATCH_NORM = torch.ops.aten.native_batch_norm.default

OutputShape = tuple[Any, Any, torch.dtype]
"""Shape, strides and type of one output."""


class FastPath:
    """Makes stand-ins for one FakeTensorMode."""

    def __init__(self, mode: FakeTensorMode) -> None:
        self.mode = mode
        mode.cache_enabled = False  # what repeats is answered here, before it gets there
        with mode:
            self._attributes = dict(vars(torch.empty(0)))

    def wrap(self, meta: torch.Tensor, *, requires_grad: bool = False) -> torch.Tensor:
        """A meta tensor as a stand-in on the CPU, sharing its storage."""
        made = torch.Tensor._make_subclass(
            FakeTensor, meta, requires_grad, dispatch_device=True, device_for_backend_keys=_CPU
        )
        torch._C._set_throw_on_mutable_data_ptr(made)
        vars(made).update(self._attributes)
        return made

    def make(self, shape: Any, stride: Any, dtype: torch.dtype, *, requires_grad: bool = False) -> torch.Tensor:
        """A stand-in with its own storage."""
        with _NO_DISPATCH():
            meta = torch.empty_strided(shape, stride, dtype=dtype, device="meta")
        return self.wrap(meta, requires_grad=requires_grad)

    def view(self, operator: Any, args: Any, kwargs: Any) -> Any:
        """A view operator on stand-ins, run by its meta kernel alone."""
        with in_kernel_invocation_manager(self.mode):
            result = operator(*args, **kwargs)
        if isinstance(result, torch.Tensor):
            return self.wrap(result)
        return type(result)(self.wrap(piece) for piece in result)

    def run(self, operator: Any, args: Any, kwargs: Any) -> Any:
        """An operator on stand-ins by its meta kernel alone; NotImplemented where PyTorch's own way is needed."""
        if operator is _BATCH_NORM:
            return self._batch_norm(*args)
        if operator is _GROUPED:
            return self._grouped(*args, **kwargs)
        try:
            with in_kernel_invocation_manager(self.mode):
                result = operator(*args, **kwargs)
        except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
            return NotImplemented  # the long way repeats it, and raises what is to be swapped_in
        pieces = result if isinstance(result, tuple) else (result,)
        if not all(type(piece) is torch.Tensor and piece.layout is torch.strided for piece in pieces):
            return NotImplemented
        made = [self.wrap(piece) for piece in pieces]
        return tuple(made) if isinstance(result, tuple) else made[0]

    def _grouped(
        self, left: torch.Tensor, right: torch.Tensor, offs: Any = None, bias: Any = None, out_dtype: Any = None
    ) -> torch.Tensor:
        """A grouped product's result: its meta kernel knows bfloat16 alone, the operator other types too."""
        groups = (offs.shape[0],) if offs is not None and left.dim() == right.dim() == 2 else left.shape[:-2]
        shape = (*groups, left.shape[-2], right.shape[-1])
        strides = [1]
        for size in reversed(shape[1:]):
            strides.append(strides[-1] * size)
        return self.make(shape, strides[::-1], out_dtype or left.dtype)

    def _batch_norm(
        self, x: torch.Tensor, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, *_: Any
    ) -> Any:
        """Batch norm's results: its meta kernel is a whole decomposition, and half the time of counting a ResNet."""
        statistics = (x.shape[1],) if training else (0,)
        dtype = torch.float32 if x.dtype in (torch.bfloat16, torch.float16) else x.dtype
        return (
            self.make(x.shape, x.stride(), x.dtype), self.make(statistics, (1,), dtype), self.make(statistics, (1,), dtype)
        )  # fmt: skip


def remembered(result: Any) -> tuple[OutputShape, ...] | None:
    """What must be known to make a result again; None where that is not enough."""
    results = result if isinstance(result, tuple) else (result,)
    outputs: list[OutputShape] = []
    for tensor in results:
        if type(tensor) is not FakeTensor or tensor.constant is not None or tensor.layout is not torch.strided:
            return None
        if tensor.storage_offset() or tensor.is_conj() or tensor.is_neg() or tensor.fake_device.type != "cpu":
            return None
        outputs.append((tensor.shape, tensor.stride(), tensor.dtype))
    return tuple(outputs)
