"""The operators of a training step as PyTorch runs them on this machine, each with its layer, phase and arguments.

A count takes operators apart by what they mean; a recording keeps them whole, as the kernels that
take time. Nothing is computed: the module runs on fake tensors.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map

from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.allocation.storages import Storages
from nncost.frontends.torch.step.attribution import Attribution
from nncost.frontends.torch.step.dispatch_table import Handling, OperatorInfo, operator_info
from nncost.frontends.torch.step.fake_tensors import Layout, is_fake, moved_to
from nncost.frontends.torch.step.mode import Consumer
from nncost.frontends.torch.step.profiler import profiled
from nncost.frontends.torch.step.run import StepSettings, run_step
from nncost.ir.graph import Phase
from nncost.records import record, replace

_PACKAGE = Path(__file__).parents[2]
_TORCH = Path(torch.__file__).parent
_MACHINERY = (
    "_dynamo", "_library", "_compile.py", "compiler", "_subclasses", "utils", "_ops.py", "_decomp", "_refs",
    "_prims_common",
)  # fmt: skip
"""Parts of PyTorch that only work while operators are dispatched to Python."""
_VIEWS = {torch.ops.aten.detach.default, torch.ops.aten.alias.default}
_DISPATCH = "__torch_dispatch__"
_PLAIN = (type(None), bool, int, float, str)
_NOT_RUN = ("prim", "profiler")
"""Fake tensors answer these in Python, and notes for the profiler cost next to nothing."""


@record
class Argument:
    """A tensor among an operator's arguments or results: its layout, and whose memory it is.

    ``storage`` numbers memory in the order it was first seen; two arguments are equal without it.
    """

    layout: Layout
    requires_grad: bool
    bytes: int
    storage: int = field(compare=False, repr=False)
    device: str = "cpu"


@record
class Flow:
    """What a layer's call returns: its parts in order, and how they are put together.

    A layout stands for each tensor, a type for what is neither a tensor nor a plain value. ``with_gradient`` tells of
    each part whether gradients flow back through it, ``takes_gradient`` whether the call takes a tensor that has one.
    """

    parts: tuple[Any, ...]
    structure: Any
    with_gradient: tuple[bool, ...]
    takes_gradient: bool = False


@record
class OpRecord:
    """One operator that ran; leaves of ``args`` and ``kwargs`` are :class:`Argument` or plain values.

    ``is_inner``: PyTorch itself called it, as part of what Python called before, such as a step of a recurrent layer.
    """

    operator: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    results: tuple[Argument, ...]
    path: str
    phase: Phase
    in_backward: bool = False
    adds_in_place: bool = False
    is_inner: bool = False

    @property
    def is_view(self) -> bool:
        """Whether the operator only returns the same memory in another shape."""
        return operator_info(self.operator).handling is Handling.VIEW or self.operator in _VIEWS

    def tensors(self) -> list[Argument]:
        """The tensors among the arguments."""
        return [leaf for leaf in tree_leaves((self.args, dict(self.kwargs))) if isinstance(leaf, Argument)]


@record
class MemoryEvent:
    """Memory that is taken (``bytes`` given) or given back before the operator of that position has run."""

    storage: int
    position: int
    bytes: int | None = None


@dataclass(slots=True)
class Recording:
    """A whole step: its operators, what is called around them, and the parameters with their layers.

    ``modules`` are the layer calls of the forward pass by path, ``python_calls`` those that Python makes there;
    ``nodes`` the autograd nodes of the backward pass by layer; ``trained`` the originals that received a
    gradient, by name. ``memory`` are the events of what operators make; gradients and outputs are given back
    after the step. ``flows`` are those of each layer's last call.
    """

    operators: list[OpRecord]
    modules: dict[str, int]
    nodes: dict[str, int]
    trained: dict[str, torch.Tensor]
    names: Mapping[nn.Module, str]
    memory: list[MemoryEvent] = field(default_factory=list)
    has_update: bool = False
    python_calls: Mapping[str, int] = field(default_factory=dict)
    flows: Mapping[str, Flow] = field(default_factory=dict)


@cache
def _is_machinery(file: str) -> bool:
    """Whether a file is of what runs a recording, and not of what is recorded."""
    path = Path(file)
    if path.is_relative_to(_PACKAGE):
        return True
    return path.is_relative_to(_TORCH) and path.relative_to(_TORCH).parts[0] in _MACHINERY


def _is_of_machinery(frame: Any) -> bool:
    """Whether a frame is of the machinery, or of what it calls."""
    caller = frame.f_back
    return _is_machinery(frame.f_code.co_filename) or (
        caller is not None and _is_machinery(caller.f_code.co_filename) and not frame.f_code.co_filename.endswith(".py")
    )


class PythonCalls:
    """Counts the calls that Python makes in the user's code and PyTorch's, by layer: they take time too.

    Those inside the recording itself are left out.
    """

    def __init__(self, attribution: Attribution) -> None:
        self.by_path: defaultdict[str, int] = defaultdict(int)
        self._attribution, self._depth = attribution, 0
        self._count = 0
        self._last: tuple[int, int, int] | None = None

    def pause(self) -> None:
        """The recording works now."""
        self._depth += 1

    def resume(self) -> None:
        """The model goes on."""
        self._depth -= 1

    def counted(self) -> AbstractContextManager[None]:
        """Count while it lasts."""
        return profiled(self._event)

    def _event(self, frame: Any, event: str, argument: Any) -> None:
        if frame.f_code.co_name == _DISPATCH:
            self._depth += (event == "call") - (event == "return")
        elif self._depth == 0 and event in ("call", "c_call") and not _is_of_machinery(frame):
            self.by_path[self._attribution.path] += 1
            self._count += 1

    def goes_on(self) -> bool:
        """Whether Python is still within the call of which the last operator was part, and tell it of this one."""
        frame: Any = sys._getframe()
        while frame is not None and _is_machinery(frame.f_code.co_filename):
            frame = frame.f_back
        last, self._last = self._last, None if frame is None else (id(frame.f_code), frame.f_lasti, self._count)
        return last is not None and last == self._last


class Recorder(Consumer):
    """Notes every operator below autograd, and when its memory is taken and given back."""

    plain_update = True

    def __init__(self) -> None:
        super().__init__()
        self.operators: list[OpRecord] = []
        self.storages = Storages(self._freed)
        self.memory: list[MemoryEvent] = []
        self.step_memory: list[MemoryEvent] = []
        self.calls: defaultdict[str, int] = defaultdict(int)
        self.flows: dict[str, Flow] = {}
        self.python_calls = PythonCalls(self.attribution)
        self.has_update = False
        self._paused = False

    def around_forward(self) -> AbstractContextManager[Any]:
        """Python's calls are counted while the forward pass runs."""
        return self.python_calls.counted()

    def run_layer(self, layer: nn.Module, path: str, forward: Any, args: Any, kwargs: Any) -> Any:
        """A layer's forward, whose calls are counted."""
        self.calls[path] += 1
        result = forward(*args, **kwargs)
        self.python_calls.pause()
        try:
            self.flows[path] = _flow(args, kwargs, result)
        finally:
            self.python_calls.resume()
        return result

    def state_begins(self) -> None:
        """The optimizer's state is there before the step."""
        self._paused = True

    def state_ended(self, optimizer: torch.optim.Optimizer) -> None:
        """The late step is recorded."""
        self._paused, self.has_update = False, True

    def step_ended(self) -> None:
        """Gradients and outputs are given back after the step."""
        self.step_memory = list(self.memory)

    def decomposition(self, func: Any, info: OperatorInfo) -> None:
        """Operators run whole."""

    def operation(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """Run an operator and note it."""
        if self._paused or func.namespace in _NOT_RUN:
            return self.compute(func, args, kwargs)
        self.python_calls.pause()
        try:
            return self._recorded(func, args, kwargs)
        finally:
            self.python_calls.resume()

    def _recorded(self, func: Any, args: Any, kwargs: Any) -> Any:
        attribution = self.attribution
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        path, phase = attribution.place_of(tensors)
        described = tree_map(self._argument, (args, kwargs))
        known = self.storages.count
        result = self.compute(func, args, kwargs)
        results = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        if phase == "backward":
            attribution.note_gradient(results, path)
        made = tuple(self._argument(leaf) for leaf in results)
        for leaf, storage in {a.storage: (t, a.storage) for t, a in zip(results, made, strict=True)}.values():
            if storage >= known:
                self.memory.append(MemoryEvent(storage, len(self.operators), leaf.untyped_storage().nbytes()))
        is_inner = not attribution.in_backward and self.python_calls.goes_on()
        in_place = attribution.in_backward and func is torch.ops.aten.add.Tensor and len(tensors) > 1
        self.operators.append(
            OpRecord(func, described[0], described[1], made, path, phase, attribution.in_backward, in_place, is_inner)
        )
        return result

    def _argument(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        storage = value.untyped_storage()
        number = self.storages.number(storage)
        if number is None:
            number = self.storages.taken(storage)
        size = value.numel() * value.element_size()
        layout = _layout(value)
        device = moved_to(value) if is_fake(value) else value.device
        return Argument(layout, value.requires_grad, size, number, device.type)

    def _freed(self, number: int) -> None:
        self.memory.append(MemoryEvent(number, len(self.operators)))


def _layout(value: Any) -> Any:
    return Layout(tuple(value.shape), tuple(value.stride()), value.dtype) if isinstance(value, torch.Tensor) else value


def _flow(args: Any, kwargs: Any, result: Any) -> Flow:
    parts, structure = tree_flatten(result)
    differ = tuple(map(_has_gradient, parts))
    return Flow(tuple(map(_part, parts)), structure, differ, any(map(_has_gradient, tree_leaves((args, kwargs)))))


def _has_gradient(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.requires_grad


def _part(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return _layout(value) if value.layout is torch.strided and not value.is_nested else type(value)
    return value if isinstance(value, _PLAIN) else type(value)


def record_step(module: nn.Module, given: Inputs, options: LoadOptions) -> Recording:
    """The operators of forward, loss, backward and update. The module is as before afterwards."""
    recorder = Recorder()
    step = run_step(module, given, options, recorder, StepSettings(as_loop=True))
    originals = {name: step.tensors[name].original for name in step.trained}
    return Recording(
        recorder.operators, recorder.calls, recorder.attribution.nodes(), originals, step.names,
        recorder.step_memory, recorder.has_update, recorder.python_calls.by_path, recorder.flows,
    )  # fmt: skip


def inplace_form(record: OpRecord) -> OpRecord:
    """A sum of gradients as it runs outside a recording: autograd adds in place if nothing else holds the first."""
    if not record.adds_in_place:
        return record
    return replace(record, operator=torch.ops.aten.add_.Tensor)
