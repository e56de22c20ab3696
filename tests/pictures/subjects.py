"""What is drawn in the tests: a spec, an ONNX file and a PyTorch module, as every kind of chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import nncost
from nncost.documents.document import Chart
from nncost.records import replace
from nncost.views.charts import KINDS

MLP = "784-16-16-10"
CNN = "3x16x16, conv 8 3x3 pad=1, batchnorm, relu, maxpool 2, flatten, dense 10, softmax"
KNOWN = list(KINDS)
SETTINGS: Mapping[str, dict[str, Any]] = {
    "roofline": {"on": "h100"}, "time": {"on": "a100"}, "growth": {"over": "N=1..64"},
}  # fmt: skip
HOSTILE = "</script><img src=x onerror=alert(1)>"
WORST = (
    HOSTILE, "]]>--><svg onload=alert(1)>", "datum.x", "a[0]['b'].c", '{"signal": "alert(1)"}', "'+alert(1)+'", '"; alert(1); //',
    "\x00\x1b[31m\x07", "a\nb\u2028c", "\ud800", "\u202eevil", "", " ", "constructor", "__proto__", "%Y ~s $d", "${1+1}", "=1+1", "null", "1e309",
    "模型·é", "x" * 3_000, "9" * 400, "&lt;b&gt; &amp;", "\\u003c/script>", "nncost.style", "layer", "toString",
)  # fmt: skip
"""Names of layers, files and symbols that something may take for more than text."""


def onnx_file(folder: Path) -> str:
    """A small network with an open batch."""
    from tests.onnx.models import make_model, node, saved

    nodes = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1]), node("Relu", "c", "r"), node("Flatten", "r", "f"), node("Gemm", "f v b", "y"),
    ]  # fmt: skip
    constants = {
        "w": np.zeros((4, 3, 3, 3), "f4"), "v": np.zeros((256, 10), "f4"), "b": np.zeros(10, "f4"),
    }  # fmt: skip
    return saved(make_model(nodes, {"x": ("N", 3, 8, 8)}, constants=constants), folder)


def module() -> Any:
    """A small module with equal blocks."""
    from torch import nn

    blocks = [nn.Sequential(nn.Linear(24, 24), nn.ReLU()) for _ in range(3)]
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 24), *blocks, nn.Linear(24, 4))


def source_of(name: str, folder: Path) -> tuple[Any, dict[str, Any]]:
    """A source of that kind and the settings it is counted under."""
    if name == "spec":
        return CNN, {}
    trained = {"loss": "cross_entropy", "optimizer": "sgd"}
    if name == "onnx":
        return onnx_file(folder), {**trained, "batch": 2}
    return module(), {**trained, "inputs": (2, 3, 8, 8)}


def drawn(name: str, kind: str, folder: Path) -> Chart:
    """The chart of a kind of one of the three sources."""
    source, settings = source_of(name, folder)
    if kind == "growth":
        settings = {key: value for key, value in settings.items() if key != "inputs"} | {"batch": "N"}
        if name == "module":
            settings["inputs"] = ("N", 3, 8, 8)
            settings.pop("batch")
    sources = [source, MLP] if kind == "compare" and name == "spec" else source
    return nncost.plot(sources, kind, **SETTINGS.get(kind, {}), **settings)


def renamed(names: Sequence[str], report: nncost.Report) -> nncost.Report:
    """The report as if its layers, and what was counted, were called so."""
    paths = list(dict.fromkeys(row.path for row in report.rows))
    new = {
        path: names[place % len(names)] + ("" if place < len(names) else str(place)) for place, path in enumerate(paths)
    }
    rows = [replace(row, path=new[row.path]) for row in report.rows]
    timeline = tuple(replace(row, path=new.get(row.path, row.path)) for row in report.memory.timeline)
    return replace(
        report, rows=rows, source=replace(report.source, name=names[0], kind="onnx"), memory=replace(report.memory, timeline=timeline),
        outputs={},
    )  # fmt: skip


def values_of(picture: Any) -> list[dict[str, Any]]:
    """All data of a specification."""
    if isinstance(picture, dict):
        own = picture.get("data", {}).get("values", []) if isinstance(picture.get("data"), dict) else []
        return [*own, *(each for name, part in picture.items() if name != "data" for each in values_of(part))]
    return [each for part in picture for each in values_of(part)] if isinstance(picture, list) else []
