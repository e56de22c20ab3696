"""Experts that ask who was chosen, with an even share each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import nncost  # noqa: E402
from nncost.frontends.huggingface.transformers import transformers  # noqa: E402
from tests.huggingface.architectures import CASES  # noqa: E402

CONFIGS = Path(__file__).parent / "configs"
LONGCAT = {
    "model_type": "longcat_flash", "vocab_size": 50, "hidden_size": 16, "num_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "ffn_hidden_size": 16, "expert_ffn_hidden_size": 8, "q_lora_rank": 8, "kv_lora_rank": 8,
    "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "head_dim": 8, "n_routed_experts": 4,
    "zero_expert_num": 0, "moe_topk": 2, "max_position_embeddings": 32,
}  # fmt: skip


def test_dbrx_of_its_real_size() -> None:
    """40 layers of 16 experts, 4 for a token: of width 6,144, inner 10,752, 48 heads of 128, 8 of keys; 100,352 tokens."""
    report = nncost.count(str(CONFIGS / "dbrx-base.json"), {"ids": (1, 16)})
    attention = 6_144 * (6_144 + 2 * 1_024) + 6_144 * 6_144 + 2 * 16 * 6_144
    experts = 6_144 * 16 + 4 * 3 * 6_144 * 10_752
    assert report.complete
    assert report.forward.macs == 16 * (40 * (attention + experts) + 6_144 * 100_352)
    assert report.parameters.total == 131_596_523_520


@pytest.mark.parametrize("values", [CASES["dbrx"].values, LONGCAT], ids=["dbrx", "longcat"])
@pytest.mark.parametrize("tokens", [1, 3, 7])
def test_as_pytorch_counts(values: dict[str, object], tokens: int, tmp_path: Path) -> None:
    """Products do not depend on who is chosen, also where there are fewer tokens than experts."""
    from torch.utils.flop_counter import FlopCounterMode

    from nncost.frontends.huggingface.load import build
    from nncost.frontends.model import LoadOptions

    (tmp_path / "config.json").write_text(json.dumps(values))
    module, *_ = build(str(tmp_path), LoadOptions(inputs={"ids": (1, tokens)}), real=True)
    module.set_attn_implementation("eager")  # PyTorch's counter leaves out fused attention on a CPU
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval().requires_grad_(False)(torch.randint(5, 40, (1, tokens)), use_cache=False)
    report = nncost.count(str(tmp_path), {"ids": (1, tokens)})
    assert 2 * report.forward.macs == counter.get_total_flops()
    assert report.complete


def test_classes_of_transformers_stay_as_they_are(tmp_path: Path) -> None:
    transformers()
    from transformers.models.dbrx.modeling_dbrx import DbrxExperts

    forward = DbrxExperts.forward
    (tmp_path / "config.json").write_text(json.dumps(CASES["dbrx"].values))
    report = nncost.count(str(tmp_path), {"ids": (1, 4)})
    assert DbrxExperts.forward is forward
    assert any("DbrxExperts" in str(row) for row in report.rows)
