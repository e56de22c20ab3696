"""The calculator's answer: sizes that can be dragged, and formulas that give what a count gives wherever they are dragged to."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

import nncost
from nncost.errors import NncostError
from nncost.notation.tree import evaluate
from nncost.web.answers.calculator import calculator
from nncost.web.answers.formulas import quantities
from nncost.web.presets import PAGE, answer_to, choices, place_of, presets

PRESETS = {preset["name"]: preset for preset in presets()}
SPECS = [
    "784-16-16-10", "784-32:relu-16:tanh-10:softmax", "784-20*7-10", "5-4", "2-3-1", "1x28x28-12-10",
    "3x16x16, conv 8 3 pad=1, batchnorm, relu, [residual[conv 8 3 pad=1, relu]]*6, global_avgpool, dense 10, softmax",
    "12, embedding 30 16, [residual[layernorm, attention heads=4 causal], residual[dense 32, gelu, dense 16]]*7, dense 30, softmax",
    "9x6, gru 8 last, dense 3", "784, dense 32, relu, dropout 0.5, dense 10, softmax",
]  # fmt: skip


def asked(source: str, **settings: Any) -> dict[str, Any]:
    """The answer, as it comes over the wire."""
    return json.loads(json.dumps(calculator({"source": source, **settings})))


def written(pieces: list[Any], sizes: dict[str, int]) -> str:
    return "".join(piece if isinstance(piece, str) else str(sizes[piece[0]]) for piece in pieces)


def sizes_of(answer: dict[str, Any]) -> dict[str, int]:
    return {handle["name"]: int(handle["value"]) for handle in answer["handles"]}


@pytest.mark.parametrize("source", SPECS)
def test_formulas_equal_a_count_wherever_sizes_are_dragged(source: str) -> None:
    answer = asked(source, batch=4, optimizer="adam")
    assert written(answer["pieces"], sizes_of(answer)) == source
    assert answer["values"] == {path: str(n) for path, n in quantities(nncost.count(source, batch=4, optimizer="adam"))}
    rng = random.Random(source)
    formulas = answer["formulas"]
    for _ in range(4):
        sizes = sizes_of(answer)
        for handle in answer["handles"]:
            if handle["name"] in formulas["symbols"] and handle["name"] != "B":
                low, high, step = (int(handle[key]) for key in ("minimum", "maximum", "step") if key in handle) if "step" in handle else (int(handle["minimum"]), int(handle["maximum"]), 1)  # fmt: skip
                low = max(low, 6) if "memory_from" in handle else max(low, int(handle["value"]) // 2)
                sizes[handle["name"]] = int(handle["value"]) + step * rng.randint(-((int(handle["value"]) - low) // step), min(6, (high - low) // step))  # fmt: skip
        sizes["B"] = rng.randint(1, 100)
        report = nncost.count(written(answer["pieces"], sizes), batch=sizes["B"], optimizer="adam")
        numbers = dict(quantities(report))
        assert numbers.keys() - {"memory.forward_peak"} <= formulas["quantities"].keys() | {"memory.forward_peak"}
        for path, tree in formulas["quantities"].items():
            assert evaluate(tree, sizes) == numbers.get(path, 0), (path, sizes)


@pytest.mark.parametrize("source", ["784-16-16-10", "784-12:relu-10:softmax", "30-8*5-2"])
def test_formulas_in_the_number_of_layers(source: str) -> None:
    answer = asked(source, batch=8)
    depth = answer["depth"]
    for number in (1, 2, 3, 5, 9, 30):
        for width in (1, 7, 64):
            sizes = sizes_of(answer) | {depth["number"]["name"]: number, depth["width"]["name"]: width}
            hidden = f"{width}{depth['runs'][0]['behind']}*{number}"
            spec = f"{written(depth['prefix'], sizes)}{hidden}{written(depth['suffix'], sizes)}"
            numbers = dict(quantities(nncost.count(spec, batch=8)))
            for path, tree in depth["formulas"]["quantities"].items():
                if not path.startswith("memory.") or number >= int(depth["number"]["memory_from"]):
                    assert evaluate(tree, sizes) == numbers.get(path, 0), (path, spec)


def test_rows_equal_those_of_a_count() -> None:
    answer = asked("784-16-16-10", batch=2)
    report = nncost.count("784-16-16-10", batch=2)
    for row in answer["rows"]:
        mine = [each for each in report.rows if each.path == row["path"]]
        assert int(row.get("parameters", 0)) == sum(each.parameters for each in mine)
        for phase, counts in row["phases"].items():
            for name, tree in counts.items():
                assert evaluate(tree, {}) == sum(each.counts[name] for each in mine if each.phase == phase)
    sizes = sizes_of(answer)
    assert [evaluate(row["parameters"], sizes) for row in answer["formulas"]["rows"] if "parameters" in row] == [
        12_560,
        272,
        170,
    ]


def test_symbols_of_the_writer_have_sizes() -> None:
    answer = asked("784-h-h-10", symbols={"h": 32})
    handle = next(each for each in answer["handles"] if each["name"] == "h")
    assert (handle["value"], handle["open"], handle["places"]) == ("32", True, 2)
    assert answer["values"]["parameters.total"] == str(nncost.count("784-32-32-10").parameters.total)
    assert answer["symbols"] == {"h": "32"}
    assert asked("784-h-10")["symbols"] == {"h": "16"}


def test_families_of_widths() -> None:
    answer = asked("h0-h1-...-hl", symbols={"l": 3, "h0": 784, "h1": 784})
    assert {each["name"] for each in answer["handles"]} == {"B", "h", "l"}
    total = answer["formulas"]["quantities"]["parameters.total"]
    assert evaluate(total, {"h": [784, 16, 16, 10], "l": 3, "B": 1}) == 13_002


def test_sizes_that_layers_take_in_steps() -> None:
    answer = asked("8, embedding 100 48, attention heads=12, dense 4")
    assert next(each for each in answer["handles"] if each["label"] == "embedding width")["step"] == "12"
    assert asked("Txd, attention heads=12")["symbols"]["d"] == "48"


def test_sizes_that_stay_numbers_are_left_out_of_formulas() -> None:
    answer = asked("3x32x32, conv 8 3 pad=1, adaptive_avgpool 4, flatten, dense 10")
    image = next(each["name"] for each in answer["handles"] if each["group"] == "image")
    assert image not in answer["formulas"]["symbols"]
    assert [image] in answer["pieces"]


def test_without_formulas() -> None:
    answer = asked("784-16-16-10", formulas=False)
    assert "formulas" not in answer
    assert "formulas" not in answer["depth"]
    assert answer["values"]["parameters.total"] == "13002"


def test_networks_of_many_sizes_are_answered() -> None:
    widths = "-".join(str(10 + number) for number in range(300))
    answer = asked(widths)
    assert len(answer["handles"]) < 50
    assert "formulas" not in answer
    names = "-".join(f"a{number}q" for number in range(60))
    answer = asked(names, formulas=False)
    assert len(answer["handles"]) == 61
    assert int(answer["values"]["parameters.total"]) == 59 * (16 * 16 + 16)


def test_giants_are_digits() -> None:
    width = 10**60
    answer = asked(f"784-{width}-10")
    assert answer["values"]["parameters.total"] == str(nncost.count(f"784-{width}-10").parameters.total)


@pytest.mark.parametrize(
    "source",
    ["784-16x-10", "784-16-relu", "3x32x32, conv", "784, dense 10 x y", "64, embedding 3 7, attention heads=2"],
)
def test_faults_are_those_of_a_count(source: str) -> None:
    with pytest.raises(NncostError) as expected:
        nncost.count(source)
    with pytest.raises(NncostError) as found:
        calculator({"source": source})
    assert (found.value.message, found.value.instead) == (expected.value.message, expected.value.instead)
    assert getattr(found.value, "position", None) == getattr(expected.value, "position", None)


def test_files_have_values(tmp_path: Any) -> None:
    import numpy as np

    safetensors = pytest.importorskip("safetensors.numpy")
    place = tmp_path / "weights.safetensors"
    safetensors.save_file({"layer.weight": np.zeros((4, 3), np.float32)}, place)
    answer = asked(str(place))
    assert (answer["values"]["parameters.total"], answer["handles"], answer["kind"]) == ("12", [], "weights")


def test_open_sizes_of_files_are_handles(tmp_path: Any) -> None:
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    x = helper.make_tensor_value_info("x", floats, ["N", 3, "H", 40])
    weight = helper.make_tensor("w", floats, [4, 3, 31, 3], [0.0] * 4 * 3 * 31 * 3)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])], "g", [x], [helper.make_tensor_value_info("y", floats, None)], [weight]
    )  # fmt: skip
    place = tmp_path / "open.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), place)
    answer = asked(str(place))
    assert sizes_of(answer) == {"B": 1, "H": 32}, "of 16 pixels nothing is left"
    assert answer["symbols"] == {"N": "1", "H": "32"}
    answer = asked(str(place), batch=7, symbols={"H": 50})
    assert sizes_of(answer) == {"B": 7, "H": 50}
    report = nncost.count(str(place), batch=7, symbols={"H": 50})
    assert answer["values"]["step.flops"] == str(report.step.flops)
    with pytest.raises(NncostError):
        asked(str(place), symbols={"W": 3})


# ------------------------------------------------------------------- what lies beside the page
@pytest.mark.parametrize("name", PRESETS)
def test_answers_beside_the_page_are_those_of_now(name: str) -> None:
    preset = PRESETS[name]
    assert place_of(preset).read_text("utf-8") == answer_to(preset), "run: python -m nncost.web.presets"


def test_choices_beside_the_page_are_those_of_now() -> None:
    assert (PAGE / "answers" / "choices.json").read_text("utf-8") == choices(), "run: python -m nncost.web.presets"


def test_answers_beside_the_page_are_small() -> None:
    assert sum(path.stat().st_size for path in (PAGE / "answers").iterdir()) < 500_000
    assert len(list((PAGE / "answers").iterdir())) == len(PRESETS) + 1


@pytest.mark.parametrize(
    "family", json.loads((PAGE / "presets.json").read_text("utf-8"))["families"], ids=lambda each: each["name"]
)
def test_families_are_specs(family: dict[str, Any]) -> None:
    spec = family["spec"]
    for parameter in family["parameters"]:
        spec = spec.replace(f"{{{parameter['name']}}}", parameter["value"])
    assert "{" not in spec
    answer = asked(spec, formulas=False)
    assert answer["complete"]
    assert int(answer["values"]["parameters.total"]) > 0


def test_the_page_fetches_its_modules_at_once() -> None:
    """Each module is named in the page, so that the browser need not find them one behind the other."""
    named = re.findall(r'modulepreload" href="page/([^"]+)"', (PAGE / "index.html").read_text("utf-8"))
    there = {path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*.js")} - {"offline.js", "python/worker.js"}
    assert sorted(named) == sorted(there)


def test_the_page_names_nobody_else() -> None:
    """No address of another host, no script or style inside the markup."""
    for path in PAGE.rglob("*"):
        if path.suffix in (".html", ".js", ".css"):
            text = path.read_text("utf-8")
            assert not re.search(r"https?://(?!www\.w3\.org/)", text), path
    index = (PAGE / "index.html").read_text("utf-8")
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", index)
