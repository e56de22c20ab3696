"""What users give as inputs: tensors, shapes, or structures of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Integral
from operator import index
from typing import Any

from nncost.dims import Dim, Shape, is_symbolic, symbol
from nncost.errors import Instead, OptionError
from nncost.frontends.model import Inputs, TensorShape

_TEXT = re.compile(r"([A-Za-z0-9_]+(?:x[0-9A-Za-z_]+)*)?(?::([a-z0-9_]+))?")
_SEVERAL_SIZES = re.compile(r":|[A-Za-z0-9_]x[0-9]|[0-9]x[A-Za-z_]")
MAX_DIGITS = 1_000
_MOST_AXES = 8
MAX_NAME_LENGTH = 100
"""Characters of a symbol: formulas stay readable and quick."""


def arguments_of(inputs: Any) -> Inputs | None:
    """The arguments of a model's call. Raise OptionError for what is neither tensor nor shape."""
    if inputs is None:
        return None
    if isinstance(inputs, Inputs):
        return Inputs(tuple(map(_leaf, inputs.args)), {name: _leaf(value) for name, value in inputs.kwargs.items()})
    if isinstance(inputs, Mapping):
        named = {name: _leaf(value) for name, value in inputs.items() if name}
        unnamed = tuple(_leaf(value) for name, value in inputs.items() if not name)
        return Inputs(unnamed, named)
    if isinstance(inputs, (bool, int, float)):
        raise OptionError(f"inputs are shapes such as (1, 3, 224, 224), received {inputs!r}")
    if isinstance(inputs, (list, tuple)) and not inputs:
        return Inputs()
    if is_shape(inputs) or not isinstance(inputs, (list, tuple)):
        return Inputs((_leaf(inputs),))
    return Inputs(tuple(_leaf(value) for value in inputs))


def shapes_of(given: Inputs | None) -> dict[str, Shape]:
    """The shapes of a file's inputs by name; the only one may have none, nested ones have dots."""
    if given is None:
        return {}
    found: dict[str, Shape] = {}
    for value in given.args[:1]:
        _add_shapes("", value, found)
    for name, value in given.kwargs.items():
        _add_shapes(str(name), value, found)
    return found


def flattened(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of named inputs, those of a sequence as ``name.0``, ``name.1`` and so on; None is no value."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, (list, tuple)):
            found |= {f"{name}.{position}": item for position, item in enumerate(value)}
        elif value is not None:
            found[name] = value
    return found


def _add_shapes(name: str, value: Any, found: dict[str, Shape]) -> None:
    if isinstance(value, TensorShape) or _has_shape(value):
        if not _is_nested(value):
            found[name] = tuple(value.shape)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _add_shapes(f"{name}.{key}" if name else str(key), item, found)
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            _add_shapes(f"{name}.{position}" if name else str(position), item, found)


def inputs_of(texts: Sequence[str]) -> Inputs:
    """``("1x3x8x8", "mask=1x8:bool", "batch.image=1x3x8x8")``: unnamed ones in order, dots for what is nested."""
    args: list[TensorShape] = []
    tree: dict[str, Any] = {}
    for text in texts:
        name, equals, shape = text.rpartition("=")
        if equals:
            _put(tree, name, parsed(shape), text)
        else:
            args.append(parsed(shape))
    return Inputs(tuple(args), {name: _listed(value) for name, value in tree.items()})


def _put(tree: dict[str, Any], name: str, leaf: TensorShape, text: str) -> None:
    """Put a leaf at a dotted name. Raise OptionError if something stands there already."""
    *parents, last = name.split(".")
    for part in parents:
        below = tree.setdefault(part, {})
        if not isinstance(below, dict):
            raise OptionError(f"--input {text[:60]!r} lies inside an input that is a tensor itself.")
        tree = below
    if last in tree:
        raise OptionError(f"the input {name!r} is given twice.")
    if not all((*parents, last)):
        raise OptionError(f"an input is named as in x=1x128 or batch.image=1x3x8x8, received {text[:60]!r}")
    tree[last] = leaf


def _listed(value: Any) -> Any:
    """A tree whose names are 0, 1, 2 … is a list."""
    if not isinstance(value, dict):
        return value
    items = {name: _listed(item) for name, item in value.items()}
    numbers = [str(position) for position in range(len(items))]
    return [items[number] for number in numbers] if set(items) == set(numbers) else items


def is_shape(value: Any) -> bool:
    """Whether a value is a shape, or has one."""
    if isinstance(value, (TensorShape, str)) or _has_shape(value):
        return True
    return isinstance(value, (list, tuple)) and all(_is_size(dim) for dim in value)


def _has_shape(value: Any) -> bool:
    return _is_nested(value) or hasattr(value, "shape")


def _is_nested(value: Any) -> bool:
    """Whether a value is a nested tensor, which has a shape for each of its pieces, and none if it is asked."""
    return getattr(value, "is_nested", False) is True


def _is_size(value: Any) -> bool:
    if isinstance(value, (bool, Mapping, list, tuple)):
        return False
    if isinstance(value, Integral):  # NumPy's have a shape
        return True
    if _has_shape(value):
        return False
    if isinstance(value, str):
        return _SEVERAL_SIZES.search(value) is None  # ("B", 3) is a shape, ("1x3", "1x4") are two
    return hasattr(value, "free_symbols") or hasattr(value, "__index__")


def shape_of(value: Any) -> Shape:
    """The shape that a value is or has. Raise OptionError if it is none."""
    if isinstance(value, str):
        return parsed(value).shape
    try:
        return tuple(size(dim) for dim in getattr(value, "shape", value))
    except TypeError:
        raise OptionError(f"inputs are shapes such as (1, 3, 224, 224), received {value!r}") from None


def size(value: Any) -> Dim:
    """A whole number of at least 1, or the symbol of that name."""
    if isinstance(value, str):
        if value.isdigit() and value.isascii() and len(value) <= MAX_DIGITS:
            value = int(value)
        elif value.isascii() and value.isidentifier() and len(value) <= MAX_NAME_LENGTH:
            return symbol(value)
        else:
            raise OptionError(f"a size is a whole number or a name such as B, received {value[:60]!r}")
    if is_symbolic(value) and not isinstance(value, Integral):
        return value
    try:
        number = -1 if isinstance(value, bool) else index(value)
    except TypeError:
        number = -1
    if number < 1:
        raise OptionError(f"a size of inputs must be a whole number of at least 1, received {value!r}")
    return number


def parsed(text: str) -> TensorShape:
    """``"1x128:int64"``. Raise OptionError with an example."""
    match = _TEXT.fullmatch(text)
    if match is None or not text:
        sizes_meant = re.findall(r"\w+", text)[:_MOST_AXES]
        instead = Instead(text, "x".join(sizes_meant)) if len(sizes_meant) > 1 and len(text) < MAX_DIGITS else None
        raise OptionError(f"a shape is written as 1x3x224x224 or 1x128:int64, received {text[:60]!r}", instead=instead)
    sizes, dtype = match.groups()
    return TensorShape(tuple(size(piece) for piece in sizes.split("x")) if sizes else (), dtype)


def _leaf(value: Any) -> Any:
    """Shapes become TensorShape; structures are walked; everything else stays."""
    if isinstance(value, TensorShape) or _has_shape(value):
        return value
    if isinstance(value, str):
        return parsed(value)
    if isinstance(value, Mapping):
        return {key: _leaf(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and value and is_shape(value):
        return TensorShape(shape_of(value))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_leaf, value))
    if isinstance(value, (list, tuple)):
        return type(value)(map(_leaf, value))
    return value


def whole(name: str, value: Any, least: int = 1, below: float = math.inf) -> int:
    """Return an integer of at least ``least``, of any integer type. Raise OptionError for anything else."""
    try:
        number = least - 1 if isinstance(value, bool) else index(value)
    except TypeError:
        number = least - 1
    if not least <= number < below:
        raise OptionError(f"{name} must be a whole number of at least {least}, received {value!r}")
    return number
