"""Configurations of Hugging Face: small ones of several families, and those of the documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.golden.cases.case import ROOT, Case

CONFIGS = f"{ROOT}/tests/huggingface/configs"
IDS = {"input_ids": (2, 7)}
PIXELS = {"pixel_values": (2, 3, 32, 32)}
SIZES = {
    "vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2, "intermediate_size": 40, "max_position_embeddings": 16,
}  # fmt: skip
ROTARY = SIZES | {"num_key_value_heads": 2}
GPT2 = {
    "vocab_size": 50,
    "n_positions": 16,
    "n_embd": 24,
    "n_layer": 3,
    "n_head": 4,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
T5 = {
    "vocab_size": 50, "d_model": 24, "d_kv": 5, "d_ff": 40, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0,
    "pad_token_id": 0,
}  # fmt: skip
VIT = {
    "image_size": 32, "patch_size": 8, "hidden_size": 24, "num_attention_heads": 4, "num_hidden_layers": 2,
    "intermediate_size": 40, "num_labels": 10,
}  # fmt: skip
RESNET = {"embedding_size": 8, "hidden_sizes": [16, 32], "depths": [2, 2], "layer_type": "bottleneck", "num_labels": 10}
EXPERTS = ROTARY | {"num_local_experts": 6, "num_experts_per_tok": 2}
MAMBA = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "state_size": 5,
    "time_step_rank": 3,
    "pad_token_id": 0,
}
WHISPER = {
    "vocab_size": 50, "num_mel_bins": 8, "d_model": 24, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_source_positions": 10,
    "max_target_positions": 12, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip
TRAINED = {"loss": "cross_entropy", "optimizer": "adamw"}


def case(
    model_type: str, architecture: str, config: dict[str, Any], inputs: Any = None, label: str = "", **settings: Any
) -> Case:
    """A configuration in a file of the working folder."""

    def write() -> str:
        content = {"model_type": model_type, "architectures": [architecture], **config}
        Path("config.json").write_text(json.dumps(content))
        return "config.json"

    said = [f"{key}={value}" for key, value in settings.items()]
    return Case(
        " ".join([architecture, *([label] if label else []), *said]), write, inputs, {"learn": False, **settings}
    )


CASES: tuple[Case, ...] = (
    case("llama", "LlamaForCausalLM", ROTARY, IDS),
    case("llama", "LlamaForCausalLM", ROTARY, IDS, **TRAINED),
    case("llama", "LlamaForCausalLM", ROTARY, {"ids": (1, 16)}, dtype="bfloat16", mode="train"),
    case("llama", "LlamaForCausalLM", ROTARY, None, "default inputs", batch=3),
    case("llama", "LlamaForCausalLM", ROTARY, {"ids": ("B", 7)}, "symbolic batch"),
    case("gpt2", "GPT2LMHeadModel", GPT2, IDS, **TRAINED),
    case("gpt2", "GPT2LMHeadModel", GPT2, IDS, reuse=False, **TRAINED),
    case("bert", "BertModel", SIZES, IDS),
    case("bert", "BertForSequenceClassification", SIZES, IDS, **TRAINED),
    case("bert", "BertForMaskedLM", SIZES, {"ids": (2, 7), "mask": (2, 7)}, loss="sum"),
    case("mixtral", "MixtralForCausalLM", EXPERTS, IDS),
    case("mixtral", "MixtralForCausalLM", EXPERTS, IDS, **TRAINED),
    case("t5", "T5ForConditionalGeneration", T5, {"input_ids": (2, 7), "decoder_input_ids": (2, 4)}, **TRAINED),
    case("vit", "ViTForImageClassification", VIT, PIXELS, **TRAINED),
    case("resnet", "ResNetForImageClassification", RESNET, PIXELS, loss="cross_entropy", optimizer="momentum"),
    case("gemma2", "Gemma2ForCausalLM", ROTARY | {"head_dim": 10, "query_pre_attn_scalar": 10}, IDS),
    case("mamba", "MambaForCausalLM", MAMBA, IDS),
    case("whisper", "WhisperForConditionalGeneration", WHISPER),
    case("llama", "NoSuchClass", ROTARY, IDS, "the plain network"),
    case("llama", "LlamaForCausalLM", ROTARY, IDS, convention="torch"),
    Case("gpt-oss-20b", f"{CONFIGS}/gpt-oss-20b.json", {"ids": (1, 16)}, {"learn": False}),
    Case("Mixtral-8x7B-v0.1", f"{CONFIGS}/Mixtral-8x7B-v0.1.json", {"ids": (1, 512)}, {"learn": False}),
)
