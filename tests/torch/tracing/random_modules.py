"""Random modules of blocks that look alike, with what makes them differ: for comparing the two ways of counting them."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

WIDTH = 6
STEPS: list[int] = [0]
"""Global state that some blocks read, and some change."""
MODE: ContextVar[int] = ContextVar("MODE", default=0)


class Attention(nn.Module):
    """Queries of one tensor, keys and values of another, which may be the same."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.q(x) @ self.k(y).transpose(-1, -2), -1) @ self.v(y)


class Part(nn.Module):
    """One of the things that layers are made of."""

    def __init__(self, kind: str, draw: random.Random) -> None:
        super().__init__()
        self.kind = kind
        self.inner: nn.Module = INNER[kind](draw) if kind in INNER else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return PARTS[self.kind](self.inner, x) if self.kind in PARTS else self.inner(x)


INNER: dict[str, Callable[[random.Random], nn.Module]] = {
    "linear": lambda d: nn.Linear(WIDTH, WIDTH, bias=d.random() < 0.5),
    "mlp": lambda d: nn.Sequential(nn.Linear(WIDTH, 8), nn.ReLU(inplace=d.random() < 0.5), nn.Linear(8, WIDTH)),
    "norm": lambda d: d.choice((nn.LayerNorm(WIDTH), nn.RMSNorm(WIDTH))),
    "batch norm": lambda d: nn.Sequential(nn.Flatten(0, 1), nn.BatchNorm1d(WIDTH), nn.Unflatten(0, (2, 5))),
    "activation": lambda d: d.choice((nn.ReLU(), nn.GELU(), nn.SiLU(), nn.Tanh(), nn.Softmax(-1), nn.Hardswish())),
    "in place": lambda d: d.choice((nn.ReLU(inplace=True), nn.SiLU(inplace=True))),
    "dropout": lambda d: nn.Dropout(0.1),
    "self-attention": lambda d: Attention(),
    "convolution": lambda d: nn.Conv1d(WIDTH, WIDTH, 3, padding=1, groups=d.choice((1, 2))),
    "recurrent": lambda d: d.choice((nn.LSTM, nn.GRU))(WIDTH, WIDTH, batch_first=True),
    "gate": lambda d: nn.Linear(WIDTH, 2 * WIDTH),
}
PARTS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "self-attention": lambda m, x: m(x, x),
    "convolution": lambda m, x: m(x.transpose(1, 2)).transpose(1, 2),
    "recurrent": lambda m, x: m(x)[0],
    "gate": lambda m, x: torch.mul(*m(x).chunk(2, -1)),
    "scale": lambda m, x: x * 2.0,
    "view": lambda m, x: x.reshape(2, -1).view(2, 5, WIDTH),
    "mean": lambda m, x: x - x.mean(1, keepdim=True),
    "mask": lambda m, x: x.masked_fill(x > 0, 0.0),
    "clone": lambda m, x: x.clone().mul_(0.5),
    "detach": lambda m, x: x.detach() + x,
    "twice": lambda m, x: x * x + x,
    "cat": lambda m, x: torch.cat([x, x], -1)[..., :WIDTH],
}
KINDS = sorted({*INNER, *PARTS})


class Block(nn.Module):
    """Parts, one after another or beside one another, and perhaps something that makes the block no function of its input."""

    def __init__(self, kinds: list[str], quirk: str, residual: bool, draw: random.Random, number: int) -> None:
        super().__init__()
        self.layer_idx = number
        self.quirk, self.residual = quirk, residual
        self.parts = nn.ModuleList(Part(kind, draw) for kind in kinds)
        self.register_buffer("scale", torch.ones(()))
        self.calls = 0

    def forward(self, x: torch.Tensor, other: torch.Tensor | None = None) -> Any:
        y = x
        for part in self.parts:
            y = part(y)
        y = QUIRKS[self.quirk](self, y)
        y = x + y if self.residual else y
        return y if other is None else (y, self.parts[0](other))


def _draw(block: Block, y: torch.Tensor) -> torch.Tensor:
    return y if random.random() < 0.5 else y * 2.0


def _step(block: Block, y: torch.Tensor) -> torch.Tensor:
    STEPS[0] += 1
    return y * 3.0 if STEPS[0] % 2 else y


def _look(block: Block, y: torch.Tensor) -> torch.Tensor:
    return y * 3.0 if STEPS[0] % 2 else y


def _count(block: Block, y: torch.Tensor) -> torch.Tensor:
    type(block).total += 1  # type: ignore[attr-defined]
    return y.abs() if type(block).total % 3 == 0 else y  # type: ignore[attr-defined]


def _number(block: Block, y: torch.Tensor) -> torch.Tensor:
    return y * 2.0 if block.layer_idx % 2 else y


def _item(block: Block, y: torch.Tensor) -> torch.Tensor:
    return y * 2.0 if block.scale.item() > 0.5 else y


def _buffer(block: Block, y: torch.Tensor) -> torch.Tensor:
    block.scale.add_(1)
    return y * block.scale


def _attribute(block: Block, y: torch.Tensor) -> torch.Tensor:
    block.calls += 1
    return y


def _context(block: Block, y: torch.Tensor) -> torch.Tensor:
    MODE.set(MODE.get() + 1)
    return y.neg() if MODE.get() % 2 else y


def _leaf(block: Block, y: torch.Tensor) -> torch.Tensor:
    return y + torch.zeros(WIDTH).requires_grad_()


def _hook(block: Block, y: torch.Tensor) -> torch.Tensor:
    if y.requires_grad:
        y.register_hook(lambda gradient: gradient * 2.0)
    return y


Block.total = 0  # type: ignore[attr-defined]
QUIRKS: dict[str, Callable[[Block, torch.Tensor], torch.Tensor]] = {
    "none": lambda block, y: y, "draw": _draw, "step": _step, "look": _look, "count": _count, "number": _number,
    "item": _item, "buffer": _buffer, "attribute": _attribute, "context": _context, "leaf": _leaf, "hook": _hook,
}  # fmt: skip


def _doubled(y: Any) -> Any:
    return (y[0] * 2.0, *y[1:]) if isinstance(y, tuple) else y * 2.0


class Network(nn.Module):
    """Blocks in one of many arrangements."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = random.Random(seed)
        kinds = [draw.choice(KINDS) for _ in range(draw.randint(1, 4))]
        quirk = draw.choice(sorted(QUIRKS)) if draw.random() < 0.4 else "none"
        residual, depth, choice = draw.random() < 0.6, draw.choice((2, 3, 5, 6, 8)), draw.randrange(2**32)
        self.stem = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList(
            Block(kinds, quirk, residual, random.Random(choice), number) for number in range(depth)
        )
        self.arrangement = draw.choice(sorted(ARRANGEMENTS))
        self._change(draw)

    def _change(self, draw: random.Random) -> None:
        """Perhaps make one of the blocks another."""
        changed: Any = draw.choice(list(self.blocks))
        how = draw.choice(
            ("", "", "", "frozen", "eval", "hook", "shared", "parameter hook", "flag", "buffer", "forward")
        )
        parameters = list(changed.parameters())
        if how == "frozen":
            changed.requires_grad_(False)
        elif how == "eval":
            changed.eval()
        elif how == "hook":
            changed.register_forward_hook(lambda m, a, y: _doubled(y))
        elif how == "shared":
            changed.parts = self.blocks[0].parts
        elif how == "parameter hook" and parameters:
            parameters[0].register_hook(lambda gradient: gradient * 2.0)
        elif how == "flag":
            changed.quirk = "none"
        elif how == "buffer":
            changed.register_buffer("more", torch.ones(2))
        elif how == "forward":
            inner = changed.forward
            changed.forward = lambda *given: _doubled(inner(*given))

    def forward(self, x: torch.Tensor) -> Any:
        return ARRANGEMENTS[self.arrangement](self.blocks, self.stem(x))


def _chain(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = block(x)
    return x


def _steered(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for number, block in enumerate(blocks):
        STEPS[0] = number
        x = block(x)
    return x


def _checkpointed(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for number, block in enumerate(blocks):
        x = checkpoint(block, x, use_reentrant=False) if number % 2 else block(x)
    return x


def _collected(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    kept = [x]
    for block in blocks:
        kept.append(block(kept[-1]))
    return torch.stack(kept).sum(0)


def _some_collected(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    kept = []
    for number, block in enumerate(blocks):
        x = block(x)
        if number % 3 == 1:
            kept.append(x)
    return torch.stack([*kept, x]).sum(0)


def _something_between(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    scale = torch.ones(WIDTH).requires_grad_()
    for number, block in enumerate(blocks):
        x = block(x) + scale
        if number % 2:
            x = torch.relu_(x)
    return x


def _skipping(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for number, block in enumerate(blocks):
        y = block(x)
        x = x * y if number % 2 else y
    return x


def _views_between(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = block(x.transpose(0, 1).contiguous().transpose(0, 1)).reshape(2, -1).view(2, 5, WIDTH)
    return x[:, :3]


def _residual_outside(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = x + block(x)
    return x


def _all_outside(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = x + block(functional.layer_norm(x, (WIDTH,)))
    return x


def _no_grad(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for number, block in enumerate(blocks):
        with torch.set_grad_enabled(torch.is_grad_enabled() and number % 2 == 0):
            x = block(x)
    return x


def _autocast(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for number, block in enumerate(blocks):
        with torch.autocast("cpu", torch.bfloat16, enabled=number % 2 == 0):
            x = block(x)
    return x.float()


def _hooked(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for number, block in enumerate(blocks):
        x = block(x)
        if x.requires_grad and number % 3 != 1:
            x.register_hook(lambda gradient: gradient * 2.0)
    return x


def _retained(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = block(x)
        if x.requires_grad:
            x.retain_grad()
    return x


def _asked_for_nodes(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = block(x)
        if "Sub" in type(x.grad_fn).__name__:
            x = x * 2.0
    return x


def _in_pairs(blocks: Any, x: torch.Tensor, *, hooks: bool) -> torch.Tensor:
    y = x
    for block in blocks:
        x, y = block(x, y)
        if hooks and y.requires_grad:
            y.register_hook(lambda gradient: gradient * 2.0)
    return x + y


def _gradient_inside(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    y = _chain(blocks, x)
    (gradient,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    return y + gradient


def _gradient_of_loop_inside(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for _ in range(2):
        y = _chain([blocks[0]] * 8, x)
        (gradient,) = torch.autograd.grad(y.sum(), x, retain_graph=True)
        x = y.detach() + gradient + x
    return _chain([blocks[0]] * 8, x)


def _looped_and_collected(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    kept = []
    for _ in range(9):
        x = blocks[0](x)
        kept.append(x)
    return torch.stack(kept).sum(0)


ARRANGEMENTS: dict[str, Callable[[Any, torch.Tensor], Any]] = {
    "chain": _chain,
    "branches": lambda blocks, x: [block(x) for block in blocks],
    "sum of branches": lambda blocks, x: sum(block(x) for block in blocks),
    "steered": _steered,
    "checkpointed": _checkpointed,
    "segments": lambda blocks, x: checkpoint_sequential(list(blocks), 2, x, use_reentrant=False),
    "collected": _collected,
    "some collected": _some_collected,
    "something between": _something_between,
    "skipping": _skipping,
    "residual outside": _residual_outside,
    "all outside": _all_outside,
    "views between": _views_between,
    "hooked": _hooked,
    "retained": _retained,
    "asked for nodes": _asked_for_nodes,
    "in pairs": lambda blocks, x: _in_pairs(blocks, x, hooks=False),
    "in hooked pairs": lambda blocks, x: _in_pairs(blocks, x, hooks=True),
    "in place after": lambda blocks, x: _chain(blocks, x).mul(1.0).add_(1.0),
    "twice": lambda blocks, x: _chain(blocks, _chain(blocks, x)),
    "looped": lambda blocks, x: _chain([blocks[0]] * 10, x),
    "looped over two": lambda blocks, x: _chain([blocks[0], blocks[1]] * 8, x),
    "looped and collected": _looped_and_collected,
    "gradient inside": _gradient_inside,
    "gradient of a loop inside": _gradient_of_loop_inside,
    "last only": lambda blocks, x: blocks[-1](x),
    "parts of a block": lambda blocks, x: blocks[0].parts[0](_chain(blocks, x)),
    "gradients off": _no_grad,
    "autocast": _autocast,
    "dictionary": lambda blocks, x: {str(number): block(x) for number, block in enumerate(blocks)},
}


def network(seed: int) -> tuple[Network, dict[str, Any]]:
    """The module of a seed, and how it is counted."""
    draw = random.Random(-seed - 1)
    module = Network(seed)
    settings: dict[str, Any] = draw.choice(
        ({}, {"loss": "sum"}, {"loss": "sum", "optimizer": "adamw"}, {"loss": "squared_error", "optimizer": "sgd"})
    )
    if settings and draw.random() < 0.4:
        settings = {
            **settings,
            "freeze": draw.choice((["blocks.0.*"], ["blocks.[01].*"], ["stem.*"], ["blocks.*.bias"])),
        }
    return module, settings
