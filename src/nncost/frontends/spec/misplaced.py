"""Names of activations and layers where a width stands: ``784-128-relu-10``."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.errors import SpecError
from nncost.frontends.choices import ACTIVATION_ALIASES, ACTIVATION_NAMES
from nncost.frontends.spec.grammar import Dots, Width
from nncost.frontends.spec.layer_names import layer_named
from nncost.frontends.spec.sizes import MAX_CORRECTED, Sizes
from nncost.names import meant

_ON_VECTORS = {"dropout": "dropout 0.1", "batchnorm": "batchnorm", "layernorm": "layernorm", "rmsnorm": "rmsnorm", "flatten": "flatten"}  # fmt: skip
"""Layers that can stand between dense layers, as they may be written there."""
_ELSEWHERE = {
    "dense": "784, dense 128, relu, dense 10", "embedding": "8, embedding 1000 32, lstm 32 last, dense 10",
    "attention": "8, embedding 1000 32, attention heads=4, dense 10",
    "rnn": "8x16, rnn 32 last, dense 10", "lstm": "8x16, lstm 32 last, dense 10", "gru": "8x16, gru 32 last, dense 10",
}  # fmt: skip
_IMAGES = "1x28x28, conv 16 3x3, relu, maxpool 2, flatten, dense 10"
"""Networks that show where the other layers stand."""


def check_names(sizes: Sizes, widths: Sequence[Width | Dots]) -> None:
    """Raise SpecError for the name of an activation or a layer in the place of a width, unless it is a size that is bound."""
    for width in widths:
        if isinstance(width, Dots):
            continue
        if width.count is not None and _is_activation(width.count.text):
            behind = f"{width.size.text}:{width.count.text}"
            raise sizes.error(
                f"{width.count.text} is an activation, not a number of layers", width.count,
                hint=f"An activation stands behind a colon:  {behind}",
                corrected=sizes.spec.replace(f"{width.size.text}*{width.count.text}", behind)[: MAX_CORRECTED],
            )  # fmt: skip
        if not width.size.text.isdigit() and width.size.text not in sizes.bindings:
            _check(sizes, widths, width)


def _check(sizes: Sizes, widths: Sequence[Width | Dots], width: Width) -> None:
    text, position = width.size.text, width.size.position
    if _is_activation(text):
        corrected = attached(widths)
        message, hint = f"{text} is an activation, not a width", f"Write it behind a width:  {corrected}"
    elif (layer := _layer(text)) is not None:
        corrected = _in_layers(widths) if layer in _ON_VECTORS else _ELSEWHERE.get(layer, _IMAGES)
        message = f"{text} is a layer, not a width"
        hint = f"Layers stand between commas, behind the shape of an input:  {corrected}"
    else:
        return
    short = corrected if len(sizes.spec) <= MAX_CORRECTED else None
    raise SpecError(message, sizes.spec, position, length=len(text), hint=hint if short else None, corrected=short)


def _is_activation(text: str) -> bool:
    found = meant(text, ACTIVATION_NAMES, ACTIVATION_ALIASES)
    return found is not None and (found != "none" or text.lower() in ("linear", "identity"))


def _layer(text: str) -> str | None:
    from nncost.frontends.spec.kinds import layer_table

    found = layer_named(text, layer_table())
    return None if found is None else found.name


def attached(widths: Sequence[Width | Dots]) -> str:
    """The widths with the names of activations behind the widths before them; the input has none, so its goes to the first layer."""
    words: list[str] = []
    waiting = ""
    for width in widths:
        if isinstance(width, Dots) or not _is_activation(width.size.text):
            text = _text(width)
            if not words and ":" in text:
                text, _, waiting = text.partition(":")
            words.append(_activated(text, waiting) if words else text)
            waiting = waiting if len(words) < 2 else ""
        elif len(words) > 1 and ":" not in words[-1]:
            words[-1] = _activated(words[-1], width.size.text)
        else:
            waiting = waiting or width.size.text
    return "-".join(words)


def _activated(width: str, activation: str) -> str:
    if not activation or ":" in width:
        return width
    size, star, count = width.partition("*")
    return f"{size}:{activation}{star}{count}"


def _in_layers(widths: Sequence[Width | Dots]) -> str:
    """The widths as layers between commas, without their activations' default."""
    first, *rest = widths
    items = [_text(first)]
    for width in rest:
        if isinstance(width, Dots):
            continue
        layer = _layer(width.size.text)
        if _is_activation(width.size.text):
            items.append(width.size.text)
        elif layer is not None:
            items.append(_ON_VECTORS.get(layer, layer))
        else:
            items.append(f"dense {width.size.text}")
            items += [width.activation.text] if width.activation is not None else []
    return ", ".join(items)


def _text(width: Width | Dots) -> str:
    if isinstance(width, Dots):
        return "..."
    activation = "" if width.activation is None else f":{width.activation.text}"
    return f"{width.size.text}{activation}" + ("" if width.count is None else f"*{width.count.text}")
