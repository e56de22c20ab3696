"""A module's step as a trace: run on fake tensors, again in another way if the model asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nncost.errors import NncostError, OptionError, SourceError, SymbolError
from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.inputs import has_values
from nncost.frontends.torch.step.fake_factory import SAMPLE, is_trained
from nncost.frontends.torch.step.fake_module import eager
from nncost.frontends.torch.step.fake_tensors import FakeTensors, contiguous_strides, tensors_in
from nncost.frontends.torch.step.leaves import AutogradGraph
from nncost.frontends.torch.step.loss import wants_backward
from nncost.frontends.torch.step.mode import StepMode
from nncost.frontends.torch.step.optimizer import late, optimizer_name, optimizer_of_one
from nncost.frontends.torch.step.provenance import from_inputs, seen_provenance
from nncost.frontends.torch.step.run import StepResult, StepSettings, run_step, symbols_of
from nncost.frontends.torch.step.signals import (
    NEEDS_VALUES,
    Branched,
    NotEqual,
    OwnOperatorsError,
    ReentrantError,
    StoredAskedError,
)
from nncost.frontends.torch.step.symbolic_sizes import FIRST_AXIS, Multiples, Sizes
from nncost.frontends.torch.tracing.equal_blocks.blocks import Blocks
from nncost.frontends.torch.tracing.equal_blocks.candidates import Candidates, Excluded, find_candidates
from nncost.frontends.torch.tracing.equal_blocks.templates import Call
from nncost.frontends.torch.tracing.log import Log
from nncost.frontends.torch.tracing.tracer import Tracer
from nncost.records import record, replace

_MULTIPLES = (64, 840, 448)
"""Numbers with many divisors, of one of which a model may want its sizes to be multiples."""
NEEDS_GRADIENTS = "does not require grad"
"""What PyTorch says to a model that differentiates inside its forward pass while gradients are off."""
SAMPLED = (
    f"The model looks at whole numbers among its inputs, of which only shapes were given: each was taken as {SAMPLE}."
)
IN_THREADS = "Layers ran in other threads: which layer, or phase near the loss, a gradient belongs to is not told there; totals of the step are complete."
EXPORTED = "The model looks at values of its inputs, of which only shapes were given: traced as torch.export does, without looking."
_WITHOUT_VALUES: Sequence[tuple[StepSettings | None, Sequence[str]]] = (
    (None, ()), (StepSettings(sampled=True), (SAMPLED,)), (StepSettings(exported=True), (EXPORTED,))
)  # fmt: skip
"""How a model that looks at values runs on shapes: with a symbol for each size that they decide, with some, without."""
GIVE_TENSORS = (
    "Give tensors instead of shapes: nncost.count(module, tensors), or an entry point that returns (module, tensors)."
)
MERGED = "Sparse gradients are updated row by row, as many rows as were looked up: an optimizer that merges rows does less where one was looked up twice."
OF_LOGICAL_SHAPE = "Tensors of class {} do not say what they hold: their bytes are those of their shape and type."
_ABOUT_ANOTHER_WAY = (ReentrantError, NotEqual, Branched, *NEEDS_VALUES)
"""What asks for another way to run the model, not for other sizes."""


@record
class Traced:
    """A traced step: what it left, the tracer, which parameters got a gradient, how it ran, and notes on that.

    ``groups`` are the blocks that were found equal, in the order in which they run.
    """

    step: StepResult
    tracer: Tracer
    trained: list[str]
    settings: StepSettings
    notes: Sequence[str] = ()
    groups: Sequence[Sequence[Call]] = ()


def trace_module(module: nn.Module, given: Inputs, options: LoadOptions, log: Log | None = None) -> Traced:
    """Run the module once on fake tensors.

    It runs again only if that fails: with values if the model looks at them, with gradients left in the
    parameters for a reentrant checkpoint, and with gradients on if the model differentiates inside its forward
    pass.
    """
    sizes = symbols_of(module, given, options)
    run = _Run(module, given, options, log)
    try:
        return run.reusing_or_at_multiples(sizes)
    except ReentrantError:
        return run.traced(StepSettings(sizes=sizes, keep_gradients=True))
    except NEEDS_VALUES as error:
        return _with_values(run, error)
    except RuntimeError as error:
        if NEEDS_GRADIENTS in str(error) and not wants_backward(options):
            return run.traced(StepSettings(sizes=sizes, gradients=True))
        if sizes is None or not sizes.numbers:
            raise
        # PyTorch itself may not know an operator on symbols: the numbers then stand for them.
        raise Branched([str(error).splitlines()[0]], sizes.numbers) from error


def _with_values(run: _Run, error: Exception) -> Traced:
    """A run of a model that looks at the values of its inputs. Raise SourceError if only real ones will do."""
    if has_values(run.given):
        traced = run.traced(StepSettings(real=True))
        note = OF_LOGICAL_SHAPE.format(error.kind) if isinstance(error, OwnOperatorsError) else ""
        return replace(traced, notes=(*traced.notes, *filter(None, [note])))
    if isinstance(error, OwnOperatorsError):
        raise SourceError(
            f"tensors of class {error.kind} run their own operators, on values only.",
            hint=f"Give real tensors instead of shapes, nncost.count(module, tensors), or define {error.kind}.__tensor_flatten__ and __tensor_unflatten__.",
        ) from None
    if isinstance(error, StoredAskedError):
        raise SourceError(
            f"how many values the sparse tensors of {type(run.module).__name__} store depends on the values of its inputs ({error}).",
            hint=GIVE_TENSORS,
        ) from error
    for settings, said in _WITHOUT_VALUES:
        sizes = Sizes(by_data=True) if settings is None else symbols_of(run.module, run.given, run.options)
        try:
            traced = run.traced(replace(settings or StepSettings(), sizes=sizes))
        except Exception as failed:
            if isinstance(failed, NncostError) and not isinstance(failed, SymbolError):
                raise
        else:
            return replace(traced, notes=(*traced.notes, *said))
    asked = getattr(error, "func", None) or str(error)
    raise SourceError(
        f"{type(run.module).__name__} needs the values of its inputs, and only shapes are given ({asked}{_place(error)}).",
        hint=GIVE_TENSORS,
    ) from error


def _place(error: Exception) -> str:
    """The layer in which a model asked for values, as far as that was noted."""
    told = getattr(error, "__nncost__", None) or getattr(error.__cause__, "__nncost__", "")
    where = str(told).partition(", which received")[0]
    return f", {where}" if where else ""


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
        excluded = Excluded()
        while True:
            try:
                return self.traced(StepSettings(), find_candidates(self.module, excluded, self._is_trained))
            except NotEqual as found:
                excluded.add(found)

    def _is_trained(self, tensor: torch.Tensor, name: str) -> bool:
        return is_trained(tensor, name, self.options.steps.freeze)

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

    def traced(self, settings: StepSettings, candidates: Candidates | None = None) -> Traced:
        """One run."""
        if self.log is not None:
            self.log.clear()  # what an earlier attempt left
        tracer = _BlockTracer(candidates, self.log)
        deferred = () if candidates is None else candidates.equal
        settings = replace(settings, deferred=deferred, backward=self.log is None)
        step = run_step(self.module, self.given, self.options, tracer, settings)
        for tensor in tensors_in(step.output):
            seen_provenance(tensor)
        both = {*step.trained, *(() if tracer.blocks is None else tracer.blocks.trained)}
        trained = [name for name in step.tensors if name in both]
        notes = [] if settings.sizes is None else settings.sizes.check()
        if tracer.attribution.threads.others and trained:
            notes.append(IN_THREADS)
        in_threads = bool(tracer.attribution.threads.others)  # each numbers its autograd nodes anew
        groups = () if tracer.blocks is None or in_threads else tracer.blocks.groups()
        return Traced(step, tracer, trained, settings, notes, groups)


class _BlockTracer(Tracer):
    """Replays blocks that are equal to an earlier one. ``candidates`` are layers that may be; without, none are."""

    def __init__(self, candidates: Candidates | None, log: Log | None) -> None:
        super().__init__(log=log)
        self.blocks: Blocks | None = None
        self._candidates = candidates

    def begin(self, inputs: Inputs) -> None:
        if self._candidates is not None and self.fast is not None:
            self.blocks = Blocks(self, self.fast, self._candidates)

    def run_layer(self, layer: nn.Module, path: str, forward: Any, args: Any, kwargs: Any) -> Any:
        if self.blocks is None:
            result = forward(*args, **kwargs)
        else:
            result = self.blocks.run_layer(layer, path, forward, args, kwargs)
        self.note_output(path, result)
        return result

    def backward_begins(self, graph: AutogradGraph) -> None:
        """Blocks that are replaced must keep their parameters to themselves."""
        if self.blocks is not None:
            self.blocks.backward_begins(graph)

    def graph_dropped(self) -> None:
        if self.blocks is not None:
            self.blocks.graph_dropped()


def trace_sparse_update(optimizer: Any, original: torch.Tensor, rows: int) -> list[Any] | None:
    """The operations of one late step of one parameter whose gradient stores that many rows.

    They are those of small real tensors: no more rows than the gradient has, all of them different if they can be.
    """
    parameter = nn.Parameter(
        original.detach().new_zeros((min(rows, original.shape[0]), *original.shape[1:]), device="cpu")
    )
    alone = optimizer_of_one(optimizer, parameter, original)
    if alone is None:
        return None
    indices = (torch.arange(rows) % max(len(parameter), 1)).unsqueeze(0)
    values = parameter.new_zeros((rows, *original.shape[1:]))
    parameter.grad = torch.sparse_coo_tensor(indices, values, parameter.shape, check_invariants=False)
    tracer = Tracer()
    tracer.attribution.phase = "update"
    try:
        with eager():
            alone.step()
            for state in alone.state.values():
                late(state)
            with StepMode(tracer, None):
                alone.step()
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        raise OptionError(
            f"{optimizer_name(optimizer)} cannot update a parameter by a sparse gradient: {error}."
        ) from error
    # An optimizer counts its steps too, which is the same for the whole step.
    return [record for record in tracer.records if any(shape for shape, _ in filter(None, record[0].outputs))]


def trace_update(optimizer: Any, original: torch.Tensor) -> list[Any] | None:
    """The operations of one late step of one parameter; None if the optimizer does not train it.

    Raise OptionError for an optimizer that cannot be run.
    """
    fakes, strides = FakeTensors(), contiguous_strides(original.shape)
    parameter = from_inputs(fakes.make(original.shape, strides, original.dtype, nn.Parameter, requires_grad=True))
    gradient = from_inputs(fakes.make(original.shape, strides, original.dtype))
    tracer = Tracer(only_fake=True)
    tracer.attribution.phase = "update"
    with StepMode(Tracer(only_fake=True), fakes):
        alone = optimizer_of_one(optimizer, parameter, original)
    if alone is None:
        return None
    try:
        with eager(), StepMode(Tracer(only_fake=True), fakes):
            parameter.grad = gradient
            alone.step()
            for state in alone.state.values():
                late(state)
        with eager(), StepMode(tracer, fakes):
            alone.step()
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        shape = "x".join(map(str, original.shape))
        raise OptionError(
            f"{optimizer_name(optimizer)} cannot update a parameter of shape {shape}: {error}."
        ) from error
    return tracer.records
