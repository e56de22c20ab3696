"""``nncost predict`` and ``nncost devices`` as a person meets them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import nncost
from nncost.cli.main import run
from nncost.timing.devices.fingerprint import fingerprint
from nncost.timing.devices.profile import Profile, Rate
from nncost.timing.devices.profile_store import save_profile
from nncost.timing.prediction import Prediction
from nncost.units import seconds_text
from nncost.views.predict import BY, predict_document


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    return tmp_path


def machine(**fields: object) -> Profile:
    return Profile(
        name="bench", fingerprint={**fingerprint(), **fields}, engine="numpy", contraction=(Rate(1, 1e9), Rate(10**9, 1e9)),
        convolution=(), bandwidth=(Rate(1, 1e10),), overheads={"forward": 1e-5, "backward": 1e-5, "update": 1e-5, "step": 1e-3},
        page_fault=1e-6, page_bytes=4096, cold=1.0, spread=0.1,
    )  # fmt: skip


def test_json_has_the_documented_shape(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--batch", "32", "--on", "h100", "--examples", "60000", "--epochs", "10", "--json"]
    assert run(["predict", "784-16-16-10", *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "nncost.prediction/1"
    assert said["device"]["name"] == "h100"
    assert set(said["seconds"]) == {"forward", "backward", "update", "step", "run"}
    assert all(len(interval) == 3 and interval == sorted(interval) for interval in said["seconds"].values())
    assert said["run"] == {"examples": 60_000, "epochs": 10, "batch": 32, "steps": 18_750}
    assert said["complete"] is True
    assert {"path", "op", "phase", "seconds", "causes", "bound", "flops", "peak_share"} == set(said["rows"][0])
    assert said == nncost.predict("784-16-16-10", on="h100", batch=32, examples=60_000, epochs=10).to_dict()


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize(
    "spec", ["784-16-16-10", "784-512*60-10", "3x32x32, conv 16 3x3, batchnorm, relu, maxpool 2, flatten, dense 10"]
)
def test_the_text_fits_80_columns(by: str, spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", spec, "--on", "a100", "--by", by, "--examples", "1000"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for phase in ("forward", "backward", "update", "step", "run"):
        assert re.search(rf"^{phase} ", shown, re.MULTILINE)
    assert "estimated" in shown
    assert "MFU" in shown


def test_layers_can_be_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "784-512*60-10", "--on", "a100", "--depth", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("repeat.1 ")]) == 1
    assert not any("repeat.1." in line for line in lines)


def test_a_terminal_shows_the_same() -> None:
    document = predict_document(nncost.predict("784-16-16-10", on="h100", examples=1_000))
    shown, written = document.render("terminal", 80), document.render("plain")
    for number in re.findall(r"\d[\d.,]* [µm]?s", written):
        assert number in shown


def test_this_machine_uncalibrated_is_one_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "784-16-16-10"]) == 2
    said = capsys.readouterr().err
    assert "not calibrated" in said
    assert "5 minutes" in said
    assert "nncost calibrate" in said
    assert "--on h100" in said


def test_this_machine_from_its_profile(capsys: pytest.CaptureFixture[str]) -> None:
    save_profile(machine())
    assert run(["predict", "784-16-16-10", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["label"] == "calibrated"
    forward = 2 * 12_960 / 1e9 + 6 * 1e-5 + 1e-3
    assert said["seconds"]["forward"][1] == pytest.approx(forward, rel=0.05)
    assert said["rows"][0]["causes"]["arithmetic"] == pytest.approx(2 * 12_544 / 1e9)


def test_another_machine_by_the_name_of_its_profile(capsys: pytest.CaptureFixture[str]) -> None:
    save_profile(machine(accelerator="Abacus 3000"))
    assert run(["predict", "784-16-16-10", "--on", "bench"]) == 0
    assert "Abacus 3000: calibrated" in capsys.readouterr().out


def test_large_outputs_fault_their_pages() -> None:
    save_profile(machine())
    small, large = (nncost.predict("100, dense 100", batch=batch, loss="none") for batch in (1_000, 1_000_000))
    assert small.rows[0].causes["page_faults"] == 0
    assert large.rows[0].causes["page_faults"] == pytest.approx(4 * 100 * 1_000_000 / 4096 * 1e-6)


def test_an_unknown_operation_makes_it_incomplete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("Strange", ["x"], ["y"], domain="nobody")
    values = [onnx.helper.make_tensor_value_info(name, 1, [1, 4]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:])
    opsets = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("nobody", 1)]
    path = tmp_path / "strange.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    assert run(["predict", str(path), "--on", "h100"]) == 3
    assert "Strange" in capsys.readouterr().out
    assert run(["predict", str(path), "--on", "h100", "--allow-unknown", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["complete"] is False
    assert [item["op"] for item in said["unknown"]] == ["nobody.Strange"]


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["784-16-10", "--on", "h10"], "Did you mean h100"),
        (["784-16-10", "--on", ""], "unknown device ''"),
        (["784-16-10", "--on", "tpu-v5e"], "--dtype"),
        (["784-16-10", "--on", "h100", "--by", "colour"], "Accepted: layer, op, phase, cause"),
        (["784-16-10", "--on", "h100", "--depth", "0"], "--depth takes a whole number"),
        (["784-h-10", "--on", "h100"], "have none: h"),
        (["784-", "--on", "h100"], "784-"),
        (["784-16-10", "--on", "h100", "--batch", "0"], "--batch"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(
    arguments: list[str], fragment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("nncost: error: ")
    assert fragment in said


def test_devices_lists_machines_and_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices"]) == 0
    shown = capsys.readouterr().out
    assert "None yet.\nNext: nncost calibrate\n" in shown
    assert re.search(r"^h100 .*989", shown, re.MULTILINE)
    assert max(len(line) for line in shown.splitlines() if not line.startswith("  /")) <= 80
    assert "/devices" in shown
    save_profile(machine())
    save_profile(replace(machine(cpu="Abacus"), name="old"))
    assert run(["devices"]) == 0
    shown = capsys.readouterr().out
    assert "describes this machine: --on this" in shown
    assert "the processor was Abacus" in shown


def test_devices_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    save_profile(machine())
    assert run(["devices", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "nncost.timing.devices/1"
    assert [entry["holds"] for entry in said["calibrated"] if not entry["shipped"]] == [True]
    assert all(device["source"] for device in said["catalogue"])


def test_one_device_with_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "h100"]) == 0
    shown = capsys.readouterr().out
    assert "stas00/ml-engineering" in shown
    assert "80% of the theory" in shown
    assert run(["devices", "h10"]) == 2


def test_a_broken_profile_is_told_and_does_not_stop_the_list(
    empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (empty_cache / "profiles").mkdir()
    (empty_cache / "profiles" / "x.json").write_text("{")
    assert run(["devices"]) == 0
    told = capsys.readouterr()
    assert "is not whole JSON" in told.err
    assert "h100" in told.out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (3.3e-9, "3.30 ns"), (4.56e-5, "45.6 µs"), (9.999e-4, "1.00 ms"), (0.99999, "1.00 s"), (59.99, "60.0 s"),
        (119.9, "120 s"), (750, "12 min 30 s"), (3_600, "1 h"), (7_300, "2 h 2 min"), (172_800, "2 d"), (3e5, "3 d 11 h"),
        (4e7, "1.27 years"), (1e12, "31.7 thousand years"), (1e40, "3.17e+23 billion years"), (-1, "−1.00 s"),
    ],
)  # fmt: skip
def test_seconds_as_people_read_them(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_a_prediction_is_plain_data() -> None:
    prediction = nncost.predict("784-16-16-10", on="h100", batch=4)
    assert isinstance(prediction, Prediction)
    assert json.loads(json.dumps(prediction.to_dict())) == prediction.to_dict()


def test_a_catalogue_prediction_brings_nothing_heavy() -> None:
    from tests.test_public import loaded_after

    assert loaded_after("from nncost.cli.main import run; run(['predict', '784-16-16-10', '--on', 'h100'])") == set()
    assert loaded_after("from nncost.cli.main import run; run(['devices'])") == set()
