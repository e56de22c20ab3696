"""Pack the weights of a network, as its configuration or ``--dtype`` says, and say what was done."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from nncost.errors import Instead, OptionError, SourceError
from nncost.frontends.huggingface.config import number_format
from nncost.frontends.huggingface.quantization.matrices import Matrices, layers_in_float32, layers_left, matrices_of
from nncost.frontends.huggingface.quantization.methods import method_of, scheme_of
from nncost.frontends.huggingface.quantization.scheme import (
    EXPERTS,
    LINEAR,
    TURNED,
    NotAppliedError,
    Rule,
    Scheme,
    is_kept,
)
from nncost.frontends.model import LoadOptions
from nncost.frontends.weight_formats import WEIGHT_FORMATS
from nncost.ir.dtypes import BITS_PER_BYTE
from nncost.records import record

PLAIN = "bfloat16"
"""The type of what is not packed, where the configuration names none."""
_FLOATS = ("float32", "float16", "bfloat16", "float64")


@record
class Quantization:
    """What packs the weights of a network, and the float type of all else; ``why_not`` says why nothing does.

    ``said`` is how a note calls it; ``replaces`` that a ``quantization_config`` stands back for it.
    """

    said: str = ""
    scheme: Scheme | None = None
    dtype: str = LoadOptions().dtype
    why_not: str = ""
    replaces: bool = False


def quantization_of(values: Mapping[str, Any], options: LoadOptions, *, real: bool = False) -> Quantization:
    """What ``--dtype`` asks for, or else what the configuration says; nothing of a ``real`` network, which runs in floats.

    Raise SourceError for a value that cannot be, OptionError for a format that cannot run.
    """
    given = None if real else values.get("quantization_config") or None
    if real and options.dtype in WEIGHT_FORMATS:
        raise OptionError(
            f"weights in {options.dtype} are counted, not run.", hint=f"Accepted: {', '.join(_FLOATS)}.",
            instead=Instead(options.dtype, PLAIN),
        )  # fmt: skip
    if options.dtype in WEIGHT_FORMATS:
        rule = Rule(WEIGHT_FORMATS[options.dtype].packing, (LINEAR, TURNED, EXPERTS))
        return Quantization(options.dtype, Scheme((rule,)), _stated(values), replaces=given is not None)
    if given is None:
        return Quantization(dtype=options.dtype)
    if not isinstance(given, dict):
        raise SourceError(f"quantization_config must be an object, received {str(given)[:60]}.")
    said = f"quantization_config ({method_of(given)[:40]})"
    try:
        scheme = scheme_of(given)
    except NotAppliedError as reason:
        return Quantization(said, None, options.dtype, str(reason))
    return Quantization(said, scheme, options.dtype if options.dtype_given else _stated(values))


def _stated(values: Mapping[str, Any]) -> str:
    """The float type that the configuration states."""
    named = number_format(values)
    return named if named in _FLOATS else PLAIN


def pack(module: Any, quantization: Quantization) -> tuple[str, ...]:
    """Note on the parameters what they take; what a reader should know of it. Packed weights are not trained."""
    from nncost.frontends.torch.step.packing import set_packed

    scheme, said = quantization.scheme, quantization.said
    if scheme is None:
        if not said:
            return ()
        return (
            f"{said} is not applied, {quantization.why_not}: parameters are those of the network before quantization.",
        )
    left = layers_left(module) if scheme.keeps_head else ()
    fixed = () if scheme.is_regular or scheme.in_blocks else layers_in_float32(module)
    packed: list[tuple[Matrices, int]] = []
    for found in matrices_of(module):
        packing = None if is_kept(found.layer, (*left, *fixed)) else scheme.packing_of(found.layer, found.kind)
        if packing is not None:
            packed.append((found, found.bytes_in(packing)))
    for found, taken in packed:
        set_packed(found.parameter, taken)
        found.parameter.requires_grad_(False)
    return (_note(module, packed, quantization),)


def _note(module: Any, packed: list[tuple[Matrices, int]], quantization: Quantization) -> str:
    instead = " in place of quantization_config" if quantization.replaces else ""
    if not packed:
        return f"{quantization.said} packs no weight of this network{instead}; all are {quantization.dtype}."
    numbers = sum(found.parameter.numel() for found, _ in packed)
    bits = Fraction(BITS_PER_BYTE * sum(taken for _, taken in packed), numbers)
    total = sum(parameter.numel() for parameter in module.parameters())
    return (
        f"{quantization.said}{instead}: {numbers:,} of {total:,} parameters take {_decimal(bits)} bits each, scales included; "
        f"the others are {quantization.dtype}. Operations are those of the {quantization.dtype} network, which unpacks weights "
        f"as it reads them; packed weights are not trained."
    )


def _decimal(bits: Fraction) -> str:
    """A number of bits to five places, marked where it has more."""
    text = f"{float(bits):.5f}".rstrip("0").rstrip(".")
    return text if Fraction(text) == bits else f"about {text}"
