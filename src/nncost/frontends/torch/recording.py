"""The operators of a training step as PyTorch runs them on this machine, each with its layer, phase and arguments.

A count takes operators apart by what they mean; a recording keeps them whole, as the kernels that
take time. Nothing is computed: the module runs on stand-ins.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.arguments import converted
from nncost.frontends.torch.places import Places
from nncost.frontends.torch.run import NO_LOSS, _flag, _loss_of, wants_backward
from nncost.frontends.torch.staging import Stage, Stored, raised
from nncost.frontends.torch.stand_ins import StandIns
from nncost.frontends.torch.step import run_backward
from nncost.frontends.torch.update import late, maker
from nncost.ir.graph import Phase

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
    storage: int

    @property
    def likeness(self) -> tuple[Any, ...]:
        """What must agree for two arguments to be alike."""
        return (self.shape, self.stride, self.dtype, self.requires_grad)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One operator that ran; leaves of ``args`` and ``kwargs`` are :class:`Argument` or plain values."""

    operator: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    results: tuple[Argument, ...]
    path: str
    phase: Phase
    adds_in_place: bool = False

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

    ``modules`` are the layer calls of the forward pass by path; ``nodes`` the autograd nodes of the
    backward pass by layer; ``trained`` the originals that received a gradient, by name. ``memory`` are
    the events of what operators make; gradients are given back after the step.
    """

    operators: list[Recorded]
    modules: dict[str, int]
    nodes: dict[str, int]
    trained: dict[str, torch.Tensor]
    names: Mapping[nn.Module, str]
    memory: list[MemoryEvent] = field(default_factory=list)


class Recorder(TorchDispatchMode):
    """Notes every operator below autograd; ``of_stray`` gives the stand-in of a real tensor."""

    def __init__(self, of_stray: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.places = Places()
        self.operators: list[Recorded] = []
        self._of_stray = of_stray
        self.memory: list[MemoryEvent] = []
        self._storages: dict[int, int] = {}
        self._seen = 0
        self.paused = False
        self.keep: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.paused or func.namespace in _NOT_RUN:
            return func(*args, **(kwargs or {}))
        args, kwargs = tree_map(self._stand_in, (args, kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        path, phase = self.places.here(tensors)
        described = tree_map(self._describe, (args, kwargs))
        known = self._seen
        result = func(*args, **kwargs)
        results = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        if phase == "backward":
            self.places.gave(results, path)
        made = tuple(self._describe(leaf) for leaf in results)
        for leaf, storage in {a.storage: (t, a.storage) for t, a in zip(results, made, strict=True)}.values():
            if storage >= known:
                self.memory.append(MemoryEvent(storage, len(self.operators), leaf.untyped_storage().nbytes()))
        in_place = self.places.in_backward and func is torch.ops.aten.add.Tensor and len(tensors) > 1
        self.operators.append(Recorded(func, *described, made, path, phase, in_place))
        return result

    def _stand_in(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor) and not isinstance(value, FakeTensor):
            return self._of_stray(value)
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
        return Argument(shape, stride, value.dtype, value.requires_grad, size, number)

    def _freed(self, address: int, number: int) -> None:
        if self._storages.get(address) == number:
            del self._storages[address]
        self.memory.append(MemoryEvent(number, len(self.operators)))


def record_step(module: nn.Module, given: Inputs, options: LoadOptions) -> Recording:
    """The operators of forward, loss, backward and update. The module is as before afterwards."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    trains = wants_backward(options)
    stand_ins = StandIns(mode, options, trains)
    recorder = Recorder(stand_ins.of_stray)
    calls: dict[str, int] = {}
    wrap = _counting(recorder.places, calls)
    stage = Stage(module, stand_ins.of_tensor, _flag(module, options), wrap, stand_ins.of_stray)
    stand_ins.stage = stage
    fast = torch.backends.mha.get_fastpath_enabled()
    with raised(stage):
        torch.backends.mha.set_fastpath_enabled(fast)
        with mode, recorder, torch.set_grad_enabled(trains):
            trained = _run(module, given, options, stage, stand_ins, recorder)
            if trained and options.steps.optimizer not in (None, "none"):
                _update(options.steps.optimizer, trained, recorder)
        originals = {name: stored.original for name, stored in trained.items()}
        memory = list(recorder.memory)
    return Recording(recorder.operators, calls, _nodes(recorder.places, trained), originals, stage.names, memory)


def _run(
    module: nn.Module, given: Inputs, options: LoadOptions, stage: Stage, stand_ins: StandIns, recorder: Recorder
) -> dict[str, Stored]:
    """Forward, loss and backward; the parameters that hold a gradient. What the forward returned is given up."""
    arguments = converted(given, module, options.batch, stand_ins.of_shape, stand_ins.of_input)
    output = module(*arguments.args, **arguments.kwargs)
    loss = _loss_of(output, options)
    if loss == NO_LOSS:
        return {}
    wanted = {name: stored.stand_in for name, stored in stage.tensors.items() if stored.stand_in is not None}
    run_backward(recorder, output, loss, wanted, reentrant=True)  # type: ignore[arg-type]
    return {n: s for n, s in stage.tensors.items() if s.stand_in is not None and s.stand_in.grad is not None}


def _update(optimizer: Any, trained: Mapping[str, Stored], recorder: Recorder) -> None:
    """A late step of every parameter, one after another."""
    places = recorder.places
    for name, stored in trained.items():
        parameter = stored.stand_in
        assert parameter is not None
        places.path, places.phase = name.rpartition(".")[0], "update"
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


def _nodes(places: Places, trained: Mapping[str, Stored]) -> dict[str, int]:
    """Autograd nodes by the layer that made them; one more for each gradient that is kept."""
    found: dict[str, int] = {}
    owners: Sequence[str] = [path for path, _ in places._layer_of_node.values()]
    for path in (*owners, *(name.rpartition(".")[0] for name in trained)):
        found[path] = found.get(path, 0) + 1
    return found


def _counting(places: Places, calls: dict[str, int]) -> Callable[[nn.Module, str, Any], Any]:
    """Wraps each layer's forward so that the recorder knows which layer runs."""

    def wrap(layer: nn.Module, name: str, forward: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            outer, places.path = places.path, name
            places.inside += 1
            calls[name] = calls.get(name, 0) + 1
            try:
                return forward(*args, **kwargs)
            finally:
                places.path = outer
                places.inside -= 1

        return run

    return wrap


def as_it_runs(recorded: Recorded) -> Recorded:
    """A sum of gradients as it is outside a recording: autograd adds in place where nobody else holds the first."""
    if not recorded.adds_in_place:
        return recorded
    return replace(recorded, operator=torch.ops.aten.add_.Tensor)
