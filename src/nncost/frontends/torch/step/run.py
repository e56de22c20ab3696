"""One step of a module on fake tensors: forward, loss, backward and a late update of the optimizer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.errors import explain, noted_in_backward
from nncost.frontends.torch.inputs import converted, described
from nncost.frontends.torch.step.fake_module import Stored, SwappedParameters, Wrap, unfused_kernels
from nncost.frontends.torch.step.fake_tensors import FakeFactory
from nncost.frontends.torch.step.loss import LOSS_PATH, check_differentiable, loss_of, loss_value, wants_backward
from nncost.frontends.torch.step.mode import Consumer, StepMode
from nncost.frontends.torch.step.named_losses import empty_target
from nncost.frontends.torch.step.optimizer import make_state, optimizer_of_fakes, owners_of
from nncost.frontends.torch.step.signals import NotEqual, ReentrantError
from nncost.frontends.torch.step.symbolic_forms import SymbolicForms
from nncost.frontends.torch.step.symbolic_sizes import Multiples, Sizes, symbol_names
from nncost.ir.training.losses import NO_LOSS
from nncost.records import record


@dataclass(slots=True)
class StepResult:
    """What a step leaves: tensors and layers by name, which of ``tensors`` got a gradient, and what went in and out.

    After a training loop's step, outputs and ``starts``, the tensors the backward pass started from, are dropped.
    """

    tensors: Mapping[str, Stored]
    names: Mapping[nn.Module, str]
    inputs: Inputs
    output: Any = None
    loss: Any = NO_LOSS
    starts: Sequence[torch.Tensor] = ()
    trained: Sequence[str] = ()


@record
class StepSettings:
    """How a step runs.

    ``real``: on copies of the real tensors instead of fake ones. ``sizes`` are the symbols among the sizes.
    ``gradients`` are recorded although no loss is named. ``backward`` False stops after the loss is known.
    ``keep_gradients`` leaves all gradients in the parameters; without it only the wanted ones are computed.
    ``as_loop``: everything as in a training loop, which keeps gradients, computes the sum that a loss of
    that name stands for, lets attention be fused, and updates the parameters.
    ``deferred`` are layers whose parameters are swapped later.
    """

    real: bool = False
    sizes: Sizes | None = None
    gradients: bool = False
    backward: bool = True
    keep_gradients: bool = False
    as_loop: bool = False
    fused_attention: bool = False
    deferred: Collection[nn.Module] = ()


def run_step(
    module: nn.Module, given: Inputs, options: LoadOptions, consumer: Consumer, settings: StepSettings
) -> StepResult:
    """Run a step of the module and hand its operators to the consumer; the module is as before afterwards.

    Raise OptionError for a loss or an optimizer that does not fit, ReentrantError if gradients must be kept,
    and whatever the module raises, with a note of the layer.
    """
    sizes, trains = settings.sizes, wants_backward(options)
    environment = None if sizes is None else sizes.environment
    fake_mode = None if settings.real else FakeTensorMode(allow_non_fake_inputs=True, shape_env=environment)
    if fake_mode is not None and consumer.repeats:
        fake_mode.cache_enabled = False
    fakes = FakeFactory(fake_mode, options, gradients=trains or settings.gradients, sizes=sizes)
    wrap = None if consumer.hooked else _attributed(consumer)
    swapped = SwappedParameters(module, fakes, _training_flag(module, options), wrap)
    consumer.swapped, consumer.fast, consumer.sizes = swapped, fakes.fast, sizes
    mode = StepMode(consumer, None if settings.real else consumer.captured)
    fused = settings.as_loop or settings.fused_attention
    with swapped.swapped(settings.deferred, fused=fused), ExitStack() as around:
        if sizes is not None:
            around.enter_context(unfused_kernels())
            around.enter_context(SymbolicForms())
        inputs = converted(given, module, options.batch, fakes.of_shape, fakes.of_input)
        consumer.begin(inputs)
        result = StepResult(swapped.tensors, swapped.names, inputs)
        around.enter_context(torch.set_grad_enabled(trains or settings.gradients))
        with ExitStack() as stack:
            if fake_mode is not None:
                stack.enter_context(fake_mode)
            for context in consumer.contexts():
                stack.enter_context(context)
            stack.enter_context(mode)
            with consumer.around_forward():
                result.output = module(*inputs.args, **inputs.kwargs)
            consumer.forward_ended()
            result.loss = loss_of(result.output, options)
            if result.loss != NO_LOSS and trains and settings.backward:
                with noted_in_backward(consumer.attribution):
                    _run_backward(result, consumer, settings)
        consumer.backward_ended()
        if settings.as_loop:
            _update(options.steps.optimizer if result.trained else None, mode)
            result.output, result.starts = None, ()
            consumer.finished()
    return result


def _run_backward(result: StepResult, consumer: Consumer, settings: StepSettings) -> None:
    """The loss and the backward pass from it; notes the names of the tensors that got a gradient."""
    attribution = consumer.attribution
    attribution.enter(LOSS_PATH, "loss")
    seeds = None
    if result.loss == "sum" and not settings.as_loop:  # its gradient is ones, and free
        result.starts = consumer.summed(result.output)
        with torch.no_grad():
            seeds = [consumer.target(torch.ones_like(tensor)) for tensor in result.starts]
    else:
        value = loss_value(result.output, result.loss, lambda name, out: consumer.target(empty_target(name, out)))
        check_differentiable(value)
        result.starts = [value]
    attribution.enter("", "backward")
    try:
        if settings.as_loop or settings.keep_gradients:
            torch.autograd.backward(result.starts, seeds)
            result.trained = list(consumer.swapped.with_gradient())
            return
        wanted = consumer.wanted(result.inputs)
        found = torch.autograd.grad(result.starts, list(wanted.values()), seeds, allow_unused=True)
        result.trained = [name for name, gradient in zip(wanted, found, strict=True) if gradient is not None]
    except RuntimeError as error:
        if "use_reentrant=True" in str(error):
            raise ReentrantError(str(error)) from error
        raise
    finally:
        attribution.in_backward = False


def _update(optimizer: Any, mode: StepMode) -> None:
    """A late step of the optimizer, whose state is there already; then gradients are dropped."""
    consumer = mode.consumer
    swapped = consumer.swapped
    if optimizer not in (None, "none"):
        whole = optimizer_of_fakes(optimizer, swapped.tensors.values(), plain_loop=consumer.plain_update)
        mode.captured = None
        consumer.attribution.enter("", "update")
        consumer.state_begins()
        with mode:
            make_state(whole, consumer.like)
        consumer.attribution.owners = owners_of(whole, swapped.tensors)
        consumer.state_ended(whole)
        with mode:
            whole.step()
    consumer.step_ended()
    for fake in swapped.with_gradient().values():
        fake.grad = None


def _attributed(consumer: Consumer) -> Wrap:
    """Each layer's forward, with the attribution set while it runs and its exceptions explained."""
    attribution = consumer.attribution

    def wrap(layer: nn.Module, name: str, forward: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            outer, attribution.path = attribution.path, name
            attribution.depth += 1
            try:
                return consumer.run_layer(layer, name, forward, args, kwargs)
            except NotEqual:
                raise
            except Exception as error:
                explain(error, layer, name, args, kwargs)
                raise
            finally:
                attribution.path = outer
                attribution.depth -= 1

        return run

    return wrap


def symbols_of(
    module: nn.Module, given: Inputs, options: LoadOptions, multiples: Multiples | None = None
) -> Sizes | None:
    """The symbols among the sizes of the inputs; None if all are numbers."""
    shapes = described(given, module)
    names = symbol_names({**shapes, "batch": () if options.batch is None else (options.batch,)})
    return Sizes(multiples=multiples) if names else None


def _training_flag(module: nn.Module, options: LoadOptions) -> bool | None:
    """The training flag for all layers; None leaves a model in training with the layers its owner set apart."""
    if not options.training:
        return False
    return None if module.training else True
