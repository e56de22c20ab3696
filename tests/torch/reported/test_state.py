"""Objects of the user's own that a count meets: read as they are, and left as they were."""

from __future__ import annotations

import io
import sys
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nncost
from tests.torch.fingerprint import no_trace

TRAINING = pytest.mark.parametrize(
    "settings", [{}, {"loss": "sum"}, {"loss": "sum", "optimizer": "adamw"}], ids=["forward", "loss", "training"]
)


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def _quietly(make: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def loaded() -> nn.Module:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(perceptron()), file)
    file.seek(0)
    return torch.jit.load(file)


SCRIPTS: dict[str, Callable[[], nn.Module]] = {
    "scripted": lambda: torch.jit.script(perceptron()),
    "traced": lambda: torch.jit.trace(perceptron(), torch.ones(3, 8)),
    "loaded": loaded,
    "frozen": lambda: torch.jit.freeze(torch.jit.script(perceptron().eval())),
    "script inside": lambda: nn.Sequential(torch.jit.script(nn.Sequential(nn.Linear(8, 16), nn.ReLU())), nn.Linear(16, 4)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:`torch.jit")
@TRAINING
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(name: str, settings: dict[str, Any]) -> None:
    if name == "frozen" and settings:
        pytest.skip("it has no parameters left")
    module = _quietly(SCRIPTS[name])
    with no_trace(module):
        report = nncost.count(module, (3, 8), **settings)
    assert report.forward.macs == 3 * (128 + 64)
    assert type(module(torch.randn(3, 8))) is torch.Tensor
    if isinstance(module, torch.jit.ScriptModule):
        _quietly(lambda: torch.jit.save(module, io.BytesIO()))


class Own(OrderedDict):  # type: ignore[type-arg]
    """A dictionary of the user's own class."""


@TRAINING
def test_parameters_in_a_dictionary_of_an_own_class(settings: dict[str, Any]) -> None:
    module = nn.Linear(4, 4)
    module._parameters = Own(module._parameters)
    with no_trace(module):
        assert nncost.count(module, (2, 4), **settings).forward.macs == 32
    assert {type(parameter) for parameter in module.parameters()} == {nn.Parameter}


# ------------------------------------------------------------------- objects among the inputs
class Cache:
    """Keys and values of earlier steps."""

    def __init__(self, length: int, width: int) -> None:
        self.keys, self.steps = torch.zeros(1, length, width), 0

    def update(self, keys: torch.Tensor) -> torch.Tensor:
        self.keys, self.steps = torch.cat([self.keys, keys], 1), self.steps + 1
        return self.keys


class Decoder(nn.Module):
    """Attends to all that a cache holds."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor, cache: Any, *, again: bool = False) -> torch.Tensor:
        caches = cache if isinstance(cache, (list, tuple)) else cache.values() if isinstance(cache, dict) else [cache]
        for one in caches:
            keys = one.update(self.key(x))
            x = self.query(x) @ keys.transpose(1, 2) @ keys
        return x


@TRAINING
@pytest.mark.parametrize("length", [1, 8])
@pytest.mark.parametrize(
    "held", [lambda c: c, lambda c: [c], lambda c: (c,), lambda c: {"c": c}], ids=("itself", "list", "tuple", "dict")
)
def test_a_cache_among_the_inputs(held: Callable[[Any], Any], length: int, settings: dict[str, Any]) -> None:
    module, cache = Decoder(4), Cache(length, 4)
    given = (torch.ones(1, 2, 4), held(cache))
    with no_trace(module, *given):
        counts = [nncost.count(module, given, **settings).forward.macs for _ in range(3)]
    assert counts == [2 * 2 * 16 + 2 * 2 * (length + 2) * 4] * 3
    assert (cache.steps, type(cache.keys)) == (0, torch.Tensor)


# ------------------------------------------------------------------- parameters outside the module
@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("training", [True, False])
def test_a_network_inside_the_loss(filled: bool, training: bool) -> None:
    critic = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 1, bias=False)).train(training)
    if filled:
        critic(torch.ones(2, 4)).sum().backward()
    module = nn.Linear(4, 4, bias=False)

    def loss(output: torch.Tensor) -> torch.Tensor:
        return -critic(output).mean()

    with no_trace(module, critic, loss):
        report = nncost.count(module, (2, 4), loss=loss, optimizer="sgd")
    # Forward 32 + 32 + 8; the gradients of three matrices and of two inputs.
    assert report.step.macs == 72 + 72 + 40


class Listed(nn.Module):
    """A parameter where PyTorch does not find it."""

    def __init__(self, held: Callable[[nn.Parameter], Any]) -> None:
        super().__init__()
        self.dense, self.held = nn.Linear(4, 4, bias=False), held(nn.Parameter(torch.randn(4, 4)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.held
        while not isinstance(found, torch.Tensor):
            found = found() if callable(found) else next(iter(found.values())) if isinstance(found, dict) else found[0]
        return self.dense(x) @ found


HELD: dict[str, Callable[[nn.Parameter], Any]] = {
    "list": lambda p: [p],
    "tuple": lambda p: (p,),
    "dictionary": lambda p: {"p": p},
    "list in a tuple": lambda p: ([p],),
    "closure": lambda p: lambda: p,
}


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("name", HELD)
def test_a_parameter_in_a_plain_container(name: str, filled: bool) -> None:
    module = Listed(HELD[name])
    if filled:
        module(torch.ones(2, 4)).sum().backward()
    with no_trace(module):
        report = nncost.count(module, (2, 4), loss="sum")
    assert (report.forward.macs, report.backward.macs) == (64, 96)


class Moves(nn.Module):
    """Moves and converts its own layers while it runs."""

    def __init__(self, how: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self.first, self.second, self.how = nn.Linear(8, 8), nn.Linear(8, 4), how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.second = self.how(self.second)
        return self.second(self.first(x))


@TRAINING
@pytest.mark.parametrize(
    "how", [lambda m: m.to(torch.float32), lambda m: m.float(), lambda m: m.cpu(), lambda m: m.to("cpu")]
)
def test_layers_that_are_moved_in_forward(how: Callable[[nn.Module], nn.Module], settings: dict[str, Any]) -> None:
    module = Moves(how)
    with no_trace(module):
        assert nncost.count(module, (2, 8), **settings).forward.macs == 128 + 64


@TRAINING
def test_offloaded_parameters(settings: dict[str, Any]) -> None:
    accelerate = pytest.importorskip("accelerate")
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    accelerate.cpu_offload(module, execution_device=torch.device("cpu"))
    assert nncost.count(module, (2, 4), **settings).forward.macs == 2 * (32 + 24)
    assert type(module(torch.randn(2, 4))) is torch.Tensor
    assert {parameter.device.type for parameter in module.parameters()} == {"meta"}


# ------------------------------------------------------------------- files
LAZY = '''
import torch
from torch import nn


class Missing:
    """A package that is not installed says so whenever it is touched."""

    def __getattr__(self, name):
        raise ImportError("not installed")

    def __len__(self):
        raise ImportError("not installed")

    def __bool__(self):
        raise ImportError("not installed")


missing = Missing()
AVAILABLE = False


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(4, 4)

    def forward(self, x):
        return missing.run(x) if AVAILABLE else self.dense(x)
'''


@TRAINING
def test_a_global_name_that_raises_when_it_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    module = types.ModuleType("lazy_net")
    module.__file__ = str(tmp_path / "lazy_net.py")
    monkeypatch.setitem(sys.modules, "lazy_net", module)
    exec(LAZY, vars(module))
    net = module.Net()
    with no_trace(net):
        assert nncost.count(net, (2, 4), **settings).forward.macs == 32
