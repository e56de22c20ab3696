"""Keras' quantized layers, whose variables have numbers for names: their types and places tell which is which."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from nncost.frontends.weights.contents import Entry
from nncost.records import replace

_INTEGERS = frozenset({"int8", "uint8"})
_MATRIX = 2
_HISTORIES = 6
"""A layer of float8 keeps a scale and a history of the largest values for its inputs, its kernel and its gradients."""
_FOUR_BITS = "int4"


def with_quantization(variables: Sequence[Entry], mode: str) -> list[Entry]:
    """Return a layer's variables, its kernel in the shape of the network and its scales apart, if it is quantized.

    ``mode`` is what the model's configuration says, such as ``int8`` or ``int4/128``; empty if there is none.
    """
    place = next(
        (n for n, each in enumerate(variables) if each.dtype in _INTEGERS and len(each.shape) >= _MATRIX), None
    )
    if place is None or place + 1 == len(variables):
        return _without_histories(variables)
    kernel, rest = variables[place], list(variables[place + 1 :])
    has_bias = place == 0 and len(rest) > 1 and all("float" in each.dtype for each in rest[:2])
    data = rest[1:] if has_bias else rest
    result = [*(replace(each, role="bias") for each in variables[:place]), _kernel(kernel, data, mode)]
    result += [replace(each, role="bias") for each in rest[:1] if has_bias]
    return [*result, *(replace(each, role="quantization", packed="Keras") for each in data)]


def _kernel(kernel: Entry, data: Sequence[Entry], mode: str) -> Entry:
    shape = _shape(kernel, data, mode)
    return replace(kernel, role="weight", packed="Keras", shape=shape, stored_shape=kernel.shape)


def _shape(kernel: Entry, data: Sequence[Entry], mode: str) -> tuple[int, ...]:
    """A byte for each weight; with zero points two in a byte, and the groups' scales and zeros have all outputs."""
    zero = data[1] if len(data) > _MATRIX and data[1].dtype in _INTEGERS else None
    if zero is not None and kernel.dtype == "uint8" and len(data[2].shape) == 1:
        return data[2].shape[0], zero.shape[0]
    if zero is not None and zero.shape and prod(kernel.shape) * 2 >= kernel.shape[0] * zero.shape[-1]:
        return kernel.shape[0], zero.shape[-1]
    return (2 * kernel.shape[0], *kernel.shape[1:]) if mode.startswith(_FOUR_BITS) else kernel.shape


def _without_histories(variables: Sequence[Entry]) -> list[Entry]:
    ends = list(variables[-_HISTORIES:])
    is_float8 = len(variables) > _HISTORIES and all(len(each.shape) == number % 2 for number, each in enumerate(ends))
    if not is_float8 or len({each.shape for each in ends[1::2]}) != 1:
        return list(variables)
    return [*variables[:-_HISTORIES], *(replace(each, role="quantization", packed="Keras") for each in ends)]
