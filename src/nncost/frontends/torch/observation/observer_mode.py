"""What the observer sees with: a dispatch mode for operators, replaced functions for what is called by name."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode

from nncost.frontends.torch.observation.plain_data import plain
from nncost.ir.graph import Phase
from nncost.ir.observed import Event, FunctionCall

_QUESTIONS = {
    "prim::device", "prim::layout", "aten::sym_size", "aten::sym_stride", "aten::sym_numel", "aten::is_contiguous",
    "aten::size", "aten::stride", "aten::dim", "aten::numel", "aten::sym_storage_offset",
    "aten::sym_is_contiguous", "aten::is_strides_like_format", "aten::is_non_overlapping_and_dense",
}  # fmt: skip
"""Asked of tensors; nothing is computed."""


def _encoder_layer(x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return torch.empty_like(x)


def _multihead(query: torch.Tensor, key: torch.Tensor, *rest: Any, **options: Any) -> Any:
    """The output, and the weights where they are asked for: of each head, or their average."""
    named = dict(zip(_MULTIHEAD, rest, strict=False)) | options
    shape = [query.shape[0], query.shape[1], key.shape[1]]
    if not named.get("average_attn_weights", True):
        shape.insert(1, named["num_head"])
    return torch.empty_like(query), query.new_empty(shape) if named.get("need_weights", True) else None


_MULTIHEAD = (
    "value", "embed_dim", "num_head", "qkv_weight", "qkv_bias", "proj_weight", "proj_bias", "mask", "need_weights",
    "average_attn_weights",
)  # fmt: skip
_FUSED: dict[str, Callable[..., Any]] = {
    "aten::_transformer_encoder_layer_fwd": _encoder_layer,
    "aten::_native_multi_head_attention": _multihead,
}
"""Operators of frozen layers in inference, which run on real tensors alone: what comes out of them."""


class Watcher(TorchDispatchMode):
    """Notes every operator, with the innermost layer that runs or, in a backward pass, ran."""

    supports_higher_order_operators = True

    def __init__(self, to_fake: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.stack: list[str] = []
        self.phase: Phase = "forward"
        self.owners: dict[int, str] = {}
        self.busy = False
        self.replaced = 0
        self.thread = threading.get_ident()
        self._to_fake = to_fake
        self._sequence: dict[int, tuple[str, Phase]] = {}
        self._flow: dict[int, tuple[list[torch.Tensor], list[torch.Tensor], bool]] = {}

    def note(self, name: str, args: Any, kwargs: Any) -> None:
        """A function called by the module itself; calls from within operators are not its own."""
        if not self.busy and threading.get_ident() == self.thread:
            path = self.stack[-1] if self.stack else ""
            self.events.append(FunctionCall(name, path, self.phase, plain(args), plain(kwargs)))

    def around(self, layer: torch.nn.Module, name: str, forward: Any) -> Any:
        """A layer's forward that says which layer runs, where no hooks may hang."""

        def run(*args: Any, **kwargs: Any) -> Any:
            self.stack.append(name)
            try:
                return forward(*args, **kwargs)
            finally:
                self.stack.pop()

        return run

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name if hasattr(func, "_schema") else str(func)
        if name in _QUESTIONS:
            return func(*args, **kwargs)
        if self._to_fake is not None:
            args, kwargs = self._without_captured(args), self._without_captured(kwargs)
        place = self._place()
        if not torch.is_inference_mode_enabled() and hasattr(func, "decompose"):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        self.busy = True
        try:
            fused = _FUSED.get(name)
            result = func(*args, **kwargs) if fused is None else fused(*args, **kwargs)
        finally:
            self.busy = False
        if torch.is_inference_mode_enabled():
            read = [*_tensors(args), *_tensors(kwargs)]
            self._flow[len(self.events)] = (read, _tensors(result), func._schema.is_mutable)
        if not self.replaced:
            self.events.append(FunctionCall(name, *place, plain(args), plain(kwargs), plain(result)))
        return result

    def used_by(self, output: Any) -> list[Event]:
        """The events without operators that the output does not depend on."""
        live = {id(tensor) for tensor in _tensors(output)}
        kept: list[Event] = []
        for position in reversed(range(len(self.events))):
            read, made, writes = self._flow.get(position, ([], [], True))
            if writes or any(id(tensor) in live for tensor in made):
                live.update(map(id, read))
                kept.append(self.events[position])
        return kept[::-1]

    def _without_captured(self, value: Any) -> Any:
        """Stand-ins for real tensors, so that no kernel ever writes to one."""
        if isinstance(value, torch.Tensor):
            assert self._to_fake is not None
            return value if isinstance(value, FakeTensor) else self._to_fake(value)
        if type(value) in (list, tuple):
            return type(value)(map(self._without_captured, value))
        if type(value) is dict:
            return {
                key: torch.device("cpu") if key == "device" and item is not None else self._without_captured(item)
                for key, item in value.items()
            }
        return value

    def _place(self) -> tuple[str, Phase]:
        node = torch._C._current_autograd_node()
        if node is None:
            here = (self.stack[-1] if self.stack else "", self.phase)
            self._sequence.setdefault(torch.autograd._get_sequence_nr() - 1, here)
            return here
        place = self._sequence.get(node._sequence_nr())
        if place is None:
            return self.owners.get(id(getattr(node, "variable", None)), ""), "backward"
        return place[0], "loss" if place[1] == "loss" else "backward"


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = tuple(value.values())
    return [tensor for item in value for tensor in _tensors(item)] if isinstance(value, (list, tuple)) else []


@contextmanager
def replaced(names: Sequence[str], watcher: Watcher) -> Iterator[None]:
    """Functions and methods that tell the watcher of each call, and then are what they were."""
    undo: list[Callable[[], None]] = []
    try:
        for name in names:
            owner_name, _, attribute = name.rpartition(".")
            owner = torch.Tensor if owner_name == "torch.Tensor" else sys.modules.get(owner_name)
            if hasattr(owner, attribute):
                undo.append(_replace(owner, attribute, name, watcher))
        yield
    finally:
        for step in reversed(undo):
            step()


def _replace(owner: Any, attribute: str, name: str, watcher: Watcher) -> Callable[[], None]:
    original, own = getattr(owner, attribute), attribute in vars(owner)

    def watched(*args: Any, **kwargs: Any) -> Any:
        watcher.note(name, args, kwargs)
        watcher.replaced += 1  # The operators inside are what the tool counts by this name.
        try:
            return original(*args, **kwargs)
        finally:
            watcher.replaced -= 1

    setattr(owner, attribute, update_wrapper(watched, original) if callable(original) else watched)
    return (lambda: setattr(owner, attribute, original)) if own else (lambda: delattr(owner, attribute))
