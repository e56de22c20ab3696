"""The blocks of one run: which call is analysed, which runs in full, and which is replayed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.step.fake_tensors import FakeTensors, is_made, is_marked
from nncost.frontends.torch.step.leaves import AutogradGraph
from nncost.frontends.torch.step.provenance import provenance_of
from nncost.frontends.torch.step.signals import NotEqual
from nncost.frontends.torch.step.state.switches import now
from nncost.frontends.torch.step.untouched import guard_tensors, tensors_below
from nncost.frontends.torch.tracing.call_signature import Literal, TracedDescription, flattened
from nncost.frontends.torch.tracing.equal_blocks.analysis import Analysis
from nncost.frontends.torch.tracing.equal_blocks.candidates import CalledAgain, Candidates
from nncost.frontends.torch.tracing.equal_blocks.equality import Held, numbers_used, trace_numbers
from nncost.frontends.torch.tracing.equal_blocks.replay import Replays
from nncost.frontends.torch.tracing.equal_blocks.templates import Call, Template
from nncost.frontends.torch.tracing.paths import relative
from nncost.frontends.torch.tracing.tracer import Tracer

Forward = Callable[..., Any]
FIRST_CALLS = 2
"""Calls of a layer that always run in full: most layers are called no more often."""


class Blocks:
    """The blocks of one run, and the calls of layers that are called often."""

    def __init__(self, tracer: Tracer, fast: FakeTensors, candidates: Candidates) -> None:
        self._tracer, self._candidates, self._often = tracer, candidates.equal, candidates.often
        self._analysis = Analysis(tracer, fast)
        self._replays = Replays(tracer, fast, self._analysis)
        self._calls: dict[nn.Module, int] = {}
        self._met: dict[Any, int] = {}
        self._templates: dict[Any, Template] = {}
        self._seen: set[nn.Module] = set()
        self._replayed: dict[nn.Module, None] = {}
        self._shared: dict[nn.Module, list[nn.Parameter]] = {}
        self._held = {layer: Held(layer) for layer in candidates.equal}
        self._owners = {part: layer for layer in candidates.equal for part in layer.modules() if part is not layer}
        self._modes = torch._C._len_torch_dispatch_stack() + 1  # with the mode of the step

    def run_layer(self, layer: nn.Module, path: str, forward: Forward, args: Any, kwargs: Any) -> Any:
        """A layer's forward; a candidate's is replayed if an equal block ran before.

        Raise NotEqual for a layer inside a candidate that is called without it.
        """
        if self._analysis.running:
            return forward(*args, **kwargs)
        if layer in self._candidates:
            return self._run(layer, path, forward, args, kwargs)
        owner = self._owners.get(layer)
        if owner is not None and (owner in self._replayed or self._tracer.swapped.is_deferred(owner)):
            raise NotEqual(owner)
        return self._called(layer, path, forward, args, kwargs) if layer in self._often else forward(*args, **kwargs)

    def backward_begins(self, graph: AutogradGraph) -> None:
        """The backward pass is known. Raise NotEqual if a parameter of a block that is replaced is used outside it."""
        self._replays.begin(graph)
        asked = set(map(id, graph.leaves))
        for layer in self._replayed:
            if any(id(tensor) in asked for tensor in tensors_below(layer)):
                raise NotEqual(layer)

    def graph_dropped(self) -> None:
        """Let go of the backward pass."""
        self._replays.drop_graph()

    @property
    def trained(self) -> Collection[str]:
        """The parameters in blocks that got a gradient."""
        return self._replays.trained

    def groups(self) -> list[list[Call]]:
        """The calls that were equal, each group in the order in which it ran."""
        return [template.equal for template in self._templates.values()]

    def _called(self, layer: nn.Module, path: str, forward: Forward, args: Any, kwargs: Any) -> Any:
        """A call of a layer that may be called often: equal calls are analysed once, as equal blocks are."""
        calls = self._calls[layer] = self._calls.get(layer, -1) + 1
        if calls < FIRST_CALLS or self._tracer.attribution.in_backward:  # a part of the model that runs again
            return forward(*args, **kwargs)
        if layer not in self._held:
            self._held[layer], self._shared[layer] = Held(layer), list(layer.parameters())
        leaves, form = flattened(args, kwargs)
        key = self._key(layer, leaves, form)
        if key is None:
            return forward(*args, **kwargs)
        template = self._templates.get(key)
        if template is None:
            self._met[key] = self._met.get(key, 0) + 1
            if self._met[key] == 1:
                return forward(*args, **kwargs)
            template = self._templates[key] = self._analysis.template(
                layer, path, forward, (args, kwargs), is_shared=True
            )
        elif not template.holds():
            return forward(*args, **kwargs)
        elif not template.is_confirmed:
            template.equal.append((layer, calls))
            return self._confirm(template, layer, path, lambda: forward(*args, **kwargs))
        template.equal.append((layer, calls))
        return self._replays.run(template, path, leaves)

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
            return self._replays.run(template, path, leaves)
        self._tracer.swapped.swap_deferred(layer)
        if key is None or (template is not None and not holds):
            return forward(*args, **kwargs)
        trace_numbers(layer)
        if template is not None:
            return self._confirm(template, layer, path, lambda: forward(*args, **kwargs))
        template = self._templates[key] = self._analysis.template(layer, path, forward, (args, kwargs))
        for part in layer.modules():
            guard_tensors(part, layer)
        self._replayed[layer] = None
        template.equal.append((layer, 0))
        return self._replays.run(template, path, leaves)

    def _confirm(self, template: Template, layer: nn.Module, path: str, run: Callable[[], Any]) -> Any:
        """The second of a kind runs in full. Raise NotEqual if it does anything else than the first, or leaves a trace."""
        records = self._tracer.records
        start = len(records)
        with self._analysis.undisturbed():
            result = run()
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
        if torch._C._functorch.peek_interpreter_stack() is not None or torch.is_inference_mode_enabled():
            return None
        described = TracedDescription(self._tracer.written)
        is_converting = torch.is_autocast_enabled("cpu")
        parts: list[Any] = []
        for leaf in leaves:
            if isinstance(leaf, torch.Tensor):
                if (
                    not is_made(leaf)
                    or provenance_of(leaf)[1]
                    or (is_converting and leaf.requires_grad)
                    or is_marked(leaf)
                ):
                    return None  # a leaf's conversion would be kept, that of a tensor that was computed is not
                parts.append((described.of(leaf), leaf.requires_grad, provenance_of(leaf)))
            elif leaf is None or isinstance(leaf, (int, float, str, torch.dtype, torch.device)):
                parts.append(Literal(type(leaf), leaf))
            else:
                return None
        trained = [p.requires_grad for p in self._shared.get(layer, ())]
        state = *now(), is_converting, *trained, self._tracer.attribution.phase
        return self._candidates.get(layer, layer), tuple(parts), form, state


def _is_checkpointed() -> bool:
    """Whether what autograd saves is handed to somebody, as inside a checkpoint, who may run the block again."""
    return torch._C._autograd._top_saved_tensors_default_hooks(True) is not None
