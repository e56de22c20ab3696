"""The values that the settings of a count may have, by the setting's name; checks and help texts read them here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nncost.counting.conventions import CONVENTIONS
from nncost.counting.memory.step import ALLOCATORS
from nncost.errors import Instead, OptionError
from nncost.frontends.choices import ACTIVATION_ALIASES, ACTIVATION_NAMES, BIASES
from nncost.frontends.weight_formats import WEIGHT_FORMATS
from nncost.ir.dtypes import CHOSEN_DTYPES
from nncost.ir.training.losses import LOSSES, NO_LOSS
from nncost.ir.training.optimizers import NO_OPTIMIZER, OPTIMIZERS
from nncost.names import meant, nearest

TRAIN, INFERENCE = "train", "inference"
WEIGHTS_ONLY = tuple(name for name in WEIGHT_FORMATS if name not in CHOSEN_DTYPES)
"""Formats that no number but a weight of a configuration has."""
_LONGEST = 60
CHOICES: Mapping[str, Sequence[str]] = {
    "loss": (*LOSSES, NO_LOSS),
    "optimizer": (*OPTIMIZERS, NO_OPTIMIZER),
    "backward": ("auto", "derived"),
    "mode": (TRAIN, INFERENCE),
    "taps": ("dense", "valid"),
    "bias": BIASES,
    "activation": ACTIVATION_NAMES,
    "dtype": (*CHOSEN_DTYPES, *WEIGHTS_ONLY),
    "allocator": ALLOCATORS,
    "convention": tuple(CONVENTIONS),
}
ALIASES: Mapping[str, Mapping[str, str]] = {
    "loss": {
        "mse": "squared_error", "mse_loss": "squared_error", "mean_squared_error": "squared_error", "l2": "squared_error",
        "l2_loss": "squared_error", "quadratic": "squared_error", "ce": "cross_entropy", "ce_loss": "cross_entropy",
        "cross_entropy_loss": "cross_entropy", "softmax_cross_entropy": "cross_entropy", "categorical_cross_entropy": "cross_entropy",
        "sparse_categorical_cross_entropy": "cross_entropy", "bce": "binary_cross_entropy", "bce_loss": "binary_cross_entropy",
        "bce_with_logits": "binary_cross_entropy_with_logits", "bce_with_logits_loss": "binary_cross_entropy_with_logits",
        "no": NO_LOSS, "off": NO_LOSS,
    },
    "optimizer": {
        "sgd_momentum": "momentum", "sgd_with_momentum": "momentum", "sgdm": "momentum", "sgd_nesterov": "nesterov", "nag": "nesterov",
        "gd": "sgd", "gradient_descent": "sgd", "no": NO_OPTIMIZER, "off": NO_OPTIMIZER,
    },
    "mode": {
        "training": TRAIN, "eval": INFERENCE, "evaluation": INFERENCE, "test": INFERENCE, "infer": INFERENCE, "predict": INFERENCE,
    },
    "bias": {"yes": "all", "true": "all", "on": "all", "no": "none", "false": "none", "off": "none"},
    "taps": {"all": "dense", "full": "dense", "no_padding": "valid"},
    "allocator": {"caching": "cuda", "gpu": "cuda"},
    "activation": ACTIVATION_ALIASES,
    "dtype": {
        "fp32": "float32", "f32": "float32", "float": "float32", "single": "float32", "fp64": "float64", "f64": "float64",
        "double": "float64", "fp16": "float16", "f16": "float16", "half": "float16", "bf16": "bfloat16", "brain_float": "bfloat16",
        "fp8": "float8", "float8_e4m3": "float8", "float8_e5m2": "float8",
        **{f"{library}.{name}": name for library in ("torch", "np", "numpy", "jnp", "tf") for name in CHOSEN_DTYPES},
    },
}  # fmt: skip
"""What else people call the values of a setting."""


def chosen(name: str, value: object) -> object:
    """The value of a setting that a text means, such as ``mse`` or ``FP16``; anything else as it is."""
    if not isinstance(value, str):
        return value
    return meant(value, CHOICES[name], ALIASES.get(name, {})) or value


def check_choice(
    name: str, value: object, accepted: Sequence[str] | None = None, also: Mapping[str, str] | None = None
) -> None:
    """Raise OptionError for a value that the setting does not have; None stands for its default.

    ``accepted`` are the values and ``also`` their other names, if they are not those of ``CHOICES`` and ``ALIASES``.
    """
    also = ALIASES.get(name, {}) if also is None else also
    accepted = CHOICES[name] if accepted is None else accepted
    if value is not None and value not in accepted:
        close = (
            nearest(value, accepted, {key: name for key, name in also.items() if name in accepted})
            if isinstance(value, str)
            else None
        )
        hint = "" if close is None else f"Did you mean {close!r}? "
        raise OptionError(
            f"unknown {name} {_shown(value)}",
            hint=f"{hint}Accepted: {', '.join(accepted)}.",
            instead=Instead(value, close or accepted[0]) if isinstance(value, str) and value else None,
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def accepted_text(name: str, default: str | None = None) -> str:
    """Return the accepted values as a help text says them, the default one marked: ``exact (default), cuda``."""
    return ", ".join(f"{choice} (default)" if choice == default else choice for choice in CHOICES[name])
