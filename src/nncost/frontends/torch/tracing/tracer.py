"""The tracer notes every operator that a step runs, with its layer and phase.

Calls that are equal share one :class:`CallSignature`, which is lowered once; on fake tensors they also
run only once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch

from nncost.dims import Shape
from nncost.errors import SymbolError
from nncost.frontends.torch.errors import check_types
from nncost.frontends.torch.step.attribution import Place, producer
from nncost.frontends.torch.step.dispatch_table import OTHER_VIEWS, Handling, OperatorInfo, written_to
from nncost.frontends.torch.step.fake_tensors import Outputs, is_fake, is_made, outputs_like, tensors_in
from nncost.frontends.torch.step.mode import Consumer
from nncost.frontends.torch.step.packing import keep_packed
from nncost.frontends.torch.step.plain_results import plain_result
from nncost.frontends.torch.step.provenance import (
    CONSTANT,
    provenance_of,
    result_provenance,
    seen_provenance,
    set_provenance,
)
from nncost.frontends.torch.step.signals import NotEqual
from nncost.frontends.torch.step.symbolic_sizes import Sizes, plain
from nncost.frontends.torch.tracing.call_signature import CallSignature, TracedDescription
from nncost.frontends.torch.tracing.causal import HIDDEN, CausalProducts
from nncost.frontends.torch.tracing.log import Entry, Log
from nncost.frontends.torch.tracing.rewrites import Rewrites

_ASKED = {
    "aten::mkldnn_rnn_layer_backward", "aten::_scaled_dot_product_flash_attention_for_cpu_backward",
    "aten::_scaled_dot_product_flash_attention_backward", "aten::_scaled_dot_product_efficient_attention_backward",
    "aten::_prelu_kernel_backward",
}  # fmt: skip
"""Operators that compute all gradients; the autograd node knows which of them lead anywhere."""
_CONTRACTIONS = {"MvBackward0", "AddmvBackward0", "DotBackward0", "VdotBackward0", "LinalgVecdotBackward0"}
"""Nodes whose gradients are outer products of a contraction: with a batch they would be matrix products."""
_LEFT = {("aten::mm", "self"), ("aten::bmm", "self"), ("aten::addmm", "mat1"), ("aten::linear", "input")}
"""Left operands: a parameter before a parameter that is a matrix is a state that the matrix multiplies."""


class Tracer(Consumer):
    """Notes operators in ``records``: lists of signature, path and phase, and blocks of them.

    With ``log``, every call is kept with its tensors. ``only_fake``: operators on real tensors are not noted.
    ``layer_outputs`` are the shapes of what layers return, in the order in which they end.
    """

    repeats = True

    def __init__(self, *, log: Log | None = None, only_fake: bool = False) -> None:
        super().__init__()
        self.records: list[Any] = []
        self.signatures: dict[Any, CallSignature] = {}
        self.uses: dict[tuple[str, str, str], None] = {}
        self.layer_outputs: dict[str, Shape] = {}
        self.written: dict[int, Any] = {}
        self.causal = CausalProducts()
        self.log = log
        self._only_fake = only_fake
        # An optimizer may have made its tensors before it is seen; a module's all come from operators that are.
        self._provenance_of = provenance_of if only_fake else seen_provenance

    def contexts(self) -> Iterable[AbstractContextManager[Any]]:
        """Functions are rewritten before PyTorch takes them apart."""
        return (Rewrites(self.causal, lambda: self.sizes),)

    # ---------------------------------------------------------------- operators
    def decomposition(self, func: Any, info: OperatorInfo) -> Callable[..., Any] | None:
        """What PyTorch makes an operator of that has no lowering; never of one that writes to its arguments."""
        if info.handling is not Handling.DECOMPOSED:
            return None
        form: Callable[..., Any] | None = func.decompose if info.decomposition is None else info.decomposition
        return None if info.written and info.decomposition is not None else form

    def query(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """Run an operator that asks about a tensor; the same tensor in another form is like a view."""
        if self.fast is not None and func in OTHER_VIEWS and is_made(args[0]):
            result = self.fast.view(func, args, kwargs)
        else:
            result = self.compute(func, args, kwargs)
        if isinstance(result, torch.Tensor) and args and isinstance(args[0], torch.Tensor) and result is not args[0]:
            set_provenance(result, provenance_of(args[0]))
            keep_packed([args[0]], [result])
            self._note_view(info, args, kwargs, result)
        return result

    def view(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """Run an operator that returns a view, which comes from where its operand does."""
        if self._only_fake and not _any_fake(args, kwargs):
            return self.compute(func, args, kwargs)
        found = self._described(info, args, kwargs)[0]
        fast = self.fast
        if fast is None or info.written or not all(map(is_made, found.tensors)):
            result = self.compute(func, args, kwargs)
        else:
            result = fast.view(func, args, kwargs)
        results = self._note_provenance(found, info, result, view=True)
        if found.parameter is not None:
            keep_packed(found.tensors, results)
        self._note_view(info, args, kwargs, result)
        return result

    def operation(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """Run an operator, or repeat the result of an equal call, and note it."""
        if self._only_fake and not _any_fake(args, kwargs):
            return self.compute(func, args, kwargs)
        found, arguments = self._described(info, args, kwargs)
        place = self.attribution.place_of(found.tensors)
        if place[1] == "backward":
            _add_context(info, arguments)
        hidden = self.causal.of_operator(info.name, backward=place[1] == "backward")
        if hidden is not None:
            arguments.append((HIDDEN, hidden))
        key = (func, tuple(arguments))
        signature = self.signatures.get(key)
        if signature is None or signature.results is None:
            result = self._first(func, info, found, args, kwargs)
            if signature is None:
                known = None if self.fast is None or info.by_data else _results(info, args, result)
                signature = CallSignature(func, info, key[1], _outputs(result, self.sizes), known)
                self.signatures[key] = signature
        else:
            assert self.fast is not None
            result = self.fast.again(signature.results, args)
        self._note(signature, found, args, kwargs, result, place)
        return result

    def _first(self, func: Any, info: OperatorInfo, found: TracedDescription, args: Any, kwargs: Any) -> Any:
        """The result of a call like none before."""
        if self.fast is not None:
            check_types(info.name, found.tensors)
            if found.tensors and all(map(is_made, found.tensors)):
                result = plain_result(func, args, kwargs, found.tensors, self.fast)
                if result is NotImplemented and info.simple:
                    result = self.fast.run(func, args, kwargs)
                if result is not NotImplemented:
                    return result
        return self.compute(func, args, kwargs)

    def _described(self, info: OperatorInfo, args: Any, kwargs: Any) -> tuple[TracedDescription, list[tuple[str, Any]]]:
        found = TracedDescription(self.written, self.sizes, self._provenance_of)
        describe = found.of
        arguments = [(name, describe(value)) for name, value in zip(info.names, args, strict=False)]
        for name, value in kwargs.items():
            if not (name == "out" or name in info.written_names):
                arguments.append((name, describe(value)))
        return found, arguments

    # ---------------------------------------------------------------- notes
    def note_output(self, path: str, result: Any) -> None:
        """A layer has returned: note the shape of the first tensor in its result."""
        if self.attribution.in_backward:
            return  # it runs again, for activations that were not kept
        with torch._C.DisableTorchFunction():
            shape = _shape_of(next(iter(tensors_in(result)), None), self.sizes)
        if shape is not None:
            self.end_layer(path, shape)

    def end_layer(self, path: str, shape: Shape) -> None:
        """Note the shape of what a layer returned, which ended behind all others so far."""
        self.layer_outputs.pop(path, None)
        self.layer_outputs[path] = shape

    def _note_view(self, info: OperatorInfo, args: Any, kwargs: Any, result: Any) -> None:
        self.attribution.note_view(tensors_in(result))
        if self.log is not None:
            self.log.append(Entry(info, args, kwargs, result))

    def _note_provenance(
        self, found: TracedDescription, info: OperatorInfo, result: Any, *, view: bool = False
    ) -> list[torch.Tensor]:
        """Note where the tensors of a result come from; these tensors."""
        results = tensors_in(result)
        random = info.random and not view
        provenance = result_provenance(info.name, found.bits, found.parameter, view=view, random=random)
        for tensor in results:
            set_provenance(tensor, provenance)
        return results

    def _note(
        self, signature: CallSignature, found: TracedDescription, args: Any, kwargs: Any, result: Any, place: Place
    ) -> None:
        info = signature.info
        folded = found.bits == CONSTANT and not info.random
        if found.parameter is not None and place[1] == "forward":
            self._note_uses(info, args, kwargs)
        results = self._note_provenance(found, info, result)
        if info.written and not folded:
            for tensor in tensors_in(written_to(info, args, kwargs)):
                if tensor.layout is not torch.strided:
                    continue  # what is known of it is gone already
                storage = tensor.untyped_storage()
                block = getattr(storage, "_nncost_block", None)
                if block is not None:
                    raise NotEqual(block)  # what a replaced block reads or returns is its own
                self.written[storage._cdata] = storage  # kept, so that no other memory comes to lie at its address
        if place[1] == "backward":
            # A sum of gradients was begun by the layer that produced the first of them.
            is_sum = info.name == "aten::add" and len(found.tensors) > 1
            self.attribution.note_gradient(results, producer(found.tensors[0]) if is_sum else place[0])
        if not folded:
            self.records.append([signature, *place])
        if self.log is not None:
            self.log.append(Entry(info, args, kwargs, result, signature, *place, torch.is_grad_enabled()))

    def _note_uses(self, info: OperatorInfo, args: Any, kwargs: Any) -> None:
        used = [
            (provenance[1], name)
            for name, value in (*zip(info.names, args, strict=False), *kwargs.items())
            for tensor in tensors_in(value)
            if (provenance := provenance_of(tensor))[1]
        ]
        for position, (parameter, argument) in enumerate(used):
            state = position + 1 < len(used) and (info.name, argument) in _LEFT
            self.uses[parameter, info.name, "state" if state else argument] = None


def _any_fake(args: Any, kwargs: Any) -> bool:
    return any(is_fake(tensor) for tensor in tensors_in((args, kwargs)))


def _add_context(info: OperatorInfo, arguments: list[tuple[str, Any]]) -> None:
    """What the schema of a backward operator does not say: which gradients were asked for, whose product it is."""
    if info.name in _ASKED:
        node = torch._C._current_autograd_node()
        if node is not None:
            arguments.append(("asked", tuple(target is not None for target, _ in node.next_functions)))
    elif info.name == "aten::mul":
        node = torch._C._current_autograd_node()
        if node is not None and node.name() in _CONTRACTIONS:
            arguments.append(("contraction", node.name()))


def _results(info: OperatorInfo, args: Any, result: Any) -> Outputs | None:
    """How to make a call's result again; None if that cannot be told."""
    if not info.written:
        return outputs_like(result)
    position = info.written[0]
    return Outputs(torch.Tensor, argument=position) if position < len(args) and args[position] is result else None


def _shape_of(tensor: torch.Tensor | None, sizes: Sizes | None) -> Shape | None:
    """The shape in our sizes; None without a tensor, of a nested one, and if a size has no formula."""
    if tensor is None or tensor.is_nested or (sizes is None and not all(type(dim) is int for dim in tensor.shape)):
        return None
    try:
        return tuple([plain(dim, sizes) for dim in tensor.shape])
    except SymbolError:
        return None


def _outputs(result: Any, sizes: Sizes | None) -> tuple[Any, ...]:
    """Shapes and types of the results; None if one is absent."""
    if isinstance(result, torch.Tensor):
        shape = tuple(result.shape) if sizes is None else tuple([plain(dim, sizes) for dim in result.shape])
        return ((shape, result.dtype),)
    if isinstance(result, (list, tuple)):
        return tuple(output for item in result for output in (_outputs(item, sizes) or (None,)))
    return ()
