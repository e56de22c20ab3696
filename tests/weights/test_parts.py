"""Checkpoints in several files, by any of their names: all of it is counted, or a note says what is not there."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from nncost.errors import SourceError
from nncost.frontends import registry
from tests.weights.writers import count, gguf_file, refused, safetensors

A = {"embed.weight": np.zeros((100, 64), "f4"), "layers.0.weight": np.zeros((64, 64), "f4")}
B = {"layers.1.weight": np.zeros((64, 64), "f4"), "head.weight": np.zeros((100, 64), "f4")}
TOTAL, HALF = 20_992, 10_496


def _sharded(folder: Path, index: str = "model.safetensors.index.json", stem: str = "model") -> Path:
    names = [f"{stem}-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for name, tensors in zip(names, (A, B), strict=True):
        safetensors(folder, tensors, name)
    places = dict.fromkeys(A, names[0]) | dict.fromkeys(B, names[1])
    (folder / index).write_text(json.dumps({"metadata": {"total_size": 4 * TOTAL}, "weight_map": places}))
    return folder / index


@pytest.mark.parametrize("index", ["model.safetensors.index.json", "model.safetensors.index.fp16.json", "diffusion_pytorch_model.fp16.safetensors.index.json", "Model.Safetensors.Index.JSON"])  # fmt: skip
def test_names_of_an_index(index: str, tmp_path: Path) -> None:
    path = _sharded(tmp_path, index)
    assert registry.front_end_for(str(path)).kind == "weights"
    assert count(path).parameters.total == TOTAL


@pytest.mark.parametrize("part", [1, 2])
def test_a_part_is_completed(part: int, tmp_path: Path) -> None:
    _sharded(tmp_path).unlink()
    report = count(tmp_path / f"model-0000{part}-of-00002.safetensors")
    assert report.parameters.total == TOTAL
    assert any("all 2 parts" in note for note in report.notes)


def test_a_part_alone_says_so(tmp_path: Path) -> None:
    _sharded(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    report = count(tmp_path / "model-00001-of-00002.safetensors")
    assert report.parameters.total == HALF
    assert any("1 part of 2 is not there (model-00002-of-00002.safetensors)" in note for note in report.notes)


def test_a_part_of_gguf_alone_says_so(tmp_path: Path) -> None:
    path = gguf_file(tmp_path, "net-00002-of-00003.gguf", a=gguf.GGMLQuantizationType.F16)
    assert any("2 parts of 3 are not there (net-00001-of-00003.gguf …)" in note for note in count(path).notes)


def test_a_part_that_only_an_index_knows(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.zeros(2, 3)}, tmp_path / "one.bin")
    torch.save({"b.weight": torch.zeros(4, 3)}, tmp_path / "two.bin")
    places = {"a.weight": "one.bin", "b.weight": "two.bin"}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    assert count(tmp_path / "one.bin").parameters.total == 18
    (tmp_path / "two.bin").unlink()
    report = count(tmp_path / "one.bin")
    assert report.parameters.total == 6
    assert any("one of 2 files that pytorch_model.bin.index.json names" in note for note in report.notes)
    (tmp_path / "pytorch_model.bin.index.json").write_text("nonsense")
    assert count(tmp_path / "one.bin").parameters.total == 6


def test_an_index_that_is_a_link_outside(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    safetensors(tmp_path / "inside", A, "one.safetensors")
    places = dict.fromkeys(A, "one.safetensors") | dict.fromkeys(B, "two.safetensors")
    (tmp_path / "away.json").write_text(json.dumps({"weight_map": places}))
    (tmp_path / "inside/model.safetensors.index.json").symlink_to(tmp_path / "away.json")
    report = count(tmp_path / "inside/one.safetensors")
    assert report.parameters.total == HALF
    assert not any("away" in note or "index" in note for note in report.notes)


def test_parts_that_do_not_belong_together(tmp_path: Path) -> None:
    for number in (1, 2):
        safetensors(tmp_path, A, f"model-0000{number}-of-00002.safetensors")
    refused(tmp_path / "model-00001-of-00002.safetensors", "stands in another part, too")


def test_a_part_that_is_a_link_outside(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    safetensors(tmp_path / "inside", A, "m-00001-of-00002.safetensors")
    (tmp_path / "inside/m-00002-of-00002.safetensors").symlink_to(safetensors(tmp_path, B, "away.safetensors"))
    refused(tmp_path / "inside/m-00001-of-00002.safetensors", "a link out of its folder")


def test_a_name_that_counts_too_far(tmp_path: Path) -> None:
    for name in ("m-00001-of-99999.safetensors", "m-00007-of-00002.safetensors", "step-1-of-2.safetensors"):
        assert count(safetensors(tmp_path, A, name)).parameters.total == HALF


# ------------------------------------------------------------------- folders
def test_a_folder_of_shards(tmp_path: Path) -> None:
    path = _sharded(tmp_path)
    assert count(tmp_path).parameters.total == TOTAL
    path.unlink()
    assert count(tmp_path).parameters.total == TOTAL


def test_a_folder_with_several_indexes(tmp_path: Path) -> None:
    _sharded(tmp_path, "model.safetensors.index.fp16.json", "model.fp16")
    (tmp_path / "pytorch_model.bin.index.json").write_text("{}")
    _sharded(tmp_path)
    assert count(tmp_path).parameters.total == TOTAL


def test_a_folder_that_leads_elsewhere(tmp_path: Path) -> None:
    for folder in ("inside", "away/variables"):
        (tmp_path / folder).mkdir(parents=True)
    _sharded(tmp_path / "away")
    (tmp_path / "inside/model.safetensors.index.json").symlink_to(tmp_path / "away/model.safetensors.index.json")
    refused(tmp_path / "inside", "a link out of its folder")
    (tmp_path / "away/variables/variables.index").write_bytes(b"x" * 99)
    (tmp_path / "inside/saved_model.pb").write_bytes(b"x")
    (tmp_path / "inside/variables").symlink_to(tmp_path / "away/variables")
    refused(tmp_path / "inside", "a link out of its folder")


def test_folders_of_others(tmp_path: Path) -> None:
    """One with a configuration is counted as that; several sets of parts, or one whole file, are named."""
    safetensors(tmp_path, A)
    with pytest.raises(SourceError, match=r"is a folder(.|\n)*model\.safetensors"):
        count(tmp_path)
    for stem in ("a", "b"):
        _sharded(tmp_path, f"{stem}.json", stem)
    with pytest.raises(SourceError, match="is a folder"):
        count(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert registry.front_end_for(str(tmp_path)).kind == "huggingface"
