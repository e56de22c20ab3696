"""Memory of blocks that are followed at the ends of a row and repeated in between: that of the allocator, and of a full run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from logging.handlers import BufferingHandler
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import nncost
from tests.memory.torch.truth import check_allocations, check_step

WIDTH, DEPTH, LENGTH = 6, 8, 12
RUNS = logging.getLogger("tests.memory.torch.runs")
"""Told of each forward pass of a block that runs: all else of a test's own is put back after a count."""
IN_FULL = 2 + 3
"""Blocks that run with a backward pass: two for the operations, three for the memory."""


class Inner(nn.Module):
    """A block without a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 9), nn.Linear(9, WIDTH)

    def forward(self, x: torch.Tensor) -> Any:
        RUNS.debug("a block")
        return self.down(functional.gelu(self.up(self.norm(x))))


class Residual(Inner):
    """A block with its residual."""

    def forward(self, x: torch.Tensor) -> Any:
        return x + super().forward(x)


class Saving(Inner):
    """A block whose output is kept for its own gradient."""

    def forward(self, x: torch.Tensor) -> Any:
        return torch.sigmoid(super().forward(x))


class Pair(Inner):
    """A block with two outputs, of which one is never used, and nothing in between."""

    def forward(self, x: torch.Tensor) -> Any:
        y = super().forward(x)
        return y, None, x.exp()


class Attention(nn.Module):
    """Attention with a mask that all blocks share, and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        RUNS.debug("a block")
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        scores = functional.dropout(torch.softmax(q @ k.transpose(-1, -2) + mask, -1), 0.1, self.training)
        return x + self.out(scores @ v)


class Cell(nn.Module):
    """A cell of a recurrent network."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
        RUNS.debug("a block")
        return self.cell(x, (h, c))


class Network(nn.Module):
    """Blocks in one arrangement."""

    def __init__(self, block: type[nn.Module], run: Callable[..., torch.Tensor], depth: int = DEPTH) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)
        self.blocks = nn.ModuleList(block() for _ in range(depth))
        self.run = run

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.run(self.blocks, self.stem(x)))


def chain(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = block(x)
    return x


def outside(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = x + block(x)
    return x


def normed_outside(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = x + block(functional.layer_norm(x, (WIDTH,)))
    return x


def alternating(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for number, block in enumerate(blocks):
        x = torch.tanh(block(x)) if number % 2 else functional.relu(block(x))
    return x


def masked(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    mask = torch.zeros(x.shape[1], x.shape[1])
    for block in blocks:
        x = block(x, mask)
    return x


def first_of_pair(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = block(x)[0]
    return x


def collected(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    states = []
    for block in blocks:
        x = block(x)
        states.append(x)
    return torch.stack(states).mean(0)


def hooked(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for number, block in enumerate(blocks):
        x = block(x)
        if x.requires_grad and number % 3 != 1:
            x.register_hook(lambda gradient: gradient * 2.0)
    return x


def hooked_pairs(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x, _, y = block(x)
        if y.requires_grad:
            y.register_hook(lambda gradient: gradient * 2.0)
        x = x + y
    return x


def doubled_after_an_addition(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = block(x)
        if "Add" in type(x.grad_fn).__name__:
            x = x * 2.0
    return x


def looped(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    for _ in range(LENGTH):
        x = blocks[0](x)
    return x


def recurrent(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    h = c = x.new_zeros(len(x), WIDTH)
    for step in range(LENGTH):
        h, c = blocks[0](x[:, step], h, c)
    return h


def recurrent_states(blocks: Any, x: torch.Tensor) -> torch.Tensor:
    h = c = x.new_zeros(len(x), WIDTH)
    states = []
    for step in range(LENGTH):
        h, c = blocks[0](x[:, step], h, c)
        states.append(h)
    return torch.stack(states, 1)


NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    "residual": lambda: Network(Residual, chain),
    "no residual": lambda: Network(Inner, chain),
    "outputs that are kept": lambda: Network(Saving, chain),
    "residual outside": lambda: Network(Inner, outside),
    "norm and residual outside": lambda: Network(Inner, normed_outside),
    "two kinds of activation between": lambda: Network(Inner, alternating),
    "a mask for all": lambda: Network(Attention, masked),
    "outputs that nobody reads": lambda: Network(Pair, first_of_pair),
    "states collected": lambda: Network(Residual, collected),
    "hooks on some gradients": lambda: Network(Inner, hooked),
    "hooks on one of two gradients": lambda: Network(Pair, hooked_pairs),
    "a look at autograd's nodes": lambda: Network(Residual, doubled_after_an_addition),
    "a loop": lambda: Network(Residual, looped, 1),
    "a recurrent loop": lambda: Network(Cell, recurrent, 1),
    "a recurrent loop whose states are collected": lambda: Network(Cell, recurrent_states, 1),
}
FOLLOWED = {
    "two kinds of activation between", "outputs that nobody reads", "states collected", "hooks on some gradients",
    "hooks on one of two gradients", "a look at autograd's nodes",
}  # fmt: skip
"""Networks whose blocks are followed one by one: gradients come in in two ways, an output has none, the memory of all
states' gradients ends with one of those that would be repeated, or the model looks at what a block has made."""


@pytest.mark.parametrize("name", NETWORKS)
def test_each_allocation_is_the_allocators(name: str) -> None:
    torch.manual_seed(0)
    check_allocations(NETWORKS[name]().train(), (torch.randn(4, LENGTH, WIDTH),), "sgd")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("optimizer", ["none", "adamw"])
def test_repeating_changes_nothing(name: str, optimizer: str) -> None:
    module = NETWORKS[name]()
    for settings in ({}, {"loss": "sum", "optimizer": optimizer}):
        ways = [nncost.count(module, (4, LENGTH, WIDTH), reuse=reuse, **settings) for reuse in (True, False)]
        assert ways[0].to_dict() == ways[1].to_dict()


@pytest.mark.parametrize("name", NETWORKS)
def test_most_blocks_do_not_run(name: str) -> None:
    module, told = NETWORKS[name](), BufferingHandler(1_000)
    RUNS.addHandler(told)
    RUNS.setLevel(logging.DEBUG)
    RUNS.propagate = False  # to handlers whose code is not known
    try:
        nncost.count(module, (4, LENGTH, WIDTH), loss="sum")
    finally:
        RUNS.removeHandler(told)
    is_loop = len(module.blocks) == 1
    if name in FOLLOWED:
        assert len(told.buffer) > DEPTH
    else:
        assert len(told.buffer) <= (2 * LENGTH - 8 if is_loop else IN_FULL)


def test_a_deep_network_with_adamw() -> None:
    torch.manual_seed(0)
    check_step(Network(Attention, masked, 20).train(), (torch.randn(4, LENGTH, WIDTH),), optimizer="adamw")
