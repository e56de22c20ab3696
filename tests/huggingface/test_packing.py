"""The bytes of packed matrices, against the tensors of the tools that pack them."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from nncost.frontends.huggingface.quantization.methods import scheme_of  # noqa: E402
from nncost.frontends.huggingface.quantization.scheme import EXPERTS, is_kept  # noqa: E402
from nncost.frontends.huggingface.transformers import quiet, transformers  # noqa: E402
from nncost.frontends.packing import Blocks, Packing, Runs  # noqa: E402
from nncost.frontends.weight_formats import WEIGHT_FORMATS  # noqa: E402


def packing_of(kind: str = "Linear", **values: Any) -> Packing:
    return next(rule.packing for rule in scheme_of(values).rules if kind in rule.kinds)


def bytes_in(*modules: Any) -> int:
    return sum(t.numel() * t.element_size() for module in modules for t in (*module.parameters(), *module.buffers()))


@pytest.mark.parametrize(
    ("again", "outputs", "inputs", "expected"),
    [
        (False, 32, 64, 1_216), (False, 96, 320, 17_344), (False, 33, 100, 1_922),
        (True, 32, 64, 2_152), (True, 96, 320, 16_940), (True, 33, 100, 2_798),
    ],
)  # fmt: skip
def test_bitsandbytes(again: bool, outputs: int, inputs: int, expected: int) -> None:
    """Linear4bit of bitsandbytes 0.50: codes, absmax, table and, of scales packed again, absmax, table and offset."""
    assert Runs(again=again).bytes_of(outputs, inputs) == expected
    values = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": again}
    assert packing_of(**values).bytes_of(outputs, inputs) == expected


GROUPS = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32}
STATIC = {"num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": False}
ROWS = {"num_bits": 8, "strategy": "channel", "symmetric": True}


@pytest.mark.parametrize(
    ("written", "weights", "activations", "expected"),
    [
        ("pack-quantized", GROUPS | {"symmetric": True}, None, 18_448),
        ("pack-quantized", GROUPS | {"symmetric": False}, None, 18_960),
        ("pack-quantized", ROWS, None, 33_040),
        ("float-quantized", ROWS, None, 33_024),
        ("float-quantized", {"num_bits": 8, "strategy": "tensor"}, STATIC, 32_772),
        ("float-quantized", {"num_bits": 8, "strategy": "block", "block_structure": [128, 128]}, None, 32_772),
        ("int-quantized", ROWS, None, 33_024),
        ("nvfp4-pack-quantized", GROUPS | {"strategy": "tensor_group", "group_size": 16}, STATIC, 18_440),
        ("mxfp4-pack-quantized", GROUPS, None, 17_408),
    ],
)
def test_compressed_tensors(written: str, weights: Any, activations: Any, expected: int) -> None:
    """What compress_model of compressed-tensors 0.20 leaves of a linear layer of 256 inputs and 128 outputs in bfloat16."""
    own = {"targets": ["Linear"], "weights": weights, "input_activations": activations}
    found = packing_of(quant_method="compressed-tensors", format=written, config_groups={"group_0": own})
    assert found.bytes_of(128, 256) == expected


@pytest.mark.parametrize("block", [(128, 128), (1, 32), None])
@pytest.mark.parametrize(("outputs", "inputs"), [(256, 384), (100, 130)])
@pytest.mark.parametrize("scheme", ["dynamic", "static"])
def test_fp8_as_transformers_has_it(block: Any, outputs: int, inputs: int, scheme: str) -> None:
    transformers()
    with quiet():
        from transformers.integrations.finegrained_fp8 import FP8Linear
    layer = FP8Linear(inputs, outputs, block, scheme)
    found = packing_of(quant_method="fp8", weight_block_size=block, activation_scheme=scheme)
    assert found.bytes_of(outputs, inputs) == bytes_in(layer)


def test_experts_in_fp8_as_transformers_has_them() -> None:
    library = transformers()
    with quiet():
        from transformers.integrations.finegrained_fp8 import FP8Experts
    config = library.MixtralConfig(hidden_size=64, intermediate_size=96, num_local_experts=4)
    for block in ((32, 32), (128, 128), None):
        experts = FP8Experts(config, block)
        found = packing_of(EXPERTS, quant_method="fp8", weight_block_size=block)
        assert 4 * (found.bytes_of(192, 64, parts=2) + found.bytes_of(64, 96)) == bytes_in(experts)


def test_mxfp4_as_transformers_has_it() -> None:
    """Codes as its module has them, and an exponent for each 32 inputs."""
    library = transformers()
    with quiet():
        from transformers.integrations.mxfp4 import Mxfp4GptOssExperts
    config = library.GptOssConfig(hidden_size=64, intermediate_size=96, num_local_experts=4)
    experts = Mxfp4GptOssExperts(config)
    codes = sum(p.numel() * p.element_size() for name, p in experts.named_parameters() if not name.endswith("bias"))
    found = packing_of(EXPERTS, quant_method="mxfp4")
    assert 4 * (found.bytes_of(192, 64) + found.bytes_of(64, 96)) == codes + codes * 2 // 32


def test_by_hand() -> None:
    """256 inputs, 64 outputs: codes, and two groups of 128 with a scale and a zero point for each output."""
    codes, scales, zeros = 256 * 64 // 2, 2 * 64 * 2, 2 * 64 // 2
    assert packing_of(quant_method="awq", bits=4, group_size=128).bytes_of(64, 256) == codes + scales + zeros
    gptq = packing_of(quant_method="gptq", bits=4, group_size=128)
    assert gptq.bytes_of(64, 256) == codes + scales + zeros + 4 * 256
    assert packing_of(quant_method="gptq", bits=8, group_size=-1).bytes_of(64, 256) == 2 * codes + 128 + 64 + 4 * 256
    hqq = {"weight_quant_params": {"nbits": 4, "group_size": 64}, "scale_quant_params": None}
    assert packing_of(quant_method="hqq", quant_config=hqq).bytes_of(64, 256) == codes + 256 * 4
    assert packing_of(quant_method="bitsandbytes", load_in_8bit=True).bytes_of(64, 256) == 2 * codes + 64 * 4
    settings = {"default": {"_type": "Int8WeightOnlyConfig", "_data": {}}}
    assert packing_of(quant_method="torchao", quant_type=settings).bytes_of(64, 256) == 2 * codes + 64 * 5


def test_formats_have_bits() -> None:
    """4,096 × 4,096 numbers, as their sources say it: codes and scales in bits of one weight."""
    bits = {name: form.packing.bytes_of(4_096, 4_096) * 8 / 4_096**2 for name, form in WEIGHT_FORMATS.items()}
    assert bits == {
        "float8": 8 + 32 / 128**2, "int8": 8 + 32 / 4_096, "int4": 4 + (16 + 4) / 128, "nf4": 4 + 32 / 64 + 512 / 4_096**2,
        "mxfp4": 4 + 8 / 32,
    }  # fmt: skip


def test_ends_that_do_not_fill_a_unit() -> None:
    assert Blocks(4, 1, 32, 1).bytes_of(3, 33) == 3 * 17 + 3 * 2
    assert Blocks(3, unit=32).bytes_of(2, 11) == 2 * 2 * 4


def test_kept_layers_as_transformers_keeps_them() -> None:
    transformers()
    from transformers.quantizers.quantizers_utils import should_convert_module

    layers = ["lm_head", "model.layers.1.mlp.gate", "model.layers.11.mlp.gate_proj", "model.layers.1.self_attn.q_proj"]
    for pattern in (
        "lm_head",
        "model.layers.*.self_attn",
        "model.layers.1",
        "mlp.gate",
        ".*mlp.gate",
        "q_proj",
        "a|model",
    ):
        for layer in layers:
            assert is_kept(layer, [pattern]) is not should_convert_module(layer, [pattern])
