"""Formats of weights alone, which ``--dtype`` takes for a configuration: the one table of them."""

from __future__ import annotations

from collections.abc import Mapping

from nncost.frontends.packing import FLOAT, HALF, WORD, Blocks, Packing, Runs
from nncost.records import record


@record
class WeightFormat:
    """How the weights of linear layers lie in memory; ``scales`` says which numbers share what, ``source`` whose way it is."""

    packing: Packing
    scales: str
    source: str


WEIGHT_FORMATS: Mapping[str, WeightFormat] = {
    "float8": WeightFormat(
        Blocks(8, 128, 128, FLOAT),
        "blocks of 128 × 128 share a float32",
        "DeepSeek-V3, arXiv 2412.19437; the default of transformers' FineGrainedFP8Config",
    ),
    "int8": WeightFormat(
        Blocks(8, scale_bytes=FLOAT),
        "each output has a float32",
        "LLM.int8(), arXiv 2208.07339; bitsandbytes' Linear8bitLt",
    ),
    "int4": WeightFormat(
        Blocks(4, 1, 128, HALF, 4, WORD),
        "groups of 128 inputs share a float16 and a zero point of 4 bits",
        "AWQ, arXiv 2306.00978; the default of transformers' AwqConfig",
    ),
    "nf4": WeightFormat(
        Runs(64),
        "runs of 64 share a float32; a table of 16 float32 for each matrix",
        "QLoRA, arXiv 2305.14314; bitsandbytes' Linear4bit, whose double quantization is off by default",
    ),
    "mxfp4": WeightFormat(
        Blocks(4, columns=32, scale_bytes=1),
        "groups of 32 inputs share an exponent of 8 bits",
        "OCP Microscaling Formats 1.0; gpt-oss",
    ),
}
