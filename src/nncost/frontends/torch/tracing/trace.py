"""One run of a module on the swapped, traced."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from nncost.errors import SourceError, SymbolError
from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.errors import explain, noted_in_backward
from nncost.frontends.torch.inputs import converted, described, has_values
from nncost.frontends.torch.step.fake_inputs import FakeFactory
from nncost.frontends.torch.step.fake_module import Stored, SwappedParameters, swapped_in
from nncost.frontends.torch.step.loss import ReentrantError, own_loss, run_backward
from nncost.frontends.torch.step.symbolic_sizes import Branched, Sizes, symbol_names
from nncost.frontends.torch.tracing.log import Log
from nncost.frontends.torch.tracing.provenance import STORED, set_provenance
from nncost.frontends.torch.tracing.repeated_blocks import Blocks, NotEqual, find_candidates
from nncost.frontends.torch.tracing.rewrites import Rewrites
from nncost.frontends.torch.tracing.tracer import Tracer
from nncost.ir.training.losses import NO_LOSS

NEEDS_GRADIENTS = "does not require grad"
"""What PyTorch says to a model that differentiates inside its forward pass while gradients are off."""


@dataclass(slots=True)
class Traced:
    """What one run left: the tracer, the tensors and layers by name, which parameters got a gradient."""

    tracer: Tracer
    tensors: Mapping[str, Stored]
    names: Mapping[nn.Module, str]
    trained: list[str]
    loss: Any
    output: Any
    inputs: Inputs
    conditions: Sequence[str] = ()


def trace_module(module: nn.Module, given: Inputs, options: LoadOptions, log: Log | None = None) -> Traced:
    """Run the module on stand-ins; with its real inputs where its course depends on their values."""
    from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException
    from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

    sizes = symbols_of(module, given, options)
    try:
        return _reusing(module, given, options, log, sizes)
    except ReentrantError:
        return _run(module, given, options, None, log, sizes=sizes, reentrant=True)
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        if has_values(given):
            return _run(module, given, options, None, log, real=True)
        try:
            return _run(module, given, options, None, log, sizes=Sizes(by_data=True))
        except (GuardOnDataDependentSymNode, DataDependentOutputException, SymbolError):
            raise SourceError(
                f"the course of {type(module).__name__} depends on the values of its inputs ({error.func}).",
                hint="Give real tensors instead of shapes: nncost.count(module, tensors), or a factory that returns (module, tensors).",
            ) from error
    except RuntimeError as error:
        if NEEDS_GRADIENTS in str(error) and not wants_backward(options):
            return _run(module, given, options, None, log, sizes=sizes, gradients=True)
        if sizes is None or not sizes.numbers:
            raise
        # PyTorch itself may not know an operator on symbols: the numbers then stand for them.
        raise Branched([str(error).splitlines()[0]], sizes.numbers) from error


def _reusing(module: nn.Module, given: Inputs, options: LoadOptions, log: Log | None, sizes: Sizes | None) -> Traced:
    """A run in which alike blocks are analysed once, begun again where one was not what it seemed."""
    excluded: set[nn.Module] | None = set() if options.reuse else None
    while True:
        try:
            return _run(module, given, options, excluded, log, sizes=sizes)
        except NotEqual as found:
            assert excluded is not None
            excluded.add(found.layer)


def _run(
    module: nn.Module,
    given: Inputs,
    options: LoadOptions,
    excluded: set[nn.Module] | None,
    log: Log | None,
    *,
    real: bool = False,
    sizes: Sizes | None = None,
    gradients: bool = False,
    reentrant: bool = False,
) -> Traced:
    if log is not None:
        log.entries.clear()  # what an earlier attempt left
    environment = None if sizes is None else sizes.environment
    mode = None if real else FakeTensorMode(allow_non_fake_inputs=True, shape_env=environment)
    trains = wants_backward(options)
    fakes = FakeFactory(mode, options, trains or gradients, sizes)
    tracer = Tracer(None if sizes else fakes.fast, None if mode is None else fakes.of_captured, log=log, sizes=sizes)
    candidates = {} if excluded is None or mode is None or sizes is not None else find_candidates(module, excluded)
    layer_forward = LayerForward(tracer)
    swapped = SwappedParameters(module, fakes.of_tensor, _flag(module, options), layer_forward.wrap, fakes.of_captured)
    fakes.swapped = swapped
    if candidates:
        layer_forward.reuse(candidates, fakes, swapped)
    with swapped_in(swapped, candidates), _quiet():
        arguments = converted(given, module, options.batch, fakes.of_shape, fakes.of_input)
        trained: list[str] = []
        with _modes(mode), _plain_kernels(sizes), Rewrites(), tracer, torch.set_grad_enabled(trains or gradients):
            output = module(*arguments.args, **arguments.kwargs)
            loss = _loss_of(output, options)
            if trains and log is None:
                with noted_in_backward(tracer.attribution):
                    wanted = _wanted(swapped, arguments, layer_forward.blocks)
                    trained = run_backward(tracer, output, loss, wanted, reentrant=reentrant)
    both = {*trained, *(() if layer_forward.blocks is None else layer_forward.blocks.trained)}
    trained = [name for name in swapped.tensors if name in both]
    conditions = [] if sizes is None else sizes.check()
    return Traced(tracer, swapped.tensors, swapped.names, trained, loss, output, arguments, conditions)


def _wanted(swapped: SwappedParameters, arguments: Inputs, blocks: Blocks | None) -> dict[str, torch.Tensor]:
    """The stand-ins whose gradients are asked for: parameters, inputs that require one, and the blocks' anchor."""
    wanted = {
        name: stored.fake
        for name, stored in swapped.tensors.items()
        if stored.fake is not None and stored.fake.requires_grad
    }
    leaves = tree_leaves((arguments.args, dict(arguments.kwargs)))
    asked = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    wanted |= {f" input {number}": leaf for number, leaf in enumerate(asked)}
    return wanted if blocks is None else {**wanted, "": blocks.anchor}


def symbols_of(module: nn.Module, given: Inputs, options: LoadOptions) -> Sizes | None:
    """The symbols among the sizes of the inputs; None where all are numbers."""
    shapes = described(given, module)
    names = symbol_names({**shapes, "batch": () if options.batch is None else (options.batch,)})
    return Sizes() if names else None


def wants_backward(options: LoadOptions) -> bool:
    """Whether a loss or an optimizer was named."""
    return options.steps.loss not in (None, NO_LOSS) or options.steps.optimizer not in (None, "none")


def _loss_of(output: Any, options: LoadOptions) -> Any:
    """The loss that was asked for, or the one that goes with an optimizer alone."""
    loss, optimizer = options.steps.loss, options.steps.optimizer
    if loss is not None:
        return loss
    if optimizer in (None, "none"):
        return NO_LOSS
    return "own" if own_loss(output) is not None else "squared_error"


@contextmanager
def _modes(mode: Any) -> Iterator[None]:
    if mode is None:
        yield
        return
    with mode:
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """What a model raises reaches its caller as the exception alone, not in PyTorch's log as well."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


@contextmanager
def _plain_kernels(sizes: Sizes | None) -> Iterator[None]:
    """Recurrent layers step by step where sizes are symbols: the fused kernel asks for numbers."""
    if sizes is None:
        yield
        return
    enabled = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)


def _flag(module: nn.Module, options: LoadOptions) -> bool | None:
    """The training flag for all layers; None leaves a model in training with the layers its owner set apart."""
    if not options.training:
        return False
    return None if module.training else True


class LayerForward:
    """Each layer's forward, telling the tracer which layer runs; alike blocks are replayed."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self.blocks: Blocks | None = None
        self._candidates: Mapping[nn.Module, Any] = {}

    def reuse(self, candidates: Mapping[nn.Module, int], fakes: FakeFactory, swapped: SwappedParameters) -> None:
        """Let blocks that are alike be analysed once."""
        assert fakes.fast is not None
        self._candidates = candidates
        anchor = set_provenance(fakes.fast.make((), (), torch.float32, requires_grad=True), (STORED, ""))
        self.blocks = Blocks(self.tracer, fakes.fast, candidates, anchor, swapped.prepare)

    def wrap(self, layer: nn.Module, name: str, forward: Any) -> Any:
        """The function that runs in place of a layer's forward."""
        attribution = self.tracer.attribution

        def run(*args: Any, **kwargs: Any) -> Any:
            outer, attribution.path = attribution.path, name
            attribution.depth += 1
            try:
                if layer in self._candidates and self.blocks is not None:
                    return self.blocks.run(layer, name, forward, args, kwargs)
                return forward(*args, **kwargs)
            except NotEqual:
                raise
            except Exception as error:
                explain(error, layer, name, args, kwargs)
                raise
            finally:
                attribution.path = outer
                attribution.depth -= 1

        return run
