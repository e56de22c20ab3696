"""The tracer: a dispatch mode that notes every operator PyTorch runs, its layer and its phase.

It stands above a FakeTensorMode, so that nothing is computed and no memory is taken; with real
inputs it can also stand above nothing. Calls that are alike (operator, shapes, types, options)
share one :class:`Kernel`, which is lowered once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode

from nncost.frontends.torch.plans import Handling, Plan, plan_of
from nncost.ir.graph import Phase

CONSTANT, DATA, STORED, LEARNED = 0, 1, 2, 6
"""Where a value comes from, as bits: from nothing but numbers, from inputs, from what the module stores; learned."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor in a signature. ``same`` is the place of its first appearance, so that aliases are seen."""

    shape: tuple[Any, ...]
    dtype: torch.dtype
    constant: bool
    learned: bool
    same: int


@dataclass(eq=False, slots=True)
class Signature:
    """A distinct call: operator, arguments by name with tensors as :class:`Operand`, and outputs."""

    operator: Any
    plan: Plan
    arguments: tuple[tuple[str, Any], ...]
    outputs: tuple[Any, ...]
    kernel: Any = None


@dataclass(slots=True)
class Logged:
    """A call with its own tensors, kept to build the connected graph."""

    signature: Signature
    operator: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    path: str
    phase: Phase
    view: bool


class Tracer(TorchDispatchMode):
    """Notes operators. ``path`` and ``phase`` are set by whoever runs the model."""

    def __init__(self, to_fake: Callable[[torch.Tensor], torch.Tensor] | None, *, keep: bool = False) -> None:
        super().__init__()
        self.path = ""
        self.phase: Phase = "forward"
        self.records: list[Any] = []
        self.signatures: dict[Any, Signature] = {}
        self.log: list[Logged] | None = [] if keep else None
        self.uses: dict[tuple[str, str, str], None] = {}
        self.sequence: dict[int, tuple[str, Phase]] = {}
        self.owner_of_variable: dict[int, str] = {}
        self.quiet = 0
        self.only_fake = False
        self._to_fake = to_fake
        self._written: set[int] = set()
        self._depth = 0

    # ---------------------------------------------------------------- dispatch
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        plan = plan_of(func)
        kwargs = kwargs or {}
        handling = plan.handling
        if handling is Handling.SILENT:
            return self._silent(func, plan, args, kwargs)
        if self._to_fake is not None:
            args, kwargs = self._faked(args, kwargs)
        if handling is Handling.DECOMPOSED:
            return self._decomposed(func, plan, args, kwargs, types)
        result = func(*args, **kwargs)
        self._note(func, plan, args, kwargs, result)
        return result

    def _silent(self, func: Any, plan: Plan, args: Any, kwargs: Any) -> Any:
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor) and args and isinstance(args[0], torch.Tensor) and result is not args[0]:
            _copy_mark(args[0], result)
            if self.log is not None:
                self._log(Signature(func, plan, (), ()), func, args, kwargs, result, view=True)
        return result

    def _decomposed(self, func: Any, plan: Plan, args: Any, kwargs: Any, types: Any) -> Any:
        with self:
            if plan.decomposition is None:
                result = func.decompose(*args, **kwargs)
                if result is not NotImplemented:
                    return result
            elif not plan.written:
                result = plan.decomposition(*args, **kwargs)
                if result is not NotImplemented:
                    return result
        result = func(*args, **kwargs)
        self._note(func, plan, args, kwargs, result)
        return result

    def _faked(self, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Arguments without real tensors, so that no kernel ever writes to one."""
        if (
            not any(type(a) is torch.Tensor or isinstance(a, (torch.nn.Parameter, list, tuple)) for a in args)
            and not kwargs
        ):
            return args, kwargs
        swap = self._swap
        return tuple(swap(a) for a in args), {name: swap(value, name) for name, value in kwargs.items()}

    def _swap(self, value: Any, name: str = "") -> Any:
        if isinstance(value, torch.Tensor):
            if isinstance(value, FakeTensor):
                return value
            assert self._to_fake is not None
            return self._to_fake(value)
        if isinstance(value, (list, tuple)) and any(isinstance(v, torch.Tensor) for v in value):
            return type(value)(self._swap(v) for v in value)
        if name == "device" and value is not None:
            return torch.device("cpu")
        if name == "pin_memory":
            return None
        return value

    # ---------------------------------------------------------------- notes
    def _note(self, func: Any, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
        if self.quiet or (self.only_fake and not any(isinstance(t, FakeTensor) for t in _tensors((args, result)))):
            return
        tensors: list[torch.Tensor] = []
        marks = CONSTANT
        arguments = []
        names = plan.names
        for name, value in (*zip(names, args, strict=False), *kwargs.items()):
            if name in plan.written_names and name == "out":
                continue
            described = self._described(value, tensors)
            arguments.append((name, described))
        learned = None
        for tensor in tensors:
            mark = getattr(tensor, "_nncost_mark", _UNMARKED)
            bits = mark[0]
            if bits == CONSTANT and self._written and tensor.untyped_storage()._cdata in self._written:
                bits = DATA
            marks |= bits
            if mark[1]:
                learned = mark
        is_view = plan.handling is Handling.VIEW
        folded = marks == CONSTANT and not plan.random and self.phase == "forward"
        if learned is not None:
            self._note_uses(plan, args, kwargs)
        self._mark(plan, args, kwargs, result, marks, learned, is_view)
        if not is_view and not folded:
            path, phase = self._place()
            if phase == "backward":
                self._add_context(plan, arguments)
            signature = self._signature(func, plan, tuple(arguments), result)
            self.records.append((signature, path, phase))
            if self.log is not None:
                self._log(signature, func, args, kwargs, result, view=False)
        elif self.log is not None:
            self._log(
                Signature(func, plan, tuple(arguments), _outputs(result)), func, args, kwargs, result, view=is_view
            )

    def _log(self, signature: Signature, func: Any, args: Any, kwargs: Any, result: Any, *, view: bool) -> None:
        assert self.log is not None
        path, phase = self._place()
        self.log.append(Logged(signature, func, args, kwargs, result, path, phase, view))

    def _described(self, value: Any, tensors: list[torch.Tensor]) -> Any:
        kind = type(value)
        if kind is int or kind is str or value is None:
            return value
        if isinstance(value, torch.Tensor):
            same = len(tensors)
            for place, tensor in enumerate(tensors):
                if tensor is value:
                    same = place
                    break
            tensors.append(value)
            bits, name = getattr(value, "_nncost_mark", _UNMARKED)
            constant = bits == CONSTANT and not (self._written and value.untyped_storage()._cdata in self._written)
            return Operand(tuple(value.shape), value.dtype, constant, bool(name), same)
        if kind is list or kind is tuple or isinstance(value, (list, tuple)):
            return tuple(self._described(item, tensors) for item in value)
        if kind is float or kind is bool:
            return (kind, value)
        return value

    def _signature(self, func: Any, plan: Plan, arguments: tuple[Any, ...], result: Any) -> Signature:
        key = (func, arguments)
        signature = self.signatures.get(key)
        if signature is None:
            signature = self.signatures[key] = Signature(func, plan, arguments, _outputs(result))
        return signature

    def _place(self) -> tuple[str, Phase]:
        """The layer and phase of what runs now: in a backward pass those of the autograd node."""
        node = torch._C._current_autograd_node()
        if node is None:
            number = torch.autograd._get_sequence_nr() - 1
            if number not in self.sequence:
                self.sequence[number] = (self.path, self.phase)
            return self.path, self.phase
        number = node._sequence_nr()
        place = self.sequence.get(number)
        if place is None:
            variable = getattr(node, "variable", None)
            return self.owner_of_variable.get(id(variable), self.path), "backward"
        return place[0], "loss" if place[1] == "loss" else "backward"

    def _add_context(self, plan: Plan, arguments: list[tuple[str, Any]]) -> None:
        """What the schema of a backward operator does not say: which gradients were asked for, whose product it is."""
        if plan.name in _ASKED:
            node = torch._C._current_autograd_node()
            if node is not None:
                arguments.append(("asked", tuple((bool, target is not None) for target, _ in node.next_functions)))
        elif plan.name == "aten::mul":
            node = torch._C._current_autograd_node()
            if node is not None and node.name() in _CONTRACTIONS:
                arguments.append(("contraction", node.name()))

    # ---------------------------------------------------------------- marks
    def _mark(self, plan: Plan, args: Any, kwargs: Any, result: Any, marks: int, learned: Any, view: bool) -> None:
        bits = marks | (STORED if plan.random else 0)
        keeps_name = learned is not None and (view or plan.name in _KEEPS_PARAMETER) and marks == LEARNED
        mark = learned if keeps_name else (bits & ~4 if bits != CONSTANT else CONSTANT, "")
        for tensor in _tensors(result):
            tensor._nncost_mark = mark  # type: ignore[attr-defined]
        if plan.written and bits != CONSTANT:
            for position in plan.written:
                name = plan.names[position]
                target = args[position] if position < len(args) else kwargs.get(name)
                for tensor in _tensors(target):
                    self._written.add(tensor.untyped_storage()._cdata)

    def _note_uses(self, plan: Plan, args: Any, kwargs: Any) -> None:
        learned = [
            (tensor._nncost_mark[1], name)
            for name, value in (*zip(plan.names, args, strict=False), *kwargs.items())
            for tensor in _tensors(value)
            if getattr(tensor, "_nncost_mark", _UNMARKED)[1]
        ]
        for position, (parameter, argument) in enumerate(learned):
            state = position + 1 < len(learned) and (plan.name, argument) in _LEFT
            self.uses[parameter, plan.name, "state" if state else argument] = None


_ASKED = {
    "aten::mkldnn_rnn_layer_backward", "aten::_scaled_dot_product_flash_attention_for_cpu_backward",
    "aten::_scaled_dot_product_flash_attention_backward", "aten::_scaled_dot_product_efficient_attention_backward",
    "aten::_prelu_kernel_backward",
}  # fmt: skip
"""Operators that compute all gradients; the autograd node knows which of them lead anywhere."""
_CONTRACTIONS = {"MvBackward0", "AddmvBackward0", "DotBackward0", "VdotBackward0", "LinalgVecdotBackward0"}
"""Nodes whose gradients are outer products of a contraction: with a batch they would be matrix products."""
_LEFT = {("aten::mm", "self"), ("aten::bmm", "self"), ("aten::addmm", "mat1"), ("aten::linear", "input")}
"""Left operands: a learned one before a learned matrix is a state that the matrix multiplies."""
_UNMARKED = (STORED, "")
_KEEPS_PARAMETER = {
    "aten::_to_copy",
    "aten::clone",
    "aten::t",
    "aten::contiguous",
    "aten::copy",
    "aten::mul",
    "aten::div",
}


def _copy_mark(source: torch.Tensor, target: torch.Tensor) -> None:
    mark = getattr(source, "_nncost_mark", None)
    if mark is not None:
        target._nncost_mark = mark  # type: ignore[attr-defined]


def _tensors(value: Any) -> list[Any]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in _tensors(item)]
    return []


def _outputs(result: Any) -> tuple[Any, ...]:
    """Shapes and types of the results; None where one is absent."""
    if isinstance(result, torch.Tensor):
        return ((tuple(result.shape), result.dtype),)
    if isinstance(result, (list, tuple)):
        return tuple(output for item in result for output in (_outputs(item) or (None,)))
    return ()
