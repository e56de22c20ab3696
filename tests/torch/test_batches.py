"""Another batch than that of the tensors given; what decides by values; what only the loss holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import nncost
from nncost.cli.main import run

ROWS, WIDTH = 2, 4


class Decides(nn.Module):
    """Runs its layer twice if its input is positive."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(self.layer(x) if x.sum() > 0 else x)


class Looks(nn.Module):
    """Looks words up, of which there are few."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(3, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.layer(self.table(words))
        return x if mask.all() else x * mask[..., None]


@pytest.mark.parametrize("batch", [1, 3, 6, 50])
def test_rows_of_tensors_are_repeated(batch: int) -> None:
    report = nncost.count(Decides(), torch.ones(ROWS, WIDTH), loss="sum", batch=batch)
    assert report.forward.macs == 2 * batch * WIDTH**2
    assert report.memory.exact


def test_the_largest_batch_of_tensors_with_values() -> None:
    given = (torch.tensor([[2, 1], [0, 2]]), torch.ones(2, 2, dtype=torch.int64))
    report = nncost.count(Looks(), given, loss="sum", optimizer="sgd", fits="64KiB")
    fits = report.memory.fits
    assert fits is not None
    at = [nncost.count(Looks(), given, loss="sum", optimizer="sgd", batch=fits.batch + more) for more in (0, 1)]
    assert at[0].memory.step_peak <= 64 * 1024 < at[1].memory.step_peak


def test_memory_by_shapes_where_values_decide_is_labelled() -> None:
    by_shapes = nncost.count(Looks(), ("2x5:int64", "2x5:int64"), loss="sum")
    assert by_shapes.memory.step_peak is not None
    assert not by_shapes.memory.exact
    assert "Give tensors" in by_shapes.memory.notes[0]


def of_closure(target: torch.Tensor) -> Callable[[Any], torch.Tensor]:
    return lambda y: functional.cross_entropy(y, target)


class Compares(nn.Module):
    """A loss that holds its target."""

    def __init__(self, target: torch.Tensor) -> None:
        super().__init__()
        self.target = [target]

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(y, self.target[0])


@pytest.mark.parametrize("loss", [of_closure, Compares])
def test_what_a_loss_holds_is_there_before(loss: Callable[[torch.Tensor], Any]) -> None:
    module, x = nn.Linear(WIDTH, WIDTH), torch.randn(ROWS, WIDTH)
    named = nncost.count(module, x, loss="cross_entropy", optimizer="sgd").memory
    held = nncost.count(module, x, loss=loss(torch.zeros(ROWS, dtype=torch.int64)), optimizer="sgd").memory
    assert (held.inputs, held.step_peak) == (named.inputs, named.step_peak)


def test_a_batch_that_is_a_symbol_can_be_found() -> None:
    found = [
        nncost.count(nn.Linear(WIDTH, WIDTH), (rows, WIDTH), loss="sum", fits="4KiB").memory.fits for rows in ("B", 2)
    ]
    assert found[0] == found[1]


def test_a_class_is_no_network() -> None:
    with pytest.raises(nncost.NncostError, match=r"Decides is a class, not a network.\nMake one: Decides\(\)"):
        nncost.count(Decides, (ROWS, WIDTH))


class Fails(nn.Module):
    """Asks for what is not there."""

    def forward(self, x: torch.Tensor) -> Any:
        return self.missing(x)


def test_the_place_of_the_models_own_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["count", f"{__name__}:Fails", "--input", "2x4"]) == 2
    line = Fails.forward.__code__.co_firstlineno + 1
    assert capsys.readouterr().err.endswith(f"which received 2x4, at test_batches.py:{line}\n")
