"""Experts that loop over those that a router has chosen: without numbers, each gets an even share of the tokens.

Most families hand all tokens to one grouped product. Some (DBRX, NLLB-MoE) ask, in Python, which experts were
chosen and by which tokens. On shapes alone nobody knows; the answer is then what the grouped product assumes too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from nncost.frontends.huggingface.experts import is_group

ASKED = {"one_hot", "nonzero", "where"}
"""What such a loop calls: one_hot of the choice, nonzero for the experts, where for the tokens of one."""


def share_evenly(module: Any) -> None:
    """Let the loops over experts inside a module run on shapes; the module is nncost's own."""
    for name, part in module.named_modules():
        kind: Any = type(part)
        if is_group(part, name.rpartition(".")[2]) and _asks_for_choice(kind):
            part.__class__ = _with_even_shares(kind)


def _asks_for_choice(kind: type) -> bool:
    code = getattr(getattr(kind, "forward", None), "__code__", None)
    return code is not None and set(code.co_names) >= ASKED


@cache
def _with_even_shares(kind: Any) -> type:
    """The class under its own name, with a forward that knows who was chosen."""

    def forward(self: Any, hidden_states: Any, top_k_index: Any, *others: Any, **named: Any) -> Any:
        with _answers(top_k_index.numel(), top_k_index.shape[-1], getattr(self, "num_experts", None)):
            return kind.forward(self, hidden_states, top_k_index, *others, **named)

    return type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})


def _answers(pairs: int, each: int, experts: int | None) -> Any:
    """A mode that knows ``pairs`` of a token and an expert that it is sent to, ``each`` of one token.

    Without a number of ``experts``, there are as many as ``nonzero`` is asked about. It names every expert, each ``where`` the pairs of the next one; all other functions run as they are.
    """
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    class Answers(TorchFunctionMode):  # type: ignore[misc]
        shares: Iterator[Any] = iter(())

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is functional.one_hot:
                return _one_hot(*args, **(kwargs or {}))
            if func in (torch.Tensor.nonzero, torch.nonzero):
                chosen = min(experts or args[0].shape[0], pairs)
                self.shares = (torch.arange(first, pairs, chosen) for first in range(chosen))
                return torch.tensor([[expert] for expert in range(chosen)])
            if func is torch.where and len(args) == 1:
                share = next(self.shares)
                return share % each, share // each
            return func(*args, **(kwargs or {}))

    return Answers()


def _one_hot(index: Any, num_classes: int) -> Any:
    """What PyTorch makes of it on a CPU: the least and largest are looked at, ones are put among zeros."""
    index.min(), index.max()
    return index.new_zeros((*index.shape, num_classes)).scatter_(-1, index.unsqueeze(-1), 1)
