"""The report of a checkpoint: its parts, its views, its roles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import nncost
from nncost.cli.main import run
from nncost.errors import OptionError, SourceError
from nncost.frontends import registry
from nncost.frontends.weights.contents import Entry
from nncost.frontends.weights.load import READERS
from nncost.frontends.weights.roles import role_of
from nncost.report import Report
from nncost.views.checkpoint import checkpoint_document
from tests.weights.writers import count, raw_safetensors, safetensors

ROLES = {
    "weight": ["fc.weight", "conv.kernel", "norm.gamma", "norm.weight", "logit_scale", "rnn.weight_ih_l0", "blk.0.ffn_norm.weight"],
    "bias": ["fc.bias", "norm.beta", "attn.in_proj_bias", "rnn.bias_hh_l1_reverse", "mamba.dt_bias", "qkv_bias"],
    "buffer": ["bn.running_mean", "bn.running_var", "rotary_emb.inv_freq", "embeddings.position_ids", "bn.moving_variance", "rope_freqs.weight"],
    "other": ["cls_token", "pos_embed", "transformer.wpe.weight", "mamba.A_log", "mamba.D", "blk.0.ssm_a", "q.scales", "fc.unknown"],
}  # fmt: skip


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, names in ROLES.items() for name in names])
def test_roles(role: str, name: str) -> None:
    assert role_of(Entry(name, (8,), "float32", 32)) == role


def test_roles_by_shape_and_type() -> None:
    assert role_of(Entry("h.0.attn.bias", (1, 1, 8, 8), "float32", 256)) == "buffer"
    assert role_of(Entry("bn.num_batches_tracked", (), "int64", 8)) == "buffer"
    assert role_of(Entry("h.0.mask", (8, 8), "bool", 64)) == "buffer"
    assert role_of(Entry("arr_0", (8, 8), "float32", 256)) == "weight"


def test_registry_names_every_reader() -> None:
    assert tuple(READERS) == registry.front_end_for("x.npz").endings


def test_no_operations(tmp_path: Path) -> None:
    report = count(safetensors(tmp_path))
    assert report.source.kind == "weights"
    assert all(len(totals) == 0 for totals in report.totals.values())
    assert report.complete
    assert report.neurons == 0
    assert report.settings["dtype"] == "float32"
    assert "parameters, not operations" in report.notes[0]
    assert "nncost count config.json" in report.notes[0]


def test_storage(tmp_path: Path) -> None:
    path = safetensors(
        tmp_path, {"a.weight": np.zeros((4, 4), "f2"), "a.bias": np.zeros(8, "f4"), "a.running_mean": np.zeros(2, "f4")}
    )
    storage = count(path).to_dict()["storage"]
    assert storage == {
        "bytes": 72, "bits_per_weight": 512 / 24, "formula": "8 * 64 / 24",
        "dtypes": {"float32": {"tensors": 2, "parameters": 8, "bytes": 40, "buffers": 2, "bits_per_weight": 32.0}, "float16": {"tensors": 1, "parameters": 16, "bytes": 32, "bits_per_weight": 16.0}},
        "tensors": [
            {"name": "a.bias", "dtype": "float32", "shape": [8], "role": "bias", "elements": 8, "bytes": 32},
            {"name": "a.running_mean", "dtype": "float32", "shape": [2], "role": "buffer", "elements": 2, "bytes": 8},
            {"name": "a.weight", "dtype": "float16", "shape": [4, 4], "role": "weight", "elements": 16, "bytes": 32},
        ],
    }  # fmt: skip


def plain(report: Report, **options: object) -> str:
    return checkpoint_document(report, **options).render()  # type: ignore[arg-type]


def test_views(tmp_path: Path) -> None:
    path = safetensors(
        tmp_path,
        {"a.b.weight": np.zeros((4, 4), "f2"), "a.c.bias": np.zeros(8, "f4"), "a.c.running_mean": np.zeros(2, "f4")},
    )
    report = count(path)
    assert "bits        ≈ 21.3333 per parameter  =  8 · 64 / 24" in plain(report)
    assert "| float16 | 1 | 16 | 0 | 32 | 16 |" in checkpoint_document(report).render("markdown")
    assert "a.b.weight float16 4x4" in plain(report, by="tensor")
    assert "a.b " not in plain(report, by="dtype")
    assert plain(report, depth=1).count("a.c") == 0
    with pytest.raises(OptionError, match="cannot be grouped"):
        plain(report, by="op")


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(safetensors(tmp_path))
    assert run(["count", path]) == 0
    assert "parameters  13,002" in capsys.readouterr().out
    assert run(["count", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"]["bytes"] == 52_008
    for form in ("--csv", "--markdown", "--latex"):
        assert run(["count", path, form]) == 0
    capsys.readouterr()
    Path(path).write_bytes(b"nonsense")
    assert run(["count", path]) == 2
    assert capsys.readouterr().err.startswith("nncost: error: ")


def test_names_with_control_characters(tmp_path: Path) -> None:
    """A name cannot move the cursor of a terminal."""
    path = raw_safetensors(tmp_path, {"a\x1b[2J\nb.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, 4)
    assert "\x1b" not in plain(count(path))
    tied = torch.zeros(3)
    torch.save({"model": {"a\x1b.weight": tied, "b\x1b.weight": tied}, "c\x1b": torch.zeros(2)}, tmp_path / "a.pt")
    assert "\x1b" not in plain(count(tmp_path / "a.pt"))
    (tmp_path / "b.pt").write_bytes(b"\x80\x02cos\x1b[2J\nsystem\n)R.")
    with pytest.raises(SourceError, match="refused") as caught:
        count(tmp_path / "b.pt")
    assert "\x1b" not in str(caught.value)


def test_formula_and_explanation(tmp_path: Path) -> None:
    path = str(safetensors(tmp_path))
    assert str(nncost.formula(path, "parameters.bytes").expanded) == "52008"
    with pytest.raises(OptionError, match="no arithmetic to explain"):
        nncost.explain(path)
