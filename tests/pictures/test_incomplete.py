"""What is not counted is in plain sight on every chart, and what has no number is refused with the next command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import nncost
from nncost.cli.main import run
from nncost.errors import OptionError, QuantityError, SymbolError
from nncost.records import replace
from nncost.views.charts import chart_of
from nncost.views.charts.time import time_chart
from tests.pictures.subjects import CNN

UNKNOWN = ({"path": "my.layer", "op": "Mystery"}, {"path": "other", "op": "Mystery"})


@pytest.mark.parametrize("kind", ["layers", "tree", "memory", "roofline", "compare", "time", "growth"])
def test_every_kind_says_so(kind: str) -> None:
    if kind == "time":
        chart = time_chart(replace(nncost.predict(CNN, on="h100"), unknown=UNKNOWN))
    else:
        source = "784-h-10" if kind == "growth" else CNN
        report = replace(nncost.count(source), unknown=UNKNOWN)
        chart = chart_of(
            kind, [report] if kind == "compare" else report, **({"on": "h100"} if kind == "roofline" else {})
        )
    assert "INCOMPLETE: 2 unknown operations are not in it" in chart.title
    assert chart.description.endswith("INCOMPLETE: 2 unknown operations are not in it.")
    assert not chart.complete
    assert "INCOMPLETE" in str(chart)


def test_a_drawing_says_so() -> None:
    chart = replace(nncost.count(CNN), unknown=UNKNOWN).plot.network()
    assert "INCOMPLETE: 2 unknown operations" in chart.description
    assert not chart.complete


def test_the_command_exits_with_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("vl_convert")
    from tests.onnx.models import make_model, node, saved

    nodes = [node("Gemm", "x w", "h"), node("Mystery", "h", "y", domain="my.own")]
    model = make_model(nodes, {"x": (1, 3)}, constants={"w": np.zeros((3, 4), "f4")})
    model.opset_import.add(domain="my.own", version=1)
    path = saved(model, tmp_path)
    assert run(["plot", path]) == 3
    assert "INCOMPLETE: 1 unknown operation is not in it" in " ".join(capsys.readouterr().out.split())
    assert run(["plot", path, "--allow-unknown"]) == 0
    capsys.readouterr()
    assert run(["plot", path, "-o", str(tmp_path / "x.svg")]) == 3
    assert "INCOMPLETE" in capsys.readouterr().err
    assert "INCOMPLETE" in (tmp_path / "x.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["layers", "tree", "memory", "compare", "roofline", "time"])
def test_symbols_need_numbers(kind: str) -> None:
    with pytest.raises(SymbolError) as raised:
        nncost.plot("784-h-10", kind, batch="B", **({"on": "h100"} if kind in ("roofline", "time") else {}))
    assert raised.value.instead is not None
    assert "--symbol" in raised.value.instead.accepted


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"kind": "layrs"}, OptionError, "Did you mean 'layers'"), ({"kind": 3}, OptionError, "is a name"),
        ({"kind": "layers", "quantity": "flosp"}, QuantityError, "no quantity"), ({"kind": "layers", "quantity": 3}, QuantityError, "is a name"),
        ({"kind": "layers", "quantity": "memory.step_peak"}, QuantityError, "no quantity"), ({"kind": "memory", "top": 3}, OptionError, "changes nothing"),
        ({"kind": "roofline"}, OptionError, "needs a device"), ({"kind": "roofline", "on": "h1000"}, OptionError, "unknown device"),
        ({"kind": "layers", "top": 0}, OptionError, "top"), ({"kind": "time", "on": "h100", "by": "colour"}, OptionError, "layer, phase"),
        ({"kind": "growth"}, SymbolError, "nothing grows"), ({"kind": "layers", "quantity": "forward.div"}, OptionError, "no layer has div"),
    ],
)  # fmt: skip
def test_what_is_refused(arguments: dict[str, object], error: type[nncost.NncostError], said: str) -> None:
    with pytest.raises(error) as raised:
        nncost.plot("784-16-10", **arguments)  # type: ignore[arg-type]
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("over", "said"),
    [("k", "Symbols: h"), ("h=9..2", "grow from"), ("h=0..9", "grow from"), ("h=1..x", "as h=16..4096"), ("h=" + "9" * 50 + "..3", "grow from"), ("=", "as h=16..4096"),
     ("h=1..9" + "9" * 5_000, "grow from")],
)  # fmt: skip
def test_ranges_that_are_refused(over: str, said: str) -> None:
    with pytest.raises(nncost.NncostError) as raised:
        nncost.plot("784-h-10", "growth", over=over)
    assert said in str(raised.value)


def test_two_symbols_need_one_number() -> None:
    with pytest.raises(SymbolError, match="these need a number: B"):
        nncost.plot("784-h-10", "growth", over="h", batch="B")
    with pytest.raises(SymbolError):
        nncost.plot("h0-h1-...-hl", "growth")


def test_several_sources_are_compared() -> None:
    assert nncost.plot(["3-2", "3-4"]).title.startswith("3-2 and 3-4")
    with pytest.raises(OptionError, match="shows one source, received 2"):
        nncost.plot(["3-2", "3-4"], "layers")
    with pytest.raises(OptionError, match="stand side by side"):
        nncost.plot(["3-2"] * 13)
    assert [row[0] for row in nncost.plot(["3-2", "3-2"]).table.rows] == ["3-2", "3-2 (2)"]


def test_a_checkpoint_has_parameters(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "m.npz",
        **{"a.weight": np.zeros((4, 5), "f4"), "a.bias": np.zeros(5, "f4"), "b.weight": np.zeros((5, 5), "f4")},
    )
    chart = nncost.plot(str(tmp_path / "m.npz"))
    assert chart.table.total is not None
    assert chart.table.total[-1] == 50
    assert "m.npz: parameters" in chart.title
    assert nncost.plot(str(tmp_path / "m.npz"), "tree").table.rows[0][1] == 50
    with pytest.raises(nncost.NncostError):
        nncost.plot(str(tmp_path / "m.npz"), "memory")
    with pytest.raises(nncost.NncostError):
        nncost.plot(str(tmp_path / "m.npz"), "roofline", on="h100")


def nothing(folder: Path, unknown: bool) -> str:
    """A file that computes nothing, or only what is unknown."""
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    made = helper.make_tensor_value_info("y" if unknown else "x", TensorProto.FLOAT, [1, 4])
    nodes = [helper.make_node("Odd", ["x"], ["y"], domain="mine")] if unknown else []
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]
    path = folder / "nothing.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [given], [made]), opset_imports=opsets), path)
    return str(path)


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("kind", ["layers", "tree", "roofline", "time", "memory", "network", "compare"])
def test_what_costs_nothing_is_drawn_or_refused_in_words(kind: str, unknown: bool, tmp_path: Path) -> None:
    source = nothing(tmp_path, unknown)
    device = {"on": "h100"} if kind in ("roofline", "time") else {}
    try:
        chart = nncost.plot(source, kind, **device)
    except OptionError as error:
        told = str(error)
    else:
        chart.save(tmp_path / "x.html")
        told = chart.title + chart.render("plain")
    assert ("INCOMPLETE" in told) == unknown


@pytest.mark.parametrize("unknown", [False, True])
def test_its_report_has_a_page(unknown: bool, tmp_path: Path) -> None:
    nncost.write_report(tmp_path / "r.html", nothing(tmp_path, unknown), on="h100")
    assert ("INCOMPLETE" in (tmp_path / "r.html").read_text(encoding="utf-8")) == unknown


@pytest.mark.parametrize("kind", ["layers", "memory", "growth"])
def test_a_family_is_refused_without_its_inner_names(kind: str) -> None:
    with pytest.raises(SymbolError) as raised:
        nncost.plot("h0-h1-...-hl", kind)
    assert "[" not in str(raised.value)
    assert raised.value.instead is None
