"""All other blocks: one autograd function takes a block's place, forward and backward."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch.utils._pytree import tree_unflatten

from nncost.frontends.torch.step.fake_tensors import FakeTensors
from nncost.frontends.torch.step.functions import OUTPUT_OF
from nncost.frontends.torch.step.leaves import AutogradGraph, Edge
from nncost.frontends.torch.step.provenance import STORED, provenance_of, set_provenance
from nncost.frontends.torch.step.signals import NotEqual
from nncost.frontends.torch.tracing.call_signature import Literal, TracedDescription
from nncost.frontends.torch.tracing.equal_blocks.analysis import Analysis
from nncost.frontends.torch.tracing.equal_blocks.templates import BackwardTemplate, BlockRecord, BlockTensor, Template
from nncost.frontends.torch.tracing.tracer import Tracer
from nncost.ir.trace import joined


class Replays:
    """Repeats templates. The backward pass reaches blocks through an anchor, also if none of their inputs needs a gradient.

    ``trained`` are the parameters in blocks that got a gradient.
    """

    def __init__(self, tracer: Tracer, fast: FakeTensors, analysis: Analysis) -> None:
        self.fast = fast
        self.trained: dict[str, None] = {}
        self._tracer, self._analysis = tracer, analysis
        self._anchor = set_provenance(fast.make((), (), torch.float32, requires_grad=True), (STORED, ""))
        self._first: dict[Edge, int] = {}
        self._nodes: Collection[Any] = ()

    def begin(self, graph: AutogradGraph) -> None:
        """The backward pass is known."""
        self._first, self._nodes = graph.first, graph.nodes

    def drop_graph(self) -> None:
        """Let go of the backward pass: its nodes hold one another, and the blocks, in C++ where no collector looks."""
        self._first, self._nodes = {}, ()

    def run(self, template: Template, path: str, leaves: list[Any]) -> Any:
        """What a block returns for the tensors and values among its arguments."""
        with torch._C.DisableTorchFunction():
            return self._replayed_at(path, template, leaves)

    def _replayed_at(self, path: str, template: Template, leaves: list[Any]) -> Any:
        tracer = self._tracer
        tracer.records.append(BlockRecord(template.calls, path))
        if path not in template.places:
            template.places.add(path)
            for name, operator, argument in template.uses:
                tracer.uses[joined(path, name), operator, argument] = None
            for name, output in template.layer_outputs.items():
                tracer.end_layer(joined(path, name), output)
        tensors = {id(leaf): leaf for leaf in leaves if isinstance(leaf, torch.Tensor)}.values()
        # An input comes once for each gradient of it, so that autograd adds them one by one, as it would.
        given = (*tensors, *template.shared)
        uses = [t for t, found in zip(given, template.contributions, strict=True) for _ in found]
        shapes = [output for output in template.outputs if isinstance(output, BlockTensor)]
        if any(shape.requires_grad for shape in shapes):
            made = list(_BlockFunction.apply(self._anchor, self, template, path, *uses))
            node: Any = next(tensor.grad_fn for tensor in made if tensor.requires_grad)
            tracer.attribution.note_node(node._sequence_nr(), joined(path, template.last_layer))
        else:
            made = [self.fast.make(*shape.layout) for shape in shapes]
        for tensor in (*tensors, *made):
            tensor.untyped_storage()._nncost_block = template.layer
        for tensor, shape in zip(made, shapes, strict=True):
            setattr(tensor, OUTPUT_OF, template.layer)
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
        described = TracedDescription(self._tracer.written)
        pattern = tuple(None if g is None else (described.of(g), provenance_of(g)) for g in gradients)
        if pattern not in template.backward:
            template.backward[pattern] = self._analysis.backward_template(template, gradients)
        found = template.backward[pattern]
        self._tracer.records.append(BlockRecord(found.calls, path))
        self.trained.update((joined(path, name), None) for name in found.trained)
        own = template.own_contributions
        layers = [joined(path, producer) for producer in found.producers]
        wanted = found.contributions
        contributions = list(zip(wanted, layers, node.next_functions[1:], strict=True))
        sums = self._sums(node, contributions)
        if template.shared:
            others = self._sums(node, contributions[:own])
            given = sum(which is not None for which in wanted[own:])
            found.sums.look(self._tracer.records, path)
            if len(sums) == len(others) + given:  # none of them is the first of its parameter's
                if found.sums.calls is None:
                    found.sums.expect(len(self._tracer.records) + len(others), given)
                else:
                    self._tracer.records.append(BlockRecord(found.sums.calls, path))
                    wanted, sums = [*wanted[:own], *[None] * (len(wanted) - own)], others
        self._tracer.attribution.block_nodes[node._sequence_nr()] = iter(sums)
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


class _BlockFunction(torch.autograd.Function):
    """Takes a block's place in the autograd graph."""

    @staticmethod
    def forward(
        ctx: Any, anchor: torch.Tensor, replays: Replays, template: Template, path: str, *inputs: torch.Tensor
    ) -> Any:
        ctx.set_materialize_grads(False)
        ctx.replays, ctx.template, ctx.path = replays, template, path
        shapes = [output for output in template.outputs if isinstance(output, BlockTensor)]
        made = [replays.fast.make(*shape.layout) for shape in shapes]
        ctx.mark_non_differentiable(*(t for t, shape in zip(made, shapes, strict=True) if not shape.requires_grad))
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        node = torch._C._current_autograd_node()
        return (None, None, None, None, *ctx.replays.backward(ctx.template, ctx.path, node, gradients))
