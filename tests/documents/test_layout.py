"""One made-up document of every kind of block, laid out for several pages: the texts in ``golden``.

Write them anew with ``python -m tests.documents.test_layout``, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest

from nncost.documents.document import (
    Chart,
    Document,
    Equation,
    Facts,
    Heading,
    Line,
    Maths,
    Note,
    Number,
    Paragraph,
    Section,
    Shell,
    Table,
    Work,
)

GOLDEN = Path(__file__).parent / "golden"
PAGES: dict[str, tuple[str, int | None, str | None]] = {
    "pipe": ("plain", None, None), "pipe-ascii": ("plain", None, "ascii"), "40": ("plain", 40, None), "40-ascii": ("plain", 40, "ascii"),
    "60-cp1252": ("plain", 60, "cp1252"), "80": ("plain", 80, None), "80-colour": ("terminal", 80, None), "120": ("plain", 120, None),
    "tex": ("latex", None, None), "md": ("markdown", None, None),
}  # fmt: skip


def maths(text: str) -> Maths:
    return Maths(text, text.replace("·", r" \cdot ").replace("∂", r"\partial "))


def document() -> Document:
    """Long names, groups, giants, numbers in units, unknown cells, worked lines that fit and that do not."""
    layers = (
        ("encoder.layers.0-31.self_attention.output_projection ×32", 123_456_789_012, 4_096, 987_654_321_098, 10**9, 0),
        ("encoder.embedding", 38_597_376, 0, 1, 0, 7),
        ("x̂ → ŷ", 1, 2, 3, 4, 5),
    )
    wide = Table(
        ("", "weights", "biases", "mul", "add", "mul"), layers,
        groups=("", "parameters", "parameters", "forward", "forward", "backward"),
        total=("total", 123_495_386_389, 4_098, 987_654_321_102, 1_000_000_004, 12),
    )  # fmt: skip
    why = Table(
        ("layer", "formula", "why"),
        (
            ("dense.1", maths("N·M"), "each of the M neurons sums N products — a multiplication for each weight"),
            ("relu", "–", ""),
        ),
        align="lll",
    )
    times = Table(
        ("phase", "expected", "bound by"), (("forward", Number(4.52e-5, "45.2 µs"), "memory"), ("update", "–", ""))
    )
    work = Work(
        (
            Line("dense.2 ∂L/∂W", maths("N·M"), maths("16·10"), maths("160")),
            Line("encoder.layers.0.self_attention.(query, key, value) ∂L/∂W", maths("N·M·(B·T − 1)"), maths("768·768·(8·128 − 1)"), maths("603,389,952")),
        ),
        Line("sum", None, None, maths("603,390,112")),
    )  # fmt: skip
    chart = Chart(
        "Cost by layer",
        "The first layer has 90 % of the products.",
        '<svg xmlns="http://www.w3.org/2000/svg"/>',
        Table(("layer", "products"), (("dense.1", 90), ("dense.2", 10)), total=("total", 100)),
    )
    facts = Facts(
        (
            ("parameters", "13,002  =  12,960 weights + 42 biases"),
            ("a long name of what is told of it", 10**60),
            ("none", "–"),
        )
    )
    first = (
        Paragraph("Every number is exact: 2·10⁶ products, ⌈60,000/32⌉ steps. “What” costs √n?"),
        facts,
        Heading("Layer"),
        wide,
    )
    second = (Equation(maths("m ← β₁·m + (1−β₁)·g      for each parameter")), work, why, Heading("Time"), times)
    return Document(
        "A made-up network × 2",
        (
            Section("", first),
            Section(
                "Worked out",
                (
                    *second,
                    chart,
                    Note("A note."),
                    Shell(
                        "Next:", ("nncost", "explain", "3x32x32, conv 16 3x3, relu, flatten, dense 10", "--batch", "B")
                    ),
                    Note("INCOMPLETE", is_warning=True),
                ),
            ),
        ),
    )


def laid_out(name: str) -> str:
    form, width, encoding = PAGES[name]
    with mock.patch.dict(os.environ, {"FORCE_COLOR": "1", "TERM": "xterm-256color"}):
        for variable in ("NO_COLOR", "COLORTERM"):
            os.environ.pop(variable, None)
        return document().render(form, width, encoding)


@pytest.mark.parametrize("name", PAGES)
def test_golden(name: str) -> None:
    assert laid_out(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8"), (
        "write anew with: python -m tests.documents.test_layout"
    )


if __name__ == "__main__":
    for page in PAGES:
        (GOLDEN / f"{page}.txt").write_text(laid_out(page), encoding="utf-8")
