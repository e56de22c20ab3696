"""Kinds of values that settings of a request have: how each is read from JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nncost.errors import OptionError
from nncost.frontends.arguments import MAX_DIGITS, MAX_NAME_LENGTH, inputs_of
from nncost.records import record

MAX_TEXT, MAX_ITEMS = 200, 1_000
"""Characters of a value that is a name, and values in a list; a source may be longer."""
_SHOWN = 60


@record
class Kind:
    """What a value is called in a message, what reads it, and its schema in JSON Schema."""

    accepted: str
    read: Callable[[str, Any], Any]
    schema: Mapping[str, Any]


def refused(name: str, kind: str, value: object) -> OptionError:
    """Return the error that a setting has another kind of value."""
    return OptionError(f"{name} takes {kind}, received {_shown(value)}.")


def _shown(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > MAX_DIGITS:
        return "a giant number"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise refused(name, TEXT.accepted, value)
    return value


def _whole(name: str, value: Any) -> int:
    """A number of at least 1, also in digits, as numbers travel from JavaScript."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
        value = int(value)
    if isinstance(value, float) and value.is_integer() and value < _EXACT:  # JSON has one kind of number
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or value >= _TOO_LONG:
        raise refused(name, WHOLE.accepted, value)
    return value


def _size(name: str, value: Any) -> int | str:
    if isinstance(value, str) and value.isascii() and value.isidentifier() and len(value) <= MAX_NAME_LENGTH:
        return value
    try:
        return _whole(name, value)
    except OptionError:
        raise refused(name, SIZE.accepted, value) from None


def _sizes(name: str, value: Any) -> dict[str, int]:
    if not isinstance(value, Mapping) or len(value) > MAX_ITEMS:
        raise refused(name, SIZES.accepted, value)
    return {_text(f"a name in {name}", each): _whole(f"{name}.{each}"[:MAX_TEXT], value[each]) for each in value}


def _texts(name: str, value: Any) -> list[str]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or len(listed) > MAX_ITEMS:
        raise refused(name, TEXTS.accepted, value)
    return [_text(name, each) for each in listed]


def _bytes(name: str, value: Any) -> int | str:
    if isinstance(value, str):
        return _text(name, value)
    try:
        return _whole(name, value)
    except OptionError:
        raise refused(name, BYTES.accepted, value) from None


def _inputs(name: str, value: Any) -> Any:
    return inputs_of(_texts(name, value))


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise refused(name, TRUTH.accepted, value)
    return value


_EXACT = 2**53
"""Floats below it that are whole are the number that was written."""
_TOO_LONG = 10**MAX_DIGITS
_INTEGER = {"type": "integer", "minimum": 1}
_DIGITS = {"type": "string", "pattern": f"^0*[1-9][0-9]{{0,{MAX_TEXT}}}$", "maxLength": MAX_TEXT}
_NAME = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "maxLength": MAX_NAME_LENGTH}
_SHORT = {"type": "string", "maxLength": MAX_TEXT}
TEXT = Kind(f"text of at most {MAX_TEXT} characters", _text, _SHORT)
WHOLE = Kind(f"a whole number ≥ 1 of at most {MAX_DIGITS:,} digits", _whole, {"anyOf": [_INTEGER, _DIGITS]})
SIZE = Kind(
    f"a whole number ≥ 1 of at most {MAX_DIGITS:,} digits, or a name such as B",
    _size,
    {"anyOf": [_INTEGER, _DIGITS, _NAME]},
)
SIZES = Kind(
    f"names with whole numbers, as {{'h': 128}}, at most {MAX_ITEMS:,}",
    _sizes,
    {
        "type": "object",
        "propertyNames": {"maxLength": MAX_TEXT},
        "maxProperties": MAX_ITEMS,
        "additionalProperties": {"anyOf": [_INTEGER, _DIGITS]},
    },
)
TEXTS = Kind(
    f"text, or a list of at most {MAX_ITEMS:,}",
    _texts,
    {"anyOf": [_SHORT, {"type": "array", "items": _SHORT, "maxItems": MAX_ITEMS}]},
)
INPUTS = Kind("shapes such as '1x3x224x224', or a list of them", _inputs, TEXTS.schema)
BYTES = Kind("a number of bytes, or a size such as '8GiB'", _bytes, {"anyOf": [_INTEGER, _SHORT]})
TRUTH = Kind("true or false", _truth, {"type": "boolean"})
