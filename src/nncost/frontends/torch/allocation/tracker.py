"""Follows memory through a step: which kernel takes it, and when it is given back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from nncost.dims import Dim
from nncost.frontends.model import Inputs
from nncost.frontends.torch.allocation.inplace_rules import (
    OTHER_KERNELS,
    REUSING,
    Maker,
    reuse_of,
    runs_other_formula,
    sums_gradients,
)
from nncost.frontends.torch.allocation.intercepts import FUSABLE, BiasedProducts, random_states
from nncost.frontends.torch.allocation.known_results import KnownResults, key_of
from nncost.frontends.torch.allocation.memory_call import (
    CallEvent,
    MemoryCall,
    MemoryDescription,
    bytes_of,
    outputs_of,
    results_in,
    without_positions,
)
from nncost.frontends.torch.allocation.repeated.memory import RepeatedMemory
from nncost.frontends.torch.allocation.repeated.rows import Row
from nncost.frontends.torch.allocation.saved_scalars import SAVING, SavedScalars
from nncost.frontends.torch.allocation.storages import OUTSIDE, Storages, storage_of
from nncost.frontends.torch.allocation.workspace_probe import macs_of
from nncost.frontends.torch.allocation.workspace_rules import operands
from nncost.frontends.torch.inputs import tensors_of
from nncost.frontends.torch.step.attribution import Place
from nncost.frontends.torch.step.dispatch_table import OTHER_VIEWS, Handling, OperatorInfo
from nncost.frontends.torch.step.fake_tensors import Outputs, is_made, tensors_in
from nncost.frontends.torch.step.leaves import AutogradGraph
from nncost.frontends.torch.step.mode import Consumer
from nncost.frontends.torch.step.plain_results import plain_result
from nncost.frontends.torch.step.subclasses import inner_tensors
from nncost.frontends.torch.tracing.call_signature import Description

_RECURRENT_BACKWARD = torch.ops.aten.mkldnn_rnn_layer_backward.default
_RECURRENT = {torch.ops.aten.mkldnn_rnn_layer.default, _RECURRENT_BACKWARD}
_ADD = torch.ops.aten.add.Tensor
_LIFT = torch.ops.aten.lift_fresh.default
_BY_FORMAT = {torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default}
"""Operators whose results are channels first or last as their operands are: fake tensors know, meta kernels do not."""
_POOL = torch.ops.aten.max_pool2d_with_indices.default
_LAST_NODE = 1 << 62
"""Nodes that add up a leaf's gradient have a higher number."""
_CHECKS = {torch.ops.aten._linalg_check_errors.default}
"""Operators without a result that take memory."""

ActualOutputs = Callable[[MemoryCall], Outputs | None]
"""The outputs of a call as a real run gives them, if they are not as its fake run says."""


class AllocationTracker(Consumer):
    """Notes calls and frees in ``events``; holds no tensor, so that each dies when it would.

    ``known`` are results that the tracer has met; ``actual`` corrects those that a real run lays out otherwise.
    """

    repeats = True

    def __init__(
        self, known: KnownResults, actual: ActualOutputs, rows: Sequence[Row] = (), *, updates: bool = False
    ) -> None:
        super().__init__()
        self._rows, self._updates = rows, updates
        self._blocks: RepeatedMemory | None = None
        self.events: list[Any] = []
        self.storages = Storages(self._freed)
        self.forward_events = 0
        self.gradients: set[int] = set()
        self.segments: list[tuple[int, int]] = []
        self.input_bytes: Dim = 0
        self.state_bytes = 0
        self.other_formulas: dict[str, None] = {}
        self._known, self._actual = known, actual
        self._calls: dict[Any, MemoryCall] = {}
        self._products = BiasedProducts(self.other_formulas)
        self.makers: list[Maker] = []
        self._scalars = SavedScalars(self.storages, self.makers)
        self._makes_state = False
        self._is_noted = True
        self._aside: tuple[list[Any], set[int]] = ([], set())

    # ---------------------------------------------------------------- the step
    def begin(self, inputs: Inputs) -> None:
        """Parameters, buffers and inputs are there before the step."""
        for fake in self.swapped.fakes().values():
            for tensor in inner_tensors(fake):
                self._is_there(tensor)
        if self._rows and self.fast is not None:
            self._blocks = RepeatedMemory(self, self.fast, self._rows, updates=self._updates)
        for tensor in [inner for given in (*tensors_of(inputs), *self.of_loss) for inner in inner_tensors(given)]:
            if storage_of(tensor) is not None:
                self.target(tensor)

    def contexts(self) -> Iterable[AbstractContextManager[Any]]:
        """Random states are seen while the step runs."""
        return (random_states(self.allocated),)

    def around_forward(self) -> AbstractContextManager[Any]:
        """Products with a bias are seen while the forward pass runs."""
        return self._products

    def run_layer(self, layer: nn.Module, path: str, forward: Any, args: Any, kwargs: Any) -> Any:
        """A layer's forward, in which products with a bias are seen, also if it runs again in a backward pass."""
        if self._blocks is not None and layer in self._blocks:
            return self._blocks.run_layer(layer, path, lambda: forward(*args, **kwargs), args, kwargs)
        if type(layer) in FUSABLE:
            with self._products.inside_one():
                return forward(*args, **kwargs)
        if not self.attribution.in_backward or self.attribution.depth > 1:
            return forward(*args, **kwargs)
        with self._products:
            return forward(*args, **kwargs)

    def target(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor that is there before the step: an input, or what the loss compares the output with."""
        storage = storage_of(tensor)
        number = self.storages.number(storage)
        events = self.events
        if events and isinstance(events[-1], CallEvent) and number in events[-1].allocated:
            events.pop()
        if number != OUTSIDE:
            size = storage.nbytes()
            self.input_bytes += size if self.sizes is None else self.sizes.dim(size)
        self.storages.outside(storage)
        return tensor

    def allocated(self, tensor: torch.Tensor) -> None:
        """A tensor that came about without an operator."""
        storage = storage_of(tensor)
        call = MemoryCall(None, (), (), sizes=(storage.nbytes(),))
        phase = "backward" if self.attribution.in_backward else self.attribution.phase
        self.makers.append(Maker())
        self.events.append(CallEvent(call, (self.storages.taken(storage),), self.attribution.path, phase))

    def forward_ended(self) -> None:
        """What is held now is saved for the backward pass."""
        self.forward_events = len(self.events)

    def backward_begins(self, graph: AutogradGraph) -> None:
        """The graph of the loss is known."""
        if self._blocks is not None:
            self._blocks.backward.begins(graph)

    def graph_dropped(self) -> None:
        """Nodes are let go of."""
        if self._blocks is not None:
            self._blocks.backward.graph_dropped()

    def backward_ended(self) -> None:
        """The parameters' gradients are there."""
        if self._blocks is not None:
            self._blocks.backward.ended()
        gradients = [storage_of(fake.grad) for fake in self.swapped.with_gradient().values() if fake.grad is not None]
        numbers = {self.storages.number(storage) for storage in gradients}
        self.gradients = {number for number in numbers if number is not None}
        if self._blocks is not None:
            self.gradients.update(self._blocks.backward.gradients)

    def state_begins(self) -> None:
        """The optimizer's state is there before the step: what making it takes is not noted."""
        self._makes_state = True
        self._aside = self.events, self.storages.alive()
        self.events = []

    def like(self, tensor: torch.Tensor) -> torch.Tensor:
        """Another tensor in that layout, with its values if it has any, which is there before the step."""
        if self.fast is None or not is_made(tensor):
            made = tensor.clone()
        else:
            made = self.fast.make(tensor.shape, tensor.stride(), tensor.dtype)
        self.storages.outside(storage_of(made))
        return made

    def state_ended(self, optimizer: torch.optim.Optimizer) -> None:
        """All there is by now, but what the step held before, is the optimizer's state."""
        self._makes_state = False
        self._calls.clear()
        self.events, before = self._aside
        self.storages.now_outside(but=before)
        leaves = tree_leaves([dict(state) for state in optimizer.state.values()])
        storages = [storage_of(leaf) for leaf in leaves if isinstance(leaf, torch.Tensor)]
        self.state_bytes = sum({storage._cdata: storage.nbytes() for storage in storages}.values())

    def step_ended(self) -> None:
        """Gradients are dropped."""
        if self._blocks is not None:
            self.events += self._blocks.backward.gradients

    def finished(self) -> None:
        """What is held now outlives the step: its end is not noted."""
        self._is_noted = False

    # ---------------------------------------------------------------- operators
    def captured(self, tensor: torch.Tensor) -> torch.Tensor:
        """The fake tensor of a real one; of a number that autograd saved, one that nothing else holds."""
        if tensor.dim() == 0 and self.storages.number(tensor.untyped_storage()) not in (None, OUTSIDE):
            assert self.fast is not None
            made = self.fast.make((), (), tensor.dtype)
        else:
            made = super().captured(tensor)
        if self.attribution.phase == "loss" and self.storages.number(storage_of(made)) is None:
            return self.target(made)  # what the loss looks up somewhere
        self._is_there(made)
        return made

    def query(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """Run an operator that asks about a tensor, or returns it in another form."""
        if func in OTHER_VIEWS:
            return self.view(func, info, args, kwargs)
        if func is _LIFT and (self.fast is None or not args[0].untyped_storage().resizable()):
            return self._lifted(self.compute(func, args, kwargs), args[0])
        return self.operation(func, info, args, kwargs)

    def _lifted(self, result: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """A tensor made of numbers, on real tensors; or of memory that is NumPy's, or another library's."""
        if not given.untyped_storage().resizable():
            self.storages.outside(storage_of(result))
        elif self.storages.number(storage_of(result)) is None:
            self.allocated(result)
        return result

    def view(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """Run an operator that returns a view, or turns its operand into one, which takes no memory."""
        self._scalars.note()
        if self.fast is not None and not info.written and is_made(args[0]):
            result = self.fast.view(func, args, kwargs)
        else:
            result = self.compute(func, args, kwargs)
        self.attribution.note_view(tensors_in(result))
        return result

    def operation(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """Run an operator, or repeat the result of an equal call, and note the memory it takes."""
        if func in OTHER_VIEWS:
            return self.view(func, info, args, kwargs)
        if func is _ADD and self._blocks is not None:
            total = self._blocks.backward.added(args)
            if total is not None:
                return total
        self._scalars.note()
        description = MemoryDescription(self.sizes) if func in _RECURRENT else Description(self.sizes)
        description.repeatable = description.repeatable and not info.by_data and self.fast is not None
        described = tuple([description.of(value) for value in args])
        options = tuple([(name, description.of(value)) for name, value in kwargs.items()])
        tensors = description.tensors
        is_query = info.handling is Handling.QUERY
        place: Place = ("", "forward") if is_query else self.attribution.place_of(tensors)
        key = (func, described, options, torch.is_grad_enabled())
        call = self._calls.get(key) if description.repeatable else None
        if call is not None and call.outputs is not None:
            result, fresh = self._again(call.outputs, args)
        else:
            result, fresh = self._first(func, args, kwargs, tensors, info, (described, options))
            if call is None:
                call = self._new(func, (described, options), result, fresh, args, kwargs)
                if description.repeatable:
                    self._calls[key] = call
                    result, fresh = self._as_actually(call, result, fresh)
        results = tensors_in(result)
        if is_query:
            self.attribution.note_view(results)
        elif place[1] == "backward":
            self.attribution.note_gradient(results, place[0])
        if func is _POOL and self._products.pools and not (torch.is_grad_enabled() and tensors[0].requires_grad):
            call, fresh = without_positions(call), self._first_only(fresh)
        if fresh or not is_query or func in _CHECKS:
            self._note(call, tensors, fresh, self.attribution.place_of(tensors) if is_query else place)
            if func in SAVING:
                self._scalars.expect(self.events[-1], args, result)
        return result

    def _first(
        self, func: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor], info: OperatorInfo, described: Any
    ) -> tuple[Any, list[Any]]:
        """The results of a call like none before, and the storages that are new among theirs."""
        for tensor in tensors:
            self._is_there(tensor)
        fast = self.fast
        result: Any = NotImplemented
        by_format = func in _BY_FORMAT and not all(tensor.is_contiguous() for tensor in tensors)
        if fast is not None and not by_format and tensors and all(map(is_made, tensors)):
            outputs = self._known.get(key_of(func, info, *described)) if self._known else None
            if outputs is None:
                result = _written(func, info, args, tensors)
                if result is NotImplemented:
                    result = plain_result(func, args, kwargs, tensors, fast)
            elif outputs.argument is None or outputs.argument < len(args):
                result = fast.again(outputs, args)
            if result is NotImplemented and info.simple:
                result = fast.run(func, args, kwargs)
        if result is NotImplemented:
            result = self.compute(func, args, kwargs)
        if func is _RECURRENT_BACKWARD and fast is not None:
            # Its fake run returns one tensor for two biases; the kernel itself gives each its own.
            result = tuple([None if t is None else fast.make(t.shape, t.stride(), t.dtype) for t in result])
        return result, self._fresh(result)

    def _first_only(self, fresh: list[Any]) -> list[Any]:
        """The first of the new storages; a real run makes no others."""
        for storage in fresh[1:]:
            self.storages.outside(storage)
        return fresh[:1]

    def _fresh(self, result: Any) -> list[Any]:
        """The storages among a result's that are new."""
        storages = [storage_of(tensor) for tensor in tensors_in(result)]
        fresh = {s._cdata: s for s in storages if s is not None and self.storages.number(s) is None}
        return list(fresh.values())

    def _again(self, outputs: Outputs, args: Any) -> tuple[Any, list[Any]]:
        """The results of a call equal to an earlier one, and their storages."""
        assert self.fast is not None
        result = self.fast.again(outputs, args)
        fresh = tensors_in(result) if outputs.argument is None else []
        return result, [tensor.untyped_storage() for tensor in fresh]

    def _as_actually(self, call: MemoryCall, result: Any, fresh: list[Any]) -> tuple[Any, list[Any]]:
        """The results as a real run lays them out, so that what follows reads them as it would."""
        if call.outputs is None or not call.outputs.layouts or self._makes_state:
            return result, fresh
        if call.operator in REUSING and (self.attribution.in_backward or self._products.depth):
            return result, fresh  # it may really compute in the memory of an operand
        actual = self._actual(call)
        if actual is None:
            return result, fresh
        result, fresh = self._again(actual, ())
        call.outputs, call.actual = actual, None
        call.sizes = tuple([storage.nbytes() for storage in fresh])
        return result, fresh

    def _new(
        self, func: Any, described: tuple[Any, Any], result: Any, fresh: list[Any], args: Any, kwargs: Any
    ) -> MemoryCall:
        positions, results = _positions(result, fresh)
        sizes = tuple([storage.nbytes() for storage in fresh])
        if self.sizes is not None:
            dims = tuple([self.sizes.dim(size) for size in sizes])
            return MemoryCall(func, *described, None, dims, positions, results, symbolic=True)
        outputs, grads = outputs_of(result, fresh, args), torch.is_grad_enabled()
        call = MemoryCall(func, *described, outputs, sizes, positions, results, grads=grads)
        call.symbolic = any(t.layout is not torch.strided for t in tensors_in((args, kwargs)))
        call.macs = macs_of(func, args, kwargs, result)
        call.bytes = sum(sizes) + sum(bytes_of(operand.layout) for operand in operands(call))
        return call

    # ---------------------------------------------------------------- notes
    def enter_node(self) -> None:
        """Note where events of another autograd node begin; sums of gradients belong to the node that ran before."""
        node = torch._C._current_autograd_node()
        number = _LAST_NODE if node is None else node._sequence_nr()
        if number < _LAST_NODE and (not self.segments or self.segments[-1][1] != number):
            self.segments.append((len(self.events), number))

    def settled(self) -> bool:
        """Note the numbers that autograd has saved; whether it has come to all."""
        return self._scalars.note()

    def _is_there(self, tensor: torch.Tensor) -> None:
        """Memory met for the first time was there before the step."""
        storage = storage_of(tensor)
        if storage is not None and self.storages.number(storage) is None:
            self.storages.outside(storage)

    def _freed(self, number: int) -> None:
        if self._is_noted:
            if self._blocks is not None and self.attribution.in_backward:
                self.enter_node()
            self.events.append(number)

    def _note(self, call: MemoryCall, tensors: list[torch.Tensor], fresh: list[Any], place: Place) -> None:
        allocated = tuple([self.storages.taken(storage) for storage in fresh])
        event = CallEvent(call, allocated, *place)
        node = torch._C._current_autograd_node() if self.attribution.in_backward else None
        if node is not None and self._blocks is not None:
            self.enter_node()
        self.makers += [Maker(None if node is None else node._sequence_nr(), call.operator)] * len(allocated)
        if node is not None and runs_other_formula(node, call.operator):
            self.other_formulas[node.name()] = None
        if call.operator in OTHER_KERNELS:
            self.other_formulas[call.operator._schema.name] = None
        if node is not None and call.operator in SAVING and len(tensors) == 1:
            event.scalar_operand = self._scalars.is_known_to(node)
        adds_bias = self._products.depth > 0
        if len(allocated) == 1 and tensors and (node is not None or adds_bias) and call.operator in REUSING:
            self._note_in_place(event, tensors, node, adds_bias=adds_bias)
        self.events.append(event)

    def _note_in_place(self, event: CallEvent, tensors: list[torch.Tensor], node: Any, *, adds_bias: bool) -> None:
        first = self.storages.number(storage_of(tensors[0]))
        if first is None or first == OUTSIDE:
            return
        if node is not None and event.call.operator is _ADD and sums_gradients(node, self.makers[first]):
            self.makers[event.allocated[0]] = Maker()
        reuse = reuse_of(event.call, tensors, node, self.makers[first], adds_bias=adds_bias)
        if reuse is not None:
            event.reusable_input, event.reuses, event.inplace_form = first, reuse.surely, reuse.form


def _written(func: Any, info: OperatorInfo, args: Any, tensors: list[torch.Tensor]) -> Any:
    """What an elementwise operator that writes to its first operand returns; NotImplemented for any other.

    That it may be written to, the trace has seen.
    """
    is_own = info.written == (0,) and torch.Tag.pointwise in func.tags and tensors[0] is args[0]
    return args[0] if is_own else NotImplemented


def _positions(result: Any, fresh: list[Any]) -> tuple[tuple[int, ...], int]:
    """Of which of the results each new memory is, and how many results there are."""
    storages = [None if tensor is None else storage_of(tensor) for tensor in results_in(result)]
    addresses = [None if storage is None else storage._cdata for storage in storages]
    return tuple([addresses.index(storage._cdata) for storage in fresh]), len(addresses)
