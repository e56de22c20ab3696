"""Multiplications of a public configuration, from the shapes of its matrices: nothing runs.

Every matrix multiplies once at each position it is used at, and attention adds two products of positions by positions.
Which positions those are is said below by the matrices' names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from nncost.frontends.huggingface.load import build
from nncost.frontends.model import LoadOptions

CONFIGS = Path(__file__).parents[2] / "huggingface" / "configs"
TOKENS, DECODED, FRAMES = 128, 96, 3_000
TRANSLATORS = ("t5", "bart")
ADDED = ("bias", "cls_token", "position_embeddings")
"""Parameters of several dimensions that are added."""


@dataclass(frozen=True)
class Configuration:
    """A file of ``tests/huggingface/configs`` and the shapes it is counted with."""

    name: str
    values: Mapping[str, Any]

    @property
    def path(self) -> str:
        return str(CONFIGS / f"{self.name}.json")

    @property
    def kind(self) -> str:
        return str(self.values["model_type"])

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        match self.kind:
            case "vit":
                return {"pixel_values": (1, 3, self.values["image_size"], self.values["image_size"])}
            case "whisper":
                return {"input_features": (1, 80, FRAMES), "decoder_input_ids": (1, DECODED)}
            case kind if kind in TRANSLATORS:
                return {"input_ids": (1, TOKENS), "decoder_input_ids": (1, DECODED)}
        return {"input_ids": (1, TOKENS)}

    def macs(self) -> int:
        """The closed form."""
        module, *_ = build(self.path, LoadOptions())
        config = module.config
        seen = self._positions(config)
        tables = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
        total = sum(
            _uses(name, p.ndim, config) * p.numel() * self._at(name, seen)
            for name, p in module.named_parameters()
            if p.ndim > 1 and id(p) not in tables and not name.endswith(ADDED)
        )
        head = module.get_output_embeddings()
        if head is not None and id(head.weight) in tables:  # the table of tokens multiplies as well
            total += int(head.weight.numel()) * seen["decoder"]
        return int(total) + sum(_attention(self.kind, config, seen))

    def _positions(self, config: Any) -> dict[str, int]:
        """Positions in encoder and decoder; a decoder alone sees all tokens."""
        if self.kind == "vit":
            patches = (config.image_size // config.patch_size) ** 2
            return {"encoder": patches + 1, "decoder": patches + 1, "patches": patches}
        if self.kind == "whisper":
            return {"encoder": FRAMES // 2, "decoder": DECODED}
        return {"encoder": TOKENS, "decoder": DECODED if self.kind in TRANSLATORS else TOKENS}

    def _at(self, name: str, seen: Mapping[str, int]) -> int:
        """At how many positions a matrix is used."""
        if "pooler" in name or name.startswith("classifier"):
            return 1  # the first token alone
        if "patch_embeddings" in name:
            return seen["patches"]
        if name.endswith("encoder.conv1.weight"):
            return FRAMES
        if self.kind == "mamba" and "conv1d" in name:
            return TOKENS + 3  # padded by three on both sides, cut afterwards
        across = "EncDecAttention" in name or "encoder_attn" in name
        keys = any(part in name for part in (".k.", ".v.", "k_proj", "v_proj"))
        return seen["encoder"] if (across and keys) or "encoder." in name else seen["decoder"]


def _uses(name: str, rank: int, config: Any) -> float:
    """How often a matrix multiplies at one position: a stack of experts by those chosen, ALBERT's layer repeatedly."""
    if "experts" in name and hasattr(config, "ffn_config"):  # the matrices of all experts, one below another
        return config.ffn_config.moe_top_k / config.ffn_config.moe_num_experts  # type: ignore[no-any-return]
    if "experts" in name and "shared" not in name and rank == 3:
        have = next(
            getattr(config, n) for n in ("num_local_experts", "num_experts", "n_routed_experts") if hasattr(config, n)
        )
        return config.num_experts_per_tok / have  # type: ignore[no-any-return]
    return config.num_hidden_layers if "albert_layer_groups" in name else 1


def _attention(kind: str, config: Any, seen: Mapping[str, int]) -> Iterator[int]:
    """Scores and their sums of values, in every layer."""
    if kind == "mamba":
        return
    heads = config.num_attention_heads
    width = 2 * (getattr(config, "d_kv", None) or getattr(config, "head_dim", None) or config.hidden_size // heads)
    if hasattr(config, "kv_lora_rank"):
        width = config.qk_nope_head_dim + config.qk_rope_head_dim + config.v_head_dim
    if kind in (*TRANSLATORS, "whisper"):
        inner = getattr(config, "encoder_layers", None) or config.num_layers
        outer = getattr(config, "decoder_layers", None) or config.num_decoder_layers
        yield inner * heads * width * seen["encoder"] ** 2
        yield outer * heads * width * seen["decoder"] * (seen["decoder"] + seen["encoder"])
    else:
        yield config.num_hidden_layers * heads * width * seen["decoder"] ** 2


def configurations() -> list[Configuration]:
    """All configurations."""
    files = sorted(CONFIGS.glob("*.json"))
    return [Configuration(f.stem, json.loads(f.read_text())) for f in files]
