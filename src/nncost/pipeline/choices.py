"""The values that the settings of a count may have, by the setting's name; checks and help texts read them here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nncost.counting.conventions import CONVENTIONS
from nncost.counting.memory.step import ALLOCATORS
from nncost.errors import OptionError
from nncost.frontends.choices import ACTIVATION_NAMES, BIASES
from nncost.ir.dtypes import CHOSEN_DTYPES
from nncost.ir.training.losses import LOSSES, NO_LOSS
from nncost.ir.training.optimizers import NO_OPTIMIZER, OPTIMIZERS

TRAIN, INFERENCE = "train", "inference"
CHOICES: Mapping[str, Sequence[str]] = {
    "loss": (*LOSSES, NO_LOSS),
    "optimizer": (*OPTIMIZERS, NO_OPTIMIZER),
    "backward": ("auto", "derived"),
    "mode": (TRAIN, INFERENCE),
    "taps": ("dense", "valid"),
    "bias": BIASES,
    "activation": ACTIVATION_NAMES,
    "dtype": CHOSEN_DTYPES,
    "allocator": ALLOCATORS,
    "convention": tuple(CONVENTIONS),
}


def check_choice(name: str, value: object, accepted: Sequence[str] | None = None) -> None:
    """Raise OptionError for a value that the setting does not have; None stands for its default.

    ``accepted`` are the values, if they are not those of ``CHOICES``.
    """
    accepted = CHOICES[name] if accepted is None else accepted
    if value is not None and value not in accepted:
        raise OptionError(f"unknown {name} {value!r}", hint=f"Accepted: {', '.join(accepted)}.")


def accepted_text(name: str, default: str | None = None) -> str:
    """Return the accepted values as a help text says them, the default one marked: ``exact (default), cuda``."""
    return ", ".join(f"{choice} (default)" if choice == default else choice for choice in CHOICES[name])
