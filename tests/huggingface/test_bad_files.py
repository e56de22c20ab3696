"""Missing, hostile and impossible configurations: one NncostError each, quickly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from nncost.errors import NncostError
from nncost.frontends.huggingface import load as building
from nncost.frontends.huggingface.load import build
from nncost.frontends.model import LoadOptions
from tests.huggingface.architectures import CASES

LLAMA = CASES["llama"].values


def message(path: Path) -> str:
    with pytest.raises(NncostError) as caught:
        build(str(path), LoadOptions())
    text = str(caught.value)
    assert len(text) < 900
    return text


def with_values(folder: Path, **changed: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(LLAMA | changed))
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"{'a': 1}", "is not JSON"),
        (b"[1]", "has no model_type"),
        (b'{"a": 1}', "has no model_type"),
        (b'{"model_type": 5}', "has no model_type"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"model_type": "llama", "a": ' + b"[" * 200 + b"]" * 200 + b"}", "nested more than"),
        (b'{"model_type": "llama", "hidden_size": ' + b"9" * 1_000_000 + b"}", "expected int"),
    ],
)
def test_no_configuration(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    assert expected in message(path)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"num_hidden_layers": 10**18},
            "asks for 1,000,000,000,000,000,000 num_hidden_layers; nncost builds at most 2,000",
        ),
        ({"num_hidden_layers": float("inf")}, "an endless number num_hidden_layers"),
        ({"num_hidden_layers": -3}, "num_hidden_layers is -3; it cannot be negative"),
        ({"hidden_size": -4}, "hidden_size is -4; it cannot be negative"),
        ({"hidden_size": 10**18}, "hidden_size is 1,000,000,000,000,000,000; at most"),
        (
            {"intermediate_size": 0},
            "its parameter model.layers.0.mlp.gate_proj.weight would be empty, of shape (0, 24)",
        ),
        ({"hidden_size": "wide"}, "expected int"),
        ({"hidden_size": None}, "expected int"),
        ({"num_attention_heads": 0}, "cannot build"),
        ({"num_labels": 10**9}, "num_labels is 1,000,000,000; at most 1,000,000"),
        ({"rope_scaling": {"rope_type": "none such"}}, "cannot build"),
        ({"model_type": "lama"}, "which transformers"),
        ({"model_type": "mine", "auto_map": {"AutoModel": "code.Mine"}}, "whose code comes with the model (auto_map)"),
        ({"model_type": "x" * 5_000}, "of the family"),
    ],
)
def test_impossible_values(changed: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert expected in message(with_values(tmp_path, **changed))


def test_nothing_is_downloaded(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "detr", "use_timm_backbone": False, "backbone": "facebook/dinov2-base"}))
    assert "takes a part from the Hugging Face hub" in message(path)


def test_code_and_kernels_are_not_used(tmp_path: Path) -> None:
    """Keys that would fetch a kernel or name foreign code change nothing."""
    path = with_values(
        tmp_path, attn_implementation="hub/kernel", _attn_implementation="hub/kernel", auto_map={"a": "b.c"}
    )
    module, _, notes = build(str(path), LoadOptions())
    assert module.config._attn_implementation in ("sdpa", "eager")
    assert "auto_map is not used: the code is that of transformers." in notes


@pytest.mark.parametrize("named", [["BertModel"], ["os"], [5], "LlamaForCausalLM", ["__init__"], []])
def test_class_of_another_family(named: Any, tmp_path: Path) -> None:
    module, _, notes = build(str(with_values(tmp_path, architectures=named)), LoadOptions())
    assert type(module).__name__ == "LlamaModel"
    assert "the family's plain network" in notes[0]


def test_folders_and_links(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    assert "holds no config.json" in message(inside)
    with_values(outside)
    (inside / "config.json").symlink_to(outside / "config.json")
    assert "is a link out of its folder" in message(inside)
    assert "is a link out of its folder" in message(inside / "config.json")
    (outside / "other.json").symlink_to("config.json")
    build(str(outside / "other.json"), LoadOptions())
    assert "there is no file" in message(tmp_path / "none.json")


def test_snapshot_of_the_hub(tmp_path: Path) -> None:
    """The hub's cache keeps files in blobs and links to them."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "0123"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "4567").write_text(json.dumps(LLAMA))
    (snapshot / "config.json").symlink_to("../../blobs/4567")
    build(str(snapshot), LoadOptions())


def test_endless_construction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "MAX_MODULES", 20)
    assert "more than 20 modules" in message(with_values(tmp_path))
    monkeypatch.undo()
    build(str(with_values(tmp_path)), LoadOptions())


def test_command_line(tmp_path: Path) -> None:
    """Exit code 2 and one sentence on stderr."""
    path = with_values(tmp_path, num_hidden_layers=-1)
    command = [sys.executable, "-c", "from nncost.cli.main import main; main()", "count", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"nncost: error: {str(path)!r}: num_hidden_layers is -1; it cannot be negative.\n"
