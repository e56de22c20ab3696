"""A module's step as a trace: run on fake tensors, again in another way if the model asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

from nncost.errors import OptionError, SourceError, SymbolError
from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.inputs import has_values, tensors_of
from nncost.frontends.torch.step.fake_tensors import tensors_in
from nncost.frontends.torch.step.loss import wants_backward
from nncost.frontends.torch.step.mode import StepMode
from nncost.frontends.torch.step.optimizer import late, optimizer_name, optimizer_of_one
from nncost.frontends.torch.step.provenance import from_inputs, seen_provenance
from nncost.frontends.torch.step.run import StepResult, StepSettings, run_step, symbols_of
from nncost.frontends.torch.step.signals import Branched, NotEqual, ReentrantError
from nncost.frontends.torch.step.symbolic_sizes import FIRST_AXIS, Multiples, Sizes
from nncost.frontends.torch.tracing.log import Log
from nncost.frontends.torch.tracing.repeated_blocks import Blocks, find_candidates
from nncost.frontends.torch.tracing.tracer import Tracer
from nncost.records import record, replace

_MULTIPLES = (64, 840, 448)
"""Numbers with many divisors, of one of which a model may want its sizes to be multiples."""
NEEDS_GRADIENTS = "does not require grad"
"""What PyTorch says to a model that differentiates inside its forward pass while gradients are off."""
_ABOUT_ANOTHER_WAY = (
    ReentrantError, NotEqual, Branched, DataDependentOutputException, DynamicOutputShapeException
)  # fmt: skip
"""What asks for another way to run the model, not for other sizes."""


@record
class Traced:
    """A traced step: what it left, the tracer, which parameters got a gradient, the symbols and conditions on them."""

    step: StepResult
    tracer: Tracer
    trained: list[str]
    conditions: Sequence[str] = ()
    sizes: Sizes | None = None


def trace_module(module: nn.Module, given: Inputs, options: LoadOptions, log: Log | None = None) -> Traced:
    """Run the module once on fake tensors.

    It runs again only if that fails: with its real inputs if the model branches on their values, with
    gradients left in the parameters for a reentrant checkpoint, and with gradients on if the model
    differentiates inside its forward pass.
    """
    from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

    sizes = symbols_of(module, given, options)
    run = _Run(module, given, options, log)
    try:
        return run.reusing_or_at_multiples(sizes)
    except ReentrantError:
        return run.traced(StepSettings(sizes=sizes, keep_gradients=True))
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        if has_values(given):
            return run.traced(StepSettings(real=True))
        try:
            return run.traced(StepSettings(sizes=Sizes(by_data=True)))
        except (GuardOnDataDependentSymNode, DataDependentOutputException, SymbolError):
            raise SourceError(
                f"the control flow of {type(module).__name__} depends on the values of its inputs ({error.func}).",
                hint="Give real tensors instead of shapes: nncost.count(module, tensors), or an entry point that returns (module, tensors).",
            ) from error
    except RuntimeError as error:
        if NEEDS_GRADIENTS in str(error) and not wants_backward(options):
            return run.traced(StepSettings(sizes=sizes, gradients=True))
        if sizes is None or not sizes.numbers:
            raise
        # PyTorch itself may not know an operator on symbols: the numbers then stand for them.
        raise Branched([str(error).splitlines()[0]], sizes.numbers) from error


@record
class _Run:
    """What every attempt at tracing a module has in common."""

    module: nn.Module
    given: Inputs
    options: LoadOptions
    log: Log | None

    def reusing(self, sizes: Sizes | None) -> Traced:
        """A run in which equal blocks are analysed once, begun again if one was not what it seemed."""
        if not self.options.reuse or sizes is not None:
            return self.traced(StepSettings(sizes=sizes))
        excluded: set[nn.Module] = set()
        while True:
            try:
                return self.traced(StepSettings(), find_candidates(self.module, excluded))
            except NotEqual as found:
                excluded.add(found.layer)

    def reusing_or_at_multiples(self, sizes: Sizes | None) -> Traced:
        """The run; if the model refuses the sizes that stand for symbols, one at multiples of a number."""
        try:
            return self.reusing(sizes)
        except _ABOUT_ANOTHER_WAY:
            raise
        except Exception:  # what the model raises for sizes that do not fit it
            found = None if sizes is None or not sizes.numbers else self._at_multiples(sizes)
            if found is None:
                raise
            return found

    def _at_multiples(self, sizes: Sizes) -> Traced | None:
        """A run in which sizes are multiples of the least number that the model takes; None if it takes none."""
        firsts = (False, True) if set(sizes.numbers.values()) - {*FIRST_AXIS} else (True,)
        for first in firsts:
            for whole in _MULTIPLES:
                if self._accepts(Multiples(whole, first)) is not None:
                    divisors = [number for number in range(2, whole + 1) if whole % number == 0]
                    return next(filter(None, (self._accepts(Multiples(number, first)) for number in divisors)))
        return None

    def _accepts(self, multiples: Multiples) -> Traced | None:
        sizes = symbols_of(self.module, self.given, self.options, multiples)
        try:
            return self.reusing(sizes)
        except Exception:  # noqa: BLE001 - the model's own code runs
            return None

    def traced(self, settings: StepSettings, candidates: Mapping[nn.Module, int] | None = None) -> Traced:
        """One run."""
        if self.log is not None:
            self.log.clear()  # what an earlier attempt left
        tracer = _BlockTracer(candidates or {}, self.log)
        settings = replace(settings, deferred=candidates or (), backward=self.log is None)
        step = run_step(self.module, self.given, self.options, tracer, settings)
        for tensor in tensors_in(step.output):
            seen_provenance(tensor)
        both = {*step.trained, *(() if tracer.blocks is None else tracer.blocks.trained)}
        trained = [name for name in step.tensors if name in both]
        return Traced(step, tracer, trained, [] if settings.sizes is None else settings.sizes.check(), settings.sizes)


class _BlockTracer(Tracer):
    """Replays blocks that are equal to an earlier one. ``candidates`` are layers that may be, by the key they share."""

    def __init__(self, candidates: Mapping[nn.Module, int], log: Log | None) -> None:
        super().__init__(log=log)
        self.blocks: Blocks | None = None
        self._candidates = candidates

    def begin(self, inputs: Inputs) -> None:
        if self._candidates and self.fast is not None:
            self.blocks = Blocks(self, self.fast, self._candidates)

    def run_layer(self, layer: nn.Module, path: str, forward: Any, args: Any, kwargs: Any) -> Any:
        if self.blocks is not None and layer in self._candidates:
            return self.blocks.run(layer, path, forward, args, kwargs)
        return forward(*args, **kwargs)

    def wanted(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """Parameters that require a gradient, inputs that do, and the blocks' anchor."""
        wanted = {name: fake for name, fake in self.swapped.fakes().items() if fake.requires_grad}
        asked = [tensor for tensor in tensors_of(inputs) if tensor.requires_grad]
        wanted |= {f" input {number}": tensor for number, tensor in enumerate(asked)}
        return wanted if self.blocks is None else {**wanted, "": self.blocks.anchor}


def trace_update(optimizer: Any, original: torch.Tensor) -> list[Any] | None:
    """The operations of one late step of one parameter; None if the optimizer does not train it.

    Raise OptionError for an optimizer that cannot be run.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        parameter = from_inputs(torch.empty(original.shape, dtype=original.dtype)).requires_grad_()
        parameter._is_param = True
        gradient = from_inputs(torch.empty(original.shape, dtype=original.dtype))
    tracer = Tracer(only_fake=True)
    tracer.attribution.phase = "update"
    alone = optimizer_of_one(optimizer, parameter, original)
    if alone is None:
        return None
    try:
        parameter.grad = gradient
        with StepMode(Tracer(only_fake=True)):
            alone.step()
        for state in alone.state.values():
            late(state)
        with StepMode(tracer):
            alone.step()
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        shape = "x".join(map(str, original.shape))
        raise OptionError(
            f"{optimizer_name(optimizer)} cannot update a parameter of shape {shape}: {error}."
        ) from error
    return tracer.records
