"""One network twice: as an executed graph and as a PyTorch module with the same numbers in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from nncost.frontends.model import LoadOptions
from nncost.ir import ops
from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Item, Parameter, Region, Tensor, walk
from nncost.pipeline.count import Counted, count_source
from nncost.pipeline.settings import Settings
from tests.numbers.networks import Factory, KnownDropout

Array = np.ndarray
RELATIVE, ABSOLUTE = 1e-9, 1e-11


@dataclass(frozen=True)
class Leaf:
    """One learned block as PyTorch has it: a parameter of the graph, or one slice of a stacked one."""

    parameter: Parameter
    index: tuple[int, ...]


def leaves(graph: Graph) -> list[Leaf]:
    """The blocks in the order in which a written-out network holds them: repeated layers one after another."""
    by_tensor = {parameter.tensor: parameter for parameter in graph.parameters}
    order = [parameter.tensor for parameter in graph.parameters]
    return [Leaf(by_tensor[tensor], index) for tensor, index in _slices(graph.items, order)]


def _slices(items: Sequence[Item], tensors: Sequence[Tensor]) -> Iterator[tuple[Tensor, tuple[int, ...]]]:
    stacked: dict[Tensor, tuple[ops.Repeat, list[Tensor]]] = {}
    for node in walk(items):
        if isinstance(node.op, ops.Repeat):
            scanned = list(node.inputs[node.op.carried : node.op.carried + node.op.scanned])
            stacked.update((tensor, (node.op, scanned)) for tensor in scanned)
    seen: set[Tensor] = set()
    for tensor in tensors:
        if tensor in seen:
            continue
        if tensor not in stacked:
            yield tensor, ()
            continue
        repeat, scanned = stacked[tensor]
        seen.update(scanned)
        inside = repeat.body.inputs[repeat.carried : repeat.carried + repeat.scanned]
        outer = dict(zip(inside, scanned, strict=True))
        for number in range(int(repeat.times)):  # type: ignore[arg-type]
            for piece, index in _slices(repeat.body.items, inside):
                yield outer[piece], (number, *index)


class Twins:
    """A spec's training step and a module; ``run`` gives both the same numbers and runs both."""

    def __init__(self, spec: str, factory: Factory, *, batch: int = 3, seed: int = 0, **settings: object) -> None:
        torch.manual_seed(seed)
        self.counted: Counted = count_source(spec, Settings(load=LoadOptions(batch=batch), **settings))  # type: ignore[arg-type]
        self.graph, self.step = self.counted.step.graph, self.counted.step
        self.module = factory().double()
        self.module.train(self.counted.loss != "none" and settings.get("mode") != "inference")
        self.rng = np.random.default_rng(seed)
        self.feeds: dict[Tensor, Array] = {}
        self.leaves = leaves(self.counted.model.graph)
        self.values: dict[Tensor, Array] = {}
        self._feed_inputs()
        self._feed_parameters()

    # ------------------------------------------------------------------ the same numbers on both sides
    def _feed_inputs(self) -> None:
        rows = [p.tensor.shape[0] for p in self.counted.model.graph.parameters if p.path.startswith("embedding")]
        for tensor in self.graph.inputs:
            if tensor.dtype == "int64":
                limit = int(rows[0]) if tensor.name == "x" else int(self.counted.model.graph.outputs[0].shape[-1])
                self.feeds[tensor] = self.rng.integers(0, limit, tensor.shape)
            elif tensor.name == "target":
                self.feeds[tensor] = self.rng.uniform(0.1, 0.9, tensor.shape)
            elif tensor.name == "loss_gradient":
                self.feeds[tensor] = np.ones(())
            elif tensor.name == "x":
                self.feeds[tensor] = self.rng.normal(size=tensor.shape)
            else:  # An optimizer's state: squares and totals are positive.
                self.feeds[tensor] = self.rng.uniform(0.1, 0.9, tensor.shape)

    def _feed_parameters(self) -> None:
        for parameter in self.counted.model.graph.parameters:
            numbers = self.rng.normal(scale=0.6, size=parameter.tensor.shape)
            self.feeds[parameter.tensor] = np.abs(numbers) + 0.1 if parameter.role == "buffer" else numbers
        with torch.no_grad():
            for leaf, theirs in self.pairs():
                assert tuple(theirs.shape) == self.feeds[leaf.parameter.tensor][leaf.index].shape
                theirs.copy_(torch.from_numpy(self.feeds[leaf.parameter.tensor][leaf.index]))

    def pairs(self) -> list[tuple[Leaf, torch.Tensor]]:
        """Learned blocks, then buffers, with PyTorch's of the same place; counts and shapes must agree."""
        learned = [leaf for leaf in self.leaves if leaf.parameter.role != "buffer"]
        theirs = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        buffers = [leaf for leaf in self.leaves if leaf.parameter.role == "buffer"]
        averages = [buffer for name, buffer in self.module.named_buffers() if "running" in name]
        return [*zip(learned, theirs, strict=True), *zip(buffers, averages, strict=True)]

    def input(self) -> torch.Tensor:
        return torch.from_numpy(self.feeds[self.counted.model.graph.inputs[0]])

    def target(self) -> torch.Tensor:
        return torch.from_numpy(next(self.feeds[t] for t in self.graph.inputs if t.name == "target"))

    # ------------------------------------------------------------------ running both
    def execute(self) -> dict[Tensor, Array]:
        drawn: list[torch.Tensor] = []

        def random(shape: tuple[int, ...]) -> Array:
            numbers = self.rng.random(shape)
            drawn.append(torch.from_numpy(numbers))
            return numbers

        self.values = execute(self.graph, self.feeds, random=random)
        masks = [module for module in self.module.modules() if isinstance(module, KnownDropout) and module.training]
        for module, numbers in zip(masks, drawn, strict=True):
            module.queue.append(numbers)
        return self.values

    def output(self) -> Array:
        return self.values[self.counted.model.graph.outputs[0]]

    def gradient(self, leaf: Leaf) -> Array:
        return self.values[self.step.gradients[leaf.parameter]][leaf.index]

    def updated(self, leaf: Leaf) -> Array:
        return self.values[self.step.updated[leaf.parameter]][leaf.index]

    def states(self, parameter: Parameter) -> tuple[Tensor, ...]:
        """The optimizer's states that enter the update of a parameter."""
        for region in self.graph.items:
            if isinstance(region, Region) and region.phase == "update" and region.inputs[0] is parameter.tensor:
                return region.inputs[2:]
        raise AssertionError(f"no update of {parameter.path}")


def close(ours: Array, theirs: torch.Tensor | Array, what: str = "") -> None:
    expected = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    np.testing.assert_allclose(np.asarray(ours, dtype=float), expected, rtol=RELATIVE, atol=ABSOLUTE, err_msg=what)


def learned_elements(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
