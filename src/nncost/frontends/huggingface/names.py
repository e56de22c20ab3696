"""The names of a model's inputs: its own, and short ones."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from nncost.errors import OptionError

SHORT_NAMES: dict[str, tuple[str, ...]] = {
    "ids": ("input_ids",),
    "tokens": ("input_ids",),
    "text": ("input_ids",),
    "image": ("pixel_values",),
    "images": ("pixel_values",),
    "pixels": ("pixel_values",),
    "video": ("pixel_values_videos", "pixel_values"),
    "audio": ("input_features", "input_values"),
    "features": ("input_features",),
    "samples": ("input_values",),
    "embeddings": ("inputs_embeds",),
    "mask": ("attention_mask",),
    "types": ("token_type_ids",),
    "positions": ("position_ids",),
    "decoder": ("decoder_input_ids",),
    "decoder_ids": ("decoder_input_ids",),
    "decoder_mask": ("decoder_attention_mask",),
}
"""The first of the names that the model has is meant."""
_NOT_TENSORS = ("past_key_values", "encoder_outputs", "logits_to_keep", "cache_params", "head_mask")
FLOATS = ("pixel_values", "features", "values", "embeds", "states", "spectrogram", "patches", "audio", "latents")


def accepted_inputs(module: Any) -> list[str]:
    """The tensors that the model's forward takes, in its order."""
    parameters = inspect.signature(module.forward).parameters.values()
    return [p.name for p in parameters if p.name not in _NOT_TENSORS and _is_tensor(p)]


def _is_tensor(parameter: inspect.Parameter) -> bool:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return False
    if parameter.annotation is parameter.empty:
        return parameter.default in (None, parameter.empty) and parameter.name.endswith(("_ids", "_mask", "_values"))
    text = parameter.annotation if isinstance(parameter.annotation, str) else str(parameter.annotation)
    return "Tensor" in text and not text.lower().startswith(("tuple", "list", "typing.tuple", "typing.list"))


def full_name(name: str, main: str, accepted: Sequence[str]) -> str:
    """The model's own name of an input; without a name its main one. Raises OptionError with the accepted ones."""
    if not name:
        return main
    for candidate in (name, *SHORT_NAMES.get(name, ())):
        if candidate in accepted:
            return candidate
    short = [short for short, full in SHORT_NAMES.items() if any(n in accepted for n in full)]
    close = get_close_matches(name, [*accepted, *short], 1)
    meant = f"Did you mean {close[0]!r}? " if close else ""
    raise OptionError(
        f"the model has no input {name[:60]!r}.",
        hint=f"{meant}Its inputs: {', '.join(accepted)}. Short names: {', '.join(short) or 'none'}.",
    )


def dtype_of(name: str, float_type: str) -> str:
    """Images, sounds and embeddings are floats; everything else is whole numbers, as tokens are."""
    if name.startswith("bool_"):
        return "bool"
    return float_type if any(word in name for word in FLOATS) else "int64"
