"""Everything about a count that is not the source, checked before anything is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nncost.counting.memory.step import ALLOCATORS, EXACT
from nncost.counting.quantities import DTYPE_BYTES
from nncost.dims import Dim
from nncost.errors import OptionError
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions, Training
from nncost.ir.training.losses import LOSSES, NO_LOSS
from nncost.ir.training.optimizers import NO_OPTIMIZER, OPTIMIZERS

TRAIN, INFERENCE = "train", "inference"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about a count that is not the source; see ``nncost.count``."""

    loss: Any = None
    optimizer: Any = None
    backward: str = "auto"
    mode: str | None = None
    examples: Dim | None = None
    epochs: int = 1
    accumulate: int = 1
    freeze: Sequence[str] = ()
    taps: str = "dense"
    convention: str = "nncost"
    allocator: str = EXACT
    load: LoadOptions = field(default_factory=LoadOptions)


def load_options(source: Any, settings: Settings) -> LoadOptions:
    """How a source is read under the settings."""
    steps = Training(settings.loss, settings.optimizer, settings.backward, settings.mode, tuple(settings.freeze))
    return replace(settings.load, training=_is_training(source, settings), steps=steps)


def check(settings: Settings) -> None:
    """Raise OptionError for a value that is not accepted, whatever the source."""
    choices: Mapping[str, tuple[object, Sequence[object]]] = {
        "backward": (settings.backward, ("auto", "derived")),
        "mode": (settings.mode, (None, TRAIN, INFERENCE)),
        "taps": (settings.taps, ("dense", "valid")),
        "bias": (settings.load.bias, ("all", "hidden", "none")),
        "dtype": (settings.load.dtype, [name for name in DTYPE_BYTES if "float" in name]),
        "allocator": (settings.allocator, ALLOCATORS),
    }
    _check_choices(choices)
    numbers = {"examples": settings.examples, "epochs": settings.epochs, "accumulate": settings.accumulate}
    for name, number in (*numbers.items(), ("batch", settings.load.batch)):
        if isinstance(number, bool) or (isinstance(number, int) and number < 1):
            raise OptionError(f"{name} must be at least 1, received {number}")
    if settings.examples is None and settings.epochs != 1:
        raise OptionError(
            "epochs needs examples: the number of training examples.", hint="For example: --examples 60000"
        )


def _check_choices(choices: Mapping[str, tuple[object, Sequence[object]]]) -> None:
    for name, (value, accepted) in choices.items():
        if value not in accepted:
            known = ", ".join(str(choice) for choice in accepted if choice is not None)
            raise OptionError(f"unknown {name} {value!r}", hint=f"Accepted: {known}.")


def check_names(settings: Settings) -> None:
    """Our own losses and optimizers have names; a framework's may be objects."""
    losses, optimizers = (None, *LOSSES, NO_LOSS), (None, *OPTIMIZERS, NO_OPTIMIZER)
    _check_choices({"loss": (settings.loss, losses), "optimizer": (settings.optimizer, optimizers)})


def _is_training(source: Any, settings: Settings) -> bool:
    if settings.mode is not None:
        return settings.mode == TRAIN
    if settings.loss is not None:
        return bool(settings.loss != NO_LOSS)
    if settings.optimizer is not None:
        return bool(settings.optimizer != NO_OPTIMIZER)
    return isinstance(source, str) and registry.front_end_for(source).kind == "spec"
