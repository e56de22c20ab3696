"""Models that ask about large constants, or constants of symbolic sizes."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import nncost  # noqa: E402
from nncost.dims import substitute, symbol  # noqa: E402

EXPORTED = "traced as torch.export does"


class Positions(nn.Module):
    """Adds a mask unless positions, counted from 0, are those of one sequence, as transformers asks."""

    def __init__(self, change: Any = None) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        positions = torch.arange(x.shape[1]).unsqueeze(0).expand(x.shape[0], -1)
        steps = torch.diff(positions, prepend=positions[:, :1] - 1, dim=-1)
        if self.change is not None:
            steps = self.change(steps)
        if not ((steps != 1).cumsum(-1)[:, -1] == 0).all():
            x = x * 2
        return x + 1


@pytest.mark.parametrize("shape", [(2, 8), (64, 2_048), (1, 200_000), ("B", 8), ("B", "T")])
def test_one_sequence(shape: Any) -> None:
    report = nncost.count(Positions(), shape)
    assert report.forward.mul == 0
    assert not any(EXPORTED in note for note in report.notes)
    assert substitute(report.forward.add, {symbol("B"): 3, symbol("T"): 5}) > 0


@pytest.mark.parametrize("shape", [(64, 2_048), ("B", 8)])
def test_a_constant_that_was_written_to_is_not_known(shape: Any) -> None:
    """The answer is never taken from before."""

    def written(steps: torch.Tensor) -> torch.Tensor:
        steps = steps + 0
        steps[:, -1] = 7
        return steps

    with pytest.raises(nncost.NncostError, match="needs the values"):
        nncost.count(Positions(written), shape)


def test_what_depends_on_the_size_is_not_known_for_all_sizes() -> None:
    class Longer(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2 if torch.arange(x.shape[0]).sum() > 500 else x + 1

    assert nncost.count(Longer(), (200, 3)).forward.mul == 600
    assert nncost.count(Longer(), (10, 3)).forward.mul == 0
    with pytest.raises(nncost.NncostError, match="needs the values"):
        nncost.count(Longer(), ("B", 3))


def test_sizes_that_were_compared_are_named() -> None:
    report = nncost.count(Positions(), ("B", "T"))
    assert any("the same at B = " in note and "; T = " in note for note in report.notes)


def test_values_before_a_write_stay() -> None:
    class Kept(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            small = torch.zeros(8)
            large = small.repeat(20_000) + 1
            small.add_(5)
            return x * 2 if (large == 1).all() else x + 1

    assert nncost.count(Kept(), (2, 3)).forward.mul == 6


def test_memory_of_a_constant_ends_when_it_does() -> None:
    class Dropped(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = torch.arange(100_000) + 1
            first = first * 2
            first = first * 3
            return x + 1 if (first > 0).all() else x

    memory = nncost.count(Dropped(), (2, 3)).memory
    assert memory is not None
    assert memory.forward_allocated is not None
    assert memory.forward_allocated < 2.5 * 800_000
