"""After a count the model, the random state and the process are as before, also when something raises."""

from __future__ import annotations

import gc
import operator
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import nncost
from nncost.errors import NncostError
from tests.torch.fingerprint import no_trace

SHAPE = (4, 8)


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Modules that are imported by the first count, and what they set, stay."""
    nncost.count(nn.Linear(8, 8), SHAPE, loss="sum", optimizer="adamw")


class Memory:
    """An object of the user's own."""

    def __init__(self) -> None:
        self.seen: list[Any] = []


class Everything(nn.Module):
    """Writes wherever a forward pass can write."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.5)
        self.tied = nn.Linear(8, 8)
        self.tied.weight = self.first.weight
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(3)])
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("table", torch.randn(8), persistent=False)
        self.calls = 0
        self.seen: list[Any] = []
        self.nested: dict[str, Any] = {"seen": [], "deeper": {"sum": torch.zeros(8), "names": {"a"}}}
        self.memory = Memory()
        self.pair = (torch.zeros(8), "a name")
        self.last = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.steps += 1
        self.last = x = self.drop(self.norm(self.first(x)))
        self.seen.append(x)
        self.nested["seen"].append(x)
        self.nested["deeper"]["names"].add("b")
        self.nested["new"] = x
        self.memory.seen.append(x)
        self.another = x
        for block in self.blocks:
            x = x + block(x)
        self.nested["deeper"]["sum"].add_(1)
        self.table.mul_(2)
        self.pair[0].add_(1)
        return self.frozen(self.tied(x)) + self.table + torch.randn(8)


def everything() -> nn.Module:
    return Everything()


def mid_training() -> nn.Module:
    module = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 8))
    module(torch.randn(4, 8)).sum().backward()
    return module


def hooked() -> nn.Module:
    module = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    module.register_forward_pre_hook(lambda layer, args: None)
    module[0].register_forward_hook(lambda layer, args, output: output * 2)
    module[2].register_full_backward_hook(lambda layer, inputs, outputs: None)
    module[0].weight.register_hook(lambda gradient: gradient)
    return module


def parametrized() -> nn.Module:
    weighted = torch.nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
    return nn.Sequential(weighted, torch.nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)))


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.ReLU()))


def jit_traced() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), torch.randn(4, 8))


def exported() -> nn.Module:
    return torch.export.export(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), (torch.randn(4, 8),)).module()


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.BatchNorm1d(8))


def compiled() -> nn.Module:
    module = torch.compile(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Dropout()), backend="eager")
    module(torch.randn(4, 8))
    return module


MODELS: dict[str, Callable[[], nn.Module]] = {
    "everything": everything,
    "evaluated": lambda: everything().eval(),
    "mid training": mid_training,
    "hooked": hooked,
    "parametrized": parametrized,
    "scripted": scripted,
    "jit traced": jit_traced,
    "graph": lambda: torch.fx.symbolic_trace(nn.Sequential(nn.Linear(8, 8), nn.ReLU())),
    "exported": exported,
    "compiled": compiled,
    "data parallel": lambda: nn.DataParallel(nn.Sequential(nn.Linear(8, 8), nn.ReLU())),
    "meta": on_meta,
    "half": lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU()).to(torch.bfloat16),
    "attention": lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(),
    "recurrent": lambda: nn.LSTM(8, 8),
}
WAYS: dict[str, dict[str, Any]] = {
    "forward": {},
    "loss": {"loss": "squared_error"},
    "optimizer": {"loss": "sum", "optimizer": "adamw"},
    "frozen": {"loss": "sum", "freeze": "0.*"},
    "derived": {"loss": "sum", "backward": "derived"},
    "inference": {"mode": "inference"},
    "convention": {"convention": "torch"},
    "batch": {"batch": 3},
}


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_counting_leaves_no_trace(name: str, way: str) -> None:
    module, options = MODELS[name](), dict(WAYS[way])
    if name in ("everything", "evaluated") and way == "frozen":
        options["freeze"] = "first"
    if name in ("data parallel", "attention", "recurrent", "exported") and way == "frozen":
        options["freeze"] = "*"
    with no_trace(module):
        try:
            nncost.count(module, SHAPE, **options)
        except NncostError as error:
            assert way in ("derived", "frozen", "convention"), error
        except AssertionError:
            assert (name, way) == ("exported", "batch")  # it holds for its own batch alone


def test_the_user_may_go_on_training() -> None:
    module = mid_training()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    optimizer.step()
    with no_trace(module, optimizer):
        nncost.count(module, SHAPE, loss="squared_error", optimizer=optimizer)
    before = module[0].weight.detach().clone()
    optimizer.step()
    assert not torch.equal(before, module[0].weight)


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, foreach=True, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, fused=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, centered=True),
    "adagrad": torch.optim.Adagrad,
    "radam": torch.optim.RAdam,
    "nadam": torch.optim.NAdam,
    "asgd": torch.optim.ASGD,
    "rprop": torch.optim.Rprop,
    "adamax": torch.optim.Adamax,
    "adadelta": torch.optim.Adadelta,
}


@pytest.mark.parametrize("stepped", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_are_not_touched(name: str, stepped: bool) -> None:
    module = mid_training()
    optimizer = OPTIMIZERS[name](module.parameters())
    optimizer.register_step_pre_hook(lambda *_: None)
    if stepped:
        optimizer.step()
    with no_trace(module, optimizer):
        assert nncost.count(module, SHAPE, loss="sum", optimizer=optimizer).update.mul > 0


# ------------------------------------------------------------------- failures
class Stop(Exception):  # noqa: N818
    """The user's own."""


class RaisesBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        raise Stop


class Raises(nn.Module):
    """Raises in the last of three blocks, after all have written."""

    def __init__(self, error: Callable[[], BaseException]) -> None:
        super().__init__()
        self.inner = Everything()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.inner(x)
        raise self.error()


class Gradient(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Everything()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(RaisesBackward.apply(self.inner(x)))


def _raising(*_: Any) -> Any:
    raise Stop


def raising_hook() -> nn.Module:
    module = nn.Sequential(Everything(), nn.Linear(8, 8))
    module[1].register_forward_hook(_raising)
    return module


def raising_gradient_hook() -> nn.Module:
    module = nn.Sequential(Everything(), nn.Linear(8, 8))
    module[1].register_full_backward_hook(_raising)
    return module


class RaisingOptimizer(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        raise Stop


FAILURES: dict[str, tuple[Callable[[], nn.Module], Any, dict[str, Any], type[BaseException]]] = {
    "forward": (lambda: Raises(Stop), SHAPE, {}, Stop),
    "in training": (lambda: Raises(Stop), SHAPE, {"loss": "sum"}, Stop),
    "interrupted": (lambda: Raises(KeyboardInterrupt), SHAPE, {"loss": "sum"}, KeyboardInterrupt),
    "ended": (lambda: Raises(SystemExit), SHAPE, {}, SystemExit),
    "out of memory": (lambda: Raises(MemoryError), SHAPE, {}, MemoryError),
    "hook": (raising_hook, SHAPE, {}, Stop),
    "gradient": (Gradient, SHAPE, {"loss": "sum"}, Stop),
    "gradient hook": (raising_gradient_hook, SHAPE, {"loss": "sum"}, Stop),
    "loss": (Everything, SHAPE, {"loss": _raising}, Stop),
    "optimizer": (Everything, SHAPE, {"loss": "sum", "optimizer": RaisingOptimizer}, Stop),
    "shapes": (Everything, (4, 9), {}, RuntimeError),
    "types": (Everything, "4x8:int64", {}, RuntimeError),
    "freeze": (Everything, SHAPE, {"freeze": "nothing"}, NncostError),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(3)), SHAPE, {}, NncostError),
    "by values": (lambda: ByValues(Stop), SHAPE, {}, NncostError),
    "by values, given": (lambda: ByValues(Stop), "tensor", {"loss": "sum"}, Stop),
}


class ByValues(nn.Module):
    """Its control flow depends on values, so it runs on real ones."""

    def __init__(self, error: Callable[[], BaseException] | None = None) -> None:
        super().__init__()
        self.inner = Everything()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.inner(x)
        if x.sum() > -1e9 and self.error is not None:
            raise self.error()
        return x[x > 0] * 2


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_leaves_no_trace(name: str) -> None:
    build, inputs, options, expected = FAILURES[name]
    module = build()
    given = torch.randn(SHAPE) if inputs == "tensor" else inputs
    with no_trace(module), pytest.raises(expected) as raised:
        nncost.count(module, given, **options)
    if expected is Stop and name not in ("loss", "optimizer", "gradient", "gradient hook"):
        assert any("nncost: in layer" in note or "own forward" in note for note in raised.value.__notes__)


@pytest.mark.parametrize("way", ["forward", "loss", "optimizer"])
def test_real_values_leave_no_trace(way: str) -> None:
    module, inputs = ByValues(), torch.randn(SHAPE)
    with no_trace(module):
        assert nncost.count(module, inputs, **WAYS[way]).forward.mul > 0
    assert inputs._version == 0


def test_inputs_are_not_touched() -> None:
    class Writes(nn.Module):
        def forward(self, x: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
            x.mul_(2)
            options["seen"].append(x)
            return x

    inputs, options = torch.ones(SHAPE), {"seen": []}
    nncost.count(Writes(), (inputs, options))
    assert inputs._version == 0
    assert torch.equal(inputs, torch.ones(SHAPE))
    assert options == {"seen": []}


# ------------------------------------------------------------------- inside the user's own modes
class Watching(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class WatchingFunctions(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


AROUND: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "no grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "dispatch": Watching,
    "functions": WatchingFunctions,
    "meta": lambda: torch.device("meta"),
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True, check_nan=False),
    "float64": default_dtype,
    "forked": torch.random.fork_rng,
}


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("way", ["forward", "optimizer"])
@pytest.mark.parametrize("around", AROUND)
def test_inside_the_users_own_modes(around: str, way: str) -> None:
    plain = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2))
    expected = nncost.count(plain, SHAPE, **WAYS[way])
    for module in (plain, Everything()):
        with AROUND[around](), no_trace(module):
            report = nncost.count(module, SHAPE, **WAYS[way])
    with AROUND[around]():
        report = nncost.count(plain, SHAPE, **WAYS[way])
    assert report.forward.macs == expected.forward.macs
    assert report.backward.macs == expected.backward.macs
    assert report.update.mul == expected.update.mul


def test_under_a_fake_mode_of_the_users() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    mode = FakeTensorMode()
    with mode:
        module = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    with no_trace(module), mode:
        report = nncost.count(module, SHAPE, loss="sum")
    assert (report.forward.macs, report.backward.macs) == (256, 256)


@lru_cache
def triangle(size: int) -> torch.Tensor:
    return torch.ones(size, size).tril()


TABLES: dict[int, torch.Tensor] = {}
table: Any = None


class Caches(nn.Module):
    """Keeps tensors where every instance, or every function of the file, finds them again."""

    shared: dict[str, Any] = {}  # noqa: RUF012
    calls = 0
    last: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(8, 8)

    @staticmethod
    @lru_cache
    def ones(size: int) -> torch.Tensor:
        return torch.ones(size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        global table  # noqa: PLW0603
        Caches.calls += 1
        Caches.last = Caches.added = x
        TABLES.setdefault(8, torch.zeros(8))
        self.shared.setdefault("scale", torch.ones(8))
        table = torch.ones(8) if table is None else table
        return self.dense(x) @ triangle(8) * self.ones(8) + TABLES[8] + self.shared["scale"] + table


@pytest.mark.parametrize("filled", [False, True])
def test_caches_hold_no_stand_ins(filled: bool) -> None:
    module = Caches()
    if filled:
        module(torch.randn(SHAPE))
    before = Caches.calls, Caches.last, dict(Caches.shared), dict(TABLES), table
    with no_trace(module):
        assert nncost.count(module, SHAPE, loss="sum").forward.macs == 2 * 4 * 64
    after = Caches.calls, Caches.last, dict(Caches.shared), dict(TABLES), table
    assert all(map(operator.is_, before[:2], after[:2]))
    assert [list(map(id, d.values())) for d in before[2:4]] == [list(map(id, d.values())) for d in after[2:4]]
    assert before[4] is after[4]
    assert hasattr(Caches, "added") is filled
    assert type(module(torch.randn(SHAPE))) is torch.Tensor


def test_the_model_is_let_go() -> None:
    module = Everything()
    gone = weakref.ref(module), weakref.ref(module.first.weight)
    report = nncost.count(module, SHAPE, loss="sum", optimizer="adamw")
    del module
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    assert report.complete
