"""The operators of a training step as PyTorch runs them on this machine, each with its layer, phase and arguments.

A count takes operators apart by what they mean; a recording keeps them whole, as the kernels that
take time. Nothing is computed: the module runs on stand-ins.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.inputs import converted
from nncost.frontends.torch.step.attribution import Attribution
from nncost.frontends.torch.step.dispatch_table import Handling, operator_info
from nncost.frontends.torch.step.fake_inputs import FakeFactory
from nncost.frontends.torch.step.fake_module import Stored, SwappedParameters, swapped_in
from nncost.frontends.torch.step.loss import run_backward
from nncost.frontends.torch.step.optimizer import late, maker
from nncost.frontends.torch.tracing.trace import _flag, _loss_of, wants_backward
from nncost.ir.graph import Phase
from nncost.ir.training.losses import NO_LOSS

_PACKAGE = Path(__file__).parents[2]
_TORCH = Path(torch.__file__).parent
_MACHINERY = (
    "_dynamo",
    "_library",
    "_compile.py",
    "compiler",
    "_subclasses",
    "utils",
    "_ops.py",
    "_decomp",
    "_refs",
    "_prims_common",
)
"""Parts of PyTorch that only work while operators are dispatched to Python."""
_LOOKS = {torch.ops.aten.detach.default, torch.ops.aten.alias.default}
_NOT_RUN = ("prim", "profiler")
"""Stand-ins answer these in Python, and marks for the profiler cost next to nothing."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A tensor among an operator's arguments or results: what it looks like, and whose memory it is.

    ``storage`` numbers memory in the order it was first seen; it is not part of what makes calls alike.
    """

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    requires_grad: bool
    bytes: int
    storage: int = field(compare=False, repr=False)
    device: str = "cpu"

    @property
    def form(self) -> tuple[Any, ...]:
        """What must agree for two arguments to be alike."""
        return (self.shape, self.stride, self.dtype, self.requires_grad)


@dataclass(frozen=True, slots=True)
class OpRecord:
    """One operator that ran; leaves of ``args`` and ``kwargs`` are :class:`Argument` or plain values."""

    operator: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    results: tuple[Argument, ...]
    path: str
    phase: Phase
    in_backward: bool = False
    adds_in_place: bool = False

    @property
    def is_view(self) -> bool:
        """Whether the operator only looks at memory in another way."""
        return operator_info(self.operator).handling is Handling.VIEW or self.operator in _LOOKS

    def tensors(self) -> list[Argument]:
        """The tensors among the arguments."""
        return [leaf for leaf in tree_leaves((self.args, dict(self.kwargs))) if isinstance(leaf, Argument)]


@dataclass(frozen=True, slots=True)
class MemoryEvent:
    """Memory that is taken (``bytes`` given) or given back before the operator of that position has run."""

    storage: int
    position: int
    bytes: int | None = None


@dataclass(slots=True)
class Recording:
    """A whole step: its operators, what is called around them, and the parameters with their layers.

    ``modules`` are the layer calls of the forward pass by path, ``python_calls`` those that Python makes there; ``nodes`` the autograd nodes of the
    backward pass by layer; ``trained`` the originals that received a gradient, by name. ``memory`` are
    the events of what operators make; gradients are given back after the step.
    """

    operators: list[OpRecord]
    modules: dict[str, int]
    nodes: dict[str, int]
    trained: dict[str, torch.Tensor]
    names: Mapping[nn.Module, str]
    memory: list[MemoryEvent] = field(default_factory=list)
    has_update: bool = False
    python_calls: Mapping[str, int] = field(default_factory=dict)


@cache
def _is_machinery(file: str) -> bool:
    """Whether a file is of what runs a recording, and not of what is recorded."""
    path = Path(file)
    if path.is_relative_to(_PACKAGE):
        return True
    return path.is_relative_to(_TORCH) and path.relative_to(_TORCH).parts[0] in _MACHINERY


class PythonCalls:
    """Counts the calls that Python makes in the user's code and PyTorch's, by layer: they take time too.

    Those inside the recording itself are left out.
    """

    def __init__(self, attribution: Attribution) -> None:
        self.by_path: dict[str, int] = {}
        self._attribution, self._depth = attribution, 0

    def pause(self) -> None:
        """The recording works now."""
        self._depth += 1

    def resume(self) -> None:
        """The model goes on."""
        self._depth -= 1

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count while it lasts; a profiler that was there before is put back."""
        before = sys.getprofile()
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _event(self, frame: Any, event: str, argument: Any) -> None:
        if self._depth == 0 and event in ("call", "c_call") and not _is_machinery(frame.f_code.co_filename):
            path = self._attribution.path
            self.by_path[path] = self.by_path.get(path, 0) + 1


class Recorder(TorchDispatchMode):
    """Notes every operator below autograd; ``of_captured`` gives the stand-in of a real tensor."""

    def __init__(self, of_captured: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.attribution = Attribution()
        self.operators: list[OpRecord] = []
        self._of_captured = of_captured
        self.memory: list[MemoryEvent] = []
        self._storages: dict[int, int] = {}
        self._seen = 0
        self.paused = False
        self.calls = PythonCalls(self.attribution)
        self.keep: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls.pause()
        try:
            return self._note(func, args, kwargs)
        finally:
            self.calls.resume()

    def _note(self, func: Any, args: Any, kwargs: Any) -> Any:
        if self.paused or func.namespace in _NOT_RUN:
            return func(*args, **(kwargs or {}))
        args, kwargs = tree_map(self._faked, (args, kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        path, phase = self.attribution.place_of(tensors)
        described = tree_map(self._describe, (args, kwargs))
        known = self._seen
        result = func(*args, **kwargs)
        results = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        if phase == "backward":
            self.attribution.note_gradient(results, path)
        made = tuple(self._describe(leaf) for leaf in results)
        for leaf, storage in {a.storage: (t, a.storage) for t, a in zip(results, made, strict=True)}.values():
            if storage >= known:
                self.memory.append(MemoryEvent(storage, len(self.operators), leaf.untyped_storage().nbytes()))
        in_place = self.attribution.in_backward and func is torch.ops.aten.add.Tensor and len(tensors) > 1
        self.operators.append(
            OpRecord(func, described[0], described[1], made, path, phase, self.attribution.in_backward, in_place)
        )
        return result

    def _faked(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor) and not isinstance(value, FakeTensor):
            return self._of_captured(value)
        return value

    def _describe(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        storage = value.untyped_storage()
        number = self._storages.get(storage._cdata)
        if number is None:
            number = self._storages[storage._cdata] = self._seen
            self._seen += 1
            weakref.finalize(storage, self._freed, storage._cdata, number)
        shape, stride = tuple(value.shape), tuple(value.stride())
        size = value.numel() * value.element_size()
        return Argument(shape, stride, value.dtype, value.requires_grad, size, number, value.device.type)

    def _freed(self, address: int, number: int) -> None:
        if self._storages.get(address) == number:
            del self._storages[address]
        self.memory.append(MemoryEvent(number, len(self.operators)))


def record_step(module: nn.Module, given: Inputs, options: LoadOptions) -> Recording:
    """The operators of forward, loss, backward and update. The module is as before afterwards."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    trains = wants_backward(options)
    fakes = FakeFactory(mode, options, trains)
    recorder = Recorder(fakes.of_captured)
    calls: dict[str, int] = {}
    wrap = _counting(recorder.attribution, calls)
    swapped = SwappedParameters(module, fakes.of_tensor, _flag(module, options), wrap, fakes.of_captured)
    fakes.swapped = swapped
    fast = torch.backends.mha.get_fastpath_enabled()
    with swapped_in(swapped):
        torch.backends.mha.set_fastpath_enabled(fast)
        with mode, recorder, torch.set_grad_enabled(trains):
            trained = _run(module, given, options, swapped, fakes, recorder)
            updates = bool(trained) and options.steps.optimizer not in (None, "none")
            if updates:
                _update(options.steps.optimizer, trained, recorder)
        originals = {name: stored.original for name, stored in trained.items()}
        memory = list(recorder.memory)
    return Recording(
        recorder.operators,
        calls,
        _nodes(recorder.attribution),
        originals,
        swapped.names,
        memory,
        updates,
        recorder.calls.by_path,
    )


def _run(
    module: nn.Module,
    given: Inputs,
    options: LoadOptions,
    swapped: SwappedParameters,
    fakes: FakeFactory,
    recorder: Recorder,
) -> dict[str, Stored]:
    """Forward, loss and backward; the parameters that hold a gradient. What the forward returned is given up."""
    arguments = converted(given, module, options.batch, fakes.of_shape, fakes.of_input)
    with recorder.calls.counted():
        output = module(*arguments.args, **arguments.kwargs)
    loss = _loss_of(output, options)
    if loss == NO_LOSS:
        return {}
    wanted = {name: stored.fake for name, stored in swapped.tensors.items() if stored.fake is not None}
    run_backward(recorder, output, loss, wanted, reentrant=True)
    return {n: s for n, s in swapped.tensors.items() if s.fake is not None and s.fake.grad is not None}


def _update(optimizer: Any, trained: Mapping[str, Stored], recorder: Recorder) -> None:
    """A late step of every parameter, one after another."""
    attribution = recorder.attribution
    for name, stored in trained.items():
        parameter = stored.fake
        assert parameter is not None
        attribution.path, attribution.phase = name.rpartition(".")[0], "update"
        recorder.paused = True
        try:
            alone = maker(optimizer)(parameter, stored.original)
        except KeyError:
            continue  # the optimizer does not hold it
        alone.step()
        for state in alone.state.values():
            late(state)
        recorder.paused = False
        alone.step()
        recorder.keep.append(alone)
    recorder.paused = False


def _nodes(attribution: Attribution) -> dict[str, int]:
    """Autograd nodes by the layer that made them."""
    found: dict[str, int] = {}
    for path, _ in attribution._layer_of_node.values():
        found[path] = found.get(path, 0) + 1
    return found


def _counting(attribution: Attribution, calls: dict[str, int]) -> Callable[[nn.Module, str, Any], Any]:
    """Wraps each layer's forward so that the recorder knows which layer runs."""

    def wrap(layer: nn.Module, name: str, forward: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            outer, attribution.path = attribution.path, name
            attribution.depth += 1
            calls[name] = calls.get(name, 0) + 1
            try:
                return forward(*args, **kwargs)
            finally:
                attribution.path = outer
                attribution.depth -= 1

        return run

    return wrap


def inplace_form(recorded: OpRecord) -> OpRecord:
    """A sum of gradients as it is outside a recording: autograd adds in place where nobody else holds the first."""
    if not recorded.adds_in_place:
        return recorded
    return replace(recorded, operator=torch.ops.aten.add_.Tensor)
