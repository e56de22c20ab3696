"""What a user is told to do: give tensors, which layer it was, the last lines of a file that raises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.cli.main import run
from nncost.errors import SourceError


class Cell(nn.Module):
    """A recurrent layer that is used in some way."""

    def __init__(self, how: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.cell, self.how = nn.LSTM(4, 3, batch_first=True), how

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        return self.how(self, *given)


class Outer(nn.Module):
    """The same, inside another module."""

    def __init__(self, how: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.inner = nn.Sequential(Cell(how))

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        return self.inner[0](*given)


def packed(module: Any, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The recurrent layer on sequences of different lengths."""
    given = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return module.cell(given)[0].data


ASKS: dict[str, tuple[Callable[..., torch.Tensor], tuple[str, ...], tuple[torch.Tensor, ...]]] = {
    "numpy": (lambda m, x: torch.from_numpy(m.cell(x)[0].detach().numpy()), ("2x5x4",), (torch.ones(2, 5, 4),)),
    "lengths": (packed, ("2x5x4", "2:int64"), (torch.ones(2, 5, 4), torch.tensor([5, 3]))),
    "list": (lambda m, x: m.cell(x)[0] * sum(x.flatten().tolist()), ("2x5x4",), (torch.ones(2, 5, 4),)),
}


@pytest.mark.parametrize("make", [Cell, Outer])
@pytest.mark.parametrize("name", ASKS)
def test_give_tensors(name: str, make: Any) -> None:
    how, shapes, tensors = ASKS[name]
    with pytest.raises(SourceError) as raised:
        nncost.count(make(how), shapes)
    told = str(raised.value).splitlines()
    assert len(told) == 2
    assert told[0].startswith(f"{make.__name__} needs the values of its inputs, and only shapes are given (")
    assert told[1].startswith("Give tensors instead of shapes: nncost.count(module, tensors)")
    assert ("in layer 'inner.0' (Cell)" if make is Outer else "in the model's own forward (Cell)") in told[0]
    assert nncost.count(make(how), tensors).forward.macs > 0


FILE = """
from torch import nn

def settings(text):
    return int(text)

def build():
    width = settings("wide")
    return nn.Linear(width, 4)

def in_a_library():
    return nn.Linear(4, "wide")
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "net.py"
    path.write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("build", ['  net.py:8  width = settings("wide")', "  net.py:5  return int(text)"]),
        ("in_a_library", ['  net.py:12  return nn.Linear(4, "wide")']),
    ],
)
@pytest.mark.usefixtures("file")
def test_a_factory_that_raises_shows_its_own_last_lines(
    name: str, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["count", f"net.py:{name}", "--input", "1x4"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"nncost: error: calling 'net.py:{name}' raised ")
    assert told[1:] == [*lines, "The whole traceback: --verbose"]


@pytest.mark.usefixtures("file")
def test_the_whole_traceback_is_there_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["count", "net.py:build", "--input", "1x4", "--verbose"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("Traceback (most recent call last)")
    assert "ValueError: invalid literal for int() with base 10: 'wide'" in told.err
    assert "nncost: error: calling 'net.py:build' raised ValueError" in told.err
