"""Attention is called with the same mask, or none, as when the model runs: transformers builds others for traced tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch.overrides import TorchFunctionMode  # noqa: E402

import nncost  # noqa: E402
from nncost.dims import substitute, symbol  # noqa: E402
from nncost.frontends.huggingface.load import build  # noqa: E402
from nncost.frontends.huggingface.transformers import quiet, transformers  # noqa: E402
from nncost.frontends.model import LoadOptions, TensorShape  # noqa: E402

FOLDER = Path(__file__).parent / "configs"
SMALL: dict[str, Any] = {
    "vocab_size": 50, "max_position_embeddings": 32, "n_positions": 32, "max_seq_len": 32, "seq_length": 32,
    "max_target_positions": 32, "max_source_positions": 5, "hidden_size": 32, "n_embd": 32, "d_model": 32,
    "n_inner": 48, "intermediate_size": 48, "ffn_dim": 48, "d_ff": 48, "moe_intermediate_size": 16,
    "word_embed_proj_dim": 32, "embedding_size": 32, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
    "num_attention_heads": 4, "n_head": 4, "n_heads": 4, "num_heads": 4, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "d_kv": 8, "rotary_dim": 4, "num_hidden_layers": 2,
    "n_layer": 2, "n_layers": 2, "num_layers": 2, "num_decoder_layers": 2, "encoder_layers": 2, "decoder_layers": 2,
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 2, "topk_group": 1,
    "q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8, "image_size": 32,
    "patch_size": 16, "num_mel_bins": 8, "query_pre_attn_scalar": 8, "sliding_window": 5, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "decoder_start_token_id": 1, "layer_types": None, "no_rope_layers": None, "max_window_layers": 1,
}  # fmt: skip
PADDING = {"max_position_embeddings": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
OWN: dict[str, dict[str, Any]] = {
    "deepseek_v2": {"num_key_value_heads": 4}, "deepseek_v3": {"num_key_value_heads": 4}, "phi": {"partial_rotary_factor": 0.5},
}  # fmt: skip
"""What a family wants besides."""
FAMILIES = {json.loads(path.read_text())["model_type"]: path for path in sorted(FOLDER.glob("*.json"))}
Seen = list[tuple[tuple[int, ...], Any, bool]]


class Noting(TorchFunctionMode):
    """Notes what attention is called with: shapes of queries and mask, and whether it is causal."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Seen = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.nn.functional.scaled_dot_product_attention:
            mask = kwargs.get("attn_mask")
            shape = None if mask is None else tuple(mask.shape)
            self.seen.append((tuple(args[0].shape), shape, bool(kwargs.get("is_causal"))))
        return func(*args, **kwargs)


def small(family: str, folder: Path) -> Path:
    """A file with the family's configuration, its sizes made small."""
    values: dict[str, Any] = json.loads(FAMILIES[family].read_text())
    for part in (values, *(value for value in values.values() if isinstance(value, dict))):
        part |= {name: SMALL[name] for name in part if name in SMALL and part[name] is not None}
    values |= {"n_kv_heads": 2} if "n_kv_heads" in values else {}
    if family == "dbrx":
        values["attn_config"]["kv_n_heads"] = 2
        values["ffn_config"] |= {"ffn_hidden_size": 16, "hidden_size": 32, "moe_num_experts": 4, "moe_top_k": 2}
    path = folder / "config.json"
    path.write_text(json.dumps(PADDING | values | OWN.get(family, {})))
    return path


def as_it_runs(path: Path, length: int) -> Seen:
    module, inputs, _ = build(str(path), LoadOptions(batch=2, inputs=given(path, length)), real=True)
    tensors = {
        name: torch.full(leaf.shape, 3, dtype=getattr(torch, leaf.dtype)) if isinstance(leaf, TensorShape) else leaf
        for name, leaf in inputs.kwargs.items()
    }
    with quiet(), torch.no_grad(), Noting() as noting:
        module.eval()(**tensors)
    return noting.seen


def given(path: Path, length: int) -> dict[str, Any]:
    inputs = build(str(path), LoadOptions())[1]
    return {"input_ids": (2, length)} if "input_ids" in inputs.kwargs else {}


def as_it_is_counted(path: Path, length: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Seen, nncost.Report]:
    from nncost.frontends.torch.step.functions import StepFunctions

    seen: Seen = []
    answered = StepFunctions.answered

    def noted(self: Any, function: Any, args: Any, kwargs: Any) -> Any:
        if function is torch.nn.functional.scaled_dot_product_attention:
            mask = kwargs.get("attn_mask")
            seen.append(
                (tuple(args[0].shape), None if mask is None else tuple(mask.shape), bool(kwargs.get("is_causal")))
            )
        return answered(self, function, args, kwargs)

    monkeypatch.setattr(StepFunctions, "answered", noted)
    report = nncost.count(str(path), given(path, length), batch=2, reuse=False)
    return seen, report


def test_worked_by_hand() -> None:
    """2 layers, 2 × 4 heads, 16 tokens, width 8: 120 of 256 scores are hidden, and each is 2 × 8 products."""
    library = transformers()
    config = library.LlamaConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48, max_position_embeddings=64,
    )  # fmt: skip
    module = library.LlamaForCausalLM(config).eval()
    for ids in ((2, 16), torch.randint(5, 90, (2, 16))):
        report = nncost.count(module, {"input_ids": ids, "use_cache": False})
        assert report.forward.masked_macs == 2 * 2 * 4 * 120 * 2 * 8 == 30_720
        assert (report.forward.add, report.forward.cmp) == (656_000, 7_936)
        trained = nncost.count(module, {"input_ids": ids, "use_cache": False}, loss="sum").memory
        assert trained is not None
        assert trained.step_allocated == 180_360


@pytest.mark.parametrize("shape", [(33, 2_048), ("B", 16), ("B", "T"), (1, 70_000)])
def test_large_and_symbolic_sizes(shape: Any, tmp_path: Path) -> None:
    """Whether positions are those of one sequence is asked, however many there are."""
    report = nncost.count(str(small("llama", tmp_path)), shape)
    batch, length = (dim if isinstance(dim, int) else symbol(dim) for dim in shape)
    hidden = report.forward.masked_macs - 2 * 4 * batch * length * (length - 1) * 8
    assert substitute(hidden, {symbol("B"): 5, symbol("T"): 9}) == 0
    assert not any("torch.export" in note for note in report.notes)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("length", [1, 4, 12])
def test_same_masks(family: str, length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for one token, and for more than a window of 5 holds."""
    path = small(family, tmp_path)
    expected = as_it_runs(path, length)
    seen, report = as_it_is_counted(path, length, monkeypatch)
    assert seen[: len(expected)] == expected
    assert report.complete
    if any(is_causal for _, _, is_causal in expected) and length > 1:
        assert report.forward.masked_macs > 0
