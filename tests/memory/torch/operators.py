"""Functions of a tensor of three axes that keep its shape, and ways to read one that shape its gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

BATCH, LENGTH, WIDTH = 2, 6, 8
SHAPE = (BATCH, LENGTH, WIDTH)

Function = Callable[[torch.Tensor], torch.Tensor]

_ACTIVATIONS = [
    "softplus",
    "elu",
    "hardtanh",
    "relu",
    "relu6",
    "leaky_relu",
    "celu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "hardswish",
    "hardsigmoid",
    "logsigmoid",
    "softsign",
    "tanhshrink",
    "hardshrink",
    "softshrink",
    "sigmoid",
    "tanh",
]
_SCALARS = [
    "exp",
    "log1p",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "tan",
    "sinh",
    "asinh",
    "atan",
    "erf",
    "erfc",
    "expm1",
    "log2",
    "exp2",
    "reciprocal",
    "abs",
    "neg",
    "square",
    "sinc",
    "nan_to_num",
]


def _of_positive(function: Function) -> Function:
    return lambda y: function(y.abs() + 0.5)


def _symmetric(y: torch.Tensor) -> torch.Tensor:
    """Symmetric matrices with eigenvalues apart from each other, whatever the values of a tensor."""
    small = y.nan_to_num().tanh() * 0.1
    return small @ small.transpose(1, 2) + torch.arange(1.0, LENGTH + 1).diag()


def _fft_filter(y: torch.Tensor) -> torch.Tensor:
    """A filter in frequencies, as a Fourier neural operator has."""
    low = torch.zeros(BATCH, LENGTH, WIDTH // 2 + 1, dtype=torch.complex64)
    low[:, :3, :3] = torch.fft.rfft2(y)[:, :3, :3] * 2
    return torch.fft.irfft2(low, s=(LENGTH, WIDTH))


def _spectrum(y: torch.Tensor) -> torch.Tensor:
    found = torch.stft(y.flatten(1), 16, 4, window=torch.hann_window(16), return_complex=True).abs()
    return found[:, :LENGTH, :WIDTH] + y


def _halved(y: torch.Tensor) -> torch.Tensor:
    y[:, 1].mul_(0.5)
    y.view(-1).div_(3)
    return y


ELEMENTWISE: Mapping[str, Function] = {
    **{name: getattr(functional, name) for name in _ACTIVATIONS},
    **{name: _of_positive(getattr(torch, name)) for name in _SCALARS},
    "gelu by tanh": lambda y: functional.gelu(y, approximate="tanh"),
    "relu in place": lambda y: functional.relu_(y + 1),
    "leaky in place": lambda y: functional.leaky_relu_(y + 1),
    "threshold": lambda y: functional.threshold(y, 0.1, 0.2),
    "cube": lambda y: y**3,
    "power of two": lambda y: 2.0**y,
    "number times": lambda y: y * 0.3 / 7,
    "number in place": lambda y: (y + 1).mul_(0.5).div_(3),
    "number in place on a view": lambda y: _halved(y + 1),
    "number minus": lambda y: 3 - y,
    "quotient": lambda y: y / (y.abs() + 1),
    "broadcast": lambda y: y * y[:, :1] + y[..., :1],
    "clamp by numbers": lambda y: y.clamp(-1, 1),
    "clamp by tensors": lambda y: torch.clamp(y, y.sin() - 1, y.cos() + 1),
    "mix": lambda y: torch.lerp(y, y.exp(), y.sigmoid()) + torch.addcmul(y, y.exp(), y, value=0.3),
    "where": lambda y: torch.where(y > 0, y, y * 0.2),
    "larger": lambda y: torch.maximum(y, y.flip(1)) + torch.minimum(y, y.exp()),
    "masked": lambda y: y.masked_fill(y > 1, 0.0),
    "angle": lambda y: torch.atan2(y, y.exp()) + torch.hypot(y, y.exp()),
    "dropout": lambda y: functional.dropout(y, 0.3),
    "bfloat16": lambda y: (y.bfloat16().exp() * 0.5).float(),
    "double": lambda y: (y.double().exp() * 0.5).float(),
}  # fmt: skip
REDUCING: Mapping[str, Function] = {
    "softmax": lambda y: y.softmax(-1) + y.log_softmax(1),
    "cumulative": lambda y: y.cumsum(1) + y.logcumsumexp(-1),
    "normalized": lambda y: functional.normalize(y, dim=-1),
    "norms": lambda y: y / y.norm(dim=-1, keepdim=True) + y / torch.linalg.vector_norm(y, ord=1, dim=1, keepdim=True),
    "spread": lambda y: (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True) + 1e-5).sqrt(),
    "largest": lambda y: y - y.amax(-1, keepdim=True) + y.max(1, keepdim=True)[0] - y.median(-1, keepdim=True)[0],
    "logsumexp": lambda y: y - y.logsumexp(-1, keepdim=True),
    "root mean square": lambda y: functional.rms_norm(y, (WIDTH,)),
    "layer norm": lambda y: functional.layer_norm(y, (WIDTH,)),
    "group norm": lambda y: functional.group_norm(y, 2),
    "batch norm": lambda y: functional.batch_norm(y, None, None, training=True),
    "pooling": lambda y: functional.avg_pool1d(y, 3, 1, 1) + functional.max_pool1d(y, 3, 1, 1),
    "distance": lambda y: torch.cdist(y, y) @ y,
    "attention": lambda y: functional.scaled_dot_product_attention(y, y, y),
    "masked attention with dropout": lambda y: functional.scaled_dot_product_attention(
        y, y, y, attn_mask=torch.zeros(LENGTH, LENGTH), dropout_p=0.1
    ),
    "smallest and largest": lambda y: (y - torch.aminmax(y, dim=-1, keepdim=True)[0]) / torch.aminmax(y, dim=-1, keepdim=True)[1],
    "mean of rows": lambda y: torch.ones(SHAPE).scatter_reduce(1, torch.zeros(SHAPE, dtype=torch.int64), y, "mean"),
    "inverse": lambda y: torch.linalg.inv(_symmetric(y)) @ y,
    "eigenvalues": lambda y: y * torch.linalg.eigh(_symmetric(y))[0][..., None],
    "similarity": lambda y: y * functional.cosine_similarity(y, y.exp(), dim=-1)[..., None],
    "logits": lambda y: functional.binary_cross_entropy_with_logits(
        y, y.sigmoid(), weight=torch.ones(WIDTH), pos_weight=torch.ones(WIDTH), reduction="none"
    ),
    "smooth": lambda y: functional.smooth_l1_loss(y, y.exp(), reduction="none"),
    "label smoothing": lambda y: y * functional.cross_entropy(
        y.flatten(0, 1), torch.zeros(BATCH * LENGTH, dtype=torch.int64), label_smoothing=0.1
    ),
}  # fmt: skip
MOVING: Mapping[str, Function] = {
    "sort": lambda y: y.sort(-1)[0],
    "top": lambda y: torch.cat([y.topk(WIDTH // 2, -1)[0]] * 2, -1),
    "gather": lambda y: y.gather(-1, y.argsort(-1)),
    "roll": lambda y: y.roll(1, 1).flip(1).tril(),
    "pad": lambda y: functional.pad(y, (1, 1), mode="reflect")[..., 1:-1],
    "rows": lambda y: y[:, torch.tensor([0, 1, 1, 3, 4, 5])],
    "select": lambda y: y.index_select(1, torch.tensor([0, 1, 1, 3, 4, 5])),
    "repeat": lambda y: y.repeat(1, 2, 1)[:, :LENGTH] + y.repeat_interleave(2, 1)[:, ::2],
    "scatter": lambda y: torch.zeros(SHAPE).scatter_add(1, torch.zeros(SHAPE, dtype=torch.int64), y),
    "add to rows": lambda y: torch.zeros(SHAPE).index_add(1, torch.zeros(LENGTH, dtype=torch.int64), y),
    "fill rows": lambda y: y.index_fill(1, torch.tensor([1, 2]), 0.5),
    "take": lambda y: y + y.take(torch.tensor([0, 5, 5])).sum(),
    "put": lambda y: y.put(torch.tensor([1, 2]), torch.ones(2)),
    "diagonal": lambda y: y + torch.diag_embed(y.diagonal(dim1=1, dim2=2))[:, :1, :1],
    "trace": lambda y: y + y[0].trace(),
    "unfold": lambda y: y.unfold(1, 2, 1).mean(-1).repeat_interleave(2, 1)[:, :LENGTH],
    "split": lambda y: torch.cat(y.split(3, 1)[::-1], 1) + torch.stack(y.unbind(1), 1),
    "one piece": lambda y: torch.unsafe_split(y, LENGTH, 1)[0].exp(),
    "resize": lambda y: functional.interpolate(y, scale_factor=2, mode="linear")[..., ::2],
    "other order": lambda y: y.transpose(1, 2).contiguous().transpose(1, 2),
    "turned in place": lambda y: ((y * 2).transpose_(1, 2).exp() + (y * 2).transpose_(1, 2)).transpose(1, 2),
    "einsum": lambda y: torch.einsum("blc,bmc->blm", y, y) @ y,
    "batched product": lambda y: torch.baddbmm(y, y @ y.transpose(1, 2), y, alpha=0.3),
}  # fmt: skip
FREQUENCIES: Mapping[str, Function] = {
    "fft": lambda y: torch.fft.fft(torch.fft.fft(y, dim=-1), dim=-2).real + y,
    "fft2": lambda y: torch.fft.ifft2(torch.fft.fft2(y)).real,
    "rfft": lambda y: torch.fft.irfft(torch.fft.rfft(y, norm="ortho"), n=WIDTH, norm="ortho"),
    "rfft2": lambda y: torch.fft.irfft2(torch.fft.rfft2(y), s=(LENGTH, WIDTH)),
    "magnitude and angle": lambda y: torch.fft.irfft(torch.polar(torch.fft.rfft(y).abs(), torch.fft.rfft(y).angle())),
    "convolution theorem": lambda y: torch.fft.irfft(torch.fft.rfft(y).conj() * torch.fft.rfft(y.exp())),
    "filter": _fft_filter,
    "stft": _spectrum,
}
FUNCTIONS: Mapping[str, Function] = {**ELEMENTWISE, **REDUCING, **MOVING, **FREQUENCIES}
"""Each is followed exactly."""
LABELLED: Mapping[str, Function] = {
    "product": lambda y: y * y.prod(-1, keepdim=True),
    "cumulative product": lambda y: y.cumprod(-1),
    "quantile": lambda y: y - y.quantile(0.5, -1, keepdim=True),
    "largest of all": lambda y: y * y.max(),
    "median of all": lambda y: y * y.median(),
    "filled with a learned number": lambda y: y.masked_fill(y > 0, y[0, 0, 0]),
    "exponential of a matrix": lambda y: torch.linalg.matrix_exp(y @ y.transpose(1, 2)) @ y,
    "masked scatter": lambda y: y.masked_scatter(y > 0, y.exp()),
}
"""What these take depends on values, or is another formula's: a report says so."""

LAYERS: Mapping[str, Callable[[], nn.Module]] = {
    "layer norm": lambda: nn.LayerNorm(WIDTH),
    "layer norm of two axes": lambda: nn.LayerNorm((LENGTH, WIDTH)),
    "root mean square norm": lambda: nn.RMSNorm(WIDTH),
    "batch norm": lambda: nn.BatchNorm1d(LENGTH),
    "group norm": lambda: nn.GroupNorm(2, LENGTH),
    "instance norm": lambda: nn.InstanceNorm1d(LENGTH, affine=True),
    "prelu": lambda: nn.PReLU(LENGTH),
    "dense": lambda: nn.Linear(WIDTH, WIDTH),
    "convolution": lambda: nn.Conv1d(LENGTH, LENGTH, 3, padding=1),
    "grouped convolution": lambda: nn.Conv1d(LENGTH, LENGTH, 3, padding=1, groups=LENGTH),
    "encoder layer": lambda: nn.TransformerEncoderLayer(WIDTH, 2, 16, batch_first=True),
}

READS: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "plain": lambda z, y: z,
    "transposed": lambda z, y: torch.bmm(z.transpose(1, 2), y),
    "sum": lambda z, y: z.sum(1),
    "mean": lambda z, y: z.mean()[None],
    "every second": lambda z, y: z[..., ::2] * 2,
    "rows": lambda z, y: z[:, 1:].exp(),
    "permuted": lambda z, y: z.permute(2, 0, 1).reshape(WIDTH, -1) * 2.0,
    "expanded": lambda z, y: z.unsqueeze(1).expand(BATCH, 3, LENGTH, WIDTH) * 2.0,
    "two ways": lambda z, y: z.sum(-1) + z.transpose(1, 2).exp().sum(1),
    "last": lambda z, y: z[:, -1],
}  # fmt: skip


class Chain(nn.Module):
    """A dense layer, functions and layers of ``names`` one after another, and a way to read the last.

    ``again`` are the positions of those that run in a checkpoint, ``reentrant`` or not.
    """

    def __init__(
        self, names: tuple[str, ...], read: str, again: frozenset[int] = frozenset(), *, reentrant: bool = False
    ) -> None:
        super().__init__()
        self.dense = nn.Linear(WIDTH, WIDTH)
        self.layers = nn.ModuleDict({str(i): LAYERS[name]() for i, name in enumerate(names) if name in LAYERS})
        self.names, self.read, self.again, self.reentrant = names, read, again, reentrant

    def extra_repr(self) -> str:
        """What a failing test says."""
        return f"{self.names}, {self.read!r}, {self.again}, reentrant={self.reentrant}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = y = self.dense(x)
        for position, name in enumerate(self.names):
            step: Any = self.layers[str(position)] if name in LAYERS else {**FUNCTIONS, **LABELLED}[name]
            y = checkpoint(step, y, use_reentrant=self.reentrant) if position in self.again else step(y)
        return READS[self.read](y, first)
