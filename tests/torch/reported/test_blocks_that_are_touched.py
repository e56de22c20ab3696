"""Models that reach into their blocks while they run: the blocks run in full, and nothing is left behind."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import nncost
from tests.torch.fingerprint import no_trace

WIDTH, INNER, ROWS, DEPTH = 16, 32, 4, 6
PRODUCT = ROWS * WIDTH * INNER


class Block(nn.Module):
    """Two dense layers."""

    def __init__(self, number: int = 0) -> None:
        super().__init__()
        self.layer_idx = number
        self.up, self.down = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(self.up(x).relu())


class Squared(Block):
    """Another block."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(super().forward(x))


class ByNumber(torch.autograd.Function):
    """Its gradient depends on the block."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, number: Any) -> torch.Tensor:
        ctx.number = number
        return x * 1.0

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return gradient @ torch.ones(WIDTH, WIDTH) if ctx.number % 2 else gradient, None


class Network(nn.Module):
    """Blocks, and what is done with them."""

    def __init__(self, run: Callable[[Any, Any], Any], block: Callable[[int], nn.Module] = Block) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(block(number) for number in range(DEPTH))
        self.others = nn.ModuleList(Block() for _ in range(DEPTH))
        self.run = run

    def forward(self, x: torch.Tensor) -> Any:
        return self.run(self, x)


def chain(s: Any, x: torch.Tensor) -> torch.Tensor:
    for block in s.blocks:
        x = block(x)
    return x


def followed_by(change: Callable[[Any], object]) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    """The blocks, after something has been done to each."""

    def run(s: Any, x: torch.Tensor) -> torch.Tensor:
        for block in s.blocks:
            change(block)
        return chain(s, x)

    return run


def averaged(s: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        for mine, other in zip(s.blocks.parameters(), s.others.parameters(), strict=True):
            other.data = other.data * 0.9 + mine.data * 0.1
    return chain(s, x)


def caught(s: Any, x: torch.Tensor) -> torch.Tensor:
    for block in s.blocks:
        try:
            x = block(x)
        except Exception:  # noqa: BLE001
            continue
    return sum(block.up.weight.sum() for block in s.blocks) + x


def copied(s: Any, x: torch.Tensor) -> torch.Tensor:
    for block in s.blocks:
        x = copy.deepcopy(block).requires_grad_(False)(block(x))
    return x


def of_another_class(s: Any, x: torch.Tensor) -> torch.Tensor:
    for block in s.blocks[::2]:
        block.__class__ = Squared
    return chain(s, x)


def without_inference(s: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        chain(s, x)
    return chain(s, x)


def each_row(s: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.func.vmap(lambda row: chain(s, row))(x)


def in_double(s: Any, x: torch.Tensor) -> torch.Tensor:
    for block in s.blocks:
        x = block.double()(x.double())
    return x


def alternating_math(s: Any, x: torch.Tensor) -> torch.Tensor:
    for number, block in enumerate(s.blocks):
        with torch.nn.attention.sdpa_kernel(
            torch.nn.attention.SDPBackend.MATH if number % 2 else torch.nn.attention.SDPBackend.FLASH_ATTENTION
        ):
            x = block(x)
    return x


def marked(s: Any, x: torch.Tensor) -> torch.Tensor:
    for number, block in enumerate(s.blocks):
        x = block(x)
        x.even = number % 2 == 0
    return x


def trained_by_turns(s: Any, x: torch.Tensor) -> torch.Tensor:
    for step in range(8):
        s.blocks[0].requires_grad_(step % 2 == 0)
        x = s.blocks[0](x)
    return x


class Numbered(Block):
    """A block whose gradient depends on its number."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return ByNumber.apply(super().forward(x), self.layer_idx)


class Hooked(Block):
    """A block that hooks a gradient of its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.up(x)
        if y.requires_grad and self.layer_idx % 2:
            y.register_hook(lambda gradient: gradient @ torch.ones(INNER, INNER))
        return self.down(y)


class Attention(Block):
    """Attention, by the kernel that is allowed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q = self.up(x)[None, None]
        return self.down(functional.scaled_dot_product_attention(q, q, q)[0, 0])


class Tagged(Block):
    """A block that looks at a mark on what it is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(super().forward(x) if getattr(x, "even", False) else x)


NETWORKS: Mapping[str, Callable[[], Network]] = {
    "an average of parameters": lambda: Network(averaged),
    "gradients dropped": lambda: Network(followed_by(lambda block: block.zero_grad())),
    "frozen by turns": lambda: Network(followed_by(lambda block: block.requires_grad_(block.layer_idx % 2 == 0))),
    "hooks on parameters": lambda: Network(
        followed_by(lambda block: block.up.weight.register_hook(lambda gradient: gradient * 2.0))
    ),
    "whatever is raised is caught": lambda: Network(caught),
    "copies": lambda: Network(copied),
    "another class": lambda: Network(of_another_class),
    "inference inside": lambda: Network(without_inference),
    "vmap": lambda: Network(each_row),
    "double": lambda: Network(in_double),
    "two kernels": lambda: Network(alternating_math, Attention),
    "marks on tensors": lambda: Network(marked, Tagged),
    "a gradient by number": lambda: Network(chain, Numbered),
    "a hook by number": lambda: Network(chain, Hooked),
    "a loop trained by turns": lambda: Network(trained_by_turns),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_left_and_both_ways_agree(name: str) -> None:
    torch.manual_seed(0)
    module = NETWORKS[name]()
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    found = []
    for reuse in (True, False):
        with no_trace(module):
            found.append(nncost.count(module, (ROWS, WIDTH), loss="sum", optimizer="adamw", reuse=reuse).to_dict())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("name", "forward", "backward"),
    [
        ("copies", 4 * DEPTH, 6 * DEPTH - 1), ("another class", 3 * DEPTH, 6 * DEPTH - 1),
        ("double", 2 * DEPTH, 4 * DEPTH - 1),
    ],
)  # fmt: skip
def test_products(name: str, forward: int, backward: int) -> None:
    report = nncost.count(NETWORKS[name](), (ROWS, WIDTH), loss="sum")
    assert (report.forward.macs, report.backward.macs) == (forward * PRODUCT, backward * PRODUCT)
