"""Blocks of many kinds: what they take, return and leave behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

WIDTH = 8


class Residual(nn.Module):
    """What most blocks are."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Any) -> Any:
        return x + self.down(functional.gelu(self.up(self.norm(x))))


class Masked(Residual):
    """Takes a mask, and a scale by name."""

    def forward(self, x: Any, mask: Any, *, scale: Any) -> Any:
        return super().forward(x) * mask * scale


class Pair(Residual):
    """Takes and returns two tensors."""

    def forward(self, x: Any, rest: Any) -> Any:
        return super().forward(x), rest * 2


class WithConstants(Residual):
    """Returns a tensor, nothing and a number."""

    def forward(self, x: Any) -> Any:
        return super().forward(x), None, 3


class InDictionary(Residual):
    """Takes and returns a dictionary."""

    def forward(self, given: Any) -> Any:
        return {"x": super().forward(given["x"])}


class WithDetached(Residual):
    """Returns a second tensor that no gradient flows through."""

    def forward(self, x: Any) -> Any:
        y = super().forward(x)
        return y, y.detach()


class WritesFirst(Residual):
    """Changes its input in place."""

    def forward(self, x: Any) -> Any:
        return super().forward(functional.relu(x, inplace=True))


class OtherFirst(Residual):
    """Its first input looks like the one it hands on, and may have no gradient."""

    def forward(self, other: Any, x: Any) -> Any:
        return super().forward(x) + other


class Narrow(nn.Module):
    """Returns another shape than it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, 4)

    def forward(self, x: Any) -> Any:
        return self.layer(x)


class Transposed(nn.Module):
    """Returns its tensor with other strides."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Any) -> Any:
        return self.layer(x.t().contiguous().t()).t().contiguous().t()


class WithBuffers(Residual):
    """Changes its buffers when it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(WIDTH))
        self.batch_norm = nn.BatchNorm1d(WIDTH)

    def forward(self, x: Any) -> Any:
        self.calls = self.calls + 1
        return self.batch_norm(super().forward(x))


class WithUnused(Residual):
    """Has parameters that receive no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(WIDTH, WIDTH)


class Checkpointed(Residual):
    """Forgets what it computed, and computes it again."""

    def forward(self, x: Any) -> Any:
        return checkpoint(super().forward, x, use_reentrant=False)


# ------------------------------------------------------------------- blocks that cannot be left out
class KeepsTensor(Residual):
    """Leaves a tensor behind for whoever looks."""

    extra: Any = 0.0

    def forward(self, x: Any) -> Any:
        y = super().forward(x)
        self.extra = y.mean()
        return y


class Appends(Residual):
    """Adds to the list that it is given."""

    def forward(self, x: Any, found: Any) -> Any:
        y = super().forward(x)
        found.append(y.mean())
        return y


@dataclass
class State:
    """A class that PyTorch does not look into."""

    x: Any


class ReturnsState(Residual):
    """Returns one."""

    def forward(self, x: Any) -> Any:
        return State(super().forward(x))


class ChangesState(Residual):
    """Changes one."""

    def forward(self, state: Any) -> Any:
        state.x = super().forward(state.x)
        return state.x


class ReadsMark(Residual):
    """Reads what a model has set on a tensor."""

    def forward(self, x: Any) -> Any:
        if not x.is_marked:
            raise ValueError
        y = super().forward(x)
        y.is_marked = True
        return y


class IgnoresSecond(nn.Module):
    """Is given an input that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Any, unused: Any) -> Any:
        del unused
        return self.layer(x)
