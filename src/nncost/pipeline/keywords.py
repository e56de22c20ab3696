"""From the keywords of the public functions to settings: each checked here, at the edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from nncost.dims import symbol
from nncost.errors import OptionError
from nncost.frontends.arguments import MAX_NAME_LENGTH, arguments_of, shapes_of, whole
from nncost.frontends.model import BiasChoice, LoadOptions
from nncost.names import nearest
from nncost.pipeline.choices import CHOICES, chosen
from nncost.pipeline.settings import CountSettings, Settings

if TYPE_CHECKING:
    from nncost.dims import Dim


def settings_of(
    inputs: Any = None,
    *,
    batch: int | str | None = None,
    symbols: Mapping[str, int] | None = None,
    examples: int | str | None = None,
    dtype: str | None = None,
    bias: str = "all",
    activation: str = "sigmoid",
    reuse: bool = True,
    learn: bool | None = None,
    convention: str | None = None,
    freeze: str | Sequence[str] = (),
    epochs: int = 1,
    accumulate: int = 1,
    **others: Any,
) -> Settings:
    """The settings behind the keywords of :func:`count`, checked."""
    check_keywords(others)
    bindings, given = _bindings(symbols), arguments_of(inputs)
    others = {name: chosen(name, value) if name in CHOICES else value for name, value in others.items()}
    load = LoadOptions(
        batch=None if batch is None else _size("batch", batch, bindings),
        symbols=bindings,
        named_elsewhere=frozenset(name for name in (batch, examples) if isinstance(name, str)),
        inputs=shapes_of(given),
        given=given,
        dtype=str(chosen("dtype", dtype or "float32")),
        dtype_given=dtype is not None,
        bias=cast("BiasChoice", chosen("bias", bias)),
        activation=str(chosen("activation", activation)),
        reuse=truth("reuse", reuse),
        learn=None if learn is None else truth("learn", learn),
    )
    return Settings(
        examples=None if examples is None else _size("examples", examples, bindings),
        epochs=whole("epochs", epochs),
        accumulate=whole("accumulate", accumulate),
        freeze=_patterns(freeze),
        convention=str(chosen("convention", convention or "nncost")),
        load=load,
        **others,
    )


def check_keywords(others: Mapping[str, Any]) -> None:
    """Raise TypeError for a keyword that is no setting."""
    accepted = ("inputs", *CountSettings.__annotations__)
    for name in others:
        if name not in accepted:
            close = nearest(name, accepted)
            hint = "" if close is None else f" Did you mean {close!r}?"
            raise TypeError(f"there is no setting {name!r}.{hint} There are: {', '.join(accepted)}.")


def truth(name: str, value: object) -> bool:
    """The value of a keyword that is True or False. Raise OptionError for another."""
    if not isinstance(value, bool):
        raise OptionError(f"{name} is True or False, received {value!r}")
    return value


def _size(name: str, value: object, bindings: Mapping[str, int]) -> Dim:
    """A whole number, or the symbol of that name unless it is bound."""
    if not isinstance(value, str):
        return whole(name, value)
    if not (value.isascii() and value.isidentifier() and len(value) <= MAX_NAME_LENGTH):
        raise OptionError(f"{name} must be a whole number or a name such as B, received {value[:60]!r}")
    return bindings[value] if value in bindings else symbol(value)


def _patterns(freeze: object) -> tuple[str, ...]:
    patterns = tuple(freeze) if isinstance(freeze, (list, tuple, set, frozenset)) else (freeze,)
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise OptionError(f"freeze takes layer paths such as 'dense.1', received {pattern!r}")
    return patterns


def _bindings(symbols: object) -> dict[str, int]:
    if not isinstance(symbols or {}, Mapping):
        raise OptionError(f"symbols are names with numbers such as {{'h': 128}}, received {symbols!r}")
    given = cast("Mapping[str, object]", symbols or {})
    return {str(name): whole(f"the symbol {name}", value) for name, value in given.items()}
