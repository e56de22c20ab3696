"""Repeated blocks: layers that are equal are analysed once, forward and backward.

A deep network repeats a block many times. The first of a kind runs on its own, on detached inputs,
and what it recorded becomes a template; the second runs in full, and must do the same. For the first and from the
third on, one autograd function takes the block's place: forward it returns tensors of the right shapes, backward
gradients of the right shapes, and both add the template's calls to the records. So with equal calls of one layer, as
in a Python loop: its parameters are inputs of each call.

Two blocks are equal if their classes, plain attributes, parameters and buffers (shape, strides,
type, whether trained), training flags and arguments agree. A number such as ``layer_idx`` differs
in every block: an integer that notes being used takes its place. The template's run shows what else a
block reads (:mod:`.environment`), which must be as it was. Whatever cannot be shown to be equal runs
in full: shared weights, unknown objects among the arguments (a key-value cache), hooks, checkpoints, inputs or
attributes that are changed, values that are asked for, gradients that the model itself asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from nncost.frontends.torch.step.fake_tensors import FakeTensors, Layout, is_made, layout_of
from nncost.frontends.torch.step.leaves import AutogradGraph, Contribution, Edge, autograd_graph, contributions_to
from nncost.frontends.torch.step.provenance import STORED, Provenance, provenance_of, set_provenance
from nncost.frontends.torch.step.signals import NotEqual
from nncost.frontends.torch.tracing.block_candidates import CalledAgain, Candidates
from nncost.frontends.torch.tracing.block_equality import Held, numbers_used, trace_numbers
from nncost.frontends.torch.tracing.call_signature import Literal, TracedDescription, flattened
from nncost.frontends.torch.tracing.environment import Observed, Snapshot, Unprovable
from nncost.frontends.torch.tracing.paths import below, relative
from nncost.frontends.torch.tracing.shared_sums import SharedSums
from nncost.frontends.torch.tracing.tracer import Tracer
from nncost.ir.trace import joined

DEBUG = False
Forward = Callable[..., Any]
Call = tuple[nn.Module, int]
"""A layer, and which of its calls is meant."""
FIRST_CALLS = 2
"""Calls of a layer that always run in full: most layers are called no more often."""


@dataclass(slots=True, eq=False)
class BlockTensor:
    """A tensor of a template: what is needed to make one like it."""

    layout: Layout
    requires_grad: bool
    provenance: Provenance


@dataclass(slots=True, eq=False)
class BackwardTemplate:
    """What a backward pass through a block recorded, for one pattern of incoming gradients.

    ``gradients`` are what it makes; ``contributions`` tell for each contribution to an input which of them it is, or
    which incoming gradient is handed on (counted from -1 down), or None; ``producers`` are the layers they come from.
    """

    calls: list[Any]
    gradients: list[BlockTensor]
    contributions: list[int | None]
    producers: list[str]
    trained: list[str]
    sums: SharedSums = field(default_factory=SharedSums)


@dataclass(slots=True, eq=False)
class Template:
    """A block that ran: its calls with relative paths, its outputs, its graph for the backward pass, what it read.

    ``shared`` are the parameters that all of its kind use, as the calls of one layer do; their contributions come after
    ``own_contributions`` to inputs.
    """

    layer: nn.Module
    path: str
    calls: list[Any]
    uses: list[tuple[str, str, str]]
    outputs: list[Any]
    structure: Any
    contributions: list[list[Contribution]]
    inner_inputs: list[torch.Tensor]
    inner_outputs: list[torch.Tensor]
    parameters: dict[str, torch.Tensor]
    environment: Snapshot
    last_layer: str
    shared: list[torch.Tensor]
    own_contributions: int
    is_confirmed: bool = False
    places: set[str] = field(default_factory=set)
    equal: list[Call] = field(default_factory=list)
    backward: dict[tuple[Any, ...], BackwardTemplate] = field(default_factory=dict)

    def is_like(self, result: Any) -> bool:
        """Whether another block has returned what this one did."""
        found, structure = tree_flatten(result)
        return structure == self.structure and all(
            not isinstance(output, BlockTensor) or (isinstance(leaf, torch.Tensor) and layout_of(leaf) == output.layout)
            for leaf, output in zip(found, self.outputs, strict=True)
        )

    def holds(self) -> bool:
        """Whether what the block reads besides its arguments is as it was."""
        return self.environment.is_same()


@dataclass(slots=True, eq=False)
class BlockRecord:
    """A template's calls at the place of one block."""

    calls: list[Any]
    path: str


class Blocks:
    """The blocks of one run, and the calls of layers that are called often.

    The backward pass reaches blocks through ``anchor``, also if none of their inputs needs a gradient; ``trained`` are
    the parameters in blocks that got one.
    """

    def __init__(self, tracer: Tracer, fast: FakeTensors, candidates: Candidates) -> None:
        self.tracer, self.fast, self.candidates = tracer, fast, candidates.equal
        self._often = candidates.often
        self._calls: dict[nn.Module, int] = {}
        self._met: dict[Any, int] = {}
        self.anchor = set_provenance(fast.make((), (), torch.float32, requires_grad=True), (STORED, ""))
        self.trained: dict[str, None] = {}
        self._templates: dict[Any, Template] = {}
        self._seen: set[nn.Module] = set()
        self._inside = False
        self._replayed: dict[nn.Module, None] = {}
        self._first: dict[Edge, int] = {}
        self._nodes: Collection[Any] = ()
        self._held = {layer: Held(layer) for layer in candidates.equal}
        self._owners = {part: layer for layer in candidates.equal for part in layer.modules() if part is not layer}
        self._modes = torch._C._len_torch_dispatch_stack() + 1  # with the mode of the step

    def run_layer(self, layer: nn.Module, path: str, forward: Forward, args: Any, kwargs: Any) -> Any:
        """A layer's forward; a candidate's is replayed if an equal block ran before.

        Raise NotEqual for a layer inside a candidate that is called without it.
        """
        if self._inside:
            return forward(*args, **kwargs)
        if layer in self.candidates:
            return self._run(layer, path, forward, args, kwargs)
        owner = self._owners.get(layer)
        if owner is not None and (owner in self._replayed or self.tracer.swapped.is_deferred(owner)):
            raise NotEqual(owner)
        return self._called(layer, path, forward, args, kwargs) if layer in self._often else forward(*args, **kwargs)

    def backward_begins(self, graph: AutogradGraph) -> None:
        """The backward pass is known. Raise NotEqual if a parameter of a block that is replaced is used outside it."""
        self._first, self._nodes = graph.first, graph.nodes
        asked = set(map(id, graph.leaves))
        for layer in self._replayed:
            if any(id(parameter) in asked for parameter in layer.parameters()):
                raise NotEqual(layer)

    def graph_dropped(self) -> None:
        """Let go of the backward pass: its nodes hold one another, and the blocks, in C++ where no collector looks."""
        self._first, self._nodes = {}, ()

    def _called(self, layer: nn.Module, path: str, forward: Forward, args: Any, kwargs: Any) -> Any:
        """A call of a layer that may be called often: equal calls are analysed once, as equal blocks are."""
        calls = self._calls[layer] = self._calls.get(layer, -1) + 1
        if calls < FIRST_CALLS or self.tracer.attribution.in_backward:  # a part of the model that runs again
            return forward(*args, **kwargs)
        if layer not in self._held:
            self._held[layer] = Held(layer)
        leaves, form = flattened(args, kwargs)
        key = self._key(layer, leaves, form)
        if key is None:
            return forward(*args, **kwargs)
        template = self._templates.get(key)
        if template is None:
            self._met[key] = self._met.get(key, 0) + 1
            if self._met[key] == 1:
                return forward(*args, **kwargs)
            template = self._templates[key] = self._analyse(layer, path, forward, (args, kwargs), is_shared=True)
        elif not template.holds():
            return forward(*args, **kwargs)
        elif not template.is_confirmed:
            template.equal.append((layer, calls))
            return self._confirm(template, layer, path, lambda: forward(*args, **kwargs))
        template.equal.append((layer, calls))
        return self._replay(template, path, leaves)

    def _run(self, layer: nn.Module, path: str, forward: Forward, args: Any, kwargs: Any) -> Any:
        if layer in self._seen:
            raise CalledAgain(layer)
        self._seen.add(layer)
        leaves, form = flattened(args, kwargs)
        key = self._key(layer, leaves, form)
        template = None if key is None else self._templates.get(key)
        holds = template is not None and template.holds()
        if template is not None and holds:
            template.equal.append((layer, 0))
        if template is not None and holds and template.is_confirmed:
            self._replayed[layer] = None
            return self._replay(template, path, leaves)
        self.tracer.swapped.swap_deferred(layer)
        if key is None or (template is not None and not holds):
            return forward(*args, **kwargs)
        trace_numbers(layer)
        if template is not None:
            return self._confirm(template, layer, path, lambda: forward(*args, **kwargs))
        template = self._templates[key] = self._analyse(layer, path, forward, (args, kwargs))
        self._replayed[layer] = None
        template.equal.append((layer, 0))
        return self._replay(template, path, leaves)

    def groups(self) -> list[list[Call]]:
        """The calls that were equal, each group in the order in which it ran."""
        return [template.equal for template in self._templates.values()]

    def _confirm(self, template: Template, layer: nn.Module, path: str, run: Callable[[], Any]) -> Any:
        """The second of a kind runs in full. Raise NotEqual if it does anything else than the first, or leaves a trace."""
        records = self.tracer.records
        start = len(records)
        self._inside = True
        try:
            result = run()
        finally:
            self._inside = False
        same = relative(records[start:], path) == template.calls and template.is_like(result)
        if not same or not template.holds() or numbers_used(layer):
            raise NotEqual(layer)
        template.is_confirmed = True
        return result

    # ---------------------------------------------------------------- equality
    def _key(self, layer: nn.Module, leaves: list[Any], form: Any) -> Any:
        """What equal calls of equal blocks have in common; None for a call that runs in full."""
        with torch._C.DisableTorchFunction():
            return self._key_of(layer, leaves, form)

    def _key_of(self, layer: nn.Module, leaves: list[Any], form: Any) -> Any:
        if _is_checkpointed() or torch._C._len_torch_dispatch_stack() != self._modes or not self._held[layer].is_same():
            return None
        described = TracedDescription(self.tracer.written)
        is_converting = torch.is_autocast_enabled("cpu")
        parts: list[Any] = []
        for leaf in leaves:
            if isinstance(leaf, torch.Tensor):
                if not is_made(leaf) or provenance_of(leaf)[1] or (is_converting and leaf.requires_grad):
                    return None  # a leaf's conversion would be kept, that of a tensor that was computed is not
                parts.append((described.of(leaf), leaf.requires_grad, provenance_of(leaf)))
            elif leaf is None or isinstance(leaf, (int, float, str, torch.dtype, torch.device)):
                parts.append(Literal(type(leaf), leaf))
            else:
                return None
        state = (
            torch.is_grad_enabled(), is_converting, torch.get_autocast_dtype("cpu"),
            torch.get_default_dtype(), self.tracer.attribution.phase,
        )  # fmt: skip
        return self.candidates.get(layer, layer), tuple(parts), form, state

    # ---------------------------------------------------------------- first of its kind
    @contextmanager
    def _analysed(self) -> Iterator[tuple[list[Any], dict[tuple[str, str, str], None]]]:
        """Give the records and uses of what runs meanwhile, which do not reach those of the run."""
        tracer = self.tracer
        outer, apart = (tracer.records, tracer.uses), (list[Any](), dict[tuple[str, str, str], None]())
        tracer.records, tracer.uses = apart
        self._inside = True
        try:
            yield apart
        finally:
            tracer.records, tracer.uses = outer
            self._inside = False

    def _analyse(
        self, layer: nn.Module, path: str, forward: Forward, given: Any, *, is_shared: bool = False
    ) -> Template:
        """A block's template. Raise NotEqual if it does more than compute its outputs of its inputs."""
        leaves, structure = tree_flatten(given)
        apart = {id(leaf): self._detached(leaf) for leaf in leaves if isinstance(leaf, torch.Tensor)}
        inner = [apart.get(id(leaf), leaf) for leaf in leaves]
        held, own = Held(layer), [*layer.parameters(), *layer.buffers()]
        versions = [tensor._version for tensor in own]
        args, kwargs = tree_unflatten(inner, structure)
        observed = Observed(list(layer.modules()))
        try:
            with self._analysed() as (calls, used), observed.watched():
                result = forward(*args, **kwargs)
            environment = observed.environment()
        except (Exception, Unprovable) as error:
            if DEBUG:
                import traceback

                traceback.print_exc()
            raise NotEqual(layer) from error
        after, changed = tree_flatten((args, kwargs))
        is_changed = changed != structure or any(now is not before for now, before in zip(after, inner, strict=True))
        if is_changed or any(t._version != 0 for t in apart.values()) or not held.is_same() or numbers_used(layer):
            raise NotEqual(layer)
        if is_shared and versions != [tensor._version for tensor in own]:
            raise NotEqual(layer)  # the next call finds it changed
        found, out_structure = tree_flatten(result)
        outputs = self._outputs(found, inner, layer)
        made = [leaf for leaf, output in zip(found, outputs, strict=True) if isinstance(output, BlockTensor)]
        parameters = {name: p for name, p in layer.named_parameters() if p.requires_grad}
        known = {id(tensor) for tensor in (*apart.values(), *parameters.values())}
        if any(id(leaf) not in known for leaf in autograd_graph(made).leaves):
            raise NotEqual(layer)  # a gradient goes elsewhere
        shared = list(parameters.values()) if is_shared else []
        inputs = [*apart.values(), *shared]
        contributions = contributions_to(inputs, made)
        return Template(
            layer, path, relative(calls, path), [(below(n, path), o, a) for n, o, a in used], outputs, out_structure,
            contributions, inputs, made, {} if is_shared else parameters, environment,
            self._last_layer(made, path), shared, sum(map(len, contributions[: len(apart)])),
        )  # fmt: skip

    def _last_layer(self, made: list[torch.Tensor], path: str) -> str:
        """The layer that makes a block's first output that has a gradient, relative to the block."""
        nodes: Iterator[Any] = (tensor.grad_fn for tensor in made if tensor.grad_fn is not None)
        node = next(nodes, None)
        return "" if node is None else below(self.tracer.attribution.layer_of(node._sequence_nr()), path)

    def _detached(self, tensor: torch.Tensor) -> torch.Tensor:
        made = self.fast.make(tensor.shape, tensor.stride(), tensor.dtype, requires_grad=tensor.requires_grad)
        return set_provenance(made, provenance_of(tensor))

    def _outputs(self, found: list[Any], inner: list[Any], layer: nn.Module) -> list[Any]:
        """What a block returns. Raise NotEqual for what shares memory, or cannot be made again."""
        owners = {tensor.untyped_storage()._cdata for tensor in layer.parameters()}
        owners |= {
            tensor.untyped_storage()._cdata for tensor in (*inner, *layer.buffers()) if isinstance(tensor, torch.Tensor)
        }
        outputs: list[Any] = []
        for leaf in found:
            outputs.append(self._output(leaf, inner, layer))
            if isinstance(outputs[-1], BlockTensor):
                address = leaf.untyped_storage()._cdata
                if address in owners:
                    raise NotEqual(layer)
                owners.add(address)
        return outputs

    def _output(self, leaf: Any, inner: list[Any], layer: nn.Module) -> Any:
        """A new tensor's shape, the place of an input that is handed on, or a plain value."""
        if isinstance(leaf, torch.Tensor):
            for place, other in enumerate(inner):
                if other is leaf:
                    return (place,)
            layout = layout_of(leaf)
            if layout is None or provenance_of(leaf)[1]:
                raise NotEqual(layer)
            return BlockTensor(layout, leaf.requires_grad, provenance_of(leaf))
        if leaf is None or isinstance(leaf, (int, float, str)):
            return Literal(type(leaf), leaf)
        raise NotEqual(layer)

    # ---------------------------------------------------------------- all others
    def _replay(self, template: Template, path: str, leaves: list[Any]) -> Any:
        with torch._C.DisableTorchFunction():
            return self._replayed_at(path, template, leaves)

    def _replayed_at(self, path: str, template: Template, leaves: list[Any]) -> Any:
        tracer = self.tracer
        tracer.records.append(BlockRecord(template.calls, path))
        if path not in template.places:
            template.places.add(path)
            for name, operator, argument in template.uses:
                tracer.uses[joined(path, name), operator, argument] = None
        tensors = {id(leaf): leaf for leaf in leaves if isinstance(leaf, torch.Tensor)}.values()
        # An input comes once for each gradient of it, so that autograd adds them one by one, as it would.
        given = (*tensors, *template.shared)
        uses = [t for t, found in zip(given, template.contributions, strict=True) for _ in found]
        shapes = [output for output in template.outputs if isinstance(output, BlockTensor)]
        if any(shape.requires_grad for shape in shapes):
            made = list(_BlockFunction.apply(self.anchor, self, template, path, *uses))
            node: Any = next(tensor.grad_fn for tensor in made if tensor.requires_grad)
            tracer.attribution.note_node(node._sequence_nr(), joined(path, template.last_layer))
        else:
            made = [self.fast.make(*shape.layout) for shape in shapes]
        for tensor in (*tensors, *made):
            tensor.untyped_storage()._nncost_block = template.layer
        for tensor, shape in zip(made, shapes, strict=True):
            set_provenance(tensor, shape.provenance)
        rest = iter(made)
        result = [
            next(rest) if isinstance(o, BlockTensor) else o.value if isinstance(o, Literal) else leaves[o[0]]
            for o in template.outputs
        ]
        return tree_unflatten(result, template.structure)

    # ---------------------------------------------------------------- backward
    def backward(
        self, template: Template, path: str, node: Any, gradients: tuple[torch.Tensor | None, ...]
    ) -> list[torch.Tensor | None]:
        """The gradients of a block's inputs, one by one; what computing them takes is added to the records.

        Raise NotEqual in a backward pass of the model's own, whose sums are not those of the step's, and which may be
        differentiated itself.
        """
        if node not in self._nodes:
            raise NotEqual(template.layer)
        described = TracedDescription(self.tracer.written)
        pattern = tuple(None if g is None else (described.of(g), provenance_of(g)) for g in gradients)
        if pattern not in template.backward:
            template.backward[pattern] = self._analyse_backward(template, gradients)
        found = template.backward[pattern]
        self.tracer.records.append(BlockRecord(found.calls, path))
        self.trained.update((joined(path, name), None) for name in found.trained)
        own = template.own_contributions
        layers = [joined(path, producer) for producer in found.producers]
        wanted = found.contributions
        contributions = list(zip(wanted, layers, node.next_functions[1:], strict=True))
        sums = self._sums(node, contributions)
        if template.shared:
            others = self._sums(node, contributions[:own])
            given = sum(which is not None for which in wanted[own:])
            found.sums.look(self.tracer.records, path)
            if len(sums) == len(others) + given:  # none of them is the first of its parameter's
                if found.sums.calls is None:
                    found.sums.expect(len(self.tracer.records) + len(others), given)
                else:
                    self.tracer.records.append(BlockRecord(found.sums.calls, path))
                    wanted, sums = [*wanted[:own], *[None] * (len(wanted) - own)], others
        self.tracer.attribution.block_nodes[node._sequence_nr()] = iter(sums)
        return self._made(found, wanted, gradients)

    def _made(
        self, found: BackwardTemplate, wanted: list[int | None], incoming: tuple[torch.Tensor | None, ...]
    ) -> list[torch.Tensor | None]:
        """New gradients, and those handed on, by which of them is wanted at each place."""
        made: dict[int, torch.Tensor | None] = {}
        for which in wanted:
            if which is None or which in made:
                continue
            if which < 0:
                made[which] = incoming[-which - 1]
            else:
                shape = found.gradients[which]
                made[which] = set_provenance(self.fast.make(*shape.layout), shape.provenance)
        return [None if which is None else made[which] for which in wanted]

    def _sums(self, node: Any, contributions: list[tuple[int | None, str, Edge]]) -> list[str]:
        """The layers whose gradients autograd adds to what is there: all but the first of a tensor's to come."""
        layers: list[str] = []
        moved: set[Edge] = set()
        number = node._sequence_nr()
        for which, layer, edge in contributions:
            if which is None:
                continue
            if edge not in moved and self._first.get(edge) == number:
                moved.add(edge)
            else:
                layers.append(layer)
        return layers

    def _analyse_backward(self, template: Template, gradients: tuple[torch.Tensor | None, ...]) -> BackwardTemplate:
        apart = {id(g): self._detached(g.detach()) for g in gradients if g is not None}
        pairs = [
            (output, apart[id(g)])
            for output, g in zip(template.inner_outputs, gradients, strict=True)
            if g is not None and output.requires_grad
        ]
        wanted = [t for t in template.inner_inputs if t.requires_grad]
        with self._analysed() as (calls, _), _contributed(template.contributions) as contributed:
            found = torch.autograd.grad(
                [output for output, _ in pairs], [*wanted, *template.parameters.values()], [g for _, g in pairs],
                allow_unused=True, retain_graph=True,
            )  # fmt: skip
        handed_on = {id(apart[id(g)]): -1 - place for place, g in enumerate(gradients) if g is not None}
        made: dict[int, tuple[int, torch.Tensor]] = {}
        which: list[int | None] = []
        for tensor in contributed:
            if tensor is None or id(tensor) in handed_on:
                which.append(None if tensor is None else handed_on[id(tensor)])
            else:
                which.append(made.setdefault(id(tensor), (len(made), tensor))[0])
        layer_of = self.tracer.attribution.layer_of
        return BackwardTemplate(
            relative(calls, template.path),
            [BlockTensor(Layout(g.shape, g.stride(), g.dtype), False, provenance_of(g)) for _, g in made.values()],
            which,
            [below(layer_of(c.node._sequence_nr()), template.path) for found in template.contributions for c in found],
            [name for name, g in zip(template.parameters, found[len(wanted) :], strict=True) if g is not None],
        )


@contextmanager
def _contributed(contributions: list[list[Contribution]]) -> Iterator[list[torch.Tensor | None]]:
    """Give the gradients that nodes compute for a block's inputs, one by one, instead of having them added up."""
    flat = [contribution for found in contributions for contribution in found]
    collected: list[torch.Tensor | None] = [None] * len(flat)
    handles: list[Any] = []
    for node in dict.fromkeys(contribution.node for contribution in flat):
        places = {c.position: place for place, c in enumerate(flat) if c.node is node}

        def take(results: Any, given: Any, places: dict[int, int] = places) -> Any:
            for position, place in places.items():
                collected[place] = results[position]
            return tuple([None if position in places else result for position, result in enumerate(results)])

        handles.append(node.register_hook(take))
    try:
        yield collected
    finally:
        for handle in handles:
            handle.remove()


def _is_checkpointed() -> bool:
    """Whether what autograd saves is handed to somebody, as inside a checkpoint, who may run the block again."""
    return torch._C._autograd._top_saved_tensors_default_hooks(True) is not None


class _BlockFunction(torch.autograd.Function):
    """Takes a block's place in the autograd graph."""

    @staticmethod
    def forward(
        ctx: Any, anchor: torch.Tensor, blocks: Blocks, template: Template, path: str, *inputs: torch.Tensor
    ) -> Any:
        ctx.set_materialize_grads(False)
        ctx.blocks, ctx.template, ctx.path = blocks, template, path
        shapes = [output for output in template.outputs if isinstance(output, BlockTensor)]
        made = [blocks.fast.make(*shape.layout) for shape in shapes]
        ctx.mark_non_differentiable(*(t for t, shape in zip(made, shapes, strict=True) if not shape.requires_grad))
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        node = torch._C._current_autograd_node()
        return (None, None, None, None, *ctx.blocks.backward(ctx.template, ctx.path, node, gradients))
