"""Each option × each kind of source: it changes what is counted, or an error says that it cannot. Defaults are no contradiction."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncost.cli.main import run

OPTIONS = [
    "--batch 3", "--symbol h=5", "--input 2x3x8x8", "--loss cross_entropy", "--optimizer adam", "--examples 10", "--examples 10 --epochs 2",
    "--accumulate 2", "--freeze *", "--mode train", "--mode inference", "--bias hidden", "--no-bias", "--activation relu", "--taps valid",
    "--dtype float16", "--convention 6nd", "--backward derived", "--allocator cuda", "--fits 1GiB", "--no-reuse", "--learn", "--no-learn",
]  # fmt: skip
DEFAULTS = ["--bias all", "--activation sigmoid", "--taps dense", "--dtype float32", "--convention nncost", "--backward auto", "--allocator exact", "--reuse",
            "--accumulate 1", "--epochs 1"]  # fmt: skip
KINDS = ("widths", "layers", "onnx", "weights", "torch")
SAME: dict[str, set[str]] = {
    # Nothing is padded or dropped, and a spec is trained, by a derived backward pass.
    "widths": {"--taps valid", "--mode train", "--mode inference", "--backward derived"},
    "layers": {"--mode train", "--backward derived"},
    "onnx": {"--mode inference"},
    "weights": {"--mode inference"},
    "torch": {"--mode inference", "--no-reuse", "--learn", "--no-learn"},  # how it is counted changes, not what
}
"""Options that say what holds already."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("sources")
    np.savez(folder / "net.npz", **{"1.weight": np.zeros((4, 3), "f4"), "1.bias": np.zeros(4, "f4")})
    (folder / "net.py").write_text(
        "from torch import nn\n\ndef build():\n    layers = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(256, 10)\n"
        "    return nn.Sequential(*layers), (1, 3, 8, 8)\n"
    )
    return {
        "widths": "784-16:relu-16-10", "layers": "3x8x8, conv 4 3x3 pad=1, relu, dropout 0.5, flatten, dense 10", "weights": str(folder / "net.npz"),
        "onnx": str(saved(folder / "net.onnx")), "torch": f"{folder / 'net.py'}:build",
    }  # fmt: skip


def saved(path: Path) -> Path:
    onnx = pytest.importorskip("onnx")
    h, values = onnx.helper, onnx.numpy_helper.from_array
    nodes = [
        h.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), h.make_node("Relu", ["c"], ["r"]),
        h.make_node("Dropout", ["r"], ["d"]), h.make_node("Flatten", ["d"], ["f"]), h.make_node("Gemm", ["f", "v", "b"], ["y"]),
    ]  # fmt: skip
    weights = [
        values(np.zeros((4, 3, 3, 3), "f4"), "w"),
        values(np.zeros((256, 10), "f4"), "v"),
        values(np.zeros(10, "f4"), "b"),
    ]
    shapes = [h.make_tensor_value_info("x", 1, [1, 3, 8, 8])], [h.make_tensor_value_info("y", 1, [1, 10])]
    onnx.save(
        h.make_model(h.make_graph(nodes, "g", *shapes, weights), opset_imports=[h.make_opsetid("", 17)], ir_version=9),
        path,
    )
    return path


def counted(source: str, option: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any] | str:
    """What is counted, without the settings that are repeated; or what is told."""
    code = run(["count", source, *shlex.split(option), "--json"])
    printed = capsys.readouterr()
    if code == 2:
        return printed.err
    assert code == 0
    return {name: value for name, value in json.loads(printed.out).items() if name not in ("settings", "source")}


@pytest.mark.parametrize("kind", KINDS)
def test_an_option_changes_something_or_is_refused(
    kind: str, sources: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "torch":
        pytest.importorskip("torch")
    plain = counted(sources[kind], "", capsys)
    assert isinstance(plain, dict)
    ignored = set()
    for option in OPTIONS:
        found = counted(sources[kind], option, capsys)
        if isinstance(found, str):
            name = option.split()[0].removeprefix("--no-").lstrip("-")
            assert any(word in found for word in (name, f"{name}s", option.split()[1] if " " in option else name)), (
                found
            )
        elif found == plain:
            ignored.add(option)
    assert ignored == SAME[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_default_is_no_contradiction(kind: str, sources: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    if kind == "torch":
        pytest.importorskip("torch")
    plain = counted(sources[kind], "", capsys)
    for option in (*DEFAULTS, *(["--loss none", "--optimizer none"] if kind not in ("widths", "layers") else [])):
        assert counted(sources[kind], option, capsys) == plain, option


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("predict SOURCE --on a100 --convention 6nd", "seconds do not depend on it"), ("predict SOURCE --on a100 --taps valid", "products with padding"),
        ("measure SOURCE --examples 10", "nncost predict adds up a run"), ("measure SOURCE --accumulate 2", "Single steps on one batch"),
        ("measure SOURCE --allocator cuda", "PyTorch's allocator"), ("count SOURCE --by op --shapes", "does not change rows by op"),
        ("count SOURCE --reuse --no-reuse", "--reuse contradicts --no-reuse"), ("explain SOURCE forward --why torch", "takes no topic"),
        ("count 784-16:relu-10:softmax --activation tanh", "every layer names its own"),
    ],
)  # fmt: skip
def test_what_a_command_has_no_use_for(
    command: str, reason: str, sources: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [sources["widths"] if word == "SOURCE" else word for word in command.split()]
    assert run(arguments) == 2
    assert reason in capsys.readouterr().err


def test_a_checkpoint_takes_no_time(sources: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", sources["weights"], "--on", "a100"]) == 2
    assert "there are no seconds" in capsys.readouterr().err
