"""The first block of a kind: it runs on its own, on detached inputs, and what it records becomes a template."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.autograd.function import BackwardCFunction
from torch.utils._pytree import tree_flatten, tree_unflatten

from nncost.dims import Shape
from nncost.frontends.torch.step.fake_tensors import FakeTensors, Layout, is_marked, layout_of
from nncost.frontends.torch.step.functions import hooks_refused
from nncost.frontends.torch.step.leaves import Contribution, autograd_graph, contributions_to
from nncost.frontends.torch.step.provenance import provenance_of, set_provenance
from nncost.frontends.torch.step.signals import NotEqual
from nncost.frontends.torch.tracing.call_signature import Literal
from nncost.frontends.torch.tracing.equal_blocks.environment import Observed, Unprovable
from nncost.frontends.torch.tracing.equal_blocks.equality import Held, numbers_used
from nncost.frontends.torch.tracing.equal_blocks.templates import BackwardTemplate, BlockTensor, Template
from nncost.frontends.torch.tracing.paths import below, relative
from nncost.frontends.torch.tracing.tracer import Tracer


class _Notes(NamedTuple):
    """What a tracer notes of a part of a step: its records, uses and layers' outputs."""

    records: list[Any]
    uses: dict[tuple[str, str, str], None]
    layer_outputs: dict[str, Shape]


class Analysis:
    """Makes templates of blocks. ``running``: a block is looked at, of whose layers none is repeated."""

    def __init__(self, tracer: Tracer, fast: FakeTensors) -> None:
        self.running = False
        self._tracer, self._fast = tracer, fast

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Meanwhile no layer is repeated."""
        self.running = True
        try:
            yield
        finally:
            self.running = False

    @contextmanager
    def _apart(self) -> Iterator[_Notes]:
        """Give the records, uses and layers' outputs of what runs meanwhile, which do not reach those of the run."""
        tracer = self._tracer
        outer, apart = (tracer.records, tracer.uses, tracer.layer_outputs), _Notes([], {}, {})
        tracer.records, tracer.uses, tracer.layer_outputs = apart
        try:
            with self.undisturbed():
                yield apart
        finally:
            tracer.records, tracer.uses, tracer.layer_outputs = outer

    def template(
        self, layer: nn.Module, path: str, forward: Callable[..., Any], given: Any, *, is_shared: bool = False
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
            with self._apart() as (calls, used, ended), observed.watched(), hooks_refused(layer):
                result = forward(*args, **kwargs)
            environment = observed.environment()
        except (Exception, Unprovable) as error:
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
        graph = autograd_graph(made)
        if any(id(leaf) not in known for leaf in graph.leaves):
            raise NotEqual(layer)  # a gradient goes elsewhere
        if any(isinstance(node, BackwardCFunction) for node in graph.nodes):
            raise NotEqual(layer)  # its gradient is Python code, which may look at anything
        shared = list(parameters.values()) if is_shared else []
        inputs = [*apart.values(), *shared]
        contributions = contributions_to(inputs, made)
        return Template(
            layer, path, relative(calls, path), [(below(n, path), o, a) for n, o, a in used], outputs, out_structure,
            contributions, inputs, made, {} if is_shared else parameters, environment,
            self._last_layer(made, path), shared, sum(map(len, contributions[: len(apart)])),
            {below(name, path): shape for name, shape in ended.items()},
        )  # fmt: skip

    def _last_layer(self, made: list[torch.Tensor], path: str) -> str:
        """The layer that makes a block's first output that has a gradient, relative to the block."""
        nodes: Iterator[Any] = (tensor.grad_fn for tensor in made if tensor.grad_fn is not None)
        node = next(nodes, None)
        return "" if node is None else below(self._tracer.attribution.layer_of(node._sequence_nr()), path)

    def _detached(self, tensor: torch.Tensor) -> torch.Tensor:
        made = self._fast.make(tensor.shape, tensor.stride(), tensor.dtype, requires_grad=tensor.requires_grad)
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
            if layout is None or provenance_of(leaf)[1] or is_marked(leaf):
                raise NotEqual(layer)
            return BlockTensor(layout, leaf.requires_grad, provenance_of(leaf))
        if leaf is None or isinstance(leaf, (int, float, str)):
            return Literal(type(leaf), leaf)
        raise NotEqual(layer)

    def backward_template(self, template: Template, gradients: tuple[torch.Tensor | None, ...]) -> BackwardTemplate:
        """A block's backward pass, for gradients laid out like these."""
        apart = {id(g): self._detached(g.detach()) for g in gradients if g is not None}
        pairs = [
            (output, apart[id(g)])
            for output, g in zip(template.inner_outputs, gradients, strict=True)
            if g is not None and output.requires_grad
        ]
        wanted = [t for t in template.inner_inputs if t.requires_grad]
        with self._apart() as (calls, _, _), _contributed(template.contributions) as contributed:
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
        layer_of = self._tracer.attribution.layer_of
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
