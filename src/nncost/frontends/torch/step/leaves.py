"""The leaves of an autograd graph: every tensor whose gradient PyTorch computes, wherever it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from nncost.frontends.torch.step.fake_tensors import is_fake


def leaves_of(starts: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The leaves that some tensors depend on: parameters, inputs, and what the model has made and asked a gradient of."""
    found = {id(start): start for start in starts if start.grad_fn is None and start.requires_grad}
    waiting: list[Any] = [start.grad_fn for start in starts if start.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        variable = getattr(node, "variable", None)
        if isinstance(variable, torch.Tensor):
            found[id(variable)] = variable
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return list(found.values())


def first_contributors(starts: Sequence[torch.Tensor], leaves: Sequence[torch.Tensor]) -> dict[int, int]:
    """By a leaf's identity, the number of the node whose gradient of it comes first: autograd goes from late to early."""
    wanted = {id(leaf) for leaf in leaves}
    found: dict[int, int] = {}
    waiting: list[Any] = [start.grad_fn for start in starts if start.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        for following, _ in node.next_functions:
            if following is None:
                continue
            identity = id(getattr(following, "variable", None))
            if identity in wanted:
                found[identity] = max(found.get(identity, -1), node._sequence_nr())
            elif following not in seen:
                seen.add(following)
                waiting.append(following)
    return found


@contextmanager
def gradients_kept(leaves: Sequence[torch.Tensor]) -> Iterator[None]:
    """Leaves that are no fake tensors, as a parameter in a global variable, have their gradient back at the end."""
    real = [leaf for leaf in leaves if not is_fake(leaf)]
    before = [leaf.grad for leaf in real]
    try:
        for leaf in real:
            leaf.grad = None
        yield
    finally:
        for leaf, gradient in zip(real, before, strict=True):
            leaf.grad = gradient
