"""Formulas of modules: at any numbers they give what is counted at those numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.dims import substitute, symbol
from nncost.errors import SourceError, SymbolError

from .blocks import WIDTH, Stack


class Classifier(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, groups=4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
        )  # fmt: skip


class Language(nn.Module):
    """An embedding, one causal attention block and a tied head."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 8)
        self.norm = nn.LayerNorm(8)
        self.into = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.table(ids)
        query, key, value = self.into(self.norm(x)).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x @ self.table.weight.T


class Routed(nn.Module):
    """Each row goes to its two best experts."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(8, 3)
        self.experts = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights, chosen = self.router(x).softmax(-1).topk(2, -1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            row, place = torch.where(chosen == number)
            out = out.index_add(0, row, expert(x[row]) * weights[row, place, None])
        return out


CASES: dict[str, tuple[Any, Any, dict[str, Any], dict[str, int]]] = {
    "batch of an MLP": (Stack, ("B", WIDTH), {}, {"B": 5}),
    "--batch": (Stack, (1, WIDTH), {"batch": "B"}, {"B": 7}),
    "images": (Classifier, ("B", 3, "H", "W"), {}, {"B": 2, "H": 32, "W": 44}),
    "images in training": (Classifier, ("B", 3, 32, 32), {"loss": "sum"}, {"B": 2}),
    "tokens": (Language, {"ids": "BxS:int64"}, {}, {"B": 3, "S": 10}),
    "tokens in training": (Language, {"ids": "BxS:int64"}, {"loss": "sum", "optimizer": "adam"}, {"B": 3, "S": 10}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_formula_gives_the_numbers(name: str) -> None:
    make, inputs, settings, numbers = CASES[name]
    module = make()
    formula = nncost.count(module, inputs, **settings)
    assert formula.complete
    concrete = {**settings, "batch": numbers["B"]} if "batch" in settings else settings
    counted = nncost.count(module, with_numbers(inputs, numbers), **concrete)
    for phase in ("forward", "loss", "backward", "update"):
        for quantity in ("mul", "add", "cmp", "exp", "macs", "activations", "read_bytes", "write_bytes"):
            amount = substitute(formula.totals[phase][quantity], {symbol(n): number for n, number in numbers.items()})
            assert amount == counted.totals[phase][quantity], (phase, quantity)
    assert formula.parameters == counted.parameters


def with_numbers(inputs: Any, numbers: dict[str, int]) -> Any:
    if isinstance(inputs, dict):
        return {key: with_numbers(value, numbers) for key, value in inputs.items()}
    if isinstance(inputs, str):
        for name, number in numbers.items():
            inputs = inputs.replace(name, str(number))
        return inputs
    return tuple(numbers.get(dim, dim) for dim in inputs)


class Branches(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.layer, self.size = nn.Linear(4, 4), size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) if x.shape[0] % self.size == 1 else x


def test_a_condition_on_a_size_stands_with_the_formula() -> None:
    report = nncost.count(Branches(2), ("B", 4))
    assert str(report.forward.macs) == "16*B"
    assert report.notes == ("The formulas hold where Eq(Mod(B, 2), 1).",)
    assert nncost.count(Branches(2), ("B", 4), symbols={"B": 2}).forward.macs == 0


@pytest.mark.parametrize("make", [lambda: nn.Sequential(nn.Flatten(0), nn.Linear(52, 3)), lambda: nn.GRU(4, 5)])
def test_a_model_that_fixes_a_size_says_so_and_is_counted_at_a_number(make: Any) -> None:
    report = nncost.count(make(), ("B", 4))
    assert report.source.inputs["input"] == (13, 4)
    assert report.forward.macs == nncost.count(make(), (13, 4)).forward.macs > 0
    assert "branches on a size" in report.notes[-1]
    assert "Counted at B=13; --symbol gives others." in report.notes[-1]


def test_rows_that_the_data_decide_are_symbols_with_a_range() -> None:
    report = nncost.count(Routed(), (16, 8))
    rows = sorted(str(s) for s in report.forward.macs.free_symbols)
    assert rows == ["rows1", "rows2", "rows3"]
    assert substitute(report.forward.macs, {symbol(name): 0 for name in rows}) == 16 * 8 * 3
    # Two experts for each of the 16 rows, however they are shared out.
    shared = substitute(report.forward.macs, dict(zip(map(symbol, rows), (20, 12, 0), strict=True)))
    assert shared == 16 * 8 * 3 + 32 * 64
    assert "rows1 is a number of rows that the data decide, 0 to 32" in report.notes[0]
    real = nncost.count(Routed(), torch.randn(16, 8))
    assert real.forward.macs == 16 * 8 * 3 + 32 * 64


def test_control_flow_that_depends_on_values_needs_values() -> None:
    class Stops(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ x if x.sum() > 0 else x

    with pytest.raises(SourceError, match="needs the values of its inputs"):
        nncost.count(Stops(), (3, 3))
    assert nncost.count(Stops(), torch.ones(3, 3)).forward.macs == 27
    assert nncost.count(Stops(), -torch.ones(3, 3)).forward.macs == 0


def test_a_derived_backward_pass_needs_numbers() -> None:
    with pytest.raises(SymbolError, match=r"needs sizes in numbers, received B\.\nFor example: --symbol B=32"):
        nncost.count(nn.Linear(4, 3), ("B", 4), loss="sum", backward="derived")
    bound = nncost.count(nn.Linear(4, 3), ("B", 4), symbols={"B": 8}, loss="sum", backward="derived")
    assert bound.backward.macs == 8 * 4 * 3


def test_the_reason_for_numbers_is_what_the_model_asked() -> None:
    module = nn.Sequential(nn.Flatten(0), nn.Linear(52, 3))
    assert "(Eq(4*B, 52))" in nncost.count(module, (2, 4), batch="B").notes[0]
