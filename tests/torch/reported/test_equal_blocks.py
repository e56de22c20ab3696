"""Blocks that look equal and are not, and blocks that are: counted the same whether each is analysed or one for all."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

import nncost
from tests.torch.fingerprint import no_trace

BOTH = pytest.mark.parametrize("reuse", [True, False], ids=["once", "each"])


class Plain(nn.Module):
    """A matrix and tanh."""

    def __init__(self, width: int = 8, *, bias: bool = False) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.dense(x))


# ------------------------------------------------------------------- frozen blocks
@BOTH
@pytest.mark.parametrize(("depth", "frozen"), [(4, 1), (6, 3), (5, 4)])
def test_the_first_blocks_are_frozen(depth: int, frozen: int, reuse: bool) -> None:
    module = nn.Sequential(*(Plain(8, bias=True) for _ in range(depth)))
    patterns = [f"[0-{frozen - 1}].*"]
    report = nncost.count(module, (3, 8), loss="sum", optimizer="sgd", freeze=patterns, reuse=reuse)
    trained = depth - frozen
    assert report.parameters.trainable == trained * 72
    # Each trained block has the gradient of its matrix; all but the first of them that of their input, too.
    assert report.backward.macs == (2 * trained - 1) * 3 * 64
    assert report.update.mul == trained * 72


@BOTH
def test_every_second_block_is_frozen(reuse: bool) -> None:
    module = nn.Sequential(*(Plain() for _ in range(6)))
    report = nncost.count(module, (3, 8), loss="sum", freeze=["1.*", "3.*", "5.*"], reuse=reuse)
    assert report.backward.macs == (3 + 5) * 3 * 64


# ------------------------------------------------------------------- checkpoints
class Checkpointed(nn.Module):
    """Blocks of which some are computed again."""

    def __init__(self, how: str, depth: int) -> None:
        super().__init__()
        self.blocks, self.how = nn.Sequential(*(Plain() for _ in range(depth))), how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "segments":
            return checkpoint_sequential(self.blocks, 2, x, use_reentrant=False)
        for number, block in enumerate(self.blocks):
            again = self.how == "all" or number % 2 == 1
            x = checkpoint(block, x, use_reentrant=False) if again else block(x)
        return x


@BOTH
@pytest.mark.parametrize(
    ("how", "depth", "again"), [("segments", 4, 2), ("segments", 6, 3), ("every second", 4, 2), ("all", 4, 4)]
)
def test_checkpoints_over_equal_blocks(how: str, depth: int, again: int, reuse: bool) -> None:
    report = nncost.count(Checkpointed(how, depth), (3, 8), loss="sum", reuse=reuse)
    assert report.forward.macs == depth * 192
    assert report.backward.macs == (2 * depth - 1 + again) * 192


# ------------------------------------------------------------------- steered from outside
MODE: ContextVar[int] = ContextVar("MODE", default=0)


class Steered(nn.Module):
    """Skips its layer as something outside says."""

    total = 0

    def __init__(self, by: str) -> None:
        super().__init__()
        self.dense, self.by = nn.Linear(4, 4, bias=False), by

    def runs(self) -> bool:
        if self.by == "random":
            return random.random() < 0.5
        if self.by == "numpy":
            return bool(np.random.rand() < 0.5)  # noqa: NPY002
        if self.by == "torch":
            return bool(torch.rand(()).item() < 0.5)
        if self.by == "context":
            MODE.set(MODE.get() + 1)
            return MODE.get() % 3 == 0
        type(self).total += 1
        return type(self).total % 3 == 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.dense(x) if self.runs() else x


def seeded(by: str) -> None:
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)


@BOTH
@pytest.mark.parametrize("by", ["random", "numpy", "class", "context"])
@pytest.mark.parametrize("depth", [8, 11])
def test_what_runs_is_counted(by: str, depth: int, reuse: bool) -> None:
    module = nn.Sequential(*(Steered(by) for _ in range(depth)))
    if by in ("class", "context"):
        expected = depth // 3
    else:
        seeded(by)
        expected = sum(block.runs() for block in module)
    seeded(by)
    with no_trace(module):
        report = nncost.count(module, (3, 4), reuse=reuse)
    assert report.complete
    assert report.forward.macs == expected * 48


# ------------------------------------------------------------------- what blocks are given and leave
class Fills(nn.Module):
    """Adds its output to a container that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 4, bias=False)

    def forward(self, x: torch.Tensor, kept: Any) -> torch.Tensor:
        x = self.dense(x)
        if isinstance(kept, dict):
            kept[len(kept)] = x
        else:
            kept.append(x)
        return x


class Collects(nn.Module):
    """Blocks that fill a container, all of which is read at the end."""

    def __init__(self, kind: Callable[[], Any], depth: int) -> None:
        super().__init__()
        self.blocks, self.kind = nn.ModuleList(Fills() for _ in range(depth)), kind
        self.out = nn.Linear(4 * depth, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = self.kind()
        for block in self.blocks:
            x = block(x, kept)
        return self.out(torch.cat(list(kept.values()) if isinstance(kept, dict) else kept, -1))


@BOTH
@pytest.mark.parametrize("kind", [list, dict])
@pytest.mark.parametrize("depth", [3, 5])
def test_blocks_fill_a_container(kind: Any, depth: int, reuse: bool) -> None:
    module = Collects(kind, depth)
    assert nncost.count(module, (3, 4), reuse=reuse).forward.macs == depth * 48 + 3 * 4 * depth * 4
    assert nncost.count(module, (3, 4), loss="sum", reuse=reuse).backward.macs == (2 * depth - 1) * 48 + 2 * 48 * depth


class Installs(nn.Module):
    """The first forward pass hangs hooks on its inner layers."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Plain(4) for _ in range(3)))
        self.ready, self.calls = False, 0

    def _called(self, *_: Any) -> None:
        self.calls += 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.ready:
            self.ready = True
            for block in self.blocks:
                block.dense.register_forward_hook(self._called)
        return self.blocks(x)


@BOTH
@pytest.mark.parametrize("settings", [{}, {"loss": "sum", "optimizer": "sgd"}])
def test_hooks_of_a_first_forward_pass_are_not_left(settings: dict[str, Any], reuse: bool) -> None:
    module = Installs()
    with no_trace(module):
        nncost.count(module, (2, 4), reuse=reuse, **settings)
    module(torch.randn(2, 4))
    assert module.calls == 3


# ------------------------------------------------------------------- rows
class Attention(nn.Module):
    """Queries of one tensor, keys and values of another, which may be the same."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.q(x) @ self.k(y).transpose(1, 2), -1) @ self.v(y)


class SharedInputs(nn.Module):
    """Attention of a tensor with itself: three gradients of one input."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.stem, self.norm = nn.Linear(8, 8), nn.LayerNorm(8)
        self.attention = nn.ModuleList(Attention() for _ in range(depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for number, layer in enumerate(self.attention):
            y = self.norm(x) if number else x
            x = x + layer(y, y)
        return x


class Feed(nn.Module):
    """A residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.n, self.f, self.m = nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 8), nn.LayerNorm(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.n(x + self.a(x))
        return self.m(x + self.f(x))


class Branches(nn.Module):
    """Equal blocks that all read one tensor, whose gradients are added."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.stem, self.branches = nn.Linear(8, 8), nn.ModuleList(nn.Sequential(Feed(), Plain()) for _ in range(depth))

    def forward(self, x: torch.Tensor) -> Any:
        x = self.stem(x)
        return [branch(x) for branch in self.branches]


class Normalizes(nn.Module):
    """A layer without parameters, in a list in a list."""

    class Norm(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.normalize(x, dim=-1)

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.ModuleList([self.Norm()]) for _ in range(depth))
        self.dense = nn.ModuleList(nn.Linear(8, 8) for _ in range(depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for (norm,), dense in zip(self.norms, self.dense, strict=True):
            x = x + dense(norm(x))
        return x


@pytest.mark.parametrize("settings", [{}, {"loss": "sum"}, {"loss": "squared_error", "optimizer": "adamw"}])
@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("make", [SharedInputs, Branches, Normalizes])
def test_every_row_is_the_same(make: Callable[[int], nn.Module], depth: int, settings: dict[str, Any]) -> None:
    once, each = (nncost.count(make(depth), (2, 5, 8), reuse=reuse, **settings).to_dict() for reuse in (True, False))
    assert once == each


def test_a_layer_without_parameters_keeps_its_row() -> None:
    rows = {row.path: row.counts.get("div", 0) for row in nncost.count(Normalizes(2), (2, 5, 8)).rows}
    assert rows["norms.0.0"] == rows["norms.1.0"] == 80


# ------------------------------------------------------------------- in place
class InPlaceFirst(nn.Module):
    """Begins by changing its input, and then convolves."""

    def __init__(self, activation: nn.Module, channels: int) -> None:
        super().__init__()
        self.activation, self.convolution = activation, nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convolution(self.activation(x))


@BOTH
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.SiLU, nn.LeakyReLU])
def test_equal_blocks_that_begin_in_place(activation: Any, depth: int, reuse: bool) -> None:
    blocks = [InPlaceFirst(activation(inplace=True), 4) for _ in range(depth)]
    module = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), *blocks)
    report = nncost.count(module, (1, 4, 8, 8), loss="sum", reuse=reuse)
    assert report.forward.macs == (depth + 1) * 9216
    assert report.backward.macs == (2 * depth + 1) * 9216
