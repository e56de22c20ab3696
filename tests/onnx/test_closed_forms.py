"""Amounts of what cannot count itself, worked out by hand, and whether they are labelled estimated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nncost
from nncost.frontends.model import Model
from nncost.ir import ops
from tests.onnx.closed import CLOSED
from tests.onnx.examples.example import Example, ints, one
from tests.onnx.models import loaded, node, saved

MICROSOFT = "com.microsoft"
BOXES = np.float32([[0, 0, 8, 8]])
BOX = {"b": BOXES, "n": ints(0)}


def rois(samples: int, **more: Any) -> Example:
    return Example("", [node("RoiAlign", "x b n", sampling_ratio=samples, output_height=2, output_width=2, **more)], {"x": (1, 3, 8, 8)}, BOX)  # fmt: skip


# 8 points: 3 stages of 4 butterflies, each 4 mul and 6 add: 48 and 72; a real one half of it.
# n = 3, LU: updates 4 + 1, below the diagonal 2 + 1, 2 reciprocals; the determinant 2 products more; getri 29·…: 5n/6 + n²/2 + 2n³/3 = 25, 5n/6 − 3n²/2 + 2n³/3 = 7.
EXACT: list[tuple[str, Example, dict[str, int]]] = [
    ("dft", one("DFT", "x", x=(1, 8, 2)), {"mul": 48, "add": 72}),
    ("dft", one("DFT", "x", x=(1, 8, 1)), {"mul": 24, "add": 36}),
    ("dft", one("DFT", "x", x=(3, 8, 2), inverse=1), {"mul": 3 * (48 + 16), "add": 3 * 72}),
    ("dft", one("STFT", "x s w", {"s": np.int64(8), "w": np.ones(8)}, x=(1, 16, 1)), {"mul": 2 * (24 + 8), "add": 2 * 36}),
    ("determinant", one("Det", "x", x=(2, 3, 3)), {"mul": 2 * (5 + 3 + 2), "add": 2 * 5, "div": 2 * 2, "cmp": 2 * 3}),
    ("inverse", one("Inverse", "x", x=(3, 3), domain=MICROSOFT), {"mul": 8 + 25, "add": 5 + 7, "div": 2, "cmp": 3}),
]  # fmt: skip
# 5 values: 3 halvings. 8 by 8 in bins of 4 by 4: 16 points for 4 bins and 3 channels.
ESTIMATED: list[tuple[str, Example, dict[str, int]]] = [
    ("dft", one("DFT", "x", x=(1, 6, 2)), {"mul": 2 * 6 * 3, "add": 3 * 6 * 3}),
    ("unique", one("Unique", "x", x=(5,)), {"cmp": 5 * 3 + 4}),
    ("unique", one("Unique", "x", x=(5, 2), axis=0), {"cmp": 2 * (5 * 3 + 4)}),
    ("unique", one("Unique", "x", x=(5,), domain=MICROSOFT, outputs="y z"), {"cmp": 5 * 3 + 4}),
    ("roi_align", rois(0), {"mul": 4 * 192, "add": 4 * 192 - 12, "div": 12}),
    ("roi_pool", one("MaxRoiPool", "x b", {"b": np.float32([[0, 0, 0, 8, 8]])}, x=(1, 3, 8, 8), pooled_shape=[2, 2]), {"cmp": 12 * 15}),
    # Two classes of 4 boxes: 6 pairs, 4·2 comparisons to sort, 4 with the least score.
    ("non_max_suppression", Example("", [node("NonMaxSuppression", "x s m")], {"x": (1, 4, 4), "s": (1, 2, 4)}, {"m": ints(4)}),
     {"mul": 2 * (6 + 4), "add": 2 * (24 + 8), "div": 2 * 6, "cmp": 2 * (42 + 8 + 4)}),
    # 3 classes, 5 draws: 2 cmp, 3 add, 3 exp and 2 add for the sums, 5 products and 5 searches of 2 steps.
    ("search", one("Multinomial", "x", x=(1, 3), sample_size=5), {"cmp": 2 + 10, "add": 3 + 2, "exp": 3, "mul": 5, "random": 5}),
    ("sort", one("TopK", "x k", {"k": ints(2)}, x=(2, 5), outputs="y z"), {"cmp": 2 * 5 * 3}),
]  # fmt: skip


def counted(example: Example, folder: Path) -> tuple[nncost.Report, Model]:
    return nncost.count(saved(example.model(), folder)), loaded(example.model(), folder)


@pytest.mark.parametrize(("name", "example", "amounts"), [*EXACT, *ESTIMATED])
def test_closed_forms(name: str, example: Example, amounts: dict[str, int], tmp_path: Path) -> None:
    report, model = counted(example, tmp_path)
    assert report.complete
    total = report.totals["forward"]
    found = {quantity: total[quantity] for quantity in ("mul", "add", "div", "cmp", "exp", "random") if total[quantity]}
    assert found == amounts
    algorithms = [node.op for node in model.graph.nodes() if isinstance(node.op, ops.Algorithm) and node.op.counts]
    estimated = any(op.note == ops.ESTIMATED for op in algorithms) or name == "sort"
    assert estimated == ((name, example, amounts) in ESTIMATED)


def test_every_closed_form_has_an_amount_by_hand() -> None:
    assert {name for name, *_ in (*EXACT, *ESTIMATED)} - {"sort"} == CLOSED
