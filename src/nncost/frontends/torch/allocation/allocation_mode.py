"""A dispatch mode that follows memory: which operator takes it, and when it is given back."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

import torch
from torch._ops import HigherOrderOperator
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode

from nncost.dims import Dim
from nncost.frontends.torch.allocation.call_record import Called, Description, Operand, Ran, results_in
from nncost.frontends.torch.allocation.inplace_rules import OTHERWISE, WATCHED, may_be_in_place, sums_gradients
from nncost.frontends.torch.allocation.known_results import Known, elementwise, key_of
from nncost.frontends.torch.allocation.probe_cost import macs_of
from nncost.frontends.torch.allocation.storages import OUTSIDE, Storages, storage_of
from nncost.frontends.torch.allocation.workspace_rules import operands
from nncost.frontends.torch.step.attribution import Attribution
from nncost.frontends.torch.step.control_flow import run_control_flow
from nncost.frontends.torch.step.dispatch_table import Handling, OperatorInfo, operator_info
from nncost.frontends.torch.step.fake_tensors import FastPath
from nncost.frontends.torch.step.symbolic_sizes import Sizes
from nncost.frontends.torch.tracing.provenance import tensors_in

_CPU = torch.device("cpu")
_DEVICE = torch.ops.prim.device.default
_RECURRENT_BACKWARD = torch.ops.aten.mkldnn_rnn_layer_backward.default
_ADD = torch.ops.aten.add.Tensor
_SAVING = {torch.ops.aten.mul.Tensor, torch.ops.aten.div.Tensor, torch.ops.aten.mul_.Tensor, torch.ops.aten.div_.Tensor}
"""Operators whose second operand autograd keeps."""
_LOOKS = {torch.ops.aten.detach.default, torch.ops.aten.alias.default, torch.ops.aten._unsafe_view.default}
"""Operators that look at their operand's memory, besides those that say so."""
_BY_FORM = {torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default}
"""Operators whose results lie as their operands do, channels first or last: PyTorch's stand-ins know, meta kernels do not."""
_SAVERS = {"MulBackward0", "DivBackward0"}
_NUMBERS = {int, float, bool, complex}
_NOTHING: dict[str, Any] = {}


class Follower(TorchDispatchMode):
    """Notes calls and frees in ``storages.events``; holds no tensor, so that each dies when it would.

    ``fast`` answers calls like earlier ones; ``of_captured`` gives the stand-in of a real tensor that is
    handed to an operator (None: operators on real tensors run as they are). ``known`` are calls met before.
    """

    supports_higher_order_operators = True

    def __init__(
        self,
        fast: FastPath | None,
        of_captured: Callable[[torch.Tensor], torch.Tensor] | None,
        known: Known | None = None,
        sizes: Sizes | None = None,
    ) -> None:
        super().__init__()
        self.attribution = Attribution()
        self.storages = Storages()
        self.called: dict[Any, Called] = {}
        self.of_captured = of_captured
        self.outside_bytes: Dim = 0
        self.otherwise: dict[str, None] = {}
        self._biases = 0
        self._scalars: list[tuple[Any, Ran]] = []
        self._makers: list[int | None] = []
        self.owners: dict[int, str] = {}
        self._fast = fast
        self._known = known or {}
        self._sizes = sizes

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _DEVICE:
            return _CPU if type(args[0]) is FakeTensor else func(*args)
        kwargs = kwargs or _NOTHING
        if self._scalars:
            self._note_scalars()
        if isinstance(func, HigherOrderOperator):
            with self:
                return run_control_flow(func, args, kwargs)
        info = operator_info(func)
        if info.handling is Handling.DECOMPOSED and _is_composite(func):
            with self:
                return func.decompose(*args, **kwargs)
        if info.name == "aten::_local_scalar_dense" and self.of_captured is None and type(args[0]) is FakeTensor:
            return torch.ones((), dtype=args[0].dtype).item()  # an optimizer's own norm: any number does
        if info.handling is not Handling.SILENT and self.of_captured is not None:
            args, kwargs = self._without_captured(args), {name: self._faked(v, name) for name, v in kwargs.items()}
        if func in _LOOKS or (info.handling is Handling.VIEW and not info.written):
            return self._view(func, args, kwargs)
        return self._operation(func, info, args, kwargs)

    def outside(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor that is there before the step, such as the targets of a loss."""
        storage = storage_of(tensor)
        number = self.storages.number(storage)
        events = self.storages.events
        if events and isinstance(events[-1], Ran) and number in events[-1].made:
            events.pop()
        if number != OUTSIDE:
            size = storage.nbytes()
            self.outside_bytes += size if self._sizes is None else self._sizes.dim(size)
        self.storages.outside(storage)
        return tensor

    def like(self, tensor: torch.Tensor) -> torch.Tensor:
        """Another tensor of that form, with its values where it has any, which is there before the step."""
        if type(tensor) is not FakeTensor or self._fast is None:
            made = tensor.clone()
        else:
            made = self._fast.make(tensor.shape, tensor.stride(), tensor.dtype)
        self.storages.outside(storage_of(made))
        return made

    def adds_bias(self, change: int) -> None:
        """A function that adds a bias to a product of its own begins (1) or ends (-1)."""
        self._biases += change

    def made(self, tensor: torch.Tensor) -> None:
        """A tensor that came about without an operator."""
        storage = storage_of(tensor)
        size = storage.nbytes()
        path, phase = self.attribution.path, self.attribution.phase
        called = Called(None, (), (), sizes=(size,))
        number = self.storages.taken(storage)
        self._makers.append(None)
        self.storages.events.append(Ran(called, (number,), path, "backward" if self.attribution.in_backward else phase))

    # ---------------------------------------------------------------- operators
    def _view(self, func: Any, args: Any, kwargs: Any) -> Any:
        if self._fast is not None and type(args[0]) is FakeTensor:
            result = self._fast.view(func, args, kwargs)
        else:
            result = func(*args, **kwargs)
        self.attribution.note_view(tensors_in(result))
        return result

    def _operation(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        description = Description(symbolic=self._sizes is not None)
        described = tuple([description.of(value) for value in args])
        options = tuple([(name, description.of(value)) for name, value in kwargs.items()])
        tensors = description.tensors
        for tensor in tensors if self.owners else ():
            self.attribution.path = self.owners.get(id(tensor), self.attribution.path)
        silent = info.handling is Handling.SILENT
        place = ("", "forward") if silent else self.attribution.place_of(tensors)
        key = (func, described, options, torch.is_grad_enabled())
        called = self.called.get(key) if description.plain else None
        if called is not None and called.outputs is not None:
            result, fresh = self._again(called, args)
        else:
            result, fresh = self._first(func, args, kwargs, tensors, info, (described, options))
            if called is None:
                called = self._new(func, described, options, result, fresh, args, kwargs)
                called.symbolic = called.symbolic or any(t.layout is not torch.strided for t in tensors)
                if description.plain:
                    self.called[key] = called
        results = tensors_in(result)
        if silent:
            self.attribution.note_view(results)
        elif place[1] == "backward":
            self.attribution.note_gradient(results, place[0])
        if fresh or not silent:
            self._note(called, tensors, fresh, place if not silent else self.attribution.place_of(tensors))
            if called.operator in _SAVING and type(args[1]) in _NUMBERS and isinstance(result, torch.Tensor):
                self._expect_scalar(result, tensors)
        return result

    def _expect_scalar(self, result: torch.Tensor, tensors: list[torch.Tensor]) -> None:
        """A number becomes a tensor, which autograd keeps where it needs it for the gradient of the other operand.

        A view that is written to is not asked: autograd would make its node anew, with operators that come here.
        """
        if result._is_view():
            return
        if torch.is_grad_enabled() and tensors[0].requires_grad and _no_hooks():
            self._scalars.append((weakref.ref(result), self.storages.events[-1]))

    def _note_scalars(self) -> None:
        """The numbers that autograd has kept since."""
        waiting = []
        entries, self._scalars = self._scalars, []
        for entry in entries:
            result = entry[0]()
            if result is None:
                continue
            if result.grad_fn is None:
                waiting.append(entry)  # autograd has not come to it yet
                continue
            saved: Any = getattr(result.grad_fn, "_saved_other", None)
            if type(saved) is torch.Tensor and saved.dim() == 0:
                storage = storage_of(saved)
                if self.storages.number(storage) is None:
                    entry[1].kept = self.storages.taken(storage)
                    self._makers.append(None)
        self._scalars = [*waiting, *self._scalars]

    def _note(self, called: Called, tensors: list[torch.Tensor], fresh: list[Any], place: Any) -> None:
        made = tuple([self.storages.taken(storage) for storage in fresh])
        ran = Ran(called, made, *place)
        node = torch._C._current_autograd_node() if self.attribution.in_backward else None
        self._makers += [None if node is None else node._sequence_nr()] * len(made)
        operator = called.operator
        if node is not None and node.name() in OTHERWISE:
            self.otherwise[node.name()] = None
        if node is not None and operator in _SAVING and len(tensors) == 1:
            ran.bare = node.name() in _SAVERS
        if len(made) == 1 and tensors and (node is not None or self._biases) and operator in WATCHED:
            self._note_in_place(ran, tensors, node)
        self.storages.events.append(ran)

    def _note_in_place(self, ran: Ran, tensors: list[torch.Tensor], node: Any) -> None:
        first = self.storages.number(storage_of(tensors[0]))
        if first is None or first == OUTSIDE:
            return
        if node is not None and ran.called.operator is _ADD and sums_gradients(node, self._makers[first]):
            self._makers[ran.made[0]] = None
        may, instead = may_be_in_place(ran.called, tensors, node, self._makers[first], adds_bias=self._biases > 0)
        if may:
            ran.first, ran.instead = first, instead

    def _first(
        self, func: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor], info: OperatorInfo, described: Any
    ) -> tuple[Any, list[Any]]:
        """The results of a call like none before, and the storages that are new among theirs."""
        storages = self.storages
        for tensor in tensors:
            storage = storage_of(tensor)
            if storage is not None and storages.number(storage) is None:
                storages.outside(storage)
        result: Any = NotImplemented
        by_form = func in _BY_FORM and not all(tensor.is_contiguous() for tensor in tensors)
        if self._fast is not None and not by_form and tensors and all(type(t) is FakeTensor for t in tensors):
            result = self._without_run(func, info, args, tensors, described)
            if result is NotImplemented and info.simple:
                result = self._fast.run(func, args, kwargs)
        if result is NotImplemented:
            result = func(*args, **kwargs)
        if func is _RECURRENT_BACKWARD and self._fast is not None:
            # Its stand-in gives one tensor for two biases; the kernel itself gives each its own.
            result = tuple([None if t is None else self._fast.make(t.shape, t.stride(), t.dtype) for t in result])
        fresh: dict[int, Any] = {}
        for tensor in tensors_in(result):
            storage = storage_of(tensor)
            if storage is not None and storages.number(storage) is None:
                fresh[storage._cdata] = storage
        return result, list(fresh.values())

    def _without_run(
        self, func: Any, info: OperatorInfo, args: Any, tensors: list[torch.Tensor], described: Any
    ) -> Any:
        fast = self._fast
        assert fast is not None
        outputs = self._known.get(key_of(func, info, *described)) if self._known else None
        if outputs is None:
            return elementwise(func, info, args, tensors, fast)
        kind, shapes = outputs
        if kind is None:
            return args[shapes] if shapes < len(args) else NotImplemented
        made = [None if shape is None else fast.make(*shape) for shape in shapes]
        return made[0] if kind is torch.Tensor else tuple(made)

    def _again(self, called: Called, args: Any) -> Any:
        kind, outputs = called.outputs
        if kind is None:
            return args[outputs], []
        assert self._fast is not None
        made = [None if output is None else self._fast.make(*output) for output in outputs]
        fresh = [tensor.untyped_storage() for tensor in made if tensor is not None]
        return (made[0] if kind is torch.Tensor else kind(made)), fresh

    def _new(self, func: Any, args: Any, options: Any, result: Any, fresh: list[Any], real: Any, named: Any) -> Called:
        places, results = _places(result, fresh)
        if self._sizes is not None:
            dims = tuple([self._sizes.dim(storage.nbytes()) for storage in fresh])
            return Called(func, args, options, None, dims, places, results, symbolic=True)
        sizes = tuple([storage.nbytes() for storage in fresh])
        called = Called(
            func, args, options, _outputs(result, fresh, real), sizes, places, results, grads=torch.is_grad_enabled()
        )
        called.macs, called.bytes = macs_of(func, real, named, result), sum(sizes) + sum(map(_bytes, operands(called)))
        return called

    # ---------------------------------------------------------------- captured
    def _without_captured(self, args: Any) -> Any:
        for value in args:
            kind = type(value)
            if kind is not FakeTensor and (kind is list or kind is tuple or isinstance(value, torch.Tensor)):
                return tuple([self._faked(value) for value in args])
        return args

    def _faked(self, value: Any, name: str = "") -> Any:
        if isinstance(value, torch.Tensor):
            if isinstance(value, FakeTensor) or self.of_captured is None:
                return value
            if value.dim() == 0 and self.storages.number(value.untyped_storage()) not in (None, OUTSIDE):
                assert self._fast is not None
                made = self._fast.make((), (), value.dtype)  # one that autograd keeps: nothing else may hold it
            else:
                made = self.of_captured(value)
            storage = storage_of(made)
            if storage is not None and self.storages.number(storage) is None:
                self.storages.outside(storage)
            return made
        if isinstance(value, (list, tuple)):
            return type(value)([self._faked(item) for item in value])
        if name == "device" and value is not None:
            return torch.device("cpu")
        return None if name == "pin_memory" else value


@cache
def _is_composite(operator: Any) -> bool:
    """Whether an operator has no kernel of its own on the CPU."""
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key(operator.name(), "CPU")
    return bool(operator._can_decompose()) and not has_kernel


def _no_hooks() -> bool:
    """Whether autograd keeps what it needs itself: a checkpoint gives it hooks, and keeps nothing."""
    return not torch._C._autograd._saved_tensors_hooks_is_enabled() or _top_hooks() is None


def _top_hooks() -> Any:
    return torch._C._autograd._top_saved_tensors_default_hooks(True)


def _places(result: Any, fresh: list[Any]) -> tuple[tuple[int, ...], int]:
    """Of which of the results each new memory is, and how many results there are."""
    storages = [None if tensor is None else storage_of(tensor) for tensor in results_in(result)]
    addresses = [None if storage is None else storage._cdata for storage in storages]
    return tuple([addresses.index(storage._cdata) for storage in fresh]), len(addresses)


def _bytes(operand: Operand) -> int:
    size: int = prod(operand.shape) * operand.dtype.itemsize
    return size


def _outputs(result: Any, fresh: list[Any], args: Any) -> Any:
    """How to make the results again; None where that is not known."""
    if isinstance(result, torch.Tensor) and not fresh:
        if type(result) is not FakeTensor:
            return None  # a real one, such as an optimizer's number of steps: it is written to
        place = next((i for i, value in enumerate(args) if value is result), None)
        return None if place is None else (None, place)
    pieces = [result] if isinstance(result, torch.Tensor) else result
    if not isinstance(pieces, (list, tuple)) or sum(piece is not None for piece in pieces) != len(fresh):
        return None
    shapes: list[Any] = []
    storages = iter(fresh)
    for tensor in pieces:
        if tensor is None:
            shapes.append(None)
            continue
        storage = next(storages)
        if type(tensor) is not FakeTensor or tensor.constant is not None or tensor.layout is not torch.strided:
            return None
        if tensor.storage_offset() or tensor.is_conj() or tensor.is_neg() or tensor.fake_device.type != "cpu":
            return None
        if _least_bytes(tensor) != storage.nbytes():
            return None
        shapes.append((tensor.shape, tensor.stride(), tensor.dtype))
    kind = torch.Tensor if isinstance(result, torch.Tensor) else list if isinstance(result, list) else tuple
    return kind, tuple(shapes)


def _least_bytes(tensor: torch.Tensor) -> int:
    """The bytes from a tensor's first element to its last."""
    if tensor.numel() == 0:
        return 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    size: int = (last + 1) * tensor.element_size()
    return size
