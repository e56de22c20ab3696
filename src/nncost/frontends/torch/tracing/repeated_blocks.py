"""Repeated blocks: layers that are equal are analysed once, forward and backward.

A deep network repeats a block many times. The first of a kind runs on its own, on detached inputs,
and what it recorded becomes a template. For every block of that kind, one autograd function takes
its place: forward it returns tensors of the right shapes, backward it returns gradients of the right
shapes, and both add the template's calls to the records.

Two blocks are equal if their classes, plain attributes, parameters and buffers (shape, strides,
type, whether trained), training flags and arguments agree. A number such as ``layer_idx`` differs
in every block: an integer that notes being used takes its place. Whatever cannot be told to be equal
runs in full: shared weights, a module called twice, unknown objects among the arguments (a key-value
cache), hooks, inputs or attributes that are changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from nncost.frontends.torch.step.attribution import producer
from nncost.frontends.torch.step.fake_tensors import FakeTensors, Layout, is_made, layout_of
from nncost.frontends.torch.step.provenance import STORED, Provenance, provenance_of, set_provenance
from nncost.frontends.torch.step.signals import NotEqual
from nncost.frontends.torch.tracing.block_equality import BlockKeys, TracedInt
from nncost.frontends.torch.tracing.call_signature import Literal, TracedDescription
from nncost.frontends.torch.tracing.tracer import Tracer
from nncost.ir.trace import joined

Forward = Callable[..., Any]


@dataclass(slots=True, eq=False)
class BlockTensor:
    """A tensor of a template: what is needed to make one like it."""

    layout: Layout
    requires_grad: bool
    provenance: Provenance


@dataclass(slots=True, eq=False)
class BackwardTemplate:
    """What a backward pass through a block recorded, for one pattern of incoming gradients.

    ``producers`` are the layers inside that produced the gradients of the inputs.
    """

    calls: list[Any]
    input_gradients: list[BlockTensor | None]
    trained: list[str]
    producers: list[str]


@dataclass(slots=True, eq=False)
class Template:
    """A block that ran: its calls with relative paths, its outputs, and its graph for the backward pass."""

    layer: nn.Module
    path: str
    calls: list[Any]
    uses: list[tuple[str, str, str]]
    outputs: list[Any]
    structure: Any
    inner_inputs: list[torch.Tensor]
    inner_outputs: list[torch.Tensor]
    parameters: dict[str, torch.Tensor]
    backward: dict[tuple[Any, ...], BackwardTemplate] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class BlockRecord:
    """A template's calls at the place of one block."""

    calls: list[Any]
    path: str


class Blocks:
    """The blocks of one run. ``candidates`` are the layers that may be equal, with the key they share.

    The backward pass reaches blocks through ``anchor``, also if none of their inputs needs a gradient; ``trained`` are
    the parameters in blocks that got one.
    """

    def __init__(self, tracer: Tracer, fast: FakeTensors, candidates: Mapping[nn.Module, Any]) -> None:
        self.tracer, self.fast, self.candidates = tracer, fast, candidates
        self.anchor = set_provenance(fast.make((), (), torch.float32, requires_grad=True), (STORED, ""))
        self.trained: dict[str, None] = {}
        self._templates: dict[Any, Template] = {}
        self._seen: set[nn.Module] = set()
        self._inside = False

    def run(self, layer: nn.Module, path: str, forward: Forward, args: Any, kwargs: Any) -> Any:
        """A candidate's forward, replayed if an equal block ran before."""
        if self._inside:
            return forward(*args, **kwargs)
        leaves, structure = tree_flatten((args, kwargs))
        key = self._key(layer, leaves, structure)
        if layer in self._seen:
            raise NotEqual(layer)
        self._seen.add(layer)
        template = None if key is None else self._templates.get(key)
        if template is None:
            self.tracer.swapped.swap_deferred(layer)
            if key is None:
                return forward(*args, **kwargs)
            trace_numbers(layer)
            template = self._templates[key] = self._analyse(layer, path, forward, leaves, structure)
        return self._replay(template, path, leaves)

    # ---------------------------------------------------------------- equality
    def _key(self, layer: nn.Module, leaves: list[Any], structure: Any) -> Any:
        described = TracedDescription(self.tracer.written)
        parts: list[Any] = []
        for leaf in leaves:
            if isinstance(leaf, torch.Tensor):
                if not is_made(leaf) or provenance_of(leaf)[1]:
                    return None
                parts.append((described.of(leaf), leaf.requires_grad, provenance_of(leaf)))
            elif leaf is None or isinstance(leaf, (int, float, str, torch.dtype, torch.device)):
                parts.append(Literal(type(leaf), leaf))
            else:
                return None
        state = (torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), self.tracer.attribution.phase)
        return self.candidates[layer], tuple(parts), str(structure), state

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

    def _analyse(self, layer: nn.Module, path: str, forward: Forward, leaves: list[Any], structure: Any) -> Template:
        inner = [self._detached(leaf) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        tensors = [leaf for leaf in inner if isinstance(leaf, torch.Tensor)]
        before = _state_of(layer)
        args, kwargs = tree_unflatten(inner, structure)
        with self._analysed() as (calls, used):
            result = forward(*args, **kwargs)
        found, out_structure = tree_flatten(result)
        changed = any(t._version != 0 for t in tensors)
        if changed or _state_of(layer) != before or _numbers_used(layer):
            raise NotEqual(layer)
        outputs = [self._output(leaf, inner, layer) for leaf in found]
        made = [leaf for leaf, output in zip(found, outputs, strict=True) if isinstance(output, BlockTensor)]
        parameters = {name: p for name, p in layer.named_parameters() if p.requires_grad}
        return Template(
            layer, path, _relative(calls, path), [(_below(n, path), o, a) for n, o, a in used], outputs, out_structure,
            tensors, made, parameters,
        )  # fmt: skip

    def _detached(self, tensor: torch.Tensor) -> torch.Tensor:
        made = self.fast.make(tensor.shape, tensor.stride(), tensor.dtype, requires_grad=tensor.requires_grad)
        return set_provenance(made, provenance_of(tensor))

    def _output(self, leaf: Any, inner: list[Any], layer: nn.Module) -> Any:
        """A new tensor's shape, the place of an input that is handed on, or a plain value."""
        if isinstance(leaf, torch.Tensor):
            for place, other in enumerate(inner):
                if other is leaf:
                    return (place,)
            layout = layout_of(leaf)
            if layout is None:
                raise NotEqual(layer)
            return BlockTensor(layout, leaf.requires_grad, provenance_of(leaf))
        if leaf is None or isinstance(leaf, (int, float, str)):
            return Literal(type(leaf), leaf)
        raise NotEqual(layer)

    # ---------------------------------------------------------------- all others
    def _replay(self, template: Template, path: str, leaves: list[Any]) -> Any:
        tracer = self.tracer
        tracer.records.append(BlockRecord(template.calls, path))
        for name, operator, argument in template.uses:
            tracer.uses[joined(path, name), operator, argument] = None
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        shapes = [output for output in template.outputs if isinstance(output, BlockTensor)]
        if any(shape.requires_grad for shape in shapes):
            made = list(_BlockFunction.apply(self.anchor, self, template, path, *tensors))
        else:
            made = [self.fast.make(*shape.layout) for shape in shapes]
        for tensor, shape in zip(made, shapes, strict=True):
            set_provenance(tensor, shape.provenance)
        rest = iter(made)
        result = [
            next(rest) if isinstance(o, BlockTensor) else o.value if isinstance(o, Literal) else leaves[o[0]]
            for o in template.outputs
        ]
        return tree_unflatten(result, template.structure)

    # ---------------------------------------------------------------- backward
    def backward(self, template: Template, path: str, gradients: tuple[torch.Tensor | None, ...]) -> list[Any]:
        """The gradients of a block's inputs; what computing them takes is added to the records."""
        pattern = tuple(None if g is None else (g.dtype, g.stride(), provenance_of(g)) for g in gradients)
        if pattern not in template.backward:
            template.backward[pattern] = self._analyse_backward(template, gradients)
        found = template.backward[pattern]
        self.tracer.records.append(BlockRecord(found.calls, path))
        self.trained.update((joined(path, name), None) for name in found.trained)
        made: list[Any] = []
        for shape, layer_below in zip(found.input_gradients, found.producers, strict=True):
            tensor = None if shape is None else set_provenance(self.fast.make(*shape.layout), shape.provenance)
            if tensor is not None:
                self.tracer.attribution.note_gradient((tensor,), joined(path, layer_below))
            made.append(tensor)
        return made

    def _analyse_backward(self, template: Template, gradients: tuple[torch.Tensor | None, ...]) -> BackwardTemplate:
        pairs = [
            (output, set_provenance(self.fast.make(g.shape, g.stride(), g.dtype), provenance_of(g)))
            for output, g in zip(template.inner_outputs, gradients, strict=True)
            if g is not None and output.requires_grad
        ]
        wanted = [t for t in template.inner_inputs if t.requires_grad]
        with self._analysed() as (calls, _):
            found = torch.autograd.grad(
                [output for output, _ in pairs], [*wanted, *template.parameters.values()], [g for _, g in pairs],
                allow_unused=True, retain_graph=True,
            )  # fmt: skip
        by_input = dict(zip(map(id, wanted), found, strict=False))
        given = [by_input.get(id(tensor)) for tensor in template.inner_inputs]
        return BackwardTemplate(
            _relative(calls, template.path),
            [
                None if g is None else BlockTensor(Layout(g.shape, g.stride(), g.dtype), False, provenance_of(g))
                for g in given
            ],
            [name for name, g in zip(template.parameters, found[len(wanted) :], strict=True) if g is not None],
            ["" if g is None else _below(producer(g), template.path) for g in given],
        )


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
        ctx.blocks.tracer.attribution.block_nodes.add(node._sequence_nr())
        return (None, None, None, None, *ctx.blocks.backward(ctx.template, ctx.path, gradients))


def find_candidates(module: nn.Module, excluded: set[nn.Module]) -> dict[nn.Module, int]:
    """The outermost layers, with layers inside, to which another one is equal, and the key they share.

    If one of a kind is excluded, all are.
    """
    keys = BlockKeys(module).keys
    counts = Counter(key for layer, key in keys.items() if key is not None and layer._modules and layer is not module)
    refused = {keys[layer] for layer in excluded}
    found: dict[nn.Module, int] = {}
    waiting, seen = [module], set[nn.Module]()
    while waiting:
        layer = waiting.pop()
        if layer in seen:  # a module may contain itself
            continue
        seen.add(layer)
        key = keys.get(layer)
        if key is not None and layer is not module and layer._modules and counts[key] > 1 and key not in refused:
            found[layer] = key
        else:
            waiting += [child for child in reversed(layer._modules.values()) if child is not None]
    return found


def trace_numbers(layer: nn.Module) -> None:
    """Replace the numbers that say which block this is by ones that note being used."""
    for part in layer.modules():
        attributes = vars(part)
        for name, value in attributes.items():
            if type(value) is int and TracedInt.is_block_number(name):
                attributes[name] = TracedInt(value)


def _numbers_used(layer: nn.Module) -> bool:
    return any(
        isinstance(value, TracedInt) and vars(value)["used"]
        for part in layer.modules()
        for value in vars(part).values()
    )


def _state_of(layer: nn.Module) -> list[Any]:
    """The identities of everything a block's layers hold: a block that changes them is not replayed."""
    return [
        (name, id(value), len(value) if isinstance(value, (list, dict)) else 0)
        for part in layer.modules()
        for attributes in (vars(part), part._buffers)
        for name, value in attributes.items()
    ]


def _relative(calls: list[Any], path: str) -> list[Any]:
    return [[signature, _below(where, path), phase] for signature, where, phase in calls]


def _below(name: str, path: str) -> str:
    return name[len(path) + 1 :] if path and name.startswith(f"{path}.") else "" if name == path else name
