"""Checkpoints of each format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import gguf
import h5py
import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch
from torch import nn

from tests.golden.cases.case import Case

NETWORK = {
    "layers.0.weight": (16, 784), "layers.0.bias": (16,), "layers.2.weight": (16, 16), "layers.2.bias": (16,),
    "layers.10.weight": (10, 16), "layers.10.bias": (10,),
}  # fmt: skip
"""784-16-16-10: 12,960 weights and 42 biases."""
BLOCK = {
    "wte.weight": (50, 24), "wpe.weight": (16, 24), "h.0.ln_1.weight": (24,), "h.0.ln_1.bias": (24,), "h.0.attn.c_attn.weight": (24, 72),
    "h.0.attn.c_attn.bias": (72,), "h.0.attn.bias": (1, 1, 16, 16), "bn.running_mean": (24,), "bn.running_var": (24,), "cls_token": (1, 1, 24),
}  # fmt: skip
LAYERS = {
    "layers/conv2d": [(3, 3, 3, 8), (8,)], "layers/batch_normalization": [(8,)] * 4, "layers/dense": [(8, 10), (10,)],
    "layers/gru/cell": [(10, 12), (4, 12), (2, 12)], "layers/embedding": [(100, 10)],
}  # fmt: skip


def arrays(shapes: Mapping[str, tuple[int, ...]], dtype: str = "f4") -> dict[str, np.ndarray]:
    return {name: np.zeros(shape, dtype) for name, shape in shapes.items()}


def safetensors() -> str:
    save_file(arrays(NETWORK), "model.safetensors")
    return "model.safetensors"


def mixed_safetensors() -> str:
    types = (torch.bfloat16, torch.float16, torch.int8, torch.float8_e4m3fn)
    names = ("a.weight", "b.weight", "c.qweight", "d.scales")
    tensors = {name: torch.zeros(3, 5, dtype=dtype) for name, dtype in zip(names, types, strict=True)}
    save_torch(tensors, "mixed.safetensors")
    return "mixed.safetensors"


def block_safetensors() -> str:
    save_file(arrays(BLOCK, "f2"), "block.safetensors")
    return "block.safetensors"


def shards() -> str:
    places = {}
    for number, (name, array) in enumerate(arrays(NETWORK).items()):
        shard = f"model-0000{number // 3 + 1}-of-00002.safetensors"
        places[name] = shard
        parts = {key: value for key, value in arrays(NETWORK).items() if places.get(key) == shard}
        save_file({**parts, name: array}, shard)
    index = {"metadata": {"total_size": 52_008}, "weight_map": places}
    Path("model.safetensors.index.json").write_text(json.dumps(index))
    return "model.safetensors.index.json"


def written_gguf(name: str, types: Mapping[str, gguf.GGMLQuantizationType]) -> str:
    """Two rows of 512 numbers for each type."""
    writer = gguf.GGUFWriter(name, "llama")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    for tensor, kind in types.items():
        block, size = gguf.GGML_QUANT_SIZES[kind]
        writer.add_tensor(tensor, np.zeros((2, 512 // block * size), np.uint8), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return name


def mixed_gguf() -> str:
    kinds = gguf.GGMLQuantizationType
    return written_gguf(
        "model.gguf",
        {
            "token_embd.weight": kinds.Q4_K, "blk.0.ffn_up.weight": kinds.Q8_0, "blk.0.ffn_up.bias": kinds.F16,
            "blk.0.attn_q.weight": kinds.Q6_K, "blk.0.attn_k.weight": kinds.IQ4_NL, "output_norm.weight": kinds.F32,
        },
    )  # fmt: skip


def parts_gguf() -> str:
    for number, layer in enumerate("abc", start=1):
        written_gguf(f"net-{number:05}-of-00003.gguf", {f"{layer}.weight": gguf.GGMLQuantizationType.Q4_0})
    return "net-00002-of-00003.gguf"


def npz() -> str:
    np.savez(
        "net.npz",
        **{"1.weight": np.zeros((16, 784), "f4"), "1.bias": np.zeros(16, "f4"), "2.weight": np.zeros((10, 16), "f2")},
    )
    return "net.npz"


def flax_npz() -> str:
    named = {"params/Dense_0/kernel": np.zeros((3, 4)), "params/Dense_0/bias": np.zeros(4), "words": np.array(["a"])}
    np.savez_compressed("flax.npz", **named)
    return "flax.npz"


def keras() -> str:
    with h5py.File("model.weights.h5", "w") as file:
        for layer, shapes in LAYERS.items():
            group = file.create_group(f"{layer}/vars")
            for number, shape in enumerate(shapes):
                group.create_dataset(str(number), data=np.zeros(shape, "f4"))
    return "model.weights.h5"


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(288, 10))


def pytorch() -> str:
    torch.save(network().state_dict(), "net.pt")
    return "net.pt"


def old_pytorch() -> str:
    torch.save(network().state_dict(), "old.pth", _use_new_zipfile_serialization=False)
    return "old.pth"


def training_pytorch() -> str:
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.zeros(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    torch.save({"state_dict": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, "training.ckpt")
    return "training.ckpt"


def tied_pytorch() -> str:
    table = torch.zeros(50, 8)
    torch.save({"embedding.weight": table, "head.weight": table, "head.bias": torch.zeros(50)}, "tied.bin")
    return "tied.bin"


def quantized_safetensors() -> str:
    """GPTQ of 4 bits and int8 of bitsandbytes, 64 → 64 and 64 → 32, beside a norm."""
    tensors = arrays({"norm.weight": (64,), "b.SCB": (32,)}, "f2") | {"b.weight": np.zeros((32, 64), "i1")}
    tensors |= {
        "a.qweight": np.zeros((8, 64), "i4"),
        "a.qzeros": np.zeros((2, 8), "i4"),
        "a.scales": np.zeros((2, 64), "f2"),
    }
    save_file(tensors, "quantized.safetensors")
    return "quantized.safetensors"


def optimizer_pytorch() -> str:
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.zeros(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    torch.save(optimizer.state_dict(), "optimizer.bin")
    return "optimizer.bin"


WRITERS: tuple[Callable[[], str], ...] = (
    safetensors, mixed_safetensors, block_safetensors, shards, mixed_gguf, parts_gguf, npz, flax_npz, keras, pytorch,
    old_pytorch, training_pytorch, tied_pytorch, quantized_safetensors, optimizer_pytorch,
)  # fmt: skip

CASES: tuple[Case, ...] = tuple(Case(writer.__name__, writer) for writer in WRITERS)
