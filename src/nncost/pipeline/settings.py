"""Everything about a count that is not the source, checked before anything is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypedDict

from nncost.counting.memory.step import EXACT
from nncost.dims import Dim
from nncost.errors import Instead, OptionError
from nncost.frontends import registry
from nncost.frontends.front_end import FrontEnd
from nncost.frontends.model import LoadOptions, Training
from nncost.ir.dtypes import CHOSEN_DTYPES
from nncost.ir.training.losses import NO_LOSS
from nncost.ir.training.optimizers import NO_OPTIMIZER
from nncost.pipeline.choices import INFERENCE, TRAIN, WEIGHTS_ONLY, check_choice
from nncost.records import field, record, replace


class CountSettings(TypedDict, total=False):
    """The keywords of ``nncost.count`` that other functions take, too."""

    batch: int | str | None
    symbols: Mapping[str, int] | None
    loss: Any
    optimizer: Any
    backward: str
    mode: str | None
    examples: int | str | None
    epochs: int
    accumulate: int
    freeze: str | Sequence[str]
    taps: str
    convention: str | None
    dtype: str | None
    bias: str
    activation: str
    reuse: bool
    learn: bool | None
    allocator: str


@record
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
    """How a source is read under the settings. Raise OptionError for a value that no source has, or this one no use for."""
    check(settings)
    _check_use(source, settings)
    steps = Training(settings.loss, settings.optimizer, settings.backward, settings.mode, tuple(settings.freeze))
    return replace(settings.load, training=_is_training(source, settings), steps=steps)


def check(settings: Settings) -> None:
    """Raise OptionError for a value that is not accepted, whatever the source."""
    given = {"bias": settings.load.bias, "dtype": settings.load.dtype}
    given |= {name: getattr(settings, name) for name in ("backward", "mode", "taps", "allocator")}
    for name, value in given.items():
        check_choice(name, value)
    numbers = {"examples": settings.examples, "epochs": settings.epochs, "accumulate": settings.accumulate}
    for name, number in (*numbers.items(), ("batch", settings.load.batch)):
        if isinstance(number, bool) or (isinstance(number, int) and number < 1):
            raise OptionError(f"{name} must be at least 1, received {number}")
    if settings.examples is None and settings.epochs != 1:
        raise OptionError(
            "epochs needs examples: the number of training examples.",
            hint="For example: --examples 60000",
            instead=Instead("", "--examples 60000"),
        )


def _check_use(source: Any, settings: Settings) -> None:
    """Raise OptionError for a setting that changes nothing for a source of this kind."""
    front_end = registry.front_end_for(source)
    if settings.load.dtype in WEIGHTS_ONLY and not front_end.packs_weights:
        raise _weights_only(settings.load.dtype, front_end)
    unused = front_end.unused()
    for name in _given(settings, trains=front_end.trains_by_default):
        if name in unused:
            option = _OPTIONS.get(name, f"--{name}")
            raise OptionError(
                f"{name} does not apply to {front_end.title or f'a source of the kind {front_end.kind}'}.",
                hint=unused[name], instead=Instead(option, ""),
            )  # fmt: skip


def shared(sources: Sequence[Any], settings: Settings) -> list[Settings]:
    """Return the settings of each of several sources: what applies to some of them is left out for the others."""
    if len(sources) == 1:
        return [settings]
    unused = [_unused(registry.front_end_for(source)) for source in sources]
    nowhere = set.intersection(*unused) if unused else set()
    return [_without(settings, names - nowhere) for names in unused]


def _unused(front_end: FrontEnd) -> set[str]:
    return {*front_end.unused(), *(() if front_end.shaped_by_inputs else ("inputs",))}


def _without(settings: Settings, names: Collection[str]) -> Settings:
    """The settings as they are without those named."""
    plain = Settings()
    own = {name: getattr(plain, name) for name in names if hasattr(plain, name)}
    load = {name: getattr(plain.load, name) for name in names if hasattr(plain.load, name)}
    if "inputs" in names:
        load["given"] = plain.load.given
    return replace(settings, **own, load=replace(settings.load, **load))


def _weights_only(dtype: str, front_end: FrontEnd) -> OptionError:
    return OptionError(
        f"{dtype} is a format of weights, which --dtype takes for a Hugging Face configuration, not for {front_end.title or 'this source'}.",
        hint=f"Accepted: {', '.join(CHOSEN_DTYPES)}.",
        instead=Instead(dtype, CHOSEN_DTYPES[0]),
    )


def refuse(settings: Settings, reasons: Mapping[str, str], who: str) -> None:
    """Raise OptionError for a setting that changes nothing about what a command gives, with its reason."""
    for name in _given(settings, trains=True):
        if name in reasons:
            raise OptionError(
                f"{name} changes nothing about {who}.", hint=reasons[name], instead=Instead(f"--{name}", "")
            )


_OPTIONS = {"symbols": "--symbol", "inputs": "--input"}
"""Options of the command line that are not called as their keyword."""


def _given(settings: Settings, *, trains: bool) -> Iterator[str]:
    """The keywords of ``nncost.count`` that differ from what holds without them."""
    without = {} if trains else {"loss": NO_LOSS, "optimizer": NO_OPTIMIZER, "mode": INFERENCE}
    for record_given, plain in ((settings.load, LoadOptions()), (settings, Settings())):
        for name in _KEYWORDS:
            value = getattr(record_given, name, None)
            if not isinstance(value, (str, int, type(None))) and name not in _EMPTY:
                yield name  # an object of a framework's own, or a symbol
            elif value not in (getattr(plain, name, None), without.get(name)) and value != _EMPTY.get(name):
                yield name


_EMPTY: Mapping[str, object] = {"symbols": {}, "inputs": {}, "freeze": []}
_KEYWORDS = (
    "batch", "symbols", "inputs", "loss", "optimizer", "backward", "mode", "examples", "epochs", "accumulate", "freeze", "taps",
    "convention", "dtype", "bias", "activation", "allocator", "reuse", "learn",
)  # fmt: skip


def check_names(settings: Settings) -> None:
    """Our own losses and optimizers have names; a framework's may be objects."""
    check_choice("loss", settings.loss)
    check_choice("optimizer", settings.optimizer)


def _is_training(source: Any, settings: Settings) -> bool:
    if settings.mode is not None:
        return settings.mode == TRAIN
    if settings.loss is not None:
        return bool(settings.loss != NO_LOSS)
    if settings.optimizer is not None:
        return bool(settings.optimizer != NO_OPTIMIZER)
    return registry.front_end_for(source).trains_by_default
