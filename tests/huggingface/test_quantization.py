"""Configurations whose weights are packed: bytes, memory and traffic shrink, operations stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

import nncost
from nncost.dims import substitute, symbol
from nncost.errors import OptionError, SourceError
from nncost.frontends.weight_formats import WEIGHT_FORMATS
from tests.huggingface.architectures import CASES

CONFIGS = Path(__file__).parent / "configs"
SIZES = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 64, "hidden_size": 128, "intermediate_size": 256,
    "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip
LINEAR = 3 * (2 * 128 * 128 + 2 * 64 * 128 + 3 * 256 * 128)
OTHERS = 2 * 64 * 128 + 7 * 128
"""Numbers in linear layers of the blocks; in embedding, head and norms."""
DOUBLE = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True}


def counted(
    folder: Path, given: Any = None, *, case: Any = SIZES, inputs: Any = (1, 8), **keywords: Any
) -> nncost.Report:
    values = case | ({} if given is None else {"quantization_config": given})
    (folder / "config.json").write_text(json.dumps(values))
    return nncost.count(str(folder), inputs, **keywords)


def test_gpt_oss() -> None:
    """The total of its files: experts in 4.25 bits, everything else in bfloat16."""
    report = nncost.count(str(CONFIGS / "gpt-oss-20b.json"), {"ids": (1, 16)})
    experts = 24 * 32 * (2_880 * 5_760 + 2_880 * 2_880)
    assert report.parameters.total == 20_914_757_184
    assert report.parameters.bytes == 13_761_264_768 == experts * 17 // 32 + 2 * (20_914_757_184 - experts)
    assert report.memory is not None
    assert report.memory.parameters == 13_761_264_768
    assert report.settings["dtype"] == "bfloat16"
    note = next(note for note in report.notes if "mxfp4" in note)
    assert note.startswith(
        "quantization_config (mxfp4): 19,110,297,600 of 20,914,757,184 parameters take 4.25 bits each"
    )


AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (AWQ, LINEAR // 2 + LINEAR // 128 * 2 + LINEAR // 128 // 2),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, LINEAR + 3 * 4 * (128 + 64 + 64 + 128 + 256 + 256 + 128)),
        ({"quant_method": "fp8", "weight_block_size": [64, 128]}, LINEAR + LINEAR // (64 * 128) * 4),
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 8}}}, LINEAR + LINEAR // 64 * 4),
        ({"quant_method": "torchao", "quant_type": "int4_weight_only", "quant_type_kwargs": {"group_size": 32}},
         LINEAR // 2 + LINEAR // 32 * 4),
        ({"quant_method": "eetq"}, LINEAR + 3 * 2 * (128 + 64 + 64 + 128 + 256 + 256 + 128)),
    ],
    ids=lambda value: value.get("quant_method") if isinstance(value, dict) else "",
)  # fmt: skip
def test_bytes_by_hand(given: Any, expected: int, tmp_path: Path) -> None:
    report = counted(tmp_path, given)
    assert report.parameters.total == LINEAR + OTHERS
    assert report.parameters.bytes == expected + 2 * OTHERS
    assert report.memory is not None
    assert report.memory.parameters == report.parameters.bytes


@pytest.mark.parametrize("given", [AWQ, AWQ | {"group_size": -1}, DOUBLE, {"quant_method": "fp8"}])
def test_what_is_read_shrinks_and_nothing_else(given: Any, tmp_path: Path) -> None:
    """Every packed weight is read once in the forward pass: the difference is that of its bytes."""
    plain, packed = counted(tmp_path, dtype="bfloat16"), counted(tmp_path, given)
    saved = plain.parameters.bytes - packed.parameters.bytes
    assert saved > 0.99 * LINEAR
    assert plain.forward.read_bytes - packed.forward.read_bytes == saved
    for name in ("mul", "add", "macs", "cmp", "exp", "div", "write_bytes", "masked_macs"):
        assert getattr(plain.forward, name) == getattr(packed.forward, name)
    assert plain.memory is not None
    assert packed.memory is not None
    assert plain.memory.forward_allocated == packed.memory.forward_allocated


def test_experts_that_are_read(tmp_path: Path) -> None:
    """One token reads two of six experts, in packed bytes too."""
    case = CASES["mixtral"].values | {
        "hidden_size": 32,
        "head_dim": 8,
        "intermediate_size": 64,
        "torch_dtype": "bfloat16",
    }
    given = {"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"a": {
        "targets": ["re:.*experts"], "weights": {"num_bits": 8, "strategy": "channel"}}}}  # fmt: skip
    plain = counted(tmp_path, case=case, inputs={"ids": (1, 1)}, dtype="bfloat16")
    packed = counted(tmp_path, given, case=case, inputs={"ids": (1, 1)})
    each = 2 * 3 * 32 * 64 - (3 * 32 * 64 + 2 * (128 + 32))  # in bfloat16, less eight bits and a scale for each output
    assert plain.parameters.bytes - packed.parameters.bytes == 2 * 6 * each
    assert plain.forward.read_bytes - packed.forward.read_bytes == 2 * 2 * each


def test_layers_that_stay(tmp_path: Path) -> None:
    some = counted(tmp_path, AWQ | {"modules_to_not_convert": ["model.layers.0", "mlp.down_proj"]})
    everything = counted(tmp_path, AWQ)
    assert everything.parameters.bytes < some.parameters.bytes
    left = 49_152 + 2 * 128 * 64 + 3 * 128 * 256 - 16_384 + 2 * 128 * 256  # layer 0, and down in two others
    packed = LINEAR - left
    assert some.parameters.bytes == packed // 2 + packed // 128 * 2 + packed // 128 // 2 + 2 * (
        LINEAR + OTHERS - packed
    )


def test_alike_layers_of_other_bits(tmp_path: Path) -> None:
    """Layers that differ only in how they are packed are not taken for equal."""
    given = AWQ | {"modules_to_not_convert": ["model.layers.1"]}
    once, each = counted(tmp_path, given), counted(tmp_path, given, reuse=False)
    assert once.forward.read_bytes == each.forward.read_bytes
    rows = {row.path: row.counts["read_bytes"] for row in each.rows if row.path.endswith("mlp.up_proj")}
    assert rows["model.layers.0.mlp.up_proj"] == rows["model.layers.2.mlp.up_proj"] < rows["model.layers.1.mlp.up_proj"]


def test_a_head_that_is_the_table_of_tokens_stays(tmp_path: Path) -> None:
    given = {"quant_method": "fp8", "modules_to_not_convert": ["none"]}
    tied = counted(tmp_path, given, case=SIZES | {"tie_word_embeddings": True})
    own = counted(tmp_path, given)
    assert tied.parameters.total == own.parameters.total - 64 * 128
    assert tied.parameters.bytes == own.parameters.bytes - (64 * 128 + 4)  # an own head is packed, as nothing keeps it


def test_symbols(tmp_path: Path) -> None:
    """Bytes that are read, as a formula in the batch, are those at each number."""
    formulas, numbers = counted(tmp_path, AWQ, inputs=("B", 8)), counted(tmp_path, AWQ, inputs=(3, 8))
    assert substitute(formulas.forward.read_bytes, {symbol("B"): 3}) == numbers.forward.read_bytes


def test_packed_weights_are_not_trained(tmp_path: Path) -> None:
    report = counted(tmp_path, DOUBLE, loss="sum", optimizer="adamw")
    assert report.complete
    assert report.parameters.trainable == OTHERS
    assert report.memory is not None
    assert (report.memory.gradients, report.memory.optimizer_state) == (2 * OTHERS, 4 * OTHERS + 4 * 9)


@pytest.mark.parametrize("name", WEIGHT_FORMATS)
def test_formats_of_weights(name: str, tmp_path: Path) -> None:
    """Linear layers are packed; embedding, norms and head are in the type that the configuration states."""
    report = counted(tmp_path, dtype=name)
    bits = (report.parameters.bytes - 2 * OTHERS) * 8 / LINEAR
    assert int(bits) == WEIGHT_FORMATS[name].packing.bits
    assert report.settings["dtype"] == "bfloat16"
    assert any(note.startswith(f"{name}: {LINEAR:,} of {LINEAR + OTHERS:,} parameters") for note in report.notes)
    replaced = counted(tmp_path, AWQ, dtype=name)
    assert replaced.parameters.bytes == report.parameters.bytes
    assert any(note.startswith(f"{name} in place of quantization_config") for note in replaced.notes)


def test_experts_and_turned_weights_in_a_format(tmp_path: Path) -> None:
    for name in ("mixtral", "dbrx", "gpt2", "gpt_oss"):
        report = counted(tmp_path, case=CASES[name].values, inputs=dict(CASES[name].inputs), dtype="int8")
        assert report.complete
        assert report.parameters.bytes < 1.5 * report.parameters.total
        assert report.forward.macs == CASES[name].sheet.macs


def test_type_of_the_others(tmp_path: Path) -> None:
    """The stated type, bfloat16 where none is stated, or the one asked for; without packing float32 as ever."""
    stated = SIZES | {"torch_dtype": "float16"}
    silent = {name: value for name, value in SIZES.items() if name != "torch_dtype"}
    assert counted(tmp_path, AWQ, case=stated).settings["dtype"] == "float16"
    assert counted(tmp_path, AWQ, case=silent).settings["dtype"] == "bfloat16"
    assert counted(tmp_path, AWQ, dtype="float16").settings["dtype"] == "float16"
    plain = counted(tmp_path)
    assert plain.settings["dtype"] == "float32"
    assert "The configuration says bfloat16; bytes are counted in float32." in plain.notes


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"quant_method": "aqlm"}, "quantization_config (aqlm) is not applied, methods known are mxfp4, gptq, awq"),
        ({"bits": 3}, "quantization_config (None) is not applied"),
        ({"quant_method": "bitsandbytes"}, "it says neither load_in_4bit nor load_in_8bit"),
        ({"quant_method": "mxfp4", "dequantize": True}, "the weights are unpacked as they are loaded"),
        (
            {"quant_method": "gptq", "bits": 4, "dynamic": {"-:x": {}}},
            "its layers have settings of their own (dynamic)",
        ),
        ({"quant_method": "compressed-tensors"}, "it has no groups of compressed layers"),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "New"}}}, "its settings New are not known"),
        ({"quant_method": "hqq"}, "it has no quant_config"),
        ({"quant_method": "mxfp4"}, "quantization_config (mxfp4) packs no weight of this network"),
    ],
)
def test_what_is_not_applied(given: Any, reason: str, tmp_path: Path) -> None:
    report = counted(tmp_path, given)
    assert any(reason in note for note in report.notes)
    assert report.parameters.bytes == (LINEAR + OTHERS) * (2 if "packs no" in reason else 4)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("mxfp4", "quantization_config must be an object"),
        ({"quant_method": "gptq"}, "bits must be one of 2, 3, 4, 8, received None"),
        ({"quant_method": "awq", "bits": 4, "group_size": "wide"}, "group_size must be a whole number, received wide"),
        (
            {"quant_method": "awq", "modules_to_not_convert": "lm_head"},
            "modules_to_not_convert must be a list of names",
        ),
        ({"quant_method": "awq", "modules_to_not_convert": ["(a+)+$"]}, "'(a+)+$' is no expression for names"),
        ({"quant_method": "awq", "modules_to_not_convert": ["("]}, "'(' is no expression for names"),
        ({"quant_method": "gptq", "bits": 4, "modules_in_block_to_quantize": 5}, "cannot build"),
        ({"quant_method": "awq", "group_size": -5}, "group_size is -5; it cannot be negative"),
    ],
)
def test_wrong_values(given: Any, reason: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        counted(tmp_path, given)
    assert reason in str(caught.value)


@pytest.mark.parametrize("name", ["int4", "nf4", "mxfp4", "int8"])
def test_other_sources_refuse_formats_of_weights(name: str) -> None:
    with pytest.raises(OptionError) as caught:
        nncost.count("784-10", dtype=name)
    assert str(caught.value).startswith(
        f"{name} is a format of weights, which --dtype takes for a Hugging Face configuration"
    )
    assert "Accepted: float32, float64, float16, bfloat16, float8." in str(caught.value)
    with pytest.raises(OptionError):
        nncost.run("4-3", dtype=name)


def test_formats_cannot_run(tmp_path: Path) -> None:
    from nncost.frontends.huggingface.load import build
    from nncost.frontends.model import LoadOptions

    (tmp_path / "config.json").write_text(json.dumps(SIZES))
    with pytest.raises(OptionError, match="weights in int4 are counted, not run"):
        build(str(tmp_path), LoadOptions(dtype="int4"), real=True)
