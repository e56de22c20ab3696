"""What drawings show: the numbers of their reports, every part of a network, and nothing that is not known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nncost
from nncost.dims import add_all
from nncost.documents.document import NONE
from nncost.records import replace
from nncost.views.drawing import network_chart
from tests.drawing.seen import SVG, check_picture, root_of, words

LENET = "1x28x28, conv 6 5x5 pad=2, relu, avgpool 2, conv 16 5x5, relu, avgpool 2, flatten, dense 120, relu, dense 84, relu, dense 10"
GPT = (
    "128, embedding 1000 64, [residual[layernorm, attention heads=4 causal], "
    "residual[layernorm, dense 256, gelu, dense 64]]*6, layernorm, dense 1000"
)
CONVOLUTIONS = ", ".join(f"conv {16 * (i // 4 + 1)} 3x3 pad=1, relu{', maxpool 2' * (i % 4 == 3)}" for i in range(16))
SPECS = (
    "784-16-16-10", "30-30-30", "2-3-1", "1-1", "784-h-h-10", "784-h*L-10", "h0-h1-...-hl", "784-512*24-10", "64-32*3-8:softmax",
    "-".join(map(str, range(100, 0, -5))), LENET, f"3x224x224, {CONVOLUTIONS}, flatten, dense 100", GPT,
    "3x32x32, conv 64 3x3 pad=1, residual[conv 64 3x3 pad=1, batchnorm, relu, conv 64 3x3 pad=1]*2, globalavgpool, dense 10",
    "16x8, lstm 32 last, dense 2", "16x8, gru 32 layers=2 bidirectional, dense 2", "3x64, conv 8 5, relu, maxpool 2, flatten, dense 3",
    "1x16x32x32, conv 8 3x3x3, relu, maxpool 2, flatten, dense 3", "CxN, conv M K", "32, [dense 64, relu, dense 32]*5, dense 4",
    "4x6, dense 7", "3x8x8, [conv 3 3x3 pad=1, relu]*L, flatten, dense 5", "B1xS, dense h, relu, dense 3", "100000000000000000000-10",
)  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=[spec[:30] for spec in SPECS])
def test_is_a_picture_whose_labels_do_not_touch(spec: str) -> None:
    check_picture(network_chart(nncost.count(spec)))


def test_the_textbook_network_has_a_circle_for_each_neuron_and_squares_for_its_inputs() -> None:
    chart = network_chart(nncost.count("784-16-16-10"))
    root = root_of(chart)
    coloured = [circle for circle in root.iter(f"{SVG}circle") if "fill-opacity" in circle.attrib]
    assert len(coloured) == 16 + 16 + 10
    assert len(list(root.iter(f"{SVG}rect"))) == 1 + 14  # The paper, and the inputs that are not left out.
    (lines, *_) = list(root.iter(f"{SVG}path"))
    assert lines.attrib["d"].count("M") == 14 * 16


def test_the_labels_of_a_dense_network_are_the_numbers_of_its_report() -> None:
    report = nncost.count("784-16-16-10")
    shown = words(network_chart(report))
    for row in report.rows:
        if row.op == "dense" and row.phase == "forward":
            assert f"= {row.weights:,} weights" in shown
            assert f"{row.biases:,} biases" in shown
            assert row.path in shown
    assert {"784 inputs", "16 neurons", "10 neurons", "sigmoid", "784 · 16", "16 · 16", "16 · 10"} <= set(shown)
    assert f"{report.parameters.total:,} parameters = 12,960 weights + 42 biases" in shown


def test_a_volume_is_labelled_by_its_maps_and_parameters() -> None:
    report = nncost.count(LENET)
    shown = words(network_chart(report))
    for row in report.rows:
        if row.phase == "forward" and row.output is not None and len(row.output) == 4:
            assert f"{row.output[1]}@{row.output[2]}×{row.output[3]}" in shown
            assert row.parameters == 0 or f"{row.parameters:,} parameters" in shown
    assert {"1@28×28", "400", "120", "84", "10", "61,706 parameters = 61,470 weights + 236 biases"} <= set(shown)


def test_repeated_layers_stand_once_with_how_often() -> None:
    assert "×23" in words(network_chart(nncost.count("784-512*24-10")))
    assert "×(L − 1)" in words(network_chart(nncost.count("784-h*L-10")))
    shown = words(network_chart(nncost.count(GPT)))
    assert shown.count("attention.1") == 1
    assert "×6" in shown
    assert "1×128×64 · 49,984 parameters each" in shown


def test_few_repetitions_are_columns_of_their_own() -> None:
    shown = words(network_chart(nncost.count("64-32*3-8")))
    assert shown.count("32 neurons") == 3
    assert shown.count("= 1,024 weights") == 2


def test_columns_in_the_middle_of_a_deep_network_are_told_by_their_number() -> None:
    chart = network_chart(nncost.count("-".join(str(width) for width in range(40, 20, -1))))
    assert "13 more layers" in words(chart)


@pytest.mark.parametrize(
    "spec", [LENET, "784-16-16-10", "784-512*24-10", "16x8, lstm 32 last, dense 2", "CxN, conv M K", "784-h*L-10"]
)
def test_the_numbers_add_up_to_the_report(spec: str) -> None:
    report = nncost.count(spec)
    table = network_chart(report).table
    assert table.total is not None
    assert table.total[-1] == report.parameters.total
    parameters = sum(row[-1] for row in table.rows)  # type: ignore[misc]
    neurons = sum(row[3] for row in table.rows if row[3] != "")  # type: ignore[misc]
    assert nncost.dims.same(parameters, report.parameters.total)
    assert nncost.dims.same(neurons, report.neurons)


MANY = {
    "of all kinds": lambda i: (f"layer {i * i}", KINDS[i * i % len(KINDS)], (1, i + 1)),
    "in modules": lambda i: (f"a{i}.b{i}.c", "dense", (1, 8)),
    "convolutions": lambda i: (f"n{i}", "conv", (1, i % 50 + 1, i % 17 + 1, 8)),
    "fully connected": lambda i: (f"dense.{i}", "dense", (1, 8)),
}
KINDS = ("dense", "gelu", "attention", "conv", "add", "my op", "layernorm")


@pytest.mark.parametrize("kind", MANY)
def test_ten_thousand_layers_are_a_small_picture(kind: str) -> None:
    report = nncost.count("8-8")
    places = [MANY[kind](i) for i in range(10_000)]
    rows = [replace(report.rows[0], path=path, op=op, output=output) for path, op, output in places]
    chart = network_chart(replace(report, rows=rows, outputs={path: output for path, _, output in places}))
    check_picture(chart)
    assert len(str(chart.picture)) < 100_000


def test_an_unknown_operation_is_marked_and_named() -> None:
    report = nncost.count("8-8-8")
    unknown = [{"path": "dense.2", "op": "my.Mystery", "phase": "forward"}]
    chart = network_chart(replace(report, unknown=unknown))
    check_picture(chart)
    assert "unknown" in words(chart)
    assert "INCOMPLETE: 1 unknown operation: my.Mystery" in words(chart)
    assert "my.Mystery" in chart.description
    assert any("stroke-dasharray" in box.attrib for box in root_of(chart).iter(f"{SVG}rect"))
    assert ("dense.2", "my.Mystery (unknown)") in [row[:2] for row in chart.table.rows]


def test_an_unknown_operation_in_a_convolutional_network_is_a_dashed_volume() -> None:
    report = nncost.count(LENET)
    rows = [row for row in report.rows if row.path != "avgpool.1"]
    unknown = [{"path": "avgpool.1", "op": "Strange", "phase": "forward"}]
    chart = network_chart(replace(report, rows=rows, unknown=unknown))
    check_picture(chart)
    assert {"Strange", "6@14×14", "unknown operation"} <= set(words(chart))
    assert any("stroke-dasharray" in shape.attrib for shape in root_of(chart).iter(f"{SVG}polygon"))
    assert "Strange" in chart.description


def test_where_an_unknown_operation_stands_need_not_be_known() -> None:
    report = nncost.count(LENET)
    unknown = [{"path": "somewhere", "op": "Strange", "phase": "forward"}]
    chart = network_chart(replace(report, unknown=unknown))
    check_picture(chart)
    assert {"Strange", "shape unknown", "unknown", "somewhere"} <= set(words(chart))


def test_a_report_without_shapes_or_layers_is_drawn() -> None:
    report = nncost.count(LENET)
    blind = replace(report, rows=[replace(row, output=None) for row in report.rows], outputs={})
    check_picture(network_chart(blind))
    assert "shape unknown" in words(network_chart(blind))
    check_picture(network_chart(replace(report, rows=[], outputs={})))
    no_inputs = replace(report, rows=[], source=replace(report.source, inputs={}))
    root_of(network_chart(no_inputs))


HOSTILE = "</text></svg><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x00\x1b[31m\u202e\ud800{{7*7}}"


@pytest.mark.parametrize("spec", ["784-16-16-10", LENET, GPT, f"3x32x32, {CONVOLUTIONS}, flatten, dense 2"])
def test_hostile_names_stay_text(spec: str) -> None:
    report = nncost.count(spec)
    names = {path: f"{HOSTILE}.{path}" for path in {*report.outputs, *(row.path for row in report.rows)}}
    hostile = replace(
        report,
        rows=[replace(row, path=names[row.path], op=HOSTILE if row.op == "sigmoid" else row.op) for row in report.rows],
        outputs={names[path]: shape for path, shape in report.outputs.items()},
        source=replace(report.source, name=HOSTILE, inputs={HOSTILE: next(iter(report.source.inputs.values()))}),
        unknown=[{"path": names["dense.1"], "op": HOSTILE, "phase": "forward"}],
    )
    for each in (hostile, replace(hostile, unknown=[])):
        chart = network_chart(each)
        check_picture(chart)
        assert isinstance(chart.picture, str)
        assert {element.tag.removeprefix(SVG) for element in root_of(chart).iter()} <= {
            "svg", "title", "desc", "style", "g", "rect", "circle", "path", "polygon", "text",
        }  # fmt: skip
        assert "<script" not in chart.picture
        assert "<img" not in chart.picture
        assert chart.picture.isprintable()
        assert all(not name.startswith("on") for element in root_of(chart).iter() for name in element.attrib)
        assert HOSTILE.encode("utf-8", "ignore") not in chart.description.encode("utf-8", "ignore")
        assert chart.description.isprintable()


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "inception_v1", "shufflenet", "bvlc_alexnet"])
def test_files_of_convolutional_networks_are_drawn_by_stages(name: str) -> None:
    onnx = pytest.importorskip("onnx")
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    chart = network_chart(nncost.count(str(folder / f"light_{name}.onnx")))
    check_picture(chart)
    assert "3@224×224" in words(chart)
    if name == "resnet50":
        assert {"64@112×112", "256@56×56", "512@28×28", "1024@14×14", "2048@7×7", "1,000"} <= set(words(chart))
        assert "Connections around layers are not drawn" in words(chart)


def test_a_module_is_drawn_as_its_spec() -> None:
    pytest.importorskip("torch")
    module = Path(__file__).parents[2] / "examples" / "lenet.py"
    chart = network_chart(nncost.count(f"{module}:build", inputs=(1, 1, 28, 28)))
    check_picture(chart)
    assert {"1@28×28", "6@28×28", "16@10×10", "16@5×5", "400", "Linear, ReLU", "48,120 parameters"} <= set(words(chart))


@pytest.mark.parametrize("name", ["gpt2-large", "Mixtral-8x7B-v0.1", "t5-small", "vit-base-patch16-384", "pythia-14m"])
def test_a_transformer_is_one_block_and_how_often_it_stands_there(name: str) -> None:
    pytest.importorskip("transformers")
    config = Path(__file__).parents[1] / "huggingface" / "configs" / f"{name}.json"
    chart = network_chart(nncost.count(str(config)))
    check_picture(chart)
    assert any(re.fullmatch(r"×\d+", word) for word in words(chart))
    if name == "gpt2-large":
        assert {"×36", "h.0-35", "GPT2Block · 1×1024×1280 · 19,677,440 parameters each"} <= set(words(chart))


def test_colours_are_those_of_the_style_sheet_with_their_light_values() -> None:
    picture = str(network_chart(nncost.count(LENET)).picture)
    style = (Path(nncost.__file__).parent / "documents" / "style.css").read_text("utf-8")
    used = set(re.findall(r'(?:fill|stroke)="([^"]*)"', picture)) - {"none"}
    assert used
    for colour in used:
        name, value = re.fullmatch(r"var\(--nn-([a-z-]+), (#[0-9a-f]{6})\)", colour).groups()  # type: ignore[union-attr]
        assert f"--nn-{name}: {value};" in style
    assert picture.count("<style>") == 1
    assert "svg.nn-drawing:root{" in picture  # So that nothing changes in a page that has its own colours.


def test_drawing_needs_neither_numpy_nor_a_drawing_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, nncost; from nncost.views.drawing import network_chart\n"
        f"for spec in ({LENET!r}, '784-16-10', {GPT!r}): network_chart(nncost.count(spec))\n"
        "print(sorted({'numpy', 'sympy', 'altair', 'vl_convert', 'torch', 'onnx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_widths_that_change_have_no_product_of_one_of_them() -> None:
    """Neurons of a family are a sum over its members, which a line of the numbers does not have."""
    table = nncost.plot("h0-h1-...-hl", "network").table
    neurons = {row[0]: row[3] for row in table.rows if row[1] == "dense"}
    assert [str(each) for each in neurons.values()] == ["h[1]", NONE]
    plain = nncost.plot("9-7-h*L-5", "network").table
    assert add_all(row[3] for row in plain.rows if row[1] == "dense") == nncost.count("9-7-h*L-5").neurons
