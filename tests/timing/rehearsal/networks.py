"""Networks of equal blocks, used in many ways: those whose step can be told from some of its blocks, and those that cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from tests.timing.rehearsal import blocks
from tests.timing.rehearsal.blocks import WIDTH, Residual

COUNT = 6


class Network(nn.Module):
    """A first layer, equal blocks, and a function that uses them."""

    def __init__(self, make: Callable[[], nn.Module], run: Callable[[Any, Any], Any], count: int = COUNT) -> None:
        super().__init__()
        self.first, self.other = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.scale = nn.Parameter(torch.ones(WIDTH))
        self.blocks = nn.ModuleList(make() for _ in range(count))
        self._run = run

    def forward(self, x: Any) -> Any:
        return self._run(self, x)


def chain(net: Any, x: Any) -> Any:
    """One after the other."""
    x = net.first(x)
    for block in net.blocks:
        x = block(x)
    return x


def _masked(net: Any, x: Any) -> Any:
    x, mask = net.first(x), torch.ones_like(x)
    for block in net.blocks:
        x = block(x, mask, scale=net.scale)
    return x


def _pairs(net: Any, x: Any) -> Any:
    x, rest = net.first(x), net.other(x)
    for block in net.blocks:
        x, rest = block(x, rest)
    return x, rest


def _constants(net: Any, x: Any) -> Any:
    x = net.first(x)
    for block in net.blocks:
        x, _, factor = block(x)
        x = x * factor
    return x


def _dictionary(net: Any, x: Any) -> Any:
    given = {"x": net.first(x)}
    for block in net.blocks:
        given = block(given)
    return given["x"]


def _detached(net: Any, x: Any) -> Any:
    x = net.first(x)
    for block in net.blocks:
        x, without = block(x)
        x = x + without
    return x


def _written_after(net: Any, x: Any) -> Any:
    x = net.first(x)
    for block in net.blocks:
        x = functional.relu(block(x), inplace=True)
    return x


def _with_position(net: Any, x: Any) -> Any:
    x, position = net.first(x), torch.ones_like(x)
    for block in net.blocks:
        x = block(position, x)
    return x


def _crossed(net: Any, x: Any) -> Any:
    x, other = net.first(x), net.other(x)
    for block in net.blocks:
        x = block(x, other)
    return x


def unet(net: Any, x: Any) -> Any:
    """Down and up again, over bridges."""
    x, kept, half = net.first(x), list[Any](), len(net.blocks) // 2
    for block in net.blocks[:half]:
        x = block(x)
        kept.append(x)
    for block in net.blocks[half:]:
        x = block(x + kept.pop())
    return x


def parallel(net: Any, x: Any) -> Any:
    """Side by side."""
    x = net.first(x)
    return sum(block(x) for block in net.blocks)


def _neighbours(net: Any, x: Any) -> Any:
    x = net.first(x)
    for number, block in enumerate(net.blocks):
        x = block(x) + functional.linear(x, net.blocks[number - 1].weight)
    return x


def _without_gradients(net: Any, x: Any) -> Any:
    with torch.no_grad():
        for block in net.blocks:
            x = block(x)
    return net.first(x)


def _ignored(net: Any, x: Any) -> Any:
    x = net.first(x)
    for block in net.blocks:
        block(x)
    return x


def _viewed(net: Any, x: Any) -> Any:
    return chain(net, x).t().view(-1)


def _kept_tensors(net: Any, x: Any) -> Any:
    return chain(net, x) + sum(block.extra for block in net.blocks)


def _appended(net: Any, x: Any) -> Any:
    x, found = net.first(x), list[Any]()
    for block in net.blocks:
        x = block(x, found)
    return x + sum(found)


def _returned_states(net: Any, x: Any) -> Any:
    x = net.first(x)
    for block in net.blocks:
        x = block(x).x
    return x


def _changed_state(net: Any, x: Any) -> Any:
    state = blocks.State(net.first(x))
    for block in net.blocks:
        block(state)
    return state.x


def _differentiated(net: Any, x: Any) -> Any:
    """A force: the model differentiates itself."""
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        (force,) = torch.autograd.grad(chain(net, x).sum(), x, create_graph=True)
    return force


def _marked(net: Any, x: Any) -> Any:
    x = net.first(x)
    x.is_marked = True
    for block in net.blocks:
        x = block(x)
    return x


def _twice(net: Any, x: Any) -> Any:
    for _ in range(2):
        x = chain(net, x)
    return x


def _checkpointed(net: Any, x: Any) -> Any:
    x = net.first(x)
    for block in net.blocks:
        x = checkpoint(block, x, use_reentrant=False)
    return x


def _on_data(net: Any, x: Any) -> Any:
    return sum(block(x) for block in net.blocks)


def _in_place_ignored(net: Any, x: Any) -> Any:
    x = net.first(x)
    for block in net.blocks:
        x = x * 2
        block(x)
    return x


def dense() -> nn.Module:
    """A layer with nothing around it."""
    return nn.Linear(WIDTH, WIDTH)


def _hooked() -> nn.Module:
    layer = dense()
    layer.register_forward_hook(lambda layer, args, output: output * 2)
    return layer


def _frozen(first: int) -> nn.Module:
    module = nn.Sequential(dense(), *(Residual() for _ in range(2 * COUNT)))
    for block in module[first : first + COUNT]:
        block.requires_grad_(False)
    return module


def _partly_frozen() -> nn.Module:
    block = Residual()
    block.up.weight.requires_grad_(False)
    return block


def _row(*kinds: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(*(make() for _ in range(COUNT) for make in kinds))


def _tied() -> nn.Module:
    module = _row(dense)
    for layer in module:
        layer.weight = module[0].weight
    return module


TOLD: dict[str, Callable[[], nn.Module]] = {
    "layers in a row": lambda: _row(dense),
    "two kinds in turn": lambda: _row(dense, nn.ReLU),
    "in place": lambda: _row(dense, lambda: nn.ReLU(inplace=True)),
    "batch norm and dropout": lambda: _row(dense, lambda: nn.BatchNorm1d(WIDTH), lambda: nn.Dropout(0.1)),
    "residual": lambda: Network(Residual, chain),
    "written to afterwards": lambda: Network(Residual, _written_after),
    "writes to its input": lambda: Network(blocks.WritesFirst, chain),
    "a mask and a scale": lambda: Network(blocks.Masked, _masked),
    "pairs": lambda: Network(blocks.Pair, _pairs),
    "constants": lambda: Network(blocks.WithConstants, _constants),
    "dictionaries": lambda: Network(blocks.InDictionary, _dictionary),
    "detached": lambda: Network(blocks.WithDetached, _detached),
    "another first": lambda: Network(blocks.OtherFirst, _with_position),
    "crossed": lambda: Network(blocks.OtherFirst, _crossed),
    "u-net": lambda: Network(Residual, unet, 2 * COUNT),
    "parallel": lambda: Network(Residual, parallel),
    "parallel and narrow": lambda: Network(blocks.Narrow, parallel),
    "weights of neighbours": lambda: Network(dense, _neighbours),
    "no gradients": lambda: Network(Residual, _without_gradients),
    "ignored": lambda: Network(dense, _ignored),
    "other strides": lambda: Network(blocks.Transposed, _viewed),
    "buffers": lambda: Network(blocks.WithBuffers, chain),
    "unused parameters": lambda: Network(blocks.WithUnused, chain),
    "checkpoint inside": lambda: Network(blocks.Checkpointed, chain),
    "parametrized": lambda: Network(lambda: parametrizations.weight_norm(dense()), chain),
    "frozen at the beginning": lambda: _frozen(0),
    "frozen behind trained ones": lambda: _frozen(1),
    "partly frozen": lambda: Network(_partly_frozen, chain),
}
"""Some blocks tell the whole step."""

NOT_TOLD: dict[str, Callable[[], nn.Module]] = {
    "tensors in attributes": lambda: Network(blocks.KeepsTensor, _kept_tensors),
    "a list that grows": lambda: Network(blocks.Appends, _appended),
    "returned objects": lambda: Network(blocks.ReturnsState, _returned_states),
    "changed objects": lambda: Network(blocks.ChangesState, _changed_state),
    "differentiates itself": lambda: Network(Residual, _differentiated),
    "marked tensors": lambda: Network(blocks.ReadsMark, _marked),
    "an input without a use": lambda: Network(blocks.IgnoresSecond, _crossed),
    "called twice": lambda: Network(Residual, _twice),
    "checkpointed": lambda: Network(Residual, _checkpointed),
    "blocks of the data": lambda: Network(Residual, _on_data),
    "in place and ignored": lambda: Network(lambda: nn.ReLU(inplace=True), _in_place_ignored),
    "hooks": lambda: Network(_hooked, chain),
    "shared weights": _tied,
}
"""Here they do not, and no step is put together of them."""
