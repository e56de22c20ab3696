"""Corners of PyTorch's memory: views, in-place operators, checkpoints, shared weights, sums of gradients, numbers kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import nncost
from tests.memory.torch.truth import check_allocations, check_step, inference_of, step_of

ROWS, WIDTH = 6, 8


class Net(nn.Module):
    """Layers by name and a function of them and the inputs."""

    def __init__(self, run: Callable[..., torch.Tensor], **layers: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.run = run

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.run(self, *inputs)


def dense(out: int = WIDTH) -> nn.Linear:
    """A dense layer."""
    return nn.Linear(WIDTH, out)


class Twice(torch.autograd.Function):
    """A gradient written in Python."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.exp() * 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return gradient * x.exp() * 2 + gradient


def frozen() -> nn.Module:
    """A network whose first weights are not trained."""
    net = Net(lambda s, x: s.b(s.a(x).relu()), a=dense(), b=dense(4))
    net.a.weight.requires_grad_(False)  # type: ignore[union-attr, operator]
    return net


def checkpointed(width: int, **options: Any) -> nn.Module:
    """Two layers that run again in the backward pass, between two that do not."""

    def run(s: Any, x: torch.Tensor) -> torch.Tensor:
        return s.d(checkpoint(lambda y: s.c(s.b(y).relu()).relu(), s.a(x), **options))

    return Net(run, a=dense(), b=dense(width), c=nn.Linear(width, WIDTH), d=dense(4))


def halved(s: Any, x: torch.Tensor) -> torch.Tensor:
    """Numbers that autograd keeps itself, although a checkpoint keeps nothing; one inside another."""

    def inner(y: torch.Tensor) -> torch.Tensor:
        return s.b(y) * 0.5 / 3.0

    def outer(y: torch.Tensor) -> torch.Tensor:
        return y * 2.0 + checkpoint(inner, y, use_reentrant=False).div_(7)

    return s.c(checkpoint(outer, s.a(x), use_reentrant=False)) * 0.25


def scattered(s: Any, x: torch.Tensor) -> torch.Tensor:
    """What runs again in a backward pass is the model's, and no formula that computes in place."""

    def step(y: torch.Tensor) -> torch.Tensor:
        return torch.zeros(ROWS, WIDTH).scatter_add(1, torch.zeros(ROWS, WIDTH, dtype=torch.int64), y.exp())

    return checkpoint(step, checkpoint(step, s.a(x), use_reentrant=True), use_reentrant=False)


def attention(s: Any, x: torch.Tensor) -> torch.Tensor:
    """Attention written out, with a mask made on the way."""
    q, k, v = s.a(x).chunk(3, -1)
    scores = (q @ k.transpose(-2, -1) / WIDTH**0.5).masked_fill(torch.ones(5, 5).tril() == 0, float("-inf"))
    return scores.softmax(-1) @ v


def attention_beside(s: Any, x: torch.Tensor) -> torch.Tensor:
    """Attention whose result is put beside another, so that its gradient is part of one."""
    heads = s.a(x).unflatten(-1, (2, -1)).transpose(1, 2)
    found = functional.scaled_dot_product_attention(heads, heads, heads).transpose(1, 2).flatten(2)
    return s.b(torch.cat([found, s.c(x)], -1))


def fan_out(s: Any, x: torch.Tensor) -> torch.Tensor:
    """A tensor with four consumers."""
    h = s.a(x)
    return s.b(h) + s.c(h) * s.d(h).sigmoid() + h.sum(1, keepdim=True)


def own_square(s: Any, x: torch.Tensor) -> torch.Tensor:
    """A product that gives one tensor two gradients."""
    h = s.a(x)
    return h * h + h * h.sigmoid()


def kinds(s: Any, x: torch.Tensor) -> torch.Tensor:
    """Elementwise functions of many kinds."""
    h = s.a(x)
    return (
        h.atan2(x) + h.erf() + h.abs().sqrt() + h.sin() * h.cos() + torch.addcmul(h, x, h) + h.lerp(x, 0.3)
        + torch.hypot(h, x) + h.pow(3) + h.exp().log1p() + h.clamp(-1, 1) + torch.where(x > 0, h, 0.1 * h)
    )  # fmt: skip


def conjugate_products(s: Any, x: torch.Tensor) -> torch.Tensor:
    """Products of complex numbers, whose gradients are products with conjugates."""
    left = s.p * s.a(x).view(2, -1, WIDTH)
    return torch.view_as_real(torch.bmm(left, s.q) + torch.einsum("bij,bjk->bik", left, s.q))


def pooled_tokens(s: Any, x: torch.Tensor) -> torch.Tensor:
    """Images of one pixel, in two orders that differ in the strides of axes of one element only."""
    y = s.a(x)[:, :, None, None]
    y = s.n(y + s.b(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)).relu()
    return functional.adaptive_avg_pool2d(y, 1).exp() + y.flatten(2).permute(2, 0, 1).exp().view_as(y)


def by_value(s: Any, x: torch.Tensor) -> torch.Tensor:
    """A course that depends on values which nobody knows but by running the model."""
    y = s.n(s.a(x)) * 0.5
    y = y.exp() if y.sum() > 1e9 else functional.dropout(y.sin(), 0.1)
    y = y[(y[:, 0] < 1e9).nonzero()[:, 0]]
    y = s.l(y[None])[0][0]
    return y + torch.softmax(y @ y.t(), -1) @ y if y.isfinite().all() else y


def of_numpy(make: Callable[[Any], torch.Tensor]) -> nn.Module:
    """A layer whose output is multiplied by an array."""
    array = np.ones((ROWS, WIDTH), dtype=np.float32)
    return Net(lambda s, x: s.b((s.a(x) * make(array)).exp() + make(array)), a=dense(), b=dense())


CASES: Mapping[str, Callable[[], nn.Module]] = {
    "layer twice": lambda: Net(lambda s, x: s.b(s.a(s.a(x).relu())), a=dense(), b=dense(4)),
    "fan-out": lambda: Net(
        fan_out, a=dense(), b=dense(), c=dense(), d=dense(),
    ),
    "own square": lambda: Net(own_square, a=dense()),
    "frozen": frozen,
    "in place": lambda: Net(lambda s, x: s.b(functional.relu_(s.a(x))), a=dense(), b=dense()),
    "views": lambda: Net(lambda s, x: s.b(s.a(x).t().contiguous().t())[:, 2:].reshape(-1), a=dense(), b=dense()),
    "concatenation": lambda: Net(lambda s, x: torch.cat([s.a(x), x, s.a(x)[:, :3]], 1).chunk(2, 1)[0], a=dense()),
    "stack": lambda: Net(lambda s, x: torch.stack([s.a(x) for _ in range(3)], 1).mean(1), a=dense()),
    "detached": lambda: Net(lambda s, x: s.b(s.a(x).detach() + s.c(x)), a=dense(), b=dense(), c=dense()),
    "numbers": lambda: Net(lambda s, x: s.b((s.a(x) * 0.5 / 3.0).relu()), a=dense(), b=dense()),
    "dropout": lambda: nn.Sequential(dense(), nn.Dropout(0.5), nn.ReLU(inplace=True), dense()),
    "norms": lambda: nn.Sequential(
        dense(), nn.BatchNorm1d(WIDTH), nn.PReLU(), dense(), nn.GroupNorm(2, WIDTH), nn.ELU(), nn.Softplus(), nn.Mish(),
        nn.LeakyReLU(inplace=True), nn.GELU("tanh"), nn.SiLU(),
    ),
    "largest": lambda: Net(lambda s, x: s.a(x).max(1)[0], a=dense()),
    "sorted": lambda: Net(lambda s, x: s.a(x).sort(1)[0] + s.a(x).topk(1, 1)[0], a=dense()),
    "indexed": lambda: Net(lambda s, x: s.a(x)[torch.tensor([0, 1, 1])], a=dense()),
    "gathered": lambda: Net(lambda s, x: s.a(x).gather(1, torch.zeros(ROWS, 2, dtype=torch.int64)), a=dense()),
    "norm of weights": lambda: Net(lambda s, x: s.a(x) / s.a.weight.norm() + s.a(x).norm(dim=1, keepdim=True), a=dense()),
    "spread": lambda: Net(lambda s, x: (s.a(x) - s.a(x).mean(0)) / (s.a(x).std(0) + 1e-5), a=dense()),
    "kinds": lambda: Net(kinds, a=dense()),
    "einsum": lambda: Net(lambda s, x: torch.einsum("bi,bj,ij->b", s.a(x), x, s.a.weight), a=dense()),
    "custom gradient": lambda: Net(lambda s, x: s.b(Twice.apply(s.a(x))), a=dense(), b=dense()),
    "expanded sum": lambda: Net(lambda s, x: s.a(x).sum() * torch.ones(4, 4) + s.p, a=dense(), p=nn.Parameter(torch.zeros(1, 4))),
    "logits": lambda: Net(
        lambda s, x: functional.binary_cross_entropy_with_logits(s.a(x), x.sigmoid(), reduction="none"), a=dense()
    ),
    "checkpoint": lambda: checkpointed(64, use_reentrant=False),
    "wide checkpoint": lambda: checkpointed(640, use_reentrant=False),
    "checkpoint without random state": lambda: checkpointed(64, use_reentrant=False, preserve_rng_state=False),
    "checkpoint of the older kind": lambda: checkpointed(64, use_reentrant=True),
    "numbers in checkpoints": lambda: Net(halved, a=dense(), b=dense(), c=dense()),
    "scattered in checkpoints": lambda: Net(scattered, a=dense()),
    "conjugates": lambda: Net(
        conjugate_products, a=dense(), p=nn.Parameter(torch.ones(2, 1, WIDTH, dtype=torch.cfloat)),
        q=nn.Parameter(torch.ones(2, WIDTH, 3, dtype=torch.cfloat)),
    ),
    "images of one pixel": lambda: Net(pooled_tokens, a=dense(), b=dense(), n=nn.BatchNorm2d(WIDTH)),
    "by value": lambda: Net(by_value, a=dense(), n=nn.BatchNorm1d(WIDTH), l=nn.LSTM(WIDTH, WIDTH, batch_first=True)),
    "memory of NumPy's": lambda: of_numpy(torch.from_numpy),
    "memory of NumPy's as a tensor": lambda: of_numpy(torch.as_tensor),
    "memory of NumPy's in part": lambda: of_numpy(lambda array: torch.from_numpy(array)[:, :1]),
    "a copy of NumPy's memory": lambda: of_numpy(torch.tensor),
    "numbers that NumPy converts": lambda: of_numpy(lambda array: torch.tensor(array.astype("int32"), dtype=torch.long)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    check_allocations(CASES[name](), (torch.ones(ROWS, WIDTH),))


@pytest.mark.parametrize("name", ["layer twice", "fan-out", "frozen", "kinds", "checkpoint", "by value"])
def test_case_with_adam(name: str) -> None:
    check_step(CASES[name](), (torch.ones(ROWS, WIDTH),), optimizer="adam")


def lower_precision(s: Any, x: torch.Tensor) -> torch.Tensor:
    """Dense layers that run in bfloat16."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = s.b(s.a(x).relu()) + x
    return y.float()


def channels_last() -> nn.Module:
    """Convolutions whose channels lie next to each other in memory."""
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3))
    last = Net(lambda s, x: s.body(x.to(memory_format=torch.channels_last)), body=body)
    return last.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


SHAPED: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "attention": (lambda: Net(attention, a=dense(3 * WIDTH)), (2, 5, WIDTH)),
    "attention beside a layer": (
        lambda: Net(attention_beside, a=dense(), b=nn.Linear(2 * WIDTH, WIDTH), c=dense()), (3, 5, WIDTH),
    ),
    "dense on a transposed input": (lambda: Net(lambda s, x: s.a(x.transpose(1, 2)), a=nn.Linear(7, 5)), (3, 7, 8)),
    "encoder layer": (lambda: nn.TransformerEncoderLayer(WIDTH, 2, 16, batch_first=True), (2, 5, WIDTH)),
    "encoder layer without dropout": (
        lambda: nn.TransformerEncoderLayer(WIDTH, 2, 16, dropout=0.0, batch_first=True), (3, 5, WIDTH),
    ),
    "encoder layer, examples last": (lambda: nn.TransformerEncoderLayer(WIDTH, 2, 16, dropout=0.0), (5, 3, WIDTH)),
    "transposed convolution": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 4, 2, 2), nn.Upsample(scale_factor=2), nn.AvgPool2d(2)),
        (2, 3, 12, 12),
    ),
    "grouped and dilated": (lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.Conv2d(8, 4, 3, dilation=2)), (2, 4, 12, 12)),
    "one axis": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.MaxPool1d(2)), (2, 3, 12)),
    "three axes": (lambda: nn.Sequential(nn.Conv3d(3, 4, 3), nn.MaxPool3d(2)), (2, 3, 8, 8, 8)),
    "neighbours": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.LocalResponseNorm(2), nn.PixelShuffle(2)), (2, 3, 8, 8)),
    "channels last": (channels_last, (2, 3, 8, 8)),
    **{
        f"channels last, {name}": (lambda layer=layer: Net(lambda s, x: s.a(x.to(memory_format=torch.channels_last)), a=layer()), shape)
        for name, (layer, shape) in {
            "one in": (lambda: nn.Conv2d(1, 16, 3, padding=1, bias=False), (4, 1, 8, 8)),
            "one out": (lambda: nn.Conv2d(16, 1, 3), (4, 16, 8, 8)),
            "depthwise": (lambda: nn.Conv2d(8, 8, 3, groups=8), (4, 8, 8, 8)),
            "one by one": (lambda: nn.Conv2d(8, 4, 1), (1, 8, 6, 6)),
            "transposed": (lambda: nn.ConvTranspose2d(1, 4, 3), (2, 1, 6, 6)),
        }.items()
    },
    "lower precision": (lambda: Net(lower_precision, a=dense(64), b=nn.Linear(64, WIDTH)), (ROWS, WIDTH)),
    "lstm cell": (lambda: Net(lambda s, x: s.a(x, s.a(x))[0], a=nn.LSTMCell(WIDTH, WIDTH)), (4, WIDTH)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPED)
def test_shaped(name: str) -> None:
    build, shape = SHAPED[name]
    check_allocations(build(), (torch.ones(shape),))


def test_a_tensor_that_is_given_twice_is_one() -> None:
    """Self-attention projects its input with one product if query, key and value are one tensor."""
    module = Net(lambda s, *x: s.a(*x, need_weights=False)[0], a=nn.MultiheadAttention(WIDTH, 2, batch_first=True))
    x = torch.ones(2, 5, WIDTH)
    check_allocations(module, (x, x, x))
    check_allocations(module, (x, x.clone(), x.clone()))
    target = x.nbytes
    assert check_step(module, (x, x, x)).memory.inputs == x.nbytes + target
    assert check_step(module, (x, x, x.clone())).memory.inputs == 2 * x.nbytes + target


def test_a_checkpoint_takes_less() -> None:
    plain = Net(
        lambda s, x: s.d(s.c(s.b(s.a(x)).relu()).relu()), a=dense(), b=dense(640), c=nn.Linear(640, WIDTH), d=dense(4)
    )
    inputs = (torch.ones(512, WIDTH),)
    with_it = check_step(checkpointed(640, use_reentrant=False), inputs).memory
    without = check_step(plain, inputs).memory
    assert with_it.activations is not None
    assert without.activations is not None
    assert with_it.activations < without.activations


def test_an_optimizer_of_the_users_own() -> None:
    module = nn.Sequential(dense(), nn.ReLU(), dense(4))
    for options in ({}, {"amsgrad": True}, {"foreach": True}, {"weight_decay": 0.1, "maximize": True}):
        optimizer = torch.optim.AdamW(module.parameters(), **options)  # type: ignore[arg-type]
        report = nncost.count(module, (ROWS, WIDTH), loss="squared_error", optimizer=optimizer)
        truth = step_of(
            module, (torch.ones(ROWS, WIDTH),), "squared_error", lambda p, o=options: torch.optim.AdamW(p, **o)
        )  # type: ignore[misc]
        assert (report.memory.step_allocated, report.memory.optimizer_state) == (truth.peak, truth.state), options
        assert not optimizer.state


def test_inference_frees_what_training_keeps() -> None:
    module = nn.Sequential(*[dense() for _ in range(5)])
    report = nncost.count(module, (ROWS, WIDTH))
    assert report.memory.forward_allocated == inference_of(module, (torch.ones(ROWS, WIDTH),))
    assert report.memory.forward_allocated == 2 * ROWS * WIDTH * 4


@pytest.mark.parametrize(
    "pool", [nn.MaxPool1d(3, 2), nn.MaxPool1d(2, ceil_mode=True), nn.MaxPool1d(2, return_indices=True), nn.MaxPool2d(2)]
)
def test_inference_keeps_no_positions_of_the_largest(pool: nn.Module) -> None:
    """In two axes it does; in one it does if they are asked for."""
    module = Net(lambda s, x: torch.tanh(y[0] if isinstance(y := s.pool(x), tuple) else y), pool=pool)
    inputs = (torch.ones(2, 6, 9),)
    assert nncost.count(module, inputs).memory.forward_allocated == inference_of(module, inputs)


class FromTokens(nn.Module):
    """An image made of tokens: with one example, its first axis has a stride that no new tensor has."""

    def __init__(self, operation: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.embed, self.norm, self.operation = nn.Linear(16, 16), nn.GroupNorm(4, 16), operation

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        image = self.embed(tokens).transpose(-1, -2).reshape(len(tokens), 16, 8, 8)
        return self.norm(self.operation(image))


@pytest.mark.parametrize("examples", [1, 2])
@pytest.mark.parametrize("operation", [lambda x: x / 1.5, lambda x: x + 1.0, torch.relu, torch.clone])
def test_an_image_of_tokens(operation: Callable[[torch.Tensor], torch.Tensor], examples: int) -> None:
    tokens = torch.randn(examples, 64, 16)
    module = FromTokens(operation)
    check_step(module.train(), (tokens,))
    assert nncost.count(module, (tokens,)).memory.forward_allocated == inference_of(module, (tokens,))
