"""State of all kinds that a forward pass may hold, read and write: for checking that counting puts it back."""

from __future__ import annotations

import array
import collections
import functools
import io
import itertools
import os
import random
import sys
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

Touch = Callable[[Any, nn.Module, torch.Tensor], torch.Tensor]
WIDTH = 6


class OwnDict(dict):  # type: ignore[type-arg]
    """Counts how often it is asked."""

    asked = 0

    def __getitem__(self, key: Any) -> Any:
        self.asked += 1
        return super().__getitem__(key)


class OwnList(list):  # type: ignore[type-arg]
    """Has attributes of its own."""


class Slots:
    """Two slots, of which one is empty, and one that a base has."""

    __slots__ = ("__private", "empty", "tensor")

    def __init__(self) -> None:
        self.tensor, self.__private = torch.ones(WIDTH), [1]

    def touch(self) -> None:
        self.empty = self.tensor * 2
        self.tensor.add_(1)
        self.__private.append(2)


class SlotsAndMore(Slots):
    """Slots and a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.more: dict[str, Any] = {}


@dataclass
class Record:
    """A dataclass with a tensor and a list."""

    scale: torch.Tensor = field(default_factory=lambda: torch.ones(WIDTH))
    seen: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    """Cannot be assigned to, but what it holds can be changed."""

    scale: torch.Tensor = field(default_factory=lambda: torch.ones(WIDTH))
    seen: list[Any] = field(default_factory=list)


class Pair(NamedTuple):
    """A tuple of a tensor and a list."""

    scale: torch.Tensor
    seen: list[Any]


class Guarded:
    """Refuses what does not go through its own methods."""

    def __init__(self) -> None:
        object.__setattr__(self, "values", {"n": 0})

    def __setattr__(self, name: str, value: Any) -> None:
        self.values[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "values")[name]
        except KeyError:
            raise AttributeError(name) from None


class Counted:
    """Counts in its class."""

    total = 0
    table: dict[str, Any] = {}  # noqa: RUF012
    last: Any = None


class Cycle:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me, self.n = self, 0


class Silent(TorchDispatchMode):
    """A mode of the user's."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


NUMBER = 0
TABLE: dict[str, Any] = {"scale": torch.ones(WIDTH), "seen": []}
OUTSIDE = nn.Parameter(torch.ones(WIDTH))
CONTEXT: ContextVar[int] = ContextVar("CONTEXT", default=0)


@functools.lru_cache
def table_of(width: int) -> torch.Tensor:
    """A tensor that is made once."""
    return torch.ones(width)


def closure() -> Callable[[torch.Tensor], torch.Tensor]:
    """A function with variables, defaults and attributes."""
    calls, scale, seen = 0, torch.ones(WIDTH), []

    def run(x: torch.Tensor, kept: list[Any] = [], *, named: list[Any] = []) -> torch.Tensor:  # noqa: B006
        nonlocal calls, scale
        calls += 1
        kept.append(x)
        named.append(x)
        seen.append(calls)
        run.calls = calls  # type: ignore[attr-defined]
        scale = scale + 1
        return x * scale

    return run


def _list(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.append(x)
    h[0].mul_(2.0)
    return x + h[0]


def _nested(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h["a"]["b"].append({"x": x})
    h["new"] = x
    h.pop("old", None)
    return x * h["a"]["t"]


def _ordered(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.move_to_end("first")
    h["more"] = x
    return x + h["first"]


def _own_dict(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.added = x
    return x + h["t"]


def _own_list(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.last = x
    h.reverse()
    h.append(x)
    return x


def _deque(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.rotate(1)
    h.append(x)
    return x


def _set(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.add(len(h))
    h.discard("a")
    return x


def _slots(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.touch()
    return x + h.tensor


def _more(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.touch()
    h.more["x"] = x
    h.another = 1
    return x


def _record(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.scale.add_(1)
    h.seen.append(x)
    if isinstance(h, Record):
        h.scale = h.scale * 2
    return x * h.scale


def _space(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.n, h.x = h.n + 1, x
    return x


def _guarded(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.n = h.n + 1
    h.x = x
    return x


def _bytes(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.extend(b"more")
    h[0] = 7
    return x


def _file(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.write(b"more")
    return x


def _text(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.read(1)
    h.write("more")
    return x


def _array(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h[0] += 1
    return x * float(h[0])


def _draw(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x * h.random()


def _generator(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x + torch.randn(WIDTH, generator=h)


def _next(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x * float(next(h))


def _pairs(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h[0].add_(1)
    h[1].append(x)
    return x + h[0]


def _call(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return h(x)


def _partial(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.args[0].append(x)
    h.keywords["other"].add_(1)
    return h(x)


def _class(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.total += 1
    h.table.setdefault("t", torch.ones(WIDTH))
    h.last = h.added = x
    return x + h.table["t"]


def _global(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    global NUMBER  # noqa: PLW0603
    NUMBER += 1
    TABLE["seen"].append(x)
    TABLE[str(len(TABLE))] = x
    return x * TABLE["scale"].add_(1)


def _outside(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x * OUTSIDE * h[0]


def _context(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    CONTEXT.set(CONTEXT.get() + 1)
    return x


def _cached(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x * table_of(WIDTH)


def _weak(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h[m] = 1
    return x


def _counter(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h["calls"] += 1
    return x


def _default(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h["seen"].append(x)
    return x


def _chained(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h["n"] = x
    return x


def _users(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.data.append(x) if isinstance(h, collections.UserList) else h.update(x=x)
    return x


def _hook(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.append(m.register_forward_hook(lambda *_: None))
    m.register_full_backward_pre_hook(lambda *_: None)
    if x.requires_grad:
        x.register_hook(h.append)
    return x


def _members(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    m.register_buffer(f"made{len(m._buffers)}", torch.ones(WIDTH))
    m.register_parameter(f"learned{len(m._parameters)}", nn.Parameter(torch.ones(WIDTH)))
    m.add_module(f"inner{len(m._modules)}", nn.Linear(2, 2))
    m.training = not m.training
    return x


def _replaced(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    for name, buffer in list(m.named_buffers(recurse=False)):
        setattr(m, name, buffer * 2)
    for parameter in m.parameters(recurse=False):
        parameter.requires_grad_(False)
        parameter.data = parameter.data * 2
    m.__dict__.pop("removed", None)
    return x


def _module_kept(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.append(h[0])
    h[0].weight.data.mul_(2.0)
    h[0].bias = None
    h[0].eval()
    return h[0](x)


def _script(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return h(x)


class _Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.register_buffer("total", torch.zeros(WIDTH))
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.total = self.total + 1
        return self.linear(x) + self.total


def _scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(_Counting())


def _thread(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    found: list[Any] = []

    def run() -> None:
        h.append(x)
        found.append(x * 2.0)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def _local(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.n = 1
    return x


def _of_torch(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("medium")
    torch.set_printoptions(precision=9)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.distributions.Distribution.set_default_validate_args(False)
    torch.set_num_threads(2)
    return x


def _of_backends(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    torch.backends.mha.set_fastpath_enabled(False)
    torch.backends.cuda.enable_flash_sdp(False)
    torch.set_autocast_cache_enabled(False)
    torch.set_autocast_enabled("cpu", True)
    return x


def _entered(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    torch.autocast("cpu", torch.bfloat16).__enter__()
    return x


def _grad_off(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    torch.set_grad_enabled(False)
    return x


def _anomaly(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    torch.autograd.set_detect_anomaly(True, check_nan=False)
    return x


def _device(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    torch.set_default_device("cpu")
    return x


def _mode(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h.append(Silent())
    h[-1].__enter__()
    return x


def _of_python(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    warnings.simplefilter("ignore")
    sys.path.append("/nowhere")
    os.environ["NNCOST_TESTS"] = "1"
    sys.setrecursionlimit(sys.getrecursionlimit() + 1)
    sys.setprofile(None)
    return x


def _seeded(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    return x + torch.rand(WIDTH)


def _global_hook(h: Any, m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    nn.modules.module.register_module_forward_hook(lambda *_: None)
    return x


KINDS: dict[str, tuple[Callable[[], Any], Touch]] = {
    "list": (lambda: [torch.ones(WIDTH)], _list),
    "nested": (lambda: {"a": {"b": [], "t": torch.ones(WIDTH)}, "old": 1}, _nested),
    "ordered": (lambda: collections.OrderedDict(first=torch.ones(WIDTH), second=2), _ordered),
    "own dict": (lambda: OwnDict(t=torch.ones(WIDTH)), _own_dict),
    "own list": (lambda: OwnList([1, torch.ones(2), 3]), _own_list),
    "deque": (lambda: collections.deque([1, torch.ones(2), 3], maxlen=3), _deque),
    "set": (lambda: {"a", "b"}, _set),
    "slots": (Slots, _slots),
    "slots and more": (SlotsAndMore, _more),
    "dataclass": (Record, _record),
    "frozen dataclass": (Frozen, _record),
    "named tuple": (lambda: Pair(torch.ones(WIDTH), []), _pairs),
    "namespace": (lambda: types.SimpleNamespace(n=0), _space),
    "guarded": (Guarded, _guarded),
    "cycle": (Cycle, _space),
    "bytearray": (lambda: bytearray(b"some"), _bytes),
    "file": (lambda: io.BytesIO(b"something"), _file),
    "text": (lambda: io.StringIO("something"), _text),
    "numpy": (lambda: np.ones(3), _array),
    "array": (lambda: array.array("d", [1.0, 2.0]), _array),
    "random": (lambda: random.Random(3), _draw),
    "numpy's generator": (lambda: np.random.default_rng(3), _draw),
    "numpy's old generator": (lambda: np.random.RandomState(3), _draw),
    "torch's generator": (lambda: torch.Generator().manual_seed(3), _generator),
    "count": (lambda: itertools.count(2), _next),
    "iterator": (lambda: iter([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0] * 9), _next),
    "cycled": (lambda: itertools.cycle([1, 2, 3]), _next),
    "closure": (closure, _call),
    "partial": (lambda: functools.partial(lambda seen, x, other: x + other, [], other=torch.ones(WIDTH)), _partial),
    "class": (lambda: Counted, _class),
    "instance": (Counted, _class),
    "global": (lambda: None, _global),
    "parameter outside": (lambda: [nn.Parameter(torch.ones(WIDTH))], _outside),
    "context": (lambda: None, _context),
    "cache": (lambda: None, _cached),
    "weak": (weakref.WeakKeyDictionary, _weak),
    "counter": (collections.Counter, _counter),
    "default": (lambda: collections.defaultdict(list), _default),
    "chained": (lambda: collections.ChainMap({"n": 1}, {"m": 2}), _chained),
    "user's dict": (lambda: collections.UserDict(a=1), _users),
    "user's list": (lambda: collections.UserList([1]), _users),
    "hook": (list, _hook),
    "members": (lambda: None, _members),
    "replaced": (lambda: None, _replaced),
    "module": (lambda: [nn.Linear(WIDTH, WIDTH)], _module_kept),
    "script": (_scripted, _script),
    "thread": (list, _thread),
    "local": (threading.local, _local),
    "torch's switches": (lambda: None, _of_torch),
    "back ends": (lambda: None, _of_backends),
    "entered": (lambda: None, _entered),
    "gradients off": (lambda: None, _grad_off),
    "anomaly": (lambda: None, _anomaly),
    "device": (lambda: None, _device),
    "mode": (list, _mode),
    "python": (lambda: None, _of_python),
    "seeded": (lambda: None, _seeded),
    "global hook": (lambda: None, _global_hook),
}


class Stateful(nn.Module):
    """Holds something of some kinds, and touches each whenever it runs."""

    def __init__(self, kinds: list[str]) -> None:
        super().__init__()
        self.kinds, self.removed = kinds, 1
        self.held = {kind: KINDS[kind][0]() for kind in kinds}
        self.register_buffer("steps", torch.zeros(WIDTH))
        self.scale = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for kind in self.kinds:
            x = KINDS[kind][1](self.held[kind], self, x)
        return x * self.scale + self.steps
