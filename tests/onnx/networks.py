"""Networks of PyTorch that are exported to ONNX, with their inputs and the axes whose sizes stay open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nncost.frontends.huggingface.transformers import transformers

BATCH, SEQUENCE = {0: "batch"}, {0: "batch", 1: "sequence"}


@dataclass(frozen=True)
class Exported:
    """How a network is made, its input, its open axes, and what an exporter merges into other parameters."""

    make: Callable[[], nn.Module]
    input: Callable[[], Tensor]
    axes: Mapping[int, str]
    merged: int = 0


class GroupedCnn(nn.Module):
    """Grouped convolutions, batch norm, resizing both ways, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.grouped, self.up = nn.Conv2d(8, 8, 3, padding=1, groups=4), nn.Upsample(scale_factor=2, mode="bilinear")
        self.head, self.classes = nn.Conv2d(8, 4, 1), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(self.grouped(torch.relu(self.norm(self.first(x)))))
        x = nn.functional.interpolate(self.head(x), scale_factor=0.5, mode="nearest")
        return self.classes(x.mean((2, 3)))


class Recurrent(nn.Module):
    """Two layers in both directions, and a dense layer on each step."""

    def __init__(self, kind: type[nn.LSTM | nn.GRU]) -> None:
        super().__init__()
        self.layers = kind(6, 8, num_layers=2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layers(x)[0])


class Detector(nn.Module):
    """A head that splits, pools, joins, adds a grid, and keeps the best boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16)
        self.inner, self.pool, self.out = nn.Conv2d(8, 8, 3, padding=1), nn.MaxPool2d(5, 1, 2), nn.Conv2d(32, 12, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        left, right = nn.functional.silu(self.norm(self.stem(x))).chunk(2, 1)
        right = right + nn.functional.silu(self.inner(right))
        y = self.out(torch.cat([left, right, self.pool(left), self.pool(right)], 1))
        count = y.shape[2] * y.shape[3]
        boxes, classes = y.view(y.shape[0], y.shape[1], -1).split((4, 8), 1)
        grid = torch.arange(count, dtype=torch.float32) / y.shape[3]
        scores, places = classes.amax(1).topk(5)
        return boxes.sigmoid() * 2 + grid, classes.sigmoid(), scores, places


class LanguageModel(nn.Module):
    """The scores of a causal language model, without its cache."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        return self.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits


def _gpt2() -> nn.Module:
    library: Any = transformers()
    config = library.GPT2Config(n_layer=2, n_embd=32, n_head=4, vocab_size=100, n_positions=64)
    return LanguageModel(library.GPT2LMHeadModel(config))


def _llama() -> nn.Module:
    library: Any = transformers()
    config = library.LlamaConfig(
        num_hidden_layers=2, hidden_size=32, num_attention_heads=4, num_key_value_heads=2, intermediate_size=64,
        vocab_size=100, max_position_embeddings=64,
    )  # fmt: skip
    return LanguageModel(library.LlamaForCausalLM(config))


def _encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


NETWORKS: Mapping[str, Exported] = {
    "mlp": Exported(lambda: nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5), nn.Softmax(-1)), lambda: torch.randn(2, 10), BATCH),
    # Exporters multiply the scale of batch norm into the convolution before it: its 2·C parameters are gone.
    "cnn": Exported(GroupedCnn, lambda: torch.randn(2, 3, 16, 16), BATCH, merged=16),
    "lstm": Exported(lambda: Recurrent(nn.LSTM), lambda: torch.randn(2, 7, 6), SEQUENCE),
    "gru": Exported(lambda: Recurrent(nn.GRU), lambda: torch.randn(2, 7, 6), SEQUENCE),
    "encoder": Exported(_encoder, lambda: torch.randn(2, 7, 16), SEQUENCE),
    "gpt2": Exported(_gpt2, lambda: torch.randint(0, 100, (2, 7)), SEQUENCE),
    "llama": Exported(_llama, lambda: torch.randint(0, 100, (2, 7)), SEQUENCE),
    "detector": Exported(Detector, lambda: torch.randn(2, 3, 32, 32), BATCH, merged=32),
}  # fmt: skip


def made(name: str) -> nn.Module:
    """The network with numbers that are all different: exporters merge equal ones."""
    torch.manual_seed(sum(map(ord, name)))
    module = NETWORKS[name].make().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-0.5, 0.5)
        for buffer_name, buffer in module.named_buffers():
            if "running" in buffer_name:
                buffer.uniform_(0.5, 1.0)
    return module


def export(module: nn.Module, x: Tensor, path: Path, *, dynamo: bool, axes: Mapping[int, str] | None) -> None:
    """Write the network as an ONNX file, by one of PyTorch's two exporters."""
    options: dict[str, Any] = {"input_names": ["x"], "dynamo": dynamo, "opset_version": 18 if dynamo else 17}
    if dynamo:
        shapes = None if axes is None else ({axis: torch.export.Dim(name) for axis, name in axes.items()},)
        options |= {"dynamic_shapes": shapes, "external_data": False, "verbose": False}
    elif axes is not None:
        options["dynamic_axes"] = {"x": dict(axes)}
    torch.onnx.export(module, (x,), str(path), **options)
