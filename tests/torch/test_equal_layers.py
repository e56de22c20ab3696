"""The table of a module has equal layers on one line, and the totals of the report."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if not find_spec("torch"):
    pytest.skip("PyTorch is not installed", allow_module_level=True)

from torch import nn

import nncost
from nncost.documents.document import Document, Table
from tests.torch.tracing.blocks import Stack

CONFIG = Path(__file__).parents[1] / "huggingface" / "configs" / "Mixtral-8x7B-v0.1.json"
TRAINED = {"loss": "sum", "optimizer": "adam"}


def layers(document: Document) -> Table:
    return next(block for block in document.sections[0].blocks if isinstance(block, Table))


def names(document: Document) -> list[str]:
    return [str(row[0]) for row in layers(document).rows]


def columns(report: nncost.Report, **choices: Any) -> dict[str, Any]:
    """The last row of the table, and the sums of the others."""
    table = layers(report.table(shapes=False, **choices))
    assert table.total is not None
    sums = [sum(row[i] for row in table.rows) for i in range(1, len(table.header))]  # type: ignore[misc]
    assert sums == list(table.total[1:])
    return dict(zip(table.titles[1:], sums, strict=True))


def test_of_equal_blocks() -> None:
    report = nncost.count(Stack(), (2, 5, 6), **TRAINED)
    assert names(report.table()) == [
        "stem Linear",
        "blocks.0-3 Block ×4",
        "blocks.0-3.norm LayerNorm ×4",
        "blocks.0-3.up Linear ×4",
        "blocks.0-3.down Linear ×4",
        "head Linear",
    ]
    assert names(report.table(depth=1)) == ["stem", "blocks.0-3 ×4", "head"]
    opened = names(report.table(expand=True))
    assert "blocks.0.up Linear" in opened
    assert not any("×" in name for name in opened)


@pytest.mark.parametrize("choices", [{}, {"depth": 1}, {"expand": True}, {"by": "op"}], ids=str)
def test_totals_are_those_of_the_report(choices: dict[str, Any]) -> None:
    report = nncost.count(Stack(), (2, 5, 6), **TRAINED)
    found = columns(report, **choices)
    assert found["parameters weights"] == report.parameters.weights
    for phase in ("forward", "backward", "update"):
        assert found[f"{phase} mul"] == report.totals[phase].mul
        assert found[f"{phase} add"] == report.totals[phase].add


class Various(nn.Module):
    """Layers of two widths in turns, and blocks within blocks of which one differs inside."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = nn.Sequential(*(nn.Linear(*sizes) for sizes in ((4, 6), (6, 4)) * 3))
        self.nested = nn.ModuleList(nn.Sequential(*(nn.Linear(4, 4, bias=i < 2) for _ in range(2))) for i in range(3))

    def forward(self, x: Any) -> Any:
        x = self.turns(x)
        for part in self.nested:
            x = part(x)
        return x


def test_only_equal_layers_stand_together() -> None:
    assert names(nncost.count(Various(), (2, 4)).table()) == [
        "turns.0, 2, 4 Linear ×3",
        "turns.1, 3, 5 Linear ×3",
        "nested.0-1.0-1 Linear ×4",
        "nested.2.0-1 Linear ×2",
    ]


def test_layers_that_differ_in_one_quantity_stand_apart() -> None:
    """The first layer has no gradient of its input, so it has fewer products backward than those that look like it."""
    module = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
    assert names(nncost.count(module, (2, 4)).table()) == ["0-2 Linear ×3"]
    assert names(nncost.count(module, (2, 4), **TRAINED).table()) == ["0 Linear", "1-2 Linear ×2"]
    assert names(nncost.count(module, (2, 4), freeze="2", **TRAINED).table()) == ["0 Linear", "1 Linear", "2 Linear"]


def test_a_spec_shows_each_layer() -> None:
    assert names(nncost.count("4-4-4-4").table()) == ["dense.1", "dense.2", "dense.3"]


@pytest.mark.skipif(find_spec("transformers") is None, reason="needs transformers")
def test_a_large_configuration_is_one_screen() -> None:
    report = nncost.count(str(CONFIG), {"input_ids": (1, 128)})
    assert len(report.rows) > 350
    text = str(report)
    assert len(text.splitlines()) < 75
    assert "model.layers.0-31.mlp.experts MixtralExperts ×32" in text
    assert "Estimated, not exact: model.layers.0-31.mlp.experts: MixtralExperts (int_ops)," in text
    assert "neurons" not in text
    assert len(names(report.table(depth=2))) == 5
    assert columns(report)["forward mul"] == report.forward.mul


@pytest.mark.parametrize(
    ("module", "inputs", "shown"),
    [
        (nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), (1, 4), True),
        (nn.LSTM(4, 3), (5, 1, 4), True),
        (nn.Sequential(nn.Conv1d(2, 3, 1), nn.Flatten(), nn.Linear(12, 2)), (1, 2, 4), False),
        (nn.TransformerEncoderLayer(4, 2, 8), (5, 1, 4), False),
        (nn.ReLU(), (1, 4), False),
    ],
    ids=["dense", "recurrent", "convolution", "transformer", "activation"],
)
def test_neurons_are_shown_where_they_are_spoken_of(module: nn.Module, inputs: tuple[int, ...], shown: bool) -> None:
    report = nncost.count(module, inputs, mode="train")
    assert ("\nneurons " in str(report)) == shown
    assert "neurons" in report.to_dict()
