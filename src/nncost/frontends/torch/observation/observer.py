"""The observer notes layers' calls, operators, and functions called by name, as third-party counters see them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import update_wrapper
from typing import Any

import torch
from torch import nn

from nncost.frontends.model import Inputs
from nncost.frontends.torch.observation.plain_data import layers_of, modules_of, plain
from nncost.frontends.torch.step.dispatch_table import OperatorInfo
from nncost.frontends.torch.step.fake_tensors import tensors_in
from nncost.frontends.torch.step.loss import primary
from nncost.frontends.torch.step.mode import Consumer
from nncost.ir.call_log import Event, FunctionCall, Instrumentation, Layer, LayerCall

_QUERIES = {
    "prim::device", "prim::layout", "aten::sym_size", "aten::sym_stride", "aten::sym_numel", "aten::is_contiguous",
    "aten::size", "aten::stride", "aten::dim", "aten::numel", "aten::sym_storage_offset",
    "aten::sym_is_contiguous", "aten::is_strides_like_format", "aten::is_non_overlapping_and_dense",
}  # fmt: skip
"""Ask about tensors; other tools do not see them."""


Empty = Callable[[torch.Tensor, tuple[int, ...]], torch.Tensor]
"""``empty(tensor, shape)`` makes a tensor of that type and shape."""


def _encoder_layer(empty: Empty, x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return empty(x, tuple(x.shape))


def _multihead(empty: Empty, query: torch.Tensor, key: torch.Tensor, *rest: Any, **options: Any) -> Any:
    """The output, and the weights where they are asked for: of each head, or their average."""
    named = dict(zip(_MULTIHEAD, rest, strict=False)) | options
    shape = [query.shape[0], query.shape[1], key.shape[1]]
    if not named.get("average_attn_weights", True):
        shape.insert(1, named["num_head"])
    return empty(query, tuple(query.shape)), empty(query, tuple(shape)) if named.get("need_weights", True) else None


_MULTIHEAD = (
    "value", "embed_dim", "num_head", "qkv_weight", "qkv_bias", "proj_weight", "proj_bias", "mask", "need_weights",
    "average_attn_weights",
)  # fmt: skip
_FUSED: dict[str, Callable[..., Any]] = {
    "aten::_transformer_encoder_layer_fwd": _encoder_layer,
    "aten::_native_multi_head_attention": _multihead,
}
"""Operators of frozen layers in inference, which run on real tensors only: what they return."""


class Observer(Consumer):
    """Notes every operator, with the innermost layer that runs or, in a backward pass, ran."""

    def __init__(self, module: nn.Module, instrumentation: Instrumentation) -> None:
        super().__init__()
        self.hooked = instrumentation.hooked
        self.events: list[Event] = []
        self.layers: Mapping[str, Layer] = {}
        self._module, self._instrumentation = module, instrumentation
        self._in_operator = False
        self._in_function = 0
        self._thread = threading.get_ident()
        self._flow: dict[int, tuple[list[torch.Tensor], list[torch.Tensor], bool]] = {}

    def begin(self, inputs: Inputs) -> None:
        """Layers are described with the parameters that are in place now, whose gradients are theirs."""
        self.layers = layers_of(self._module)
        owners = self.attribution.owners
        for layer, name in self.swapped.names.items():
            owners.update((id(parameter), name) for parameter in layer.parameters(recurse=False))

    def contexts(self) -> Iterable[AbstractContextManager[Any]]:
        """Hooks, functions under other names, and gradients or none, as the tool has them."""
        yield torch.inference_mode() if self._instrumentation.composed else torch.enable_grad()
        if self.hooked:
            yield self._hooks()
        yield self._replaced(self._instrumentation.functions)

    def summed(self, output: Any) -> list[torch.Tensor]:
        """The one output that users of these tools differentiate."""
        return [primary(output)]

    # ---------------------------------------------------------------- operators
    def decomposition(self, func: Any, info: OperatorInfo) -> Callable[..., Any] | None:
        """Operators are seen below their composite form, but for a tool that looks at these."""
        form: Callable[..., Any] | None = func.decompose if info.can_decompose else None
        return None if torch.is_inference_mode_enabled() else form

    def operation(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """Run an operator and note it."""
        name = func._schema.name
        if name in _QUERIES:
            return self.compute(func, args, kwargs)
        place = self.attribution.place_of(tensors_in(args))
        self._in_operator = True
        try:
            fused = _FUSED.get(name)
            result = self.compute(func, args, kwargs) if fused is None else fused(self._empty, *args, **kwargs)
        finally:
            self._in_operator = False
        if torch.is_inference_mode_enabled():
            read = tensors_in((args, kwargs))
            self._flow[len(self.events)] = (read, tensors_in(result), func._schema.is_mutable)
        if not self._in_function:
            self.events.append(FunctionCall(name, *place, plain(args), plain(kwargs), plain(result)))
        return result

    def _empty(self, like: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        """A new tensor of that shape, of the type of another."""
        made: torch.Tensor = self.compute(torch.ops.aten.new_empty.default, (like, list(shape)), {})
        return made

    def used_by(self, output: Any) -> list[Event]:
        """The events without operators that the output does not depend on."""
        live = {id(tensor) for tensor in tensors_in(output)}
        kept: list[Event] = []
        for position in reversed(range(len(self.events))):
            read, made, writes = self._flow.get(position, ([], [], True))
            if writes or any(id(tensor) in live for tensor in made):
                live.update(map(id, read))
                kept.append(self.events[position])
        return kept[::-1]

    # ---------------------------------------------------------------- layers
    @contextmanager
    def _hooks(self) -> Iterator[None]:
        """Hooks on every layer, removed at the end."""
        handles = []
        for layer, path in modules_of(self._module).items():
            if not isinstance(layer, torch.jit.ScriptModule):
                handles += self._hooks_of(layer, path)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hooks_of(self, layer: nn.Module, path: str) -> list[Any]:
        attribution, outer = self.attribution, list[str]()

        def enter(_: nn.Module, args: Any) -> None:
            outer.append(attribution.path)
            attribution.path = path

        def leave(_: nn.Module, args: Any, output: Any) -> None:
            attribution.path = outer.pop()
            self.events.append(LayerCall(path, plain(args), plain(output)))

        return [layer.register_forward_pre_hook(enter), layer.register_forward_hook(leave)]

    # ---------------------------------------------------------------- functions
    @contextmanager
    def _replaced(self, names: Sequence[str]) -> Iterator[None]:
        """Functions and methods under names that note each call, and afterwards are what they were.

        A function mode would not do: to it, ``x @ y`` is ``x.matmul(y)``, and calls inside a function are
        hidden. The tools see what is called by a name, so the names must be replaced as they replace them.
        """
        undo: list[Callable[[], None]] = []
        try:
            for name in names:
                owner_name, _, attribute = name.rpartition(".")
                owner = torch.Tensor if owner_name == "torch.Tensor" else sys.modules.get(owner_name)
                if hasattr(owner, attribute):
                    undo.append(self._replace(owner, attribute, name))
            yield
        finally:
            for step in reversed(undo):
                step()

    def _replace(self, owner: Any, attribute: str, name: str) -> Callable[[], None]:
        original, own = getattr(owner, attribute), attribute in vars(owner)

        def noted(*args: Any, **kwargs: Any) -> Any:
            if not self._in_operator and threading.get_ident() == self._thread:
                place = self.attribution.path, self.attribution.phase
                self.events.append(FunctionCall(name, *place, plain(args), plain(kwargs)))
            self._in_function += 1  # The operators inside are what the tool counts by this name.
            try:
                return original(*args, **kwargs)
            finally:
                self._in_function -= 1

        setattr(owner, attribute, update_wrapper(noted, original) if callable(original) else noted)
        return (lambda: setattr(owner, attribute, original)) if own else (lambda: delattr(owner, attribute))
