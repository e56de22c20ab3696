"""The networks of ``benchmarks.step_time``: none of those that calibration runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Case:
    """A network, its input's shape or a function that makes it, and how it is trained."""

    make: Callable[[], nn.Module]
    inputs: Any
    loss: str = "cross_entropy"
    optimizer: str = "adam"


def mlp(*widths: int) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        layers: list[nn.Module] = []
        for ins, outs in pairwise(widths):
            layers += [nn.Linear(ins, outs), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    return make


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def vision(name: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from tests.torch.vision import import_torchvision

        return getattr(import_torchvision().models, name)()

    return make


def image_model(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from tests.torch.vision import import_torchvision

        import_torchvision()
        import timm

        return timm.create_model(name, **options)

    return make


class Recurrent(nn.Module):
    """Embedding, a recurrent layer, a classifier at every step."""

    def __init__(self, kind: type[nn.RNNBase], rows: int, width: int, hidden: int, layers: int, **options: Any) -> None:
        super().__init__()
        self.embedding = nn.Embedding(rows, width)
        self.recurrent = kind(width, hidden, layers, batch_first=True, **options)
        self.out = nn.Linear(hidden * (2 if options.get("bidirectional") else 1), rows)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.out(self.recurrent(self.embedding(ids))[0])


class Encoder(nn.Module):
    """Embedding, PyTorch's own encoder, a classifier at every step."""

    def __init__(self, rows: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        block = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.embedding, self.out = nn.Embedding(rows, width), nn.Linear(width, rows)
        self.encoder = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.out(self.encoder(self.embedding(ids)))


class UNet(nn.Module):
    """Two halvings of the image and back, with skip connections."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down1, self.down2 = _twice(3, channels), _twice(channels, 2 * channels)
        self.middle = _twice(2 * channels, 4 * channels)
        self.up2, self.up1 = (nn.ConvTranspose2d(2 * n, n, 2, stride=2) for n in (2 * channels, channels))
        self.out2, self.out1 = _twice(4 * channels, 2 * channels), _twice(2 * channels, channels)
        self.pool, self.classes = nn.MaxPool2d(2), nn.Conv2d(channels, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.down1(x)
        second = self.down2(self.pool(first))
        x = self.up2(self.middle(self.pool(second)))
        x = self.up1(self.out2(torch.cat([second, x], 1)))
        return self.classes(self.out1(torch.cat([first, x], 1)))


def _twice(ins: int, outs: int) -> nn.Sequential:
    def one(channels: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, outs, 3, padding=1, bias=False), nn.BatchNorm2d(outs), nn.ReLU(inplace=True)]

    return nn.Sequential(*one(ins), *one(outs))


class Grown(nn.Module):
    """Each convolution sees the outputs of all before it."""

    def __init__(self, layers: int, growth: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2 * growth, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, growth, 3, padding=1, bias=False))
            for c in ((2 + n) * growth for n in range(layers))
        )
        self.classes = nn.Linear((2 + layers) * growth, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.classes(x.mean((2, 3)))


class Experts(nn.Module):
    """Every token goes to the best of some dense layers."""

    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.router = nn.Linear(width, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)) for _ in range(experts)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.router(x).softmax(-1)
        parts = x.chunk(len(self.experts))
        return x + torch.cat(
            [e(p) * w[:, :1] for e, p, w in zip(self.experts, parts, weight.chunk(len(parts)), strict=True)]
        )


class Temporal(nn.Module):
    """Dilated convolutions over a sequence, each added to its input."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, channels, 3, padding=2**n, dilation=2**n) for n in range(layers)
        )
        self.out = nn.Conv1d(channels, 10, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for convolution in self.convolutions:
            x = x + torch.relu(convolution(x))
        return self.out(x)


def language(kind: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from tests.torch.vision import import_torchvision

        import_torchvision()  # transformers looks for it
        import transformers

        config = getattr(transformers, f"{kind}Config")(**options)
        name = {"Bert": "BertForMaskedLM", "GPT2": "GPT2LMHeadModel", "Llama": "LlamaForCausalLM"}[kind]
        return getattr(transformers, name)(config)

    return make


def ids(batch: int, length: int) -> str:
    return f"{batch}x{length}:int64"


CASES: dict[str, Case] = {
    "mlp 784-32-32-10": Case(mlp(784, 32, 32, 10), (32, 784), optimizer="sgd"),
    "mlp 784-128-10": Case(mlp(784, 128, 10), (256, 784)),
    "mlp 784-512-512-10": Case(mlp(784, 512, 512, 10), (64, 784)),
    "mlp 256x10": Case(mlp(*[256] * 11), (128, 256), optimizer="adamw"),
    "mlp 1024-2048x3-100": Case(mlp(1024, 2048, 2048, 2048, 100), (128, 1024), optimizer="sgd"),
    "mlp 4096-4096-1000": Case(mlp(4096, 4096, 1000), (64, 4096), optimizer="momentum"),
    "conv lenet": Case(lenet, (64, 1, 28, 28)),
    "conv resnet18": Case(vision("resnet18"), (8, 3, 64, 64), optimizer="momentum"),
    "conv resnet50": Case(vision("resnet50"), (4, 3, 96, 96), optimizer="sgd"),
    "conv mobilenet_v2": Case(vision("mobilenet_v2"), (8, 3, 96, 96), optimizer="sgd"),
    "conv vgg11": Case(vision("vgg11"), (4, 3, 64, 64), optimizer="sgd"),
    "conv squeezenet1_1": Case(vision("squeezenet1_1"), (8, 3, 96, 96)),
    "conv densenet121": Case(vision("densenet121"), (4, 3, 64, 64), optimizer="sgd"),
    "attention encoder": Case(lambda: Encoder(1000, 256, 4, 4), ids(8, 128)),
    "attention vit_tiny": Case(image_model("vit_tiny_patch16_224"), (4, 3, 224, 224), optimizer="adamw"),
    "attention gpt2 4x256": Case(language("GPT2", n_layer=4, n_embd=256, n_head=4, vocab_size=2000), ids(4, 128), optimizer="adamw"),
    "attention bert 4x256": Case(language("Bert", num_hidden_layers=4, hidden_size=256, num_attention_heads=4, intermediate_size=1024, vocab_size=2000), ids(8, 64), optimizer="adamw"),
    "attention llama 4x256": Case(language("Llama", num_hidden_layers=4, hidden_size=256, num_attention_heads=4, intermediate_size=688, vocab_size=2000), ids(4, 128), optimizer="adamw"),
    "attention small": Case(lambda: Encoder(500, 64, 2, 2), ids(4, 32)),
    "recurrent lstm 128": Case(lambda: Recurrent(nn.LSTM, 500, 64, 128, 1), ids(16, 32)),
    "recurrent lstm 2x256": Case(lambda: Recurrent(nn.LSTM, 1000, 128, 256, 2), ids(16, 64)),
    "recurrent lstm both ways": Case(lambda: Recurrent(nn.LSTM, 500, 128, 128, 1, bidirectional=True), ids(16, 48), optimizer="sgd"),
    "recurrent gru 128": Case(lambda: Recurrent(nn.GRU, 500, 64, 128, 1), ids(16, 32)),
    "recurrent rnn 256": Case(lambda: Recurrent(nn.RNN, 500, 128, 256, 1), ids(16, 32), optimizer="sgd"),
    "mlp 512x24": Case(mlp(*[512] * 25), (64, 512)),
    "mlp autoencoder 4096": Case(mlp(4096, 4096, 64, 4096, 4096), (32, 4096), loss="squared_error"),
    "mlp experts": Case(lambda: nn.Sequential(*(Experts(256, 4) for _ in range(6)), nn.Linear(256, 100)), (512, 256), optimizer="adamw"),
    "mlp mixer": Case(image_model("mixer_s32_224", img_size=96), (8, 3, 96, 96), optimizer="adamw"),
    "conv convnext": Case(image_model("convnext_atto"), (4, 3, 96, 96), optimizer="adamw"),
    "conv unet": Case(lambda: UNet(16), (4, 3, 64, 64)),
    "conv grown": Case(lambda: Grown(12, 12), (16, 3, 32, 32), optimizer="momentum"),
    "conv temporal": Case(lambda: Temporal(64, 8), (16, 64, 256)),
    "attention vit 12x256": Case(image_model("vit_tiny_patch16_224", img_size=96, embed_dim=256, num_heads=4), (8, 3, 96, 96), optimizer="adamw"),
    "attention gpt2 12x384": Case(language("GPT2", n_layer=12, n_embd=384, n_head=6, vocab_size=5000), ids(2, 128), optimizer="adamw"),
    "recurrent lstm 45 steps": Case(lambda: Recurrent(nn.LSTM, 100, 32, 64, 1), ids(8, 45)),
    "recurrent lstm 500 steps": Case(lambda: Recurrent(nn.LSTM, 100, 32, 64, 1), ids(8, 500)),
    "recurrent gru 2x200": Case(lambda: Recurrent(nn.GRU, 300, 100, 200, 2), ids(8, 60), optimizer="sgd"),
}  # fmt: skip
