"""Quantized weights are counted as the network has them; what belongs to them stands apart, with its bytes.

Each file holds the same layers: a table of 100 × 64, a norm of 64, a layer 64 → 64 and one 64 → 128 that are quantized.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from nncost.cli.main import run
from tests.weights.writers import count, described

Tensors = dict[str, tuple[object, ...]]
PLAIN: Tensors = {"embed.weight": ("F16", (100, 64)), "norm.weight": ("F16", (64,))}
PLAIN_BYTES, WEIGHTS = 2 * 6_464, 64 * 64 + 128 * 64
TOTAL = 6_464 + WEIGHTS


def _state(out: int, inputs: int) -> bytes:
    return json.dumps({"quant_type": "nf4", "blocksize": 64, "shape": [out, inputs]}).encode()


def _gptq(o: int, i: int, bits: int = 4) -> Tensors:
    return {
        "qweight": ("I32", (i * bits // 32, o)),
        "qzeros": ("I32", (2, o * bits // 32)),
        "scales": ("F16", (2, o)),
        "g_idx": ("I32", (i,)),
    }


def _nf4(o: int, i: int) -> Tensors:
    state = _state(o, i)
    return {
        "weight": ("U8", (o * i // 2, 1)), "weight.absmax": ("U8", (o * i // 64,)), "weight.quant_map": ("F32", (16,)),
        "weight.nested_absmax": ("F32", (1,)), "weight.nested_quant_map": ("F32", (256,)),
        "weight.quant_state.bitsandbytes__nf4": ("U8", (len(state),), state),
    }  # fmt: skip


def _packed(o: int, i: int) -> Tensors:
    return {
        "weight_packed": ("I32", (o, i // 8)),
        "weight_scale": ("BF16", (o, 2)),
        "weight_shape": ("I64", (2,), struct.pack("<2q", o, i)),
    }


LAYERS: dict[str, tuple[Fraction | int, Callable[[int, int], Tensors]]] = {
    "GPTQ": (4, _gptq),
    "GPTQ of 2 bits": (2, lambda o, i: _gptq(o, i, 2)),
    "GPTQ of 3 bits": (3, lambda o, i: _gptq(o, i, 3)),
    "GPTQ of 8 bits": (8, lambda o, i: _gptq(o, i, 8)),
    "GPTQ without zeros": (4, lambda o, i: {n: t for n, t in _gptq(o, i).items() if n != "qzeros"}),
    "AWQ": (4, lambda o, i: {"qweight": ("I32", (i, o // 8)), "qzeros": ("I32", (2, o // 8)), "scales": ("F16", (2, o))}),
    "AWQ, turned": (4, lambda o, i: {"qweight": ("I32", (o, i // 8)), "qzeros": ("I32", (o, 1)), "scales": ("F16", (o, 2))}),
    "Marlin": (4, lambda o, i: {"B": ("I32", (i // 16, 2 * o)), "s": ("F16", (2, o)), "workspace": ("I32", (16,))}),
    "EETQ": (8, lambda o, i: {"qweight": ("I8", (i, o)), "weight_scales": ("F16", (o,))}),
    "compressed-tensors": (4, _packed),
    "compressed-tensors, NVFP4": (4, lambda o, i: {"weight_packed": ("U8", (o, i // 2)), "weight_scale": ("F8_E4M3", (o, i // 16)), "weight_global_scale": ("F32", (1,))}),
    "bitsandbytes 4-bit": (4, _nf4),
    "bitsandbytes int8": (8, lambda o, i: {"weight": ("I8", (o, i)), "SCB": ("F32", (o,)), "weight_format": ("U8", ())}),
    "FP8": (8, lambda o, i: {"weight": ("F8_E4M3", (o, i)), "weight_scale_inv": ("F32", (1, 1))}),
    "FP8 with scales of inputs": (8, lambda o, i: {"weight": ("F8_E4M3", (o, i)), "weight_scale": ("F32", ()), "input_scale": ("F32", ())}),
    "FP8 of ComfyUI": (8, lambda o, i: {"weight": ("F8_E4M3", (o, i)), "scale_weight": ("F32", ()), "scale_input": ("F32", ())}),
    "int8": (8, lambda o, i: {"weight": ("I8", (o, i)), "weight_scale": ("F32", (o, 1)), "weight_zero_point": ("I8", (o, 1))}),
    "NVFP4": (4, lambda o, i: {"weight": ("U8", (o, i // 2)), "weight_scale": ("F8_E4M3", (o, i // 16)), "weight_scale_2": ("F32", ()), "input_scale": ("F32", ())}),
    "MXFP4": (4, lambda o, i: {"weight": ("U8", (o, i // 2)), "weight_scale": ("U8", (o, i // 32))}),
    "FP4": (4, lambda o, i: {"weight": ("F4", (o, i)), "weight_scale": ("F8_E4M3", (o, i // 16))}),
    "int4 AWQ": (4, lambda o, i: {"weight": ("U8", (o // 2, i)), "weight_scale": ("F32", (o, 1)), "pre_quant_scale": ("F16", (i,))}),
    "BitNet": (2, lambda o, i: {"weight": ("U8", (o // 4, i)), "weight_scale": ("BF16", (1,))}),
    "HQQ": (4, lambda o, i: {"W_q": ("U8", (o * i // 2 // 64, 64)), "scale": ("F32", (o * i // 64, 1)), "zero": ("F32", (o * i // 64, 1))}),
    "HQQ along the other axis": (4, lambda o, i: {"W_q": ("U8", (32, o * i // 64)), "scale": ("F32", (1, o * i // 64)), "shape": ("I64", (2,), struct.pack("<2q", o, i))}),
    "HQQ with its settings apart": (4, lambda o, i: {"W_q": ("U8", (o * i // 2 // 64, 64)), "meta.scale": ("F32", (o * i // 64, 1)), "meta.zero": ("F32", (o * i // 64, 1))}),
    "Quanto": (8, lambda o, i: {"weight._data": ("I8", (o, i)), "weight._scale": ("F16", (o, 1)), "input_scale": ("F16", ())}),
    "Quanto of 4 bits": (4, lambda o, i: {"weight._data._data": ("U8", (o * i // 64, 32)), "weight._scale": ("F32", (o * i // 32, 1)), "weight._shift": ("F32", (o * i // 32, 1))}),
    "Quanto of 2 bits": (2, lambda o, i: {"weight._data._data": ("U8", (o * i // 128, 32)), "weight._scale": ("F32", (o * i // 32, 1)), "weight._shift": ("F32", (o * i // 32, 1))}),
    "MLX": (4, lambda o, i: {"weight": ("U32", (o, i // 8)), "scales": ("BF16", (o, i // 64)), "biases": ("BF16", (o, i // 64))}),
    "MLX, MXFP4": (4, lambda o, i: {"weight": ("U32", (o, i // 8)), "scales": ("U8", (o, i // 32))}),
    "torchao": (8, lambda o, i: {"_weight_qdata": ("I8", (o, i)), "_weight_scale": ("F32", (o, 1)), "_weight_zero_point": ("I8", (o, 1))}),
    "torchao, float8": (8, lambda o, i: {"_weight_qdata": ("F8_E4M3", (o, i)), "_weight_scale": ("F32", (o, 1))}),
    "torchao, int4": (4, lambda o, i: {"_weight_qdata": ("I8", (o, i // 2)), "_weight_scale": ("BF16", (2, o)), "_weight_zero_point": ("BF16", (2, o))}),
    "AQLM": (2, lambda o, i: {"codes": ("I16", (o, i // 8, 1)), "codebooks": ("F16", (1, 256, 1, 8)), "scales": ("F16", (o, 1, 1, 1))}),
    "QuIP#": (2, lambda o, i: {"Qidxs": ("I16", (o, i // 8)), "SU": ("F16", (i,)), "SV": ("F16", (o,)), "Wscale": ("F32", ())}),
    "EXL2": (4, lambda o, i: {"q_weight": ("I32", (i // 8, o)), "q_scale": ("I32", (2, o // 8)), "q_scale_max": ("F16", (2,)), "q_groups": ("I16", (4,)), "q_invperm": ("I16", (i,))}),
    "EXL3": (3, lambda o, i: {"trellis": ("I16", (i // 16, o // 16, 48)), "suh": ("F16", (i,)), "svh": ("F16", (o,))}),
}  # fmt: skip


def _file(folder: Path, layer: Callable[[int, int], Tensors], **metadata: str) -> tuple[Path, int]:
    """The file, and the bytes of all its tensors."""
    tensors = dict(PLAIN)
    for path, out in (("attn.q", 64), ("mlp.up", 128)):
        tensors |= {f"layers.0.{path}.{name}": tensor for name, tensor in layer(out, 64).items()}
    path = described(folder, tensors, **metadata)
    (length,) = struct.unpack("<Q", path.read_bytes()[:8])
    return path, path.stat().st_size - 8 - length


@pytest.mark.parametrize("form", LAYERS)
def test_logical_parameters(form: str, tmp_path: Path) -> None:
    bits, layer = LAYERS[form]
    path, stored = _file(tmp_path, layer)
    report = count(path)
    storage = report.storage
    assert report.parameters.total == report.parameters.weights == TOTAL
    assert report.parameters.buffers == 0
    assert report.parameters.bytes == PLAIN_BYTES + bits * WEIGHTS / 8
    assert storage.bytes == stored == report.parameters.bytes + storage.quantization_bytes
    (name,) = storage.formats
    assert form.startswith(name)
    assert storage.formats[name].bits_per_weight == bits
    assert len(storage.quantization) == 2 * (len(layer(64, 64)) - 1)
    assert {row.path for row in report.rows} >= {"embed", "norm"}
    assert not any("counted as stored" in note for note in report.notes)


def test_experts_in_blocks(tmp_path: Path) -> None:
    """4 experts of 64 × 64 and 64 × 32, with biases of their own and 4 sinks, which are learned."""
    tensors: Tensors = {
        "experts.gate_up_proj_blocks": ("U8", (4, 64, 2, 16)), "experts.gate_up_proj_scales": ("U8", (4, 64, 2)), "experts.gate_up_proj_bias": ("BF16", (4, 64)),
        "experts.down_proj_blocks": ("U8", (4, 64, 1, 16)), "experts.down_proj_scales": ("U8", (4, 64, 1)), "experts.down_proj_bias": ("BF16", (4, 64)),
        "attn.sinks": ("BF16", (4,)),
    }  # fmt: skip
    report = count(described(tmp_path, PLAIN | tensors))
    p = report.parameters
    assert (p.total, p.biases, p.other) == (6_464 + 4 * 64 * 64 + 4 * 64 * 32 + 2 * 256 + 4, 512, 4)
    assert report.storage.quantization_bytes == 4 * 64 * 3
    by_name = {tensor.name: tensor for tensor in report.storage.tensors}
    assert by_name["experts.gate_up_proj_blocks"].shape == (4, 64, 64)
    assert by_name["experts.gate_up_proj_blocks"].stored_shape == (4, 64, 2, 16)


def test_an_odd_number_of_weights(tmp_path: Path) -> None:
    state = _state(5, 3)
    layer: Tensors = {
        "a.weight": ("U8", (8, 1)),
        "a.weight.absmax": ("F32", (1,)),
        "a.weight.quant_map": ("F32", (16,)),
    }
    report = count(
        described(tmp_path, layer | {"a.weight.quant_state.bitsandbytes__nf4": ("U8", (len(state),), state)})
    )
    assert (report.parameters.total, report.parameters.bytes) == (15, 8)


@pytest.mark.parametrize(("bits", "group"), [(4, 64), (8, 32), (2, 128)])
def test_bits_that_only_a_configuration_tells(bits: int, group: int, tmp_path: Path) -> None:
    """One tensor of MLX, three ways to read it: without a configuration the default is named as an assumption."""
    inputs = 256 // bits
    path = described(
        tmp_path, {"q.weight": ("U32", (64, 8)), "q.scales": ("F16", (64, 1)), "q.biases": ("F16", (64, 1))}
    )
    assert any("as they are by default" in note for note in count(path).notes)
    (tmp_path / "config.json").write_text(json.dumps({"quantization": {"bits": bits, "group_size": group}}))
    assert count(path).parameters.total == 64 * inputs
    assert not any("by default" in note for note in count(path).notes)
    inner = {"bits": 5, "group_size": 64, "q": {"bits": bits, "group_size": group}}
    (tmp_path / "config.json").write_text(json.dumps({"quantization": inner}))
    assert count(path).parameters.total == 64 * inputs


def test_a_configuration_in_the_file_itself(tmp_path: Path) -> None:
    tensors: Tensors = {"q.weight_packed": ("I32", (64, 8)), "q.weight_scale": ("F16", (64, 1))}
    assert any("counted as stored" in note for note in count(described(tmp_path, tensors)).notes)
    groups = {"config_groups": {"group_0": {"weights": {"num_bits": 8}}}, "quant_method": "compressed-tensors"}
    path = described(tmp_path, tensors, quantization_config=json.dumps(groups))
    assert count(path).parameters.total == 64 * 32


def test_an_unknown_method_is_named(tmp_path: Path) -> None:
    path = described(tmp_path, {"q.weird": ("I32", (64, 8))})
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": "newest"}}))
    assert any("'newest', but no tensors of a known kind" in note for note in count(path).notes)


@pytest.mark.parametrize("text", ["", "[", "[]", "1" * 9_999, '{"quantization": 3}', '{"quantization": {"bits": -4}}', '{"quantization_config": {"bits": true, "config_groups": 3}}'])  # fmt: skip
def test_a_configuration_that_says_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    assert count(_file(tmp_path, LAYERS["MLX"][1])[0]).parameters.total == TOTAL


def test_a_configuration_outside_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "away.json").write_text(json.dumps({"quantization": {"bits": 8, "group_size": 32}}))
    (tmp_path / "inside/config.json").symlink_to(tmp_path / "away.json")
    assert count(_file(tmp_path / "inside", LAYERS["MLX"][1])[0]).parameters.total == TOTAL


@pytest.mark.parametrize("stated", [(10**9, 10**9), (0, 4), (-1, -1), (1, 1)])
def test_shapes_that_lie(stated: tuple[int, int], tmp_path: Path) -> None:
    """No byte holds a billion weights: such a shape is not believed, and the integers are counted as stored."""
    tensors: Tensors = {
        "q.weight_packed": ("I32", (64, 8)),
        "q.weight_scale": ("F16", (64, 1)),
        "q.weight_shape": ("I64", (2,), struct.pack("<2q", *stated)),
    }
    report = count(described(tmp_path, tensors))
    assert report.storage.formats == {}
    assert any("counted as stored" in note for note in report.notes)


def test_scales_whose_weights_are_elsewhere(tmp_path: Path) -> None:
    tensors: Tensors = {
        "a.weight": ("F8_E4M3", (4, 4)),
        "a.weight_scale": ("F32", ()),
        "b.weight_scale": ("F32", ()),
        "attn.k_scale": ("F32", ()),
    }
    report = count(described(tmp_path, tensors))
    assert report.parameters.total == 16
    assert [tensor.name for tensor in report.storage.quantization] == [
        "a.weight_scale",
        "attn.k_scale",
        "b.weight_scale",
    ]


def test_learned_scales_stay_parameters(tmp_path: Path) -> None:
    tensors: Tensors = {"q.weight": ("F16", (4, 4)), "q.scales": ("F16", (4,)), "q.weight_scale": ("F16", (4,))}
    assert count(described(tmp_path, tensors)).parameters.total == 24


def test_shapes_that_state_dicts_hold(tmp_path: Path) -> None:
    """HQQ along the other axis, and an odd number of weights of bitsandbytes: only small tensors beside them say the shape."""
    state = torch.tensor(list(_state(5, 3)), dtype=torch.uint8)
    tensors = {
        "a.W_q": torch.zeros(32, 128, dtype=torch.uint8), "a.scale": torch.zeros(1, 128), "a.zero": torch.zeros(1, 128), "a.shape": torch.tensor([128, 64]),
        "b.weight": torch.zeros(8, 1, dtype=torch.uint8), "b.weight.absmax": torch.zeros(1), "b.weight.quant_map": torch.zeros(16),
        "b.weight.quant_state.bitsandbytes__nf4": state,
    }  # fmt: skip
    torch.save(tensors, tmp_path / "a.pt")
    report = count(tmp_path / "a.pt")
    assert (report.parameters.total, report.parameters.bytes) == (128 * 64 + 15, 32 * 128 + 8)


def test_quantized_state_dicts_of_pytorch(tmp_path: Path) -> None:
    torch.save(
        {"q.weight": torch.zeros(8, 8, dtype=torch.int8), "q.SCB": torch.zeros(8), "q.bias": torch.zeros(8)},
        tmp_path / "a.pt",
    )
    p = count(tmp_path / "a.pt").parameters
    assert (p.total, p.weights, p.biases, p.bytes) == (72, 64, 8, 64 + 32)


def test_what_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(_file(tmp_path, _gptq)[0])
    assert run(["count", path, "--by", "dtype", "--plain"]) == 0
    shown = capsys.readouterr().out
    assert "packed        12,288 parameters by GPTQ, 4 bits each" in shown
    assert "no parameters)" in shown.replace("\n              ", " ")
    assert "int32 (GPTQ)" in shown
    assert run(["count", path, "--json"]) == 0
    storage = json.loads(capsys.readouterr().out)["storage"]
    data = 2 * (2 * 64 // 8 * 4) // 2 + 2 * (2 * 128 // 8 * 4) // 2 + 2 * 2 * 192 + 2 * 64 * 4
    assert storage["quantization"]["bytes"] == data
    assert storage["quantization"]["bits_per_weight"] == 8 * (PLAIN_BYTES + WEIGHTS / 2 + data) / TOTAL
    assert storage["quantization"]["formats"]["GPTQ"]["bits_per_weight"] == 4
    assert storage["dtypes"]["int32"]["parameters"] == WEIGHTS
