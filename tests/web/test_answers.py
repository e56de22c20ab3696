"""The answers themselves, without a server: what they are equal to, and what they refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import nncost
from nncost.errors import NncostError, OptionError, SourceError, SpecError
from nncost.web.answers import ANSWERS, answer, told
from nncost.web.answers.settings import MAX_SOURCE, SETTINGS
from nncost.web.answers.sources import ENDINGS, safe_name

SPEC = "784-16-16-10"
HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_every_answer_has_settings_and_each_setting_says_what_it_is() -> None:
    assert set(ANSWERS) == set(SETTINGS)
    for settings in SETTINGS.values():
        assert all(setting.help.strip() and setting.kind.accepted.strip() for setting in settings.values())


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_is_there(name: str) -> None:
    module, _, function = ANSWERS[name].partition(":")
    if find_spec(module) is None:
        pytest.skip(f"{module} is not in this installation")
    assert callable(getattr(__import__(module, fromlist=[function]), function))


@pytest.mark.parametrize(
    ("source", "settings"),
    [
        (SPEC, {}),
        (SPEC, {"batch": 64, "loss": "cross_entropy", "optimizer": "adam", "examples": 60_000, "epochs": 3}),
        ("784-h*L-10", {"batch": "B"}),
        ("784-h-10", {"symbols": {"h": 128}, "freeze": ["dense.1"]}),
        (
            "3x32x32, conv 16 3x3 pad=1, relu, flatten, dense 10",
            {"taps": "valid", "convention": "torch", "loss": "none"},
        ),
        (SPEC, {"fits": "8GiB", "dtype": "float16"}),
    ],
)
def test_count_is_the_report(source: str, settings: dict[str, Any]) -> None:
    assert answer("count", {"source": source, **settings}) == nncost.count(source, **settings).to_dict()


def test_numbers_may_come_as_digits_and_null_is_no_setting() -> None:
    big = 2**70 + 1
    wanted = nncost.count("784-h-10", batch=big, symbols={"h": big}).to_dict()
    request = {"source": "784-h-10", "batch": str(big), "symbols": {"h": str(big)}, "loss": None}
    assert answer("count", request) == wanted


def test_explanations_in_each_form() -> None:
    document = nncost.explain(SPEC, "parameters")
    for form in ("markdown", "latex", "plain"):
        found = answer("explain", {"source": SPEC, "topic": "parameters", "form": form})
        assert found == {"form": form, "title": document.title, "text": document.render(form)}
    html = answer("explain", {"source": SPEC, "topic": "parameters"})
    assert html["form"] == "html"
    assert "13,002" in html["text"]
    assert "<script" not in html["text"]
    assert " style=" not in html["text"]


def test_formulas_are_those_of_python() -> None:
    found = answer("formula", {"source": "784-h-10", "quantity": "parameters.total", "at": {"h": "128"}})
    formula = nncost.formula("784-h-10", at={"h": 128})
    assert found["complete"] is True
    assert found["formulas"] == [
        {**formula.to_dict(), "latex": formula.latex(), "mathml": formula.mathml(), "python": formula.python()}
    ]
    assert found["formulas"][0]["value"] == 795 * 128 + 10
    assert len(answer("formula", {"source": SPEC})["formulas"]) == 9


def test_predictions_are_those_of_python() -> None:
    assert (
        answer("predict", {"source": SPEC, "on": "H100", "batch": 8})
        == nncost.predict(SPEC, on="h100", batch=8).to_dict()
    )


def test_devices_are_those_that_predict_knows() -> None:
    found = answer("devices", {})["devices"]
    assert {"h100", "a100-80gb"} <= {device["name"] for device in found} or len(found) > 20
    for device in found[:3]:
        assert device["memory_bytes"] > 0
        answer("predict", {"source": SPEC, "on": device["name"], "dtype": device["dtypes"][0]})


@pytest.mark.skipif(find_spec("nncost.views.charts") is None, reason="the charts are not in this installation")
@pytest.mark.parametrize("kind", ["layers", "tree", "memory", "roofline", "growth", "time", "network"])
@pytest.mark.parametrize("form", ["svg", "html", "json"])
def test_charts(kind: str, form: str) -> None:
    request = {"source": "784-h-10" if kind == "growth" else SPEC, "kind": kind, "form": form}
    found = answer("plot", request | ({"on": "h100"} if kind in ("roofline", "time") else {}))
    assert found["kind"] == kind
    assert found["title"]
    assert found["description"]
    assert "<script" not in json.dumps(found["picture"])


@pytest.mark.skipif(find_spec("nncost.views.charts") is None, reason="the charts are not in this installation")
@pytest.mark.parametrize(
    "settings", [{"kind": "time"}, {"kind": "roofline"}, {"kind": "no"}, {"kind": "layers", "form": "png"}]
)
def test_charts_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        answer("plot", {"source": SPEC, **settings})


@pytest.mark.parametrize(
    "request_",
    [
        {"source": SPEC, "bath": 1},
        {"source": SPEC, "batch": 0},
        {"source": SPEC, "batch": -1},
        {"source": SPEC, "batch": 1.5},
        {"source": SPEC, "batch": True},
        {"source": SPEC, "batch": "1 or 2"},
        {"source": SPEC, "batch": []},
        {"source": SPEC, "batch": 10**1000},
        {"source": SPEC, "batch": "9" * 1001},
        {"source": SPEC, "symbols": [["h", 1]]},
        {"source": SPEC, "symbols": {"h": "x"}},
        {"source": SPEC, "symbols": {"h": 0}},
        {"source": SPEC, "loss": {"module": "os"}},
        {"source": SPEC, "loss": "os.system"},
        {"source": SPEC, "optimizer": "torch.optim.Adam"},
        {"source": SPEC, "dtype": "float33"},
        {"source": SPEC, "freeze": [1]},
        {"source": SPEC, "freeze": ["x"] * 1001},
        {"source": SPEC, "inputs": ["1x3"]},
        {"source": SPEC, "inputs": ["a b c"]},
        {"source": SPEC, "epochs": 2},
        {"source": SPEC, "reuse": False},
        {"source": SPEC, "learn": True},
        {"source": SPEC, "fits": "8 apples"},
        {"source": 784},
        {"source": None},
        {"source": ["784", "10"]},
        {"source": " "},
        {"source": "x" * (MAX_SOURCE + 1)},
        {},
        [],
        None,
        "784-10",
    ],
)
def test_what_is_no_setting_is_an_option_error(request_: Any) -> None:
    with pytest.raises(OptionError) as raised:
        answer("count", request_)
    assert len(str(raised.value)) < 2_000


def test_an_unknown_setting_is_answered_with_what_is_meant() -> None:
    with pytest.raises(OptionError) as raised:
        answer("count", {"source": SPEC, "bath": 1})
    assert told(raised.value)["error"]["hint"].startswith("Did you mean 'batch'? Accepted: source, batch, ")


def test_an_unknown_answer_is_refused() -> None:
    for name in ("coutn", "__init__", "../count", "", "settings:checked"):
        with pytest.raises(OptionError, match="there is no answer"):
            answer(name, {"source": SPEC})


@pytest.mark.parametrize("on", ["this", "cpu", "nothing", "", "../h100"])
def test_only_devices_of_the_catalogue(on: str) -> None:
    with pytest.raises(OptionError):
        answer("predict", {"source": SPEC, "on": on})


@pytest.mark.parametrize("topic", ["time", "seconds", "TIME"])
def test_nobody_measures_on_the_machine_of_the_server(topic: str) -> None:
    with pytest.raises(OptionError, match="measured"):
        answer("explain", {"source": SPEC, "topic": topic})


CODE = [
    "net.py:build", "net.py", "os:system", "os.path:join", "torchvision.models:resnet18", "/etc/passwd", "~/x.onnx", "../x.onnx",
    "./model", "model.onnx", "model.pt", "model.bin", "MODEL.PTH", "a/b/config.json", "config.json", "x.npz", "x.h5", "x.keras",
    "x.nncost", "C:\\x\\model.onnx", "\\\\server\\x", "file:///etc/passwd", "http://x.y/model.onnx", "https://x.y",
    "bert-base-uncased", "model.safetensors.index.json", "pytorch_model.bin.index.json",
]  # fmt: skip


@pytest.mark.parametrize("source", CODE)
@pytest.mark.parametrize("name", ["count", "explain", "formula"])
def test_paths_and_code_are_no_sources(name: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where such a file is there: it is never looked at."""
    marker = tmp_path / "was_run"
    for file in ("net.py", "model.onnx", "model.pt", "config.json", "x.nncost"):
        (tmp_path / file).write_text(f"open({str(marker)!r}, 'w')\nbuild = None\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises((SourceError, SpecError)) as raised:
        answer(name, {"source": source})
    assert not marker.exists()
    assert str(tmp_path) not in json.dumps(told(raised.value))


def test_a_folder_or_file_called_like_a_spec_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / SPEC).mkdir()
    (tmp_path / SPEC / "config.json").write_text('{"model_type": "gpt2"}')
    (tmp_path / "4-3-2").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert answer("count", {"source": SPEC})["parameters"]["total"] == 13_002
    assert answer("count", {"source": "4-3-2"})["source"]["kind"] == "spec"


def test_faults_do_not_say_what_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that nearly is the name of a file is answered as if there were none."""
    monkeypatch.chdir(tmp_path)
    texts = ["secret_mdel", "secretmodl", "secret model", "secret_model.onn"]
    before = [_fault(text) for text in texts]
    for name in ("secret-model.onnx", "secret_model.onnx", "secretmodel"):
        (tmp_path / name).write_text("x")
    assert [_fault(text) for text in texts] == before


def _fault(source: str) -> dict[str, Any]:
    with pytest.raises(NncostError) as raised:
        answer("count", {"source": source})
    return told(raised.value)


def test_faults_of_specs_have_their_place() -> None:
    assert _fault("784-128:rleu-10")["error"] == {
        "code": "spec", "message": "unknown activation 'rleu'", "position": 8, "length": 4, "instead": "784-128:relu-10",
        "hint": _fault("784-128:rleu-10")["error"]["hint"],
    }  # fmt: skip


def test_options_of_the_command_line_are_no_correction() -> None:
    with pytest.raises(NncostError) as raised:
        answer("predict", {"source": "784-h-10", "on": "h100"})
    assert raised.value.instead is not None
    assert "instead" not in told(raised.value)["error"]


def test_faults_are_text_that_can_be_shown() -> None:
    fault = _fault("784-\x1b[31m\u202e\x00-10")["error"]
    assert all(character.isprintable() or character == "\n" for character in fault["message"] + fault.get("hint", ""))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("model.onnx", "model.onnx"),
        ("../../etc/x.onnx", "x.onnx"),
        ("C:\\x\\y.ONNX", "y.onnx"),
        (HOSTILE + ".gguf", None),
        ("-rf.safetensors", "rf.safetensors"),
        (".onnx.onnx", "onnx.onnx"),
        ("x y\x00z.onnx", "x_y_z.onnx"),
        ("x...onnx", "x.onnx"),
        ("net.py:build.onnx", "net_py_build.onnx"),
        ("model-00001-of-00002.safetensors", "model-00001-of-00002.safetensors"),
        ("anything.json", "config.json"),
        ("model.safetensors.index.json", "config.json"),
        ("é" * 300 + ".onnx", "model.onnx"),
    ],
)
def test_names_of_uploads_are_made_harmless(name: str, kept: str | None) -> None:
    found = safe_name(name)
    assert kept is None or found == kept
    assert found.isascii()
    assert found.endswith(tuple(ENDINGS))
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
    assert ".." not in found


@pytest.mark.parametrize(
    "name",
    ["x.py", "x.pt", "x.bin", "x.pkl", "x.npz", "x.npy", "x.h5", "x.keras", "x", "", ".onnx", "x.onnx/", "x.zip"],
)
def test_other_files_are_not_taken(name: str) -> None:
    if name == "x.onnx/":  # the last part of a path counts
        assert safe_name(name) == "x.onnx"
        return
    with pytest.raises(SourceError, match="not read here"):
        safe_name(name)


def test_an_upload_is_read_by_its_name_alone(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    path = tmp_path / "secret-folder" / "net.safetensors"
    path.parent.mkdir()
    save_file({"a.weight": np.zeros((3, 4), np.float32)}, path)
    found = answer("count", {"source": "upload:abc"}, {"abc": str(path)})
    assert found["parameters"]["total"] == 12
    assert found["source"]["name"] == "net.safetensors"
    assert "secret-folder" not in json.dumps(found)


@pytest.mark.parametrize("source", ["upload:", "upload:abd", "upload:../x", "upload:abc/../abc"])
def test_other_uploads_are_not_there(source: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such upload"):
        answer("count", {"source": source}, {"abc": str(tmp_path / "x.onnx")})


def test_an_upload_of_another_kind_is_never_opened(tmp_path: Path) -> None:
    """Whoever handed the path over: the list of endings decides."""
    import pickle

    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "exploded",))

    for name in ("x.pt", "x.bin", "net.py", "x.npz", "x.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(SourceError, match="not read here"):
            answer("count", {"source": "upload:t"}, {"t": str(tmp_path / name)})
    assert not (tmp_path / "exploded").exists()


def test_hostile_symbols_stay_text() -> None:
    found = answer("count", {"source": "784-h-10", "symbols": {"h": 3}})
    assert found["complete"]
    with pytest.raises(NncostError) as raised:
        answer("count", {"source": "784-h-10", "symbols": {HOSTILE: 3}})
    assert "<" in told(raised.value)["error"]["message"]  # it is the page that escapes it, as all text


BLOCKED = """
import json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"fastapi", "starlette", "uvicorn", "pydantic", "numpy", "torch", "rich", "click", "altair", "vl_convert"}:
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Blocked())
from nncost.web.answers import answer
requests = [("count", {"source": "784-16-16-10"}), ("count", {"source": "784-h*L-10", "batch": "B"}),
    ("explain", {"source": "784-16-16-10"}), ("explain", {"source": "784-h-10", "form": "latex"}),
    ("formula", {"source": "784-h-10", "at": {"h": 5}}), ("predict", {"source": "784-16-16-10", "on": "h100"}), ("devices", {})]
print(json.dumps([len(answer(name, request)) for name, request in requests]))
"""


def test_a_browser_needs_nothing_but_the_core() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(json.loads(done.stdout))
