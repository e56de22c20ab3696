"""Configurations counted from end to end, by file and by folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("transformers")

import nncost
from tests.huggingface.architectures import CASES

CONFIGS = Path(__file__).parent / "configs"
MIXTURES = ["mixtral", "qwen3_moe", "gpt_oss", "dbrx", "deepseek_v3"]


def saved(name: str, folder: Path) -> str:
    (folder / "config.json").write_text(json.dumps(CASES[name].values))
    return str(folder)


@pytest.mark.parametrize("name", CASES)
def test_forward(name: str, tmp_path: Path) -> None:
    """The multiplications and parameters of the sheet, derived by hand."""
    report = nncost.count(saved(name, tmp_path), dict(CASES[name].inputs))
    assert report.source.kind == "huggingface"
    assert (report.forward.macs, report.parameters.total) == (CASES[name].sheet.macs, CASES[name].sheet.parameters)


@pytest.mark.parametrize("name", MIXTURES)
def test_backward_of_experts(name: str, tmp_path: Path) -> None:
    """Every contraction has two gradients: tokens are looked up, so that even the first layer has both."""
    report = nncost.count(saved(name, tmp_path), dict(CASES[name].inputs), loss="sum")
    assert report.complete
    assert report.backward.macs == 2 * CASES[name].sheet.macs


def test_active_parameters(tmp_path: Path) -> None:
    report = nncost.count(saved("mixtral", tmp_path), {"ids": (1, 3)})
    idle = 2 * 4 * 3 * 24 * 40  # layers, idle experts, matrices of each
    assert report.parameters.active == report.parameters.total - idle == report.quantity("parameters.active")
    assert report.to_dict()["parameters"]["active"] == report.parameters.active
    dense = nncost.count(saved("llama", tmp_path), {"ids": (1, 3)})
    assert dense.parameters.active == dense.parameters.total
    assert "active" not in dense.to_dict()["parameters"]


def test_default_batch_and_notes(tmp_path: Path) -> None:
    report = nncost.count(saved("gpt2", tmp_path), batch=3)
    assert dict(report.source.inputs) == {"input_ids": (3, 16)}
    assert report.notes[0].startswith("GPT2LMHeadModel, built by transformers ")
    assert report.notes[1] == "Input input_ids: 3x16 by default; --input input_ids=… gives another."


def test_a_sequence_of_the_largest_model() -> None:
    """Llama 3.1 405B: 126 layers of 16,384, 128 heads of 128, 8 of keys and values, inner 53,248; 128,256 tokens."""
    report = nncost.count(str(CONFIGS / "Llama-3.1-405B.json"), (1, 2_048))
    attention = 2 * 16_384 * 16_384 + 2 * 16_384 * 8 * 128 + 2 * 2_048 * 16_384
    assert report.forward.macs == 2_048 * (126 * (attention + 3 * 16_384 * 53_248) + 16_384 * 128_256)
    assert report.parameters.total == 405_853_388_800


@pytest.mark.parametrize("batch", [2, 3])
def test_values_that_are_asked_of_a_constant(batch: int) -> None:
    """Nyströmformer asks for its landmarks; 133,120 products a layer and example, as PyTorch's own counter has them."""
    from nncost.frontends.huggingface.transformers import transformers

    config = transformers().NystromformerConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, num_landmarks=4,
        segment_means_seq_len=16, conv_kernel_size=5, max_position_embeddings=64,
    )  # fmt: skip
    module = transformers().NystromformerModel(config).eval()
    report = nncost.count(module, {"input_ids": (batch, 16)})
    assert report.complete
    assert report.forward.macs == batch * 2 * 133_120
