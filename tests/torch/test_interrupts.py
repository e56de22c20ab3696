"""Ctrl-C during a count, and counts in other threads: all is as before, and the interrupt arrives."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.frontends.torch.step.state.guard import StateGuard
from tests.torch.fingerprint import no_trace
from tests.torch.stateful import Stateful

KINDS = ["list", "slots", "class", "torch's switches", "script", "random", "closure"]
SHAPE = (2, 5, 6)


class Deep(nn.Module):
    """Many layers, and state of several kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Sequential(nn.Linear(6, 6), nn.Tanh()) for _ in range(40)))
        self.state = Stateful(KINDS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(self.state(x))


def press() -> None:
    """Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    nncost.count(Deep(), SHAPE, loss="sum", optimizer="adamw")


@pytest.fixture(autouse=True)
def _no_callbacks() -> Iterator[None]:
    """An interrupt inside a callback of the garbage collector, of which hypothesis has one, is lost."""
    callbacks = list(gc.callbacks)
    gc.callbacks.clear()
    yield
    gc.callbacks[:] = callbacks


def interrupted_after(seconds: float, run: Callable[[], object]) -> bool:
    """Run something while another thread presses Ctrl-C at some moment; whether it was stopped."""
    timer = threading.Timer(seconds, press)
    done = False
    try:
        timer.start()
        run()
        done = True
        timer.join()
        time.sleep(0.05)
    except KeyboardInterrupt:
        timer.join()
    return not done


@pytest.mark.parametrize("part", range(12))
def test_an_interrupt_at_any_moment(part: int) -> None:
    module = Deep()

    def count() -> None:
        nncost.count(module, SHAPE, loss="sum", optimizer="adamw", reuse=False)

    start = time.perf_counter()
    count()
    whole = time.perf_counter() - start
    with no_trace(module):
        interrupted_after(whole * part / 12, count)


class Presses(nn.Module):
    """Ctrl-C arrives in its forward pass, or in the backward pass."""

    def __init__(self, *, backward: bool) -> None:
        super().__init__()
        self.inner, self.backward = Deep(), backward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.inner(x)
        if self.backward:
            y.register_hook(lambda gradient: press())
        else:
            press()
        return self.inner(y)


@pytest.mark.parametrize("backward", [False, True])
def test_an_interrupt_of_the_models_own_code_arrives_there(backward: bool) -> None:
    module = Presses(backward=backward)
    with no_trace(module), pytest.raises(KeyboardInterrupt):
        nncost.count(module, SHAPE, loss="sum")


def test_an_interrupt_while_the_model_is_put_back_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    restore, done = StateGuard.restore, []

    def interrupted(guard: StateGuard) -> None:
        press()
        restore(guard)
        done.append(guard)

    module = Deep()
    with no_trace(module):
        monkeypatch.setattr(StateGuard, "restore", interrupted)
        with pytest.raises(KeyboardInterrupt):
            nncost.count(module, SHAPE)
        monkeypatch.undo()
    assert len(done) == 2  # the model's, and the optimizer's


def test_the_users_own_treatment_of_interrupts_is_asked() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    try:
        module = Presses(backward=False)
        with no_trace(module):
            assert nncost.count(module, SHAPE).forward.macs > 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert received
    assert set(received) == {signal.SIGINT}


@pytest.mark.parametrize("settings", [{}, {"loss": "sum", "optimizer": "adamw"}])
def test_counting_in_another_thread(settings: dict[str, Any]) -> None:
    module = Deep()
    expected = nncost.count(module, SHAPE, **settings).step.macs

    def counted(_: int) -> int:
        with no_trace(module):
            return nncost.count(module, SHAPE, **settings).step.macs

    with ThreadPoolExecutor(1) as pool:
        assert list(pool.map(counted, range(2))) == [expected, expected]


def test_counting_in_many_threads() -> None:
    module = Deep()
    with no_trace(module), ThreadPoolExecutor(4) as pool:
        counts = set(pool.map(lambda _: repr(nncost.count(module, SHAPE, loss="sum").to_dict()), range(8)))
    assert len(counts) == 1
