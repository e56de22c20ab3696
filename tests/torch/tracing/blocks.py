"""Networks of repeated blocks, each with something that a replay could get wrong."""

from __future__ import annotations

import logging

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

WIDTH, DEPTH = 6, 4
RUNS = logging.getLogger("tests.torch.runs")
"""Told of each forward pass of a block that runs: all else of a test's own is put back after a count."""


class Block(nn.Module):
    """A residual block: the input has two consumers."""

    def __init__(self, number: int = 0) -> None:
        super().__init__()
        self.layer_idx = number
        self.norm = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 2 * WIDTH)
        self.down = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        RUNS.debug("a block")
        return x + self.down(torch.relu(self.up(self.norm(x))))


class Stack(nn.Module):
    """Blocks one after another, and a head."""

    def __init__(self, make: type[nn.Module] = Block) -> None:
        super().__init__()
        self.stem = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList(make(number) for number in range(DEPTH))
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class UsesNumber(Block):
    """Every second block skips its norm: the number decides."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(torch.relu(self.up(x if self.layer_idx % 2 else self.norm(x))))


class ChangesInput(Block):
    """The input is changed in place."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.down(torch.relu(self.up(self.norm(x))))
        return x.mul_(2.0) + y if not x.requires_grad else x + y


class Remembers(Block):
    """An attribute is changed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last = x
        return super().forward(x)


class Draws(Block):
    """Dropout inside."""

    def __init__(self, number: int = 0) -> None:
        super().__init__(number)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.dropout(self.down(torch.relu(self.up(self.norm(x)))))


class Calls(Stack):
    """The first block runs twice."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(self.blocks[0](self.stem(x)))


class SharedWeight(Stack):
    """Two blocks share a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks[1].up.weight = self.blocks[0].up.weight


class Peeks(Stack):
    """A block's weight is used from outside."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + self.blocks[2].up.weight.sum()


class Hooked(Stack):
    """One block has a hook of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks[1].up.register_forward_hook(lambda module, inputs, output: output * 2)


class Frozen(Stack):
    """The first two blocks are not trained, and nothing before them."""

    def __init__(self) -> None:
        super().__init__()
        for part in (self.stem, *self.blocks[:2]):
            part.requires_grad_(False)


class Between(Stack):
    """What each block returns is an output as well: its gradient begins with what is there before any block runs."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        found = [self.stem(x)]
        for block in self.blocks:
            found.append(block(found[-1]))
        return self.head(found[-1]), found


class Checkpointed(Stack):
    """Every block's activations are computed again."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False)
        return self.head(x)


class Pair(Block):
    """Two results, of which one goes nowhere, and an argument that is handed on."""

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> dict[str, torch.Tensor | None]:
        y = super().forward(x)
        return {"hidden": y, "weights": self.up(y), "mask": mask}


class Pairs(Stack):
    """Blocks that return dictionaries and are given keywords."""

    def __init__(self) -> None:
        super().__init__(Pair)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, mask = self.stem(x), torch.ones(3, WIDTH)
        for block in self.blocks:
            result = block(x, mask=mask)
            x = result["hidden"] * result["mask"]
        return self.head(x) + result["weights"].sum()


class Crossed(nn.Module):
    """All blocks also read one memory, whose gradients are added up."""

    class Inner(Block):
        def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + self.up(memory) @ self.up(memory).transpose(0, 1) @ x

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList(self.Inner(number) for number in range(DEPTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        memory = self.encoder(x)
        for block in self.blocks:
            x = block(x, memory)
        return x


class Mixed(Stack):
    """Half of the blocks without gradients, half under autocast."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        with torch.no_grad():
            for block in self.blocks[:2]:
                x = block(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            for block in self.blocks[2:]:
                x = block(x)
        return self.head(x.float())


class Cache:
    """An object that blocks leave something in."""

    def __init__(self) -> None:
        self.kept: list[torch.Tensor] = []


class Cached(Stack):
    """Blocks are handed an object nncost does not know."""

    class Inner(Block):
        def forward(self, x: torch.Tensor, cache: Cache) -> torch.Tensor:
            cache.kept.append(x)
            return super().forward(torch.stack(cache.kept).sum(0))

    def __init__(self) -> None:
        super().__init__(self.Inner)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cache, x = Cache(), self.stem(x)
        for block in self.blocks:
            x = block(x, cache)
        return self.head(x)


def with_block(make: type[nn.Module]) -> nn.Module:
    """A stack of the given blocks."""
    return Stack(make)


NETWORKS = {
    "residual": Stack, "number used": lambda: Stack(UsesNumber), "input changed": lambda: Stack(ChangesInput),
    "attribute changed": lambda: Stack(Remembers), "dropout": lambda: Stack(Draws), "called twice": Calls,
    "weight shared": SharedWeight, "weight used outside": Peeks, "hook": Hooked, "frozen": Frozen,
    "checkpointed": Checkpointed, "dictionaries": Pairs, "memory": Crossed, "modes": Mixed, "unknown object": Cached,
    "outputs between": Between,
}  # fmt: skip
