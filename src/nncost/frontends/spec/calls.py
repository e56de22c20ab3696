"""Layers as Python writes them, ``nn.Linear(784, 16), nn.ReLU()``, as a spec writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nncost.frontends.spec.layer_names import argument_named, layer_named

_MODULE = re.compile(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_]\w*\s*\()")
_WRAPPER = re.compile(r"\b(?:Sequential|ModuleList|Model)\s*\(\s*\[?(.*?)\]?\s*\)\s*\Z", re.DOTALL)
_TUPLE = re.compile(r"[(\[]\s*(\d+\s*(?:,\s*\d+\s*)*),?\s*[)\]]")
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(([^()]*)\)")
_INPUT = re.compile(r"(?:Input|InputLayer)\b", re.IGNORECASE)
_IMAGE_SIDE = "x32"


def without_calls(text: str) -> str:
    """The text with every call of a layer as an item of a spec; the input, where it is named, in front."""
    from nncost.frontends.spec.kinds import layer_table

    table = layer_table()
    text = _MODULE.sub("", text)
    if wrapped := _WRAPPER.search(text):
        text = wrapped[1]
    text = _CALL_ARGUMENTS.sub(lambda found: "(" + _TUPLE.sub(lambda inner: _sizes(inner[1]), found[1]) + ")", text)
    return _CALL.sub(
        lambda call: ", ".join(_items(call[1], call[2], table, is_first=not text[: call.start()].strip(" [("))), text
    )


_CALL_ARGUMENTS = re.compile(r"(?<=\w)\(((?:[^()]|\([^()]*\))*)\)")


def _sizes(text: str) -> str:
    return "x".join(number.strip() for number in text.split(",") if number.strip())


def _items(name: str, arguments: str, table: object, *, is_first: bool) -> Iterator[str]:
    """The items that one call stands for: its layer, before it the input that it names, behind it its activation."""
    words = [word.strip().strip("'\"") for word in arguments.split(",") if word.strip()]
    given = [word for word in words if "=" not in word]
    named = dict(re.split(r"\s*=\s*", word, maxsplit=1) for word in words if "=" in word)
    if _INPUT.match(name):
        yield _channels_first(named.get("shape", given[0] if given else ""))
        return
    assert isinstance(table, dict)
    found = layer_named(name, table)
    if found is None:
        yield " ".join([name, *given])
        return
    kind = table[found.name]
    entering = given[: max(0, len(given) - len(kind.positional))]
    if is_first and "input_shape" in named:
        yield _channels_first(named["input_shape"].strip("'\""))
    elif is_first and entering:
        yield entering[0] + _IMAGE_SIDE * (found.axes or 0)
    arguments_of_layer = list(given[len(entering) :])
    if found.name == "attention":
        arguments_of_layer = [f"heads={given[-1]}"] if given else []
    for key, value in named.items():
        known = argument_named(key, (*kind.positional, *kind.options, *kind.flags))
        if known is not None:
            arguments_of_layer.append(f"{known}={value.strip().strip(chr(34) + chr(39))}")
    yield " ".join([found.name, *arguments_of_layer])
    if "activation" in named:
        yield named["activation"].strip("'\"")


def _channels_first(shape: str) -> str:
    """Keras's height x width x channels as channels x height x width."""
    sizes = shape.split("x")
    return "x".join([sizes[-1], *sizes[:-1]]) if len(sizes) > 2 else shape
