"""Specs and the same networks in PyTorch, written by hand: the table that the numeric tests walk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

Factory = Callable[[], nn.Module]


class Function(nn.Module):
    """Any function of one tensor as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Residual(nn.Sequential):
    """x + f(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class Recurrent(nn.Module):
    """nn.RNN, nn.LSTM or nn.GRU over (B, T, F); ``last`` keeps the final states of the last layer."""

    def __init__(
        self,
        kind: type[nn.RNNBase],
        features: int,
        hidden: int,
        *,
        last: bool = False,
        biases: int = 2,
        **options: object,
    ) -> None:
        super().__init__()
        self.cell = kind(features, hidden, batch_first=True, **options)
        self.last = last
        if biases == 1:  # One bias set: the hidden one is zero and not learned.
            for name in [name for name, _ in self.cell.named_parameters() if name.startswith("bias_hh")]:
                parameter = getattr(self.cell, name)
                parameter.requires_grad = False
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        outputs, finals = self.cell(x)
        if not self.last:
            return outputs
        hidden = finals[0] if isinstance(finals, tuple) else finals
        directions = 2 if self.cell.bidirectional else 1
        return torch.cat(list(hidden[-directions:]), dim=-1)


class Attention(nn.Module):
    """Projections around scaled_dot_product_attention; fewer key/value heads are repeated."""

    def __init__(
        self, width: int, heads: int, *, kv_heads: int | None = None, causal: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.groups, self.causal = heads, kv_heads or heads, causal
        shared = width // heads * self.groups
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, shared, bias=bias)
        self.value = nn.Linear(width, shared, bias=bias)
        self.output = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q = self.query(x).reshape(batch, length, self.heads, -1).transpose(1, 2)
        k = self.key(x).reshape(batch, length, self.groups, -1).transpose(1, 2)
        v = self.value(x).reshape(batch, length, self.groups, -1).transpose(1, 2)
        y = functional.scaled_dot_product_attention(
            q, k, v, is_causal=self.causal, enable_gqa=self.groups != self.heads
        )
        return self.output(y.transpose(1, 2).reshape(batch, length, width))


class KnownDropout(nn.Module):
    """Dropout whose uniform numbers come from a queue shared with the executed graph."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.queue: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = self.queue.pop(0) >= self.probability
        return x * kept / (1 - self.probability)


class SamePad(nn.Module):
    """The padding of ``pad=same``: the output is ⌈input/stride⌉, the odd element stands behind."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        widths: list[int] = []
        for n in reversed(x.shape[2:]):
            total = max(0, (-(-n // self.stride) - 1) * self.stride + self.kernel - n)
            widths += [total // 2, total - total // 2]
        return functional.pad(x, widths)


def chain(*modules: nn.Module) -> Factory:
    return lambda: nn.Sequential(*modules)


def times(count: int, block: Callable[[], nn.Module]) -> nn.Sequential:
    return nn.Sequential(*(block() for _ in range(count)))


def global_max(x: Tensor) -> Tensor:
    return x.flatten(2).amax(2)


DENSE: Sequence[tuple[str, Factory]] = [
    ("3-4-2", lambda: nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2), nn.Sigmoid())),
    ("3-4:relu-2:softmax", lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.Softmax(-1))),
    ("2x3-4:tanh-2:none", lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2))),
    (
        "3-5*3-2",
        lambda: nn.Sequential(
            nn.Linear(3, 5),
            nn.Sigmoid(),
            times(2, lambda: nn.Sequential(nn.Linear(5, 5), nn.Sigmoid())),
            nn.Linear(5, 2),
            nn.Sigmoid(),
        ),
    ),
    (
        "3-3*4-2",
        lambda: nn.Sequential(
            nn.Linear(3, 3),
            nn.Sigmoid(),
            times(3, lambda: nn.Sequential(nn.Linear(3, 3), nn.Sigmoid())),
            nn.Linear(3, 2),
            nn.Sigmoid(),
        ),
    ),
    ("4, dense 3 bias=no, tanh", lambda: nn.Sequential(nn.Linear(4, 3, bias=False), nn.Tanh())),
    ("2x3, dense 4, dense 2", lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))),
    ("2x3x4, flatten, dense 2", lambda: nn.Sequential(nn.Flatten(), nn.Linear(24, 2))),
    ("5, dense 4, softmax", lambda: nn.Sequential(nn.Linear(5, 4), nn.Softmax(-1))),
    ("5, dense 4, log_softmax", lambda: nn.Sequential(nn.Linear(5, 4), nn.LogSoftmax(-1))),
    ("2x5, dense 4, softmax, dense 3", lambda: nn.Sequential(nn.Linear(5, 4), nn.Softmax(-1), nn.Linear(4, 3))),
    ("6, dense 5, dropout 0.4, dense 3", lambda: nn.Sequential(nn.Linear(6, 5), KnownDropout(0.4), nn.Linear(5, 3))),
    ("5, embedding 7 4, dense 2", lambda: nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 2))),
]

CONVOLUTIONS: Sequence[tuple[str, Factory]] = [
    ("2x9, conv 3 3", lambda: nn.Conv1d(2, 3, 3)),
    ("2x9, conv 3 4 stride=3 pad=2 dilation=2", lambda: nn.Conv1d(2, 3, 4, 3, 2, 2)),
    (
        "2x7x6, conv 3 3x2 stride=2x1 pad=1x0, conv 2 2",
        lambda: nn.Sequential(nn.Conv2d(2, 3, (3, 2), (2, 1), (1, 0)), nn.Conv2d(3, 2, 2)),
    ),
    (
        "2x6x5, conv 4 3 pad=same, relu, conv 2 1",
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3, padding="same"), nn.ReLU(), nn.Conv2d(4, 2, 1)),
    ),
    ("2x7, conv 3 4 pad=same, conv 2 1", lambda: nn.Sequential(SamePad(4, 1), nn.Conv1d(2, 3, 4), nn.Conv1d(3, 2, 1))),
    ("2x6x5, conv 4 3 pad=same stride=2", lambda: nn.Sequential(SamePad(3, 2), nn.Conv2d(2, 4, 3, 2))),
    (
        "2x8, conv 2 1, conv 3 2 pad=same stride=3",
        lambda: nn.Sequential(nn.Conv1d(2, 2, 1), SamePad(2, 3), nn.Conv1d(2, 3, 2, 3)),
    ),
    (
        "4x7x7, conv 4 1, conv 6 3 groups=2 dilation=2 bias=no",
        lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 6, 3, dilation=2, groups=2, bias=False)),
    ),
    (
        "4x5x5, conv 4 3 groups=4 pad=1, relu, conv 3 1",
        lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.ReLU(), nn.Conv2d(4, 3, 1)),
    ),
    (
        "2x3x4x3, conv 3 2x3x2 pad=1x1x0, conv 2 2",
        lambda: nn.Sequential(nn.Conv3d(2, 3, (2, 3, 2), padding=(1, 1, 0)), nn.Conv3d(3, 2, 2)),
    ),
    (
        "2x3x3, conv 2 1, conv_transpose 3 2 stride=2",
        lambda: nn.Sequential(nn.Conv2d(2, 2, 1), nn.ConvTranspose2d(2, 3, 2, 2)),
    ),
    (
        "4x3x3, conv 4 1, conv_transpose 2 3 stride=2 pad=1 output_pad=1 groups=2",
        lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.ConvTranspose2d(4, 2, 3, 2, 1, 1, groups=2)),
    ),
    (
        "2x4, conv 2 1, conv_transpose 3 3 dilation=2 bias=no",
        lambda: nn.Sequential(nn.Conv1d(2, 2, 1), nn.ConvTranspose1d(2, 3, 3, dilation=2, bias=False)),
    ),
    (
        "2x2x3x2, conv 2 1, conv_transpose 3 2x3x2 stride=1x2x2 pad=0x1x1 output_pad=0x1x0",
        lambda: nn.Sequential(nn.Conv3d(2, 2, 1), nn.ConvTranspose3d(2, 3, (2, 3, 2), (1, 2, 2), (0, 1, 1), (0, 1, 0))),
    ),
    (
        "2x5, conv 2 1, conv_transpose 2 2 stride=3 output_pad=2",
        lambda: nn.Sequential(nn.Conv1d(2, 2, 1), nn.ConvTranspose1d(2, 2, 2, 3, output_padding=2)),
    ),
]

POOLINGS: Sequence[tuple[str, Factory]] = [
    ("2x6x6, conv 3 1, maxpool 2", lambda: nn.Sequential(nn.Conv2d(2, 3, 1), nn.MaxPool2d(2))),
    (
        "2x7x7, conv 3 1, maxpool 3 stride=2 pad=1, flatten, dense 2",
        lambda: nn.Sequential(nn.Conv2d(2, 3, 1), nn.MaxPool2d(3, 2, 1), nn.Flatten(), nn.Linear(48, 2)),
    ),
    (
        "2x9, conv 3 1, maxpool 3 stride=1 dilation=2",
        lambda: nn.Sequential(nn.Conv1d(2, 3, 1), nn.MaxPool1d(3, 1, dilation=2)),
    ),
    ("1x4x4x4, conv 2 1, maxpool 2x1x2", lambda: nn.Sequential(nn.Conv3d(1, 2, 1), nn.MaxPool3d((2, 1, 2)))),
    ("2x7x6, conv 3 1, avgpool 3 stride=2 pad=1", lambda: nn.Sequential(nn.Conv2d(2, 3, 1), nn.AvgPool2d(3, 2, 1))),
    ("2x7, conv 2 1, avgpool 2", lambda: nn.Sequential(nn.Conv1d(2, 2, 1), nn.AvgPool1d(2))),
    ("1x4x4x4, conv 2 1, avgpool 2x2x1", lambda: nn.Sequential(nn.Conv3d(1, 2, 1), nn.AvgPool3d((2, 2, 1)))),
    (
        "2x4x3, conv 3 1, global_avgpool, dense 2",
        lambda: nn.Sequential(nn.Conv2d(2, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)),
    ),
    (
        "2x4x3, conv 3 1, global_maxpool, dense 2",
        lambda: nn.Sequential(nn.Conv2d(2, 3, 1), Function(global_max), nn.Linear(3, 2)),
    ),
    ("2x8x4, conv 2 1, adaptive_avgpool 4x2", lambda: nn.Sequential(nn.Conv2d(2, 2, 1), nn.AdaptiveAvgPool2d((4, 2)))),
    ("2x7x5, conv 2 1, adaptive_avgpool 3x2", lambda: nn.Sequential(nn.Conv2d(2, 2, 1), nn.AdaptiveAvgPool2d((3, 2)))),
    ("2x7x5, conv 2 1, adaptive_maxpool 3x2", lambda: nn.Sequential(nn.Conv2d(2, 2, 1), nn.AdaptiveMaxPool2d((3, 2)))),
    ("2x10, conv 2 1, adaptive_avgpool 7", lambda: nn.Sequential(nn.Conv1d(2, 2, 1), nn.AdaptiveAvgPool1d(7))),
    (
        "1x5x4x3, conv 2 1, adaptive_maxpool 2x3x3",
        lambda: nn.Sequential(nn.Conv3d(1, 2, 1), nn.AdaptiveMaxPool3d((2, 3, 3))),
    ),
]

NORMS: Sequence[tuple[str, Factory]] = [
    (
        "2x3x3, conv 3 1, batchnorm, relu, conv 2 1",
        lambda: nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1)),
    ),
    ("3, dense 4, batchnorm, dense 2", lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))),
    ("2x5, batchnorm, conv 2 2", lambda: nn.Sequential(nn.BatchNorm1d(2), nn.Conv1d(2, 2, 2))),
    ("3x4, dense 4, layernorm, dense 2", lambda: nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))),
    (
        "3x4, dense 4, rmsnorm, dense 2",
        lambda: nn.Sequential(nn.Linear(4, 4), nn.RMSNorm(4, eps=1e-5), nn.Linear(4, 2)),
    ),
    (
        "4x3x2, conv 6 1, groupnorm 3, conv 2 1",
        lambda: nn.Sequential(nn.Conv2d(4, 6, 1), nn.GroupNorm(3, 6), nn.Conv2d(6, 2, 1)),
    ),
    (
        "4x3, conv 4 1, instancenorm, conv 2 1",
        lambda: nn.Sequential(nn.Conv1d(4, 4, 1), nn.InstanceNorm1d(4), nn.Conv1d(4, 2, 1)),
    ),
    (
        "4x3x2, conv 4 1, instancenorm affine",
        lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.InstanceNorm2d(4, affine=True)),
    ),
    ("6x3x3, conv 6 1, lrn 5", lambda: nn.Sequential(nn.Conv2d(6, 6, 1), nn.LocalResponseNorm(5))),
]

SEQUENCES: Sequence[tuple[str, Factory]] = [
    ("3x4, attention heads=2", lambda: Attention(4, 2)),
    ("5x6, dense 6, attention heads=3 causal", lambda: nn.Sequential(nn.Linear(6, 6), Attention(6, 3, causal=True))),
    ("4x8, attention heads=4 kv_heads=2 causal bias=no", lambda: Attention(8, 4, kv_heads=2, causal=True, bias=False)),
    ("3x6, dense 6, attention heads=3 kv_heads=1", lambda: nn.Sequential(nn.Linear(6, 6), Attention(6, 3, kv_heads=1))),
    ("4x3, rnn 5", lambda: Recurrent(nn.RNN, 3, 5)),
    (
        "4x3, dense 3, rnn 5 last biases=1",
        lambda: nn.Sequential(nn.Linear(3, 3), Recurrent(nn.RNN, 3, 5, last=True, biases=1)),
    ),
    ("4x3, gru 5", lambda: Recurrent(nn.GRU, 3, 5)),
    (
        "3x4, dense 4, gru 2 bidirectional layers=2",
        lambda: nn.Sequential(nn.Linear(4, 4), Recurrent(nn.GRU, 4, 2, bidirectional=True, num_layers=2)),
    ),
    (
        "4x3, gru 3 biases=1 last, dense 2",
        lambda: nn.Sequential(Recurrent(nn.GRU, 3, 3, biases=1, last=True), nn.Linear(3, 2)),
    ),
    ("4x3, lstm 5", lambda: Recurrent(nn.LSTM, 3, 5)),
    (
        "4x3, dense 3, lstm 2 last biases=1",
        lambda: nn.Sequential(nn.Linear(3, 3), Recurrent(nn.LSTM, 3, 2, last=True, biases=1)),
    ),
    (
        "3x4, lstm 2 bidirectional last layers=3, dense 2",
        lambda: nn.Sequential(Recurrent(nn.LSTM, 4, 2, bidirectional=True, last=True, num_layers=3), nn.Linear(4, 2)),
    ),
    ("1x3, lstm 2 bidirectional", lambda: Recurrent(nn.LSTM, 3, 2, bidirectional=True)),
    ("2x3, lstm 2 layers=2 last", lambda: Recurrent(nn.LSTM, 3, 2, num_layers=2, last=True)),
]

BLOCKS: Sequence[tuple[str, Factory]] = [
    ("4, residual[dense 4, relu], dense 2", lambda: nn.Sequential(Residual(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 2))),
    ("4, [dense 4, tanh]*3, dense 2", lambda: nn.Sequential(times(3, lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh())), nn.Linear(4, 2))),
    ("4, dense 4, [dense 4, tanh]*4", lambda: nn.Sequential(nn.Linear(4, 4), times(4, lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh())))),
    (
        "5, [dense 4, tanh]*4, dense 2",
        lambda: nn.Sequential(nn.Sequential(nn.Linear(5, 4), nn.Tanh(), *times(3, lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh()))), nn.Linear(4, 2)),
    ),
    ("2x7x7, [conv 2 3]*3", lambda: times(3, lambda: nn.Conv2d(2, 2, 3))),
    (
        "4, [dense 3, [dense 3, tanh]*3, dense 4]*3, dense 2",
        lambda: nn.Sequential(
            times(3, lambda: nn.Sequential(nn.Linear(4, 3), times(3, lambda: nn.Sequential(nn.Linear(3, 3), nn.Tanh())), nn.Linear(3, 4))),
            nn.Linear(4, 2),
        ),
    ),
    ("3x4, [residual[lstm 4]]*3", lambda: times(3, lambda: Residual(Recurrent(nn.LSTM, 4, 4)))),
    (
        "2x3x3, [residual[conv 2 3 pad=1, batchnorm, relu, dropout 0.25]]*3, global_avgpool",
        lambda: nn.Sequential(
            times(3, lambda: Residual(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), KnownDropout(0.25))),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ),
    ),
    (
        "3, embedding 5 4, [residual[layernorm, attention heads=2 causal], residual[layernorm, dense 6, gelu, dense 4]]*3, layernorm, dense 5 bias=no",
        lambda: nn.Sequential(
            nn.Embedding(5, 4),
            times(
                3,
                lambda: nn.Sequential(
                    Residual(nn.LayerNorm(4), Attention(4, 2, causal=True)),
                    Residual(nn.LayerNorm(4), nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 4)),
                ),
            ),
            nn.LayerNorm(4),
            nn.Linear(4, 5, bias=False),
        ),
    ),
]  # fmt: skip

ACTIVATIONS: dict[str, Factory] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU("tanh"),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu6": nn.ReLU6,
    "hardtanh": nn.Hardtanh,
    # functional.hardsigmoid's own gradient multiplies by a single-precision 1/6, also in double precision.
    "hardsigmoid": lambda: Function(lambda x: functional.relu6(x + 3) / 6),
    "hardswish": nn.Hardswish,
}

NETWORKS: Sequence[tuple[str, Factory]] = [*DENSE, *CONVOLUTIONS, *POOLINGS, *NORMS, *SEQUENCES, *BLOCKS]
