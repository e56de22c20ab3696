"""One step of a module on fake tensors: forward, loss, backward and a late update of the optimizer."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import wraps
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from nncost.dims import product
from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.errors import explain, noted_in_backward
from nncost.frontends.torch.inputs import converted, described
from nncost.frontends.torch.step.fake_factory import FakeFactory
from nncost.frontends.torch.step.fake_module import (
    Stored,
    SwappedParameters,
    Wrap,
    told_it_is_exported,
    unfused_kernels,
)
from nncost.frontends.torch.step.fake_tensors import FakeTensors, tensors_in
from nncost.frontends.torch.step.interrupts import Interrupts
from nncost.frontends.torch.step.leaves import autograd_graph, gradients_kept
from nncost.frontends.torch.step.loss import LOSS_PATH, check_differentiable, loss_of, loss_value, wants_backward
from nncost.frontends.torch.step.mode import Consumer, StepMode
from nncost.frontends.torch.step.named_losses import empty_target
from nncost.frontends.torch.step.optimizer import make_state, optimizer_of_fakes, owners_of
from nncost.frontends.torch.step.provenance import stored_values
from nncost.frontends.torch.step.signals import NEEDS_BACKWARD, NotEqual, ReentrantError, values_asked_for
from nncost.frontends.torch.step.sparsity import is_sparse
from nncost.frontends.torch.step.state.guard import StateGuard
from nncost.frontends.torch.step.symbolic_forms import SymbolicForms
from nncost.frontends.torch.step.symbolic_sizes import Multiples, Sizes, symbol_names
from nncost.frontends.torch.step.threads import ONE_STEP
from nncost.ir.training.losses import NO_LOSS
from nncost.records import record

_WITHOUT_FUNCTIONS = torch._C.DisableTorchFunction
"""What this package asks of a tensor is no function of the model's: without the mode that looks at these."""


@dataclass(slots=True)
class StepResult:
    """What a step leaves: tensors and layers by name, which of ``tensors`` got a gradient, and what went in and out.

    ``sparse`` are the rows that each sparse gradient stores, by name, and ``guard`` keeps the state that it found. After a training loop's step, outputs and ``starts``, the tensors the backward pass started from, are dropped.
    """

    tensors: Mapping[str, Stored]
    names: Mapping[nn.Module, str]
    inputs: Inputs
    guard: StateGuard
    output: Any = None
    loss: Any = NO_LOSS
    starts: Sequence[torch.Tensor] = ()
    trained: Sequence[str] = ()
    sparse: Mapping[str, int] = field(default_factory=dict)


@record
class StepSettings:
    """How a step runs.

    ``real``: on copies of the real tensors instead of fake ones. ``sizes`` are the symbols among the sizes.
    ``sampled``: whole numbers among the inputs have values, of which a shape tells nothing. ``exported``: the model
    is told that it is traced, and does not look at values. ``gradients`` are recorded although no loss is named. ``backward`` False stops after the loss is known.
    ``keep_gradients`` leaves all gradients in the parameters; without it only the wanted ones are computed.
    ``as_loop``: everything as in a training loop, which keeps gradients, computes the sum that a loss of
    that name stands for, lets attention be fused, and updates the parameters.
    ``deferred`` are layers whose parameters are swapped later; ``guard`` is that of an earlier step, whose state this one
    finds.
    """

    real: bool = False
    sampled: bool = False
    exported: bool = False
    sizes: Sizes | None = None
    gradients: bool = False
    backward: bool = True
    keep_gradients: bool = False
    as_loop: bool = False
    fused_attention: bool = False
    deferred: Collection[nn.Module] = ()
    guard: StateGuard | None = None


def run_step(
    module: nn.Module, given: Inputs, options: LoadOptions, consumer: Consumer, settings: StepSettings
) -> StepResult:
    """Run a step of the module and hand its operators to the consumer; the module is as before afterwards.

    Raise OptionError for a loss or an optimizer that does not fit, ReentrantError if gradients must be kept,
    and whatever the module raises, with a note of the layer.
    """
    with ONE_STEP, Interrupts() as interrupts:
        try:
            return copy_context().run(_run, module, given, options, consumer, settings, interrupts)
        finally:
            NotEqual.raised = None  # Its traceback holds the module.


def _run(
    module: nn.Module,
    given: Inputs,
    options: LoadOptions,
    consumer: Consumer,
    settings: StepSettings,
    interrupts: Interrupts,
) -> StepResult:
    sizes, trains = settings.sizes, wants_backward(options)
    fakes = None if settings.real else FakeTensors(None if sizes is None else sizes.environment)
    factory = FakeFactory(fakes, options, gradients=trains or settings.gradients, sizes=sizes, sampled=settings.sampled)
    wrap = None if consumer.hooked else _attributed(consumer, interrupts)
    swapped = SwappedParameters(module, factory, _training_flag(module, options), wrap, settings.guard)
    consumer.swapped, consumer.fast, consumer.sizes = swapped, None if sizes is not None else fakes, sizes
    mode = StepMode(consumer, fakes, None if settings.real else consumer.captured, interrupts)
    fused = settings.as_loop or settings.fused_attention
    with swapped.swapped(settings.deferred, options.steps.optimizer, fused=fused), ExitStack() as around:
        if sizes is not None:
            around.enter_context(unfused_kernels())
            around.enter_context(SymbolicForms())
        if settings.exported:
            around.enter_context(told_it_is_exported())
        inputs = converted(given, module, options.batch, factory.of_shape, factory.of_input, swapped.follow)
        consumer.of_loss = swapped.follow_loss(options.steps.loss)
        consumer.begin(inputs)
        result = StepResult(swapped.tensors, swapped.names, inputs, swapped.guard)
        around.enter_context(torch.set_grad_enabled(trains or settings.gradients))
        with ExitStack() as stack:
            for context in consumer.contexts():
                stack.enter_context(context)
            if fakes is not None:
                stack.enter_context(values_asked_for(lambda: mode.refused))
            stack.enter_context(mode)
            stack.enter_context(mode.threads.followed(mode))
            with consumer.around_forward(), interrupts.allowed:
                result.output = module(*inputs.args, **inputs.kwargs)
            _check_equal()
            consumer.forward_ended()
            result.loss = loss_of(result.output, options)
            if result.loss != NO_LOSS and trains and settings.backward:
                with noted_in_backward(consumer.attribution):
                    _run_backward(result, consumer, settings, interrupts)
        _check_equal()
        with mode:
            consumer.backward_ended()
        if settings.as_loop:
            _update(options.steps.optimizer if result.trained else None, mode, interrupts)
            result.output, result.starts = None, ()
            consumer.finished()
    mode.ended = True
    return result


def _check_equal() -> None:
    """Raise NotEqual where it was raised, and the model went on."""
    if NotEqual.raised is not None:
        raise NotEqual.raised


def _run_backward(result: StepResult, consumer: Consumer, settings: StepSettings, interrupts: Interrupts) -> None:
    """The loss and the backward pass from it; notes the names of the tensors that got a gradient."""
    attribution = consumer.attribution
    attribution.enter(LOSS_PATH, "loss")
    seeds = None
    if result.loss == "sum" and not settings.as_loop:  # its gradient is ones, and free
        result.starts = consumer.summed(result.output)
        with torch.no_grad():
            seeds = [consumer.target(torch.ones_like(tensor)) for tensor in result.starts]
    else:
        with interrupts.allowed:
            value = loss_value(result.output, result.loss, lambda name, out: consumer.target(empty_target(name, out)))
        check_differentiable(value)
        result.starts = [value]
    attribution.enter("", "backward")
    with _WITHOUT_FUNCTIONS():
        graph = autograd_graph(result.starts)
    leaves = graph.leaves
    try:
        consumer.backward_begins(graph)
        del graph
        if settings.as_loop or settings.keep_gradients or any(map(_is_awaited, leaves)):
            own = set(map(id, consumer.swapped.fakes().values()))
            with gradients_kept([leaf for leaf in leaves if id(leaf) not in own]), interrupts.allowed:
                torch.autograd.backward(result.starts, seeds)
            with_gradient = consumer.swapped.with_gradient()
            result.trained = list(with_gradient)
            result.sparse = _rows({name: fake.grad for name, fake in with_gradient.items()})
            return
        with interrupts.allowed:
            found = torch.autograd.grad(result.starts, leaves, seeds, allow_unused=True) if leaves else ()
        received = {id(leaf): gradient for leaf, gradient in zip(leaves, found, strict=True) if gradient is not None}
        gradients = {n: received[id(f)] for n, f in consumer.swapped.fakes().items() if id(f) in received}
        result.trained, result.sparse = list(gradients), _rows(gradients)
    except RuntimeError as error:
        if NEEDS_BACKWARD in str(error):
            raise ReentrantError(str(error)) from error
        raise
    finally:
        attribution.in_backward = False
        consumer.graph_dropped()


def _rows(gradients: Mapping[str, Any]) -> dict[str, int]:
    """How many rows each sparse gradient stores."""
    sparse = {name: gradient for name, gradient in gradients.items() if is_sparse(gradient)}
    rows = {name: (stored_values(g), product(g.shape[1:])) for name, g in sparse.items()}
    return {name: int(stored // width) for name, (stored, width) in rows.items() if stored is not None and width}


def _is_awaited(leaf: torch.Tensor) -> bool:
    """Whether something runs as soon as a leaf's gradient is there, or it is dropped, as that of one frozen since."""
    return bool(getattr(leaf, "_post_accumulate_grad_hooks", None)) or not leaf.requires_grad


def _update(optimizer: Any, mode: StepMode, interrupts: Interrupts) -> None:
    """A late step of the optimizer, whose state is there already; then gradients are dropped."""
    consumer = mode.consumer
    swapped = consumer.swapped
    if optimizer not in (None, "none"):
        mode.captured = None
        consumer.attribution.enter("", "update")
        consumer.state_begins()
        with mode:
            whole = optimizer_of_fakes(optimizer, swapped.tensors.values(), plain_loop=consumer.plain_update)
            make_state(whole, consumer.like)
        consumer.attribution.owners = owners_of(whole, swapped.tensors)
        consumer.state_ended(whole)
        with mode, interrupts.allowed:
            whole.step()
    consumer.step_ended()
    for fake in swapped.with_gradient().values():
        fake.grad = None


def _attributed(consumer: Consumer, interrupts: Interrupts) -> Wrap:
    """Each layer's forward, with the attribution set while it runs and its exceptions explained."""
    attribution = consumer.attribution

    def wrap(layer: nn.Module, name: str, forward: Any) -> Any:
        def layer_run(*args: Any, **kwargs: Any) -> Any:
            threads = attribution.threads
            if threads.started and threading.get_ident() != threads.owner:
                with threads.turn():
                    return own_turn(*args, **kwargs)
            return own_turn(*args, **kwargs)

        def own_turn(*args: Any, **kwargs: Any) -> Any:
            if interrupts.waiting:
                interrupts.arrive()
            if not attribution.in_backward:
                with _WITHOUT_FUNCTIONS():
                    attribution.note_written_views((*args, *kwargs.values()))
            outer, attribution.path = attribution.path, name
            attribution.depth += 1
            try:
                result = consumer.run_layer(layer, name, forward, args, kwargs)
            except NotEqual:
                raise
            except Exception as error:
                explain(error, layer, name, args, kwargs)
                raise
            else:
                if not attribution.in_backward:
                    with _WITHOUT_FUNCTIONS():
                        attribution.note_written_views(tensors_in(result))
                return result
            finally:
                attribution.path = outer
                attribution.depth -= 1

        return _in_place_of(forward, layer, layer_run)

    return wrap


def _in_place_of(forward: Any, layer: nn.Module, layer_run: Callable[..., Any]) -> Any:
    """A function to run in place of a layer's forward, which has its signature and, like it, is a method."""
    if not isinstance(forward, MethodType) or forward.__self__ is not layer:
        return wraps(forward)(layer_run) if callable(forward) else layer_run

    first: Any = type(layer)
    of_class = first.forward

    @wraps(forward.__func__)
    def method(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if self is not layer:  # a copy that the model has made
            return forward.__func__(self, *args, **kwargs)
        kind: Any = type(self)
        if kind.forward is not of_class:  # it has another class by now
            return kind.forward(layer, *args, **kwargs)
        return layer_run(*args, **kwargs)

    method.__signature__ = _signature(forward.__func__)  # type: ignore[attr-defined]
    return MethodType(method, layer)


def _signature(function: Any) -> inspect.Signature | None:
    if function not in _SIGNATURES:
        try:
            _SIGNATURES[function] = inspect.signature(function)
        except (TypeError, ValueError):  # of a function written in C
            return None
    return _SIGNATURES[function]


_SIGNATURES: WeakKeyDictionary[Any, inspect.Signature] = WeakKeyDictionary()


def symbols_of(
    module: nn.Module, given: Inputs, options: LoadOptions, multiples: Multiples | None = None
) -> Sizes | None:
    """The symbols among the sizes of the inputs; None if all are numbers."""
    names = symbol_names(described(given, module, options.batch))
    return Sizes(multiples=multiples) if names else None


def _training_flag(module: nn.Module, options: LoadOptions) -> bool | None:
    """The training flag for all layers; None leaves a model in training with the layers its owner set apart."""
    if not options.training:
        return False
    return None if module.training else True
