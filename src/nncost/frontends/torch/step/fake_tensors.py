"""Fake tensors: a shape, strides and a type without values, which to a model are tensors as any other.

A fake tensor is a plain ``torch.Tensor`` (or ``nn.Parameter``) that has the memory of a tensor on the meta device and
says it is on the CPU. PyTorch's own kind is of another class, which models and libraries ask for, and takes ten times
as long to make; it is used only inside this module, where an operator's shapes are not known from its meta kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, in_kernel_invocation_manager
from torch.utils._python_dispatch import TorchDispatchMode

from nncost.frontends.torch.step.subclasses import REBUILT

_CPU = torch.device("cpu")
_META = "_nncost_meta"
"""The attribute of a fake tensor that is the tensor on the meta device whose memory it has."""
_NO_DISPATCH = torch._C._DisableTorchDispatch
_make_subclass = torch.Tensor._make_subclass
_no_address = torch._C._set_throw_on_mutable_data_ptr

_GROUPED = torch.ops.aten._grouped_mm.default
_BATCH_NORM = torch.ops.aten.native_batch_norm.default
_DEVICE = torch.ops.prim.device.default
_ALIAS = torch.ops.aten.alias.default


def is_fake(tensor: torch.Tensor) -> bool:
    """Whether a tensor is one of a step's, without values."""
    return hasattr(tensor, _META) or type(tensor) is FakeTensor or hasattr(tensor, REBUILT) or _lies_nowhere(tensor)


def is_made(tensor: torch.Tensor) -> bool:
    """Whether a tensor is fake, strided, and known to this module: any operator on it can be run here."""
    return hasattr(tensor, _META)


def is_marked(tensor: torch.Tensor) -> bool:
    """Whether a model has set attributes on a tensor."""
    for name in vars(tensor):  # noqa: SIM110 - twice as fast as a generator, at each tensor of each block
        if not name.startswith("_nncost"):
            return True
    return False


def _lies_nowhere(tensor: torch.Tensor) -> bool:
    """Whether a tensor was made of a fake one by no operator, as ``nn.Parameter(x)`` is."""
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin) or tensor.layout is not torch.strided:
        return False
    if torch._C._dispatch_keys(tensor).has(torch._C.DispatchKey.Meta):
        return False
    return bool(tensor.untyped_storage().device.type == "meta")


@contextmanager
def parameters_of_fakes() -> Iterator[None]:
    """What a model makes of a fake tensor by no operator, as ``nn.Parameter(x)``, is meanwhile one itself."""
    torch.Tensor._make_subclass = staticmethod(_subclass_of)
    try:
        yield
    finally:
        del torch.Tensor._make_subclass


def _subclass_of(cls: Any, tensor: torch.Tensor, require_grad: bool = False, **options: Any) -> torch.Tensor:
    meta = getattr(tensor, _META, None)
    if meta is None or options:
        return _make_subclass(cls, tensor, require_grad, **options)
    made = _make_subclass(cls, tensor, require_grad, dispatch_device=True, device_for_backend_keys=_CPU)
    _no_address(made)
    made._nncost_meta = meta
    return made


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


class FakeTensors:
    """Makes fake tensors, and runs operators on them, for one step. ``environment`` is that of symbolic sizes."""

    def __init__(self, environment: Any = None) -> None:
        self._mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=environment)
        with self._mode:
            self._attributes = dict(vars(torch.empty(0)))

    # ---------------------------------------------------------------- making
    def wrap(
        self, meta: torch.Tensor, kind: type[torch.Tensor] = torch.Tensor, *, requires_grad: bool = False
    ) -> torch.Tensor:
        """A fake tensor with the memory of a tensor on the meta device."""
        made = _make_subclass(kind, meta, requires_grad, dispatch_device=True, device_for_backend_keys=_CPU)
        _no_address(made)
        made._nncost_meta = meta
        return made

    def make(
        self, shape: Any, stride: Any, dtype: torch.dtype, kind: type[torch.Tensor] = torch.Tensor, *,
        requires_grad: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        """A fake tensor with memory of its own."""
        with _NO_DISPATCH():
            meta = torch.empty_strided(shape, stride, dtype=dtype, device="meta")
        return self.wrap(meta, kind, requires_grad=requires_grad)

    def like(self, tensor: torch.Tensor) -> torch.Tensor:
        """A fake tensor for one that is not strided, quantized, or of a class of its own: of PyTorch's kind."""
        return self._mode.from_tensor(tensor)

    def again(self, outputs: Outputs, args: Any) -> Any:
        """The results of a call equal to an earlier one."""
        if outputs.argument is not None:
            return args[outputs.argument]
        made = [None if layout is None else self.make(*layout) for layout in outputs.layouts]
        return made[0] if outputs.kind is torch.Tensor else outputs.kind(made)

    def in_place_of(self, result: Any) -> Any:
        """A result on real tensors with fake ones in their place."""
        if isinstance(result, torch.Tensor):
            return self.make(result.shape, result.stride(), result.dtype)
        if isinstance(result, (list, tuple)):
            return type(result)([self.in_place_of(piece) for piece in result])
        return result

    # ---------------------------------------------------------------- running
    def view(self, operator: Any, args: Any, kwargs: Any) -> Any:
        """A view operator, run on tensors of the meta device."""
        metas = [_meta_of(value) for value in args]
        with _NO_DISPATCH():
            result = operator(*metas, **kwargs)
        if isinstance(result, torch.Tensor):
            return self.wrap(result)
        return type(result)(self.wrap(piece) for piece in result)

    def run(self, operator: Any, args: Any, kwargs: Any) -> Any:
        """An operator by its meta kernel only; NotImplemented where :meth:`compute` is needed."""
        if operator is _BATCH_NORM:
            return self._batch_norm(*args)
        if operator is _GROUPED:
            return self._grouped(*args, **kwargs)
        theirs = _Theirs(self._attributes)
        try:
            with in_kernel_invocation_manager(self._mode):
                result = operator(*theirs.of(args), **theirs.of(kwargs))
        except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
            return NotImplemented  # the long way repeats it, and raises what is to be raised
        pieces = result if isinstance(result, tuple) else (result,)
        if not all(
            piece is None or (type(piece) is torch.Tensor and piece.layout is torch.strided) for piece in pieces
        ):
            return NotImplemented
        made = [None if piece is None else self.wrap(piece) for piece in pieces]
        return tuple(made) if isinstance(result, tuple) else made[0]

    def compute(self, operator: Any, args: Any, kwargs: Any, run: Callable[..., Any] | None = None) -> Any:
        """An operator as PyTorch runs it on its own fake tensors; ``run`` is another way to call it."""
        theirs = _Theirs(self._attributes)
        with self._mode:
            result = (run or operator)(*theirs.of(args), **theirs.of(kwargs))
        if torch.Tag.inplace_view in operator.tags:
            theirs.moved()
        return self._ours(result, theirs)

    def _ours(self, result: Any, theirs: _Theirs) -> Any:
        """A result of PyTorch's own fake tensors with ours in their place."""
        if isinstance(result, torch.Tensor):
            known = theirs.known(result)
            return known if known is not None else self._of_theirs(result)
        if isinstance(result, (list, tuple)):
            return type(result)([self._ours(piece, theirs) for piece in result])
        return result

    def _of_theirs(self, tensor: torch.Tensor) -> torch.Tensor:
        if type(tensor) is not FakeTensor or tensor.layout is not torch.strided or tensor.is_quantized:
            return tensor
        with in_kernel_invocation_manager(self._mode):
            meta = _ALIAS(tensor)
        return self.wrap(meta)

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


def moved_to(tensor: torch.Tensor) -> torch.device:
    """Where a fake tensor says it is: the CPU, or the meta device if the model has moved it there."""
    found: torch.device = getattr(tensor.untyped_storage(), "_nncost_device", _CPU)
    return found


def move(tensor: Any, device: torch.device) -> bool:
    """Have a fake tensor, and all that share its memory, say that it is on the meta device; whether that was asked."""
    if not isinstance(tensor, torch.Tensor) or device.type != "meta" or not hasattr(tensor, _META):
        return False
    tensor.untyped_storage()._nncost_device = device
    return True


class Devices(TorchDispatchMode):
    """Answers where a fake tensor is, for code of PyTorch's that asks outside a step's mode."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _CPU if func is _DEVICE else func(*args, **(kwargs or {}))


class _Theirs:
    """The fake tensors of PyTorch's kind that stand for ours in one call, by identity."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self._attributes = attributes
        self._pairs: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def of(self, value: Any) -> Any:
        """An argument with theirs in place of ours."""
        if isinstance(value, torch.Tensor):
            return self._of_tensor(value)
        if isinstance(value, (list, tuple)):
            return type(value)([self.of(item) for item in value])
        return {name: self.of(item) for name, item in value.items()} if type(value) is dict else value

    def _of_tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        if type(tensor) is FakeTensor or not is_fake(tensor):
            return tensor
        pair = self._pairs.get(id(tensor))
        if pair is None:
            made = _make_subclass(
                FakeTensor, _meta_of(tensor), tensor.requires_grad, dispatch_device=True, device_for_backend_keys=_CPU
            )
            vars(made).update(self._attributes)
            pair = self._pairs[id(tensor)] = (tensor, made)
        return pair[1]

    def known(self, theirs: torch.Tensor) -> torch.Tensor | None:
        """Ours for one of theirs among the arguments."""
        return next((tensor for tensor, made in self._pairs.values() if made is theirs), None)

    def moved(self) -> None:
        """What an operator such as ``transpose_`` or ``resize_`` has changed of theirs is changed of ours."""
        for tensor, made in self._pairs.values():
            if made.shape != tensor.shape or made.stride() != tensor.stride():
                with _NO_DISPATCH():
                    meta = torch.empty(0, dtype=made.dtype, device="meta")
                    meta.set_(made.untyped_storage(), made.storage_offset(), made.shape, made.stride())
                    tensor.data = _make_subclass(
                        torch.Tensor, meta, False, dispatch_device=True, device_for_backend_keys=_CPU
                    )
                tensor._nncost_meta = meta


def _meta_of(value: Any) -> Any:
    """The tensor on the meta device behind a fake one; anything else as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    found = getattr(value, _META, None)
    if found is None and is_fake(value) and type(value) is not FakeTensor:
        with _NO_DISPATCH():
            found = torch.empty(0, dtype=value.dtype, device="meta")
            found.set_(value.untyped_storage(), value.storage_offset(), value.shape, value.stride())
        value._nncost_meta = found
    return value if found is None else found


def layout_of(tensor: torch.Tensor) -> Layout | None:
    """The layout of a fake tensor; None if that is not all there is to know of it."""
    if not hasattr(tensor, _META) or tensor.storage_offset() or tensor.is_conj() or tensor.is_neg():
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


def contiguous_strides(shape: Sequence[Any]) -> tuple[Any, ...]:
    """The strides of a tensor in row-major order."""
    strides: list[Any] = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * (max(size, 1) if isinstance(size, int) else size))
    return tuple(reversed(strides)) if shape else ()
