"""Small networks of many kinds, on which every tool is run beside its convention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.torch.vision import import_torchvision

Inputs = tuple[Any, ...] | dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """A network and what it is called with."""

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], Inputs]

    def __str__(self) -> str:
        return self.name


class Formulas(nn.Module):
    """Products by every name: einsum, bmm, matmul, @, baddbmm, addmm; sums and products by sign and by name."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.einsum("bij,bkj->bik", x, x)
        scores = torch.bmm(scores, x.transpose(1, 2).contiguous().transpose(1, 2))
        y = scores.matmul(self.weight) @ self.weight
        y = torch.matmul(y, self.weight).mul(2.0) + torch.add(y, x) * 3
        y = torch.baddbmm(y, torch.bmm(y, y.transpose(1, 2)), x)
        return torch.addmm(y[0], y[1], self.weight) + y[1].mm(self.weight).softmax(-1)


class Functions(nn.Module):
    """Functionals without layers: convolution, pooling, activations, norms, interpolation, attention."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, 3, 3, 3))
        self.head = nn.Parameter(torch.randn(5, 8))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(functional.conv2d(x, self.kernel, padding=1))
        y = functional.max_pool2d(y, 2)
        y = functional.interpolate(y, scale_factor=2, mode="bilinear")
        y = functional.gelu(functional.silu(functional.leaky_relu(y)))
        y = functional.avg_pool2d(y, 2)
        flat = y.flatten(2).transpose(1, 2)
        flat = functional.layer_norm(flat, (8,))
        flat = functional.scaled_dot_product_attention(flat, flat, flat)
        return functional.softmax(functional.linear(flat.mean(1), self.head), dim=-1)


class Shared(nn.Module):
    """One layer under two names, called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.again = self.first
        self.block = nn.Sequential(self.first, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.block(self.again(self.first(x)))


class Recurrent(nn.Module):
    """A recurrent layer with a head on its last state."""

    def __init__(self, layer: nn.Module, wide: int) -> None:
        super().__init__()
        self.layer = layer
        self.head = nn.Linear(wide, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0][:, -1])


class Cells(nn.Module):
    """Recurrent cells, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru, self.rnn = nn.LSTMCell(4, 5), nn.GRUCell(5, 5), nn.RNNCell(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(self.gru(self.lstm(x)[0]))


def convolutions() -> nn.Module:
    """Grouped, dilated, strided, transposed."""
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, groups=2), nn.ReLU6(), nn.Conv2d(8, 8, 3, stride=2, padding=2, dilation=2, groups=8),
        nn.PReLU(), nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1), nn.LeakyReLU(),
        nn.ConvTranspose2d(6, 6, 3, groups=3, bias=False), nn.ELU(), nn.Upsample(scale_factor=2), nn.AvgPool2d(2),
    )  # fmt: skip


def volumes() -> nn.Module:
    """Convolutions and pooling over one and three axes."""
    return nn.Sequential(
        nn.Conv3d(2, 4, 3, padding=1), nn.BatchNorm3d(4), nn.MaxPool3d(2), nn.Flatten(2), nn.Conv1d(4, 6, 3, padding="same"),
        nn.InstanceNorm1d(6, affine=True), nn.AdaptiveAvgPool1d(4), nn.GroupNorm(2, 6), nn.Flatten(), nn.Linear(24, 3),
        nn.Softmax(dim=1),
    )  # fmt: skip


def vision(name: str, **options: Any) -> nn.Module:
    """One of torchvision's networks, without weights."""
    import_torchvision()
    from torchvision import models

    return getattr(models, name)(**options)


def timm_model(name: str, **options: Any) -> nn.Module:
    """One of timm's networks, without weights."""
    import_torchvision()
    import timm

    return timm.create_model(name, pretrained=False, **options)


def hugging(config: str, model: str, **options: Any) -> nn.Module:
    """One of transformers' networks, small and without weights."""
    import_torchvision()
    import transformers

    return getattr(transformers, model)(getattr(transformers, config)(**options))


def real(*shape: int) -> Callable[[], Inputs]:
    return lambda: (torch.zeros(shape),)


def ids(*shape: int, **more: Any) -> Callable[[], Inputs]:
    return lambda: (
        {"input_ids": torch.ones(shape, dtype=torch.int64)}
        | {name: torch.ones(size, dtype=torch.int64) for name, size in more.items()}
    )


TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 96}
IMAGE = real(1, 3, 32, 32)

SUBJECTS: tuple[Subject, ...] = (
    Subject("mlp", lambda: nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 10), nn.Sigmoid()), real(4, 20)),
    Subject("formulas", Formulas, real(2, 6, 6)),
    Subject("functions", Functions, real(2, 3, 8, 8)),
    Subject("shared", Shared, real(4, 6)),
    Subject("convolutions", convolutions, real(2, 4, 12, 12)),
    Subject("volumes", volumes, real(2, 2, 6, 6, 6)),
    Subject("cells", Cells, real(2, 4)),
    Subject("rnn", lambda: Recurrent(nn.RNN(4, 6, batch_first=True, bias=False), 6), real(2, 7, 4)),
    Subject("lstm", lambda: Recurrent(nn.LSTM(4, 6, num_layers=2, batch_first=True), 6), real(2, 7, 4)),
    Subject("gru_both_ways", lambda: Recurrent(nn.GRU(4, 6, batch_first=True, bidirectional=True), 12), real(2, 7, 4)),
    Subject("resnet18", partial(vision, "resnet18"), IMAGE),
    Subject("mobilenet_v2", partial(vision, "mobilenet_v2"), IMAGE),
    Subject("mobilenet_v3_small", partial(vision, "mobilenet_v3_small"), IMAGE),
    Subject("efficientnet_b0", partial(vision, "efficientnet_b0"), IMAGE),
    Subject("densenet", partial(vision, "DenseNet", growth_rate=8, block_config=(2, 3), num_init_features=16), IMAGE),
    Subject(
        "swin",
        partial(
            vision, "SwinTransformer", patch_size=[4, 4], embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4],
            stochastic_depth_prob=0.0,
        ),
        IMAGE,
    ),
    Subject("convnext_atto", partial(timm_model, "convnext_atto"), IMAGE),
    Subject("vit_tiny", partial(timm_model, "vit_tiny_patch16_224", img_size=32, depth=2), IMAGE),
    Subject(
        "attention", lambda: nn.Sequential(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), nn.Linear(16, 2)),
        real(2, 9, 16),
    ),
    Subject(
        "encoder",
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32), 3, enable_nested_tensor=False), real(9, 2, 16),
    ),
    Subject(
        "gpt2", partial(hugging, "GPT2Config", "GPT2LMHeadModel", n_embd=32, n_layer=2, n_head=4, vocab_size=96, n_positions=64),
        ids(2, 10),
    ),
    Subject("bert", partial(hugging, "BertConfig", "BertModel", **TINY), ids(2, 10, attention_mask=(2, 10))),
    Subject(
        "t5",
        partial(
            hugging, "T5Config", "T5ForConditionalGeneration", d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, vocab_size=96
        ),
        ids(2, 10, decoder_input_ids=(2, 5)),
    ),
    Subject("llama", partial(hugging, "LlamaConfig", "LlamaForCausalLM", num_key_value_heads=2, **TINY), ids(2, 10)),
    Subject(
        "mamba",
        partial(hugging, "MambaConfig", "MambaForCausalLM", hidden_size=32, num_hidden_layers=1, vocab_size=96, state_size=4),
        ids(1, 6),
    ),
)  # fmt: skip
BY_NAME = {subject.name: subject for subject in SUBJECTS}


def call(module: nn.Module, inputs: Inputs) -> Any:
    """The module's outputs for positional or keyword inputs."""
    return module(**inputs) if isinstance(inputs, dict) else module(*inputs)
