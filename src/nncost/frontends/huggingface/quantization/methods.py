"""What each method of ``quantization_config`` does to the weights, read from the files of the tools that write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nncost.frontends.huggingface.quantization.compressed import compressed_tensors
from nncost.frontends.huggingface.quantization.scheme import (
    EXPERTS,
    LINEAR,
    TURNED,
    NotAppliedError,
    Rule,
    Scheme,
    ending,
    group,
    number,
    patterns,
)
from nncost.frontends.huggingface.quantization.torchao import torchao
from nncost.frontends.packing import FLOAT, HALF, WORD, Blocks, Packing, Runs
from nncost.frontends.weight_formats import WEIGHT_FORMATS

Values = Mapping[str, Any]


def _mxfp4(values: Values) -> Scheme:
    """gpt-oss: the matrices of its experts, and nothing else."""
    _check_packed(values)
    keep = patterns(values, "modules_to_not_convert")
    return Scheme((Rule(WEIGHT_FORMATS["mxfp4"].packing, (EXPERTS,)),), keep, keeps_head=not keep)


def _gptq(values: Values) -> Scheme:
    """Groups with a scale in float16 and a zero point; the group of each input in int32 (arXiv 2210.17323)."""
    if values.get("dynamic"):
        raise NotAppliedError("its layers have settings of their own (dynamic)")
    bits = number(values, "bits", None, (2, 3, 4, 8))
    packing = Blocks(bits, 1, group(values), HALF, bits, WORD, input_bytes=4)
    only = tuple(ending(name) for part in values.get("modules_in_block_to_quantize") or () for name in part)
    return Scheme((Rule(packing, (LINEAR, TURNED, EXPERTS), only),), in_blocks=True)


def _awq(values: Values) -> Scheme:
    """Groups with a scale in float16 and a zero point (arXiv 2306.00978)."""
    name = "w_bit" if "w_bit" in values else "bits"
    bits = number(values, name, 4, (4, 8))
    packing = Blocks(
        bits, 1, group(values, "q_group_size" if "q_group_size" in values else "group_size"), HALF, bits, WORD
    )
    return Scheme((Rule(packing, (LINEAR, EXPERTS)),), patterns(values, "modules_to_not_convert"))


def _bitsandbytes(values: Values) -> Scheme:
    """4 bits with a scale for each 64 numbers, or 8 bits with one for each output; of linear layers only."""
    packing: Packing
    if values.get("load_in_4bit") or values.get("_load_in_4bit"):
        packing = Runs(again=bool(values.get("bnb_4bit_use_double_quant", False)))
    elif values.get("load_in_8bit") or values.get("_load_in_8bit"):
        packing = Blocks(8, scale_bytes=FLOAT)
    else:
        raise NotAppliedError("it says neither load_in_4bit nor load_in_8bit")
    keep = patterns(values, "llm_int8_skip_modules")
    return Scheme((Rule(packing, (LINEAR, TURNED)),), keep, keeps_head=values.get("llm_int8_skip_modules") is None)


def _fp8(values: Values) -> Scheme:
    """Numbers of 8 bits with a scale for each block (DeepSeek-V3, arXiv 2412.19437, §3.3), experts included."""
    _check_packed(values)
    microscaled = values.get("quant_method") == "mxfp8"
    sizes = values.get("weight_block_size", [1, 32] if microscaled else [128, 128])
    if sizes is not None and not (isinstance(sizes, (list, tuple)) and len(sizes) == 2):
        raise NotAppliedError(f"weight_block_size is {str(sizes)[:40]}, not two numbers")
    rows, columns = (0, 0) if sizes is None else (group({"": size}, "") for size in sizes)
    scale = 1 if microscaled or values.get("scale_fmt") == "ue8m0" else FLOAT
    activations = FLOAT if values.get("activation_scheme") == "static" else 0
    packing = Blocks(8, rows, columns, scale, fixed_bytes=activations)
    experts = Blocks(4, 1, 32, scale, fixed_bytes=activations) if values.get("expert_dtype") == "fp4" else packing
    keep = patterns(values, "modules_to_not_convert", "ignored_layers")
    return Scheme((Rule(packing), Rule(experts, (EXPERTS,))), keep, keeps_head=not keep)


def _by_rows(scale_bytes: int) -> Callable[[Values], Scheme]:
    """The reader of a method whose numbers of 8 bits have a scale for each output."""

    def scheme(values: Values) -> Scheme:
        keep = patterns(values, "modules_to_not_convert")
        return Scheme((Rule(Blocks(8, scale_bytes=scale_bytes)),), keep, keeps_head=not keep)

    scheme.__doc__ = f"Numbers of 8 bits; each output has a scale in float{scale_bytes * 8}."
    return scheme


def _hqq(values: Values) -> Scheme:
    """Groups with a scale and a zero point in 16 bits each (mobiusml.github.io/hqq_blog)."""
    settings = values.get("quant_config")
    if not isinstance(settings, dict):
        raise NotAppliedError("it has no quant_config")
    keep = patterns(values, "skip_modules") if "skip_modules" in values else ("lm_head",)
    if "weight_quant_params" in settings:
        return Scheme((Rule(_hqq_packing(settings)),), keep, keeps_head=False)
    rules = tuple(Rule(_hqq_packing(own), only=(ending(name),)) for name, own in settings.items() if own)
    return Scheme(rules, keep, keeps_head=False)


def _hqq_packing(settings: Any) -> Packing:
    weights = settings.get("weight_quant_params") if isinstance(settings, dict) else None
    if not isinstance(weights, dict) or settings.get("scale_quant_params") or settings.get("zero_quant_params"):
        raise NotAppliedError("its scales are quantized, or its weights have no settings")
    bits = number(weights, "nbits", 4, (1, 2, 4, 8))
    return Blocks(bits, 1, group(weights, default=64), 2 * HALF)


def _check_packed(values: Values) -> None:
    if values.get("dequantize"):
        raise NotAppliedError("it says dequantize: the weights are unpacked as they are loaded")


METHODS: Mapping[str, Callable[[Values], Scheme]] = {
    "mxfp4": _mxfp4,
    "gptq": _gptq,
    "awq": _awq,
    "bitsandbytes": _bitsandbytes,
    "fp8": _fp8,
    "mxfp8": _fp8,
    "fbgemm_fp8": _by_rows(FLOAT),
    "eetq": _by_rows(HALF),
    "compressed-tensors": compressed_tensors,
    "hqq": _hqq,
    "torchao": torchao,
}
"""Methods by their name in ``quant_method``."""


def method_of(values: Values) -> str:
    """The name of the method; files of bitsandbytes may leave it out."""
    named = values.get("quant_method")
    if named is None and any(name in values for name in ("load_in_4bit", "load_in_8bit")):
        return "bitsandbytes"
    return str(named)


def scheme_of(values: Values) -> Scheme:
    """What a ``quantization_config`` does. Raise NotAppliedError where that is not known, SourceError for a wrong value."""
    read = METHODS.get(method_of(values))
    if read is None:
        raise NotAppliedError(f"methods known are {', '.join(METHODS)}")
    return read(values)
