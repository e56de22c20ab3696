"""Rows of published models, and the models: on the meta device, without weights."""

from __future__ import annotations

import ast
import csv
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import nncost
from tests.torch.vision import import_torchvision

HERE = Path(__file__).parent
PUBLISHED_BY_FVCORE = 0.022
"""timm's GMACs are fvcore's: norms, pooling and resizing are in them, up to this part of the whole (and of a hundredth GMAC)."""


@dataclass(frozen=True)
class Row:
    """A model, the shape it is counted with, and what is known of it; None where nobody published it."""

    library: str
    model: str
    weights: str
    shape: tuple[int, ...]
    options: dict[str, Any]
    family: str
    parameters: int
    buffers: int | None
    macs: int | None
    published_gmacs: str

    @property
    def name(self) -> str:
        return f"{self.model} {self.weights}" if self.weights else f"{self.model} {self.shape[-1]}"


def _number(text: str) -> int | None:
    return int(text) if text else None


def _table(name: str) -> Iterator[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def timm_rows() -> list[Row]:
    """All rows of timm.csv."""
    return [
        Row("timm", r["model"], "", (1, 3, int(r["size"]), int(r["size"])), {}, r["family"], int(r["parameters"]),
            _number(r["buffers"]), _number(r["macs"]), r["published_gmacs"])
        for r in _table("timm.csv")
    ]  # fmt: skip


def torchvision_rows() -> list[Row]:
    """The rows of torchvision.csv whose input is known."""
    rows = []
    for r in _table("torchvision.csv"):
        name, _, value = r["option"].partition("=")
        options = {name: ast.literal_eval(value)} if name else {}
        shape = tuple(map(int, r["input"].split("x"))) if r["input"] else ()
        rows.append(
            Row("torchvision", r["model"], r["weights"], shape, options, r["source"], int(r["parameters"]),
                _number(r["buffers"]), _number(r["macs"]), r["published_gmacs"])
        )  # fmt: skip
    return rows


def build(row: Row) -> nn.Module:
    """The model in inference; on the meta device unless its construction reads numbers (torchvision's RegNets)."""
    torchvision: Any = import_torchvision()
    if row.library == "timm":
        import timm

        make: Any = timm.create_model
        options: dict[str, Any] = {}
    else:
        make = torchvision.models.get_model
        options = {"weights": None} | row.options
        if "VOC" in row.weights:
            options["weights_backbone"] = None
        if row.model == "googlenet":
            options["init_weights"] = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if row.model.startswith("regnet") and row.library == "torchvision":
            return make(row.model, **options).eval()  # type: ignore[no-any-return]
        with torch.device("meta"):
            return make(row.model, **options).eval()  # type: ignore[no-any-return]


@contextmanager
def attention_in_steps() -> Iterator[None]:
    """Attention as its two products: on a CPU, FlopCounterMode takes the fused kernel for nothing."""
    with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class Comparison:
    """What is known beside what was counted, for one quantity of one model."""

    quantity: str
    known: str
    counted: str

    @property
    def agrees(self) -> bool:
        return self.known == self.counted


def compared(row: Row, model: nn.Module, *, as_torch: bool = True) -> list[Comparison]:
    """Everything that is known about a model against nncost's count of it; ``as_torch`` in FlopCounterMode's eyes too."""
    report = nncost.count(model, row.shape)
    parameters, macs = report.parameters, int(report.forward.macs)
    pairs: list[tuple[str, Any, Any]] = [
        ("complete", True, report.complete),
        ("parameters", row.parameters, parameters.total),
        ("buffers", row.buffers, parameters.buffers),
        ("macs", row.macs, macs),
        ("published", row.published_gmacs or None, _published(row, macs)),
    ]
    if as_torch and row.macs is not None:
        with attention_in_steps():
            flops = nncost.count(model, row.shape, convention="torch").forward.flops
        pairs.append(("torch flops", 2 * row.macs, flops))
    return [Comparison(name, str(known), str(counted)) for name, known, counted in pairs if known is not None]


def _published(row: Row, macs: int) -> str:
    """GMACs as they were published: rounded alike, or the published figure if it is within fvcore's surplus."""
    if row.library == "torchvision":
        return f"{macs / 1e9:.3f}".rstrip("0").rstrip(".")
    near = abs(float(row.published_gmacs or 0) * 1e9 - macs) <= PUBLISHED_BY_FVCORE * macs + 1e7
    return row.published_gmacs if near else f"{macs / 1e9:.2f}"
