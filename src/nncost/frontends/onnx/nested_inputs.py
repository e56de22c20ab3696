"""Inputs that are sequences or optionals: they hold as many tensors as the caller gives."""

from __future__ import annotations

from typing import Any

from nncost.dims import Shape
from nncost.frontends.model import LoadOptions
from nncost.frontends.onnx.constants import Types

Element = tuple[str, Shape, str]
"""The name, shape and dtype of a tensor."""
_MISSING = object()


def is_nested(value: Any) -> bool:
    """Whether an input is a sequence or an optional."""
    return value.type.WhichOneof("value") in ("sequence_type", "optional_type")


def is_sequence(value: Any) -> bool:
    """Whether an input is a sequence, or an optional that may hold one."""
    kind = value.type.WhichOneof("value")
    if kind == "optional_type":
        kind = value.type.optional_type.elem_type.WhichOneof("value")
    return str(kind) == "sequence_type"


def elements_of(value: Any, options: LoadOptions, types: Types) -> list[Element] | None:
    """The tensors that the caller gives for an input, named ``name.0``, ``name.1``; an optional's only one has its name.

    None for an optional without an element, and for a sequence that is not given at all.
    """
    name, dtype = value.name, types.coded(_element_type(value)) or "float32"
    given = _MISSING if options.given is None else options.given.kwargs.get(name, _MISSING)
    if not is_sequence(value):
        return [(name, options.inputs[name], dtype)] if name in options.inputs else None
    found: list[Element] = []
    while f"{name}.{len(found)}" in options.inputs:
        found.append((f"{name}.{len(found)}", options.inputs[f"{name}.{len(found)}"], dtype))
    return found if found or isinstance(given, (list, tuple)) else None


def _element_type(value: Any) -> int:
    found = value.type
    while found.WhichOneof("value") != "tensor_type":
        kind = found.WhichOneof("value")
        if kind not in ("sequence_type", "optional_type"):
            return 1
        found = getattr(found, kind).elem_type
    return int(found.tensor_type.elem_type)
