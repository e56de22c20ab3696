"""Random modules that hold and change state of all kinds, stopped at a random place: everything is as before.

``NNCOST_TRIALS`` asks for a multiple of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

import nncost
from nncost.errors import NncostError, OptionError
from tests.torch.fingerprint import no_trace
from tests.torch.stateful import KINDS, Stateful
from tests.torch.tracing.random_modules import WIDTH, Network
from tests.trials import trials

EXAMPLES = trials(60)


class Stop(Exception):  # noqa: N818
    """The user's own."""


class StopAll(BaseException):
    """The user's own, which is no Exception."""


STOPS: tuple[type[BaseException], ...] = (
    Stop, StopAll, KeyboardInterrupt, SystemExit, MemoryError, RuntimeError, ValueError, NotImplementedError,
    StopIteration, GeneratorExit,
)  # fmt: skip


class RaisesAt(TorchFunctionMode):
    """Raises at the n-th function of PyTorch's that is called inside."""

    def __init__(self, left: int, stop: type[BaseException]) -> None:
        super().__init__()
        self.left, self.stop = left, stop

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.left -= 1
        if self.left == 0:
            raise self.stop
        return func(*args, **(kwargs or {}))


class Subject(nn.Module):
    """A random network between layers with state; the forward, the backward or the update may raise."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = random.Random(seed)
        kinds = sorted(KINDS)
        self.before = Stateful(draw.sample(kinds, draw.randint(1, 3)))
        self.inner = Network(seed) if draw.random() < 0.7 else nn.Linear(WIDTH, WIDTH)
        self.after = nn.Sequential(*(Stateful([draw.choice(kinds)]) for _ in range(2)))
        self.stop = draw.choice(STOPS)
        self.place = draw.choice(("nowhere", "forward", "forward", "backward", "hook"))
        self.left = draw.randint(1, 25)
        if self.place == "hook":
            self.after[0].register_forward_hook(self._raising)

    def _raising(self, *_: Any) -> None:
        raise self.stop

    def forward(self, x: torch.Tensor) -> Any:
        if self.place == "forward":
            with RaisesAt(self.left, self.stop):
                return self.run(x)
        return self.run(x)

    def run(self, x: torch.Tensor) -> Any:
        x = self.before(x)
        if self.place == "backward" and x.requires_grad:
            x.register_hook(self._raising)
        x = self.inner(x)
        if isinstance(x, dict):
            x = list(x.values())
        return self.after(x[0] if isinstance(x, list) else x)


class OwnOptimizer(torch.optim.SGD):
    """Keeps a history, an average of its own, and a number in its class."""

    steps = 0

    def __init__(self, params: Any) -> None:
        super().__init__(params, lr=0.1, momentum=0.9)
        self.history: list[Any] = []
        self.average = torch.zeros(())

    def step(self, closure: Any = None) -> Any:
        type(self).steps += 1
        self.history.append(len(self.state))
        self.average.add_(1)
        return super().step(closure)


def settings_of(module: nn.Module, draw: random.Random) -> dict[str, Any]:
    """How it is counted: options of count."""
    optimizers: tuple[Callable[[], Any], ...] = (
        lambda: None, lambda: "adamw", lambda: OwnOptimizer, lambda: OwnOptimizer(module.parameters()),
        lambda: torch.optim.Adam(module.parameters()),
    )  # fmt: skip
    settings: dict[str, Any] = draw.choice(
        ({}, {"loss": "sum"}, {"loss": "sum", "optimizer": draw.choice(optimizers)()})
    )
    return {**settings, "reuse": draw.random() < 0.7}


WAYS: dict[str, Callable[..., Any]] = {
    "count": nncost.count,
    "fvcore": lambda module, inputs, **settings: nncost.count(module, inputs, convention="fvcore"),
    "torch": lambda module, inputs, **settings: nncost.count(module, inputs, convention="torch"),
    "predict": lambda module, inputs, **settings: nncost.predict(
        module, inputs, on="h100", **{name: value for name, value in settings.items() if name != "reuse"}
    ),
}
FEWER = ("count", "count", "count", "fvcore", "torch", "predict")


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Modules that are imported by the first count, and what they set, stay."""
    for way in WAYS.values():
        way(nn.Linear(WIDTH, WIDTH), (2, 5, WIDTH), loss="sum", optimizer="adamw")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_state_of_each_kind(kind: str, training: bool) -> None:
    module = nn.Sequential(Stateful([kind]), nn.Linear(WIDTH, WIDTH))
    settings = {"loss": "sum", "optimizer": "sgd"} if training else {}
    with no_trace(module), suppress(OptionError):  # without gradients nothing is trained
        nncost.count(module, (2, 5, WIDTH), **settings)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_everything_is_as_before(seed: int) -> None:
    draw = random.Random(-seed)
    module = Subject(seed)
    settings, way = settings_of(module, draw), draw.choice(FEWER)
    inputs = (2, 5, WIDTH) if draw.random() < 0.7 else (torch.randn(2, 5, WIDTH),)
    with no_trace(module, settings, inputs):  # noqa: SIM117
        with suppress(*STOPS, NncostError):
            WAYS[way](module, inputs, **settings)
