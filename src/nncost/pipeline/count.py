"""Count a source: load, differentiate, walk the graph."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nncost.counting.conventions import Convention, convention_named
from nncost.counting.ledger import KernelsOf, Ledger, Row, count_graph
from nncost.dims import Dim, exact_divide, is_symbolic
from nncost.errors import Instead, OptionError
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions, Model, matches
from nncost.ir.graph import Graph, Parameter
from nncost.ir.training.losses import LOSSES, NO_LOSS, final_softmax
from nncost.ir.training.optimizers import NO_OPTIMIZER
from nncost.ir.training.step import StepGraph, accumulation_graph, training_step
from nncost.names import nearest
from nncost.pipeline.settings import Settings, check_names, load_options
from nncost.records import record, replace

_LISTED, _SHOWN = 500, 60
"""Characters of a list of layers, and of what was received, in a message."""


@record
class Counted:
    """A model at one batch size with its training step, the ledgers of its parts and the kernels of its graph."""

    model: Model
    step: StepGraph
    ledger: Ledger
    accumulation: Ledger
    loss: str
    optimizer: str
    convention: Convention
    kernels: KernelsOf


@contextmanager
def no_collection() -> Iterator[None]:
    """No garbage collection meanwhile: one walk over a framework's objects takes longer than a whole count.

    Of several threads, the last to end has it go on.
    """
    _paused.begin()
    try:
        yield
    finally:
        _paused.end()


class _Paused:
    """How many counts run without garbage collection, and whether it was on before the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts, self._enabled = 0, False

    def begin(self) -> None:
        """Turn garbage collection off."""
        with self._lock:
            if self._counts == 0:
                self._enabled = gc.isenabled()
            self._counts += 1
            gc.disable()

    def end(self) -> None:
        """Turn garbage collection on again if it was, after the last."""
        with self._lock:
            self._counts -= 1
            if self._counts == 0 and self._enabled:
                gc.enable()


_paused = _Paused()


def count_source(source: Any, settings: Settings) -> Counted:
    """The ledgers of one micro-batch and of adding its gradients to earlier ones."""
    options = load_options(source, settings)
    model = registry.load(source, options)
    model = replace(model, graph=_frozen(model.graph, settings.freeze))
    valid = settings.taps == "valid"
    named, kernels = convention_named(settings.convention), KernelsOf()
    if model.trace is not None:
        loss, optimizer = model.default_loss, model.default_optimizer
        step = StepGraph(model.graph, None, {parameter: parameter.tensor for parameter in model.trained})
        from nncost.counting.traced import count_trace

        ledger = count_trace(model.trace, valid_taps=valid)
    else:
        check_names(settings)
        loss, optimizer = _training_of(model, settings)
        step = training_step(model.graph, loss=loss, optimizer=optimizer, accumulate=settings.accumulate)
        ledger = count_graph(step.graph, valid_taps=valid, kernels=kernels)
    _check_training(settings, loss)
    if model.batch_neurons:
        ledger = _per_example(ledger, model.batch)
    ledger = replace(ledger, neurons=ledger.neurons + model.recurrent_neurons)
    additions = accumulation_graph(list(step.gradients.items()) if settings.accumulate > 1 else [])
    flops, convention = _flops(named, source, options, model, loss)
    ledger = replace(ledger, rows=(*ledger.rows, *flops))
    return Counted(model, step, ledger, count_graph(additions), loss, optimizer, convention, kernels)


def _check_training(settings: Settings, loss: str) -> None:
    """Raise OptionError for a setting of the backward pass where there is none."""
    plain = Settings()
    for name in ("backward", "accumulate"):
        if loss == NO_LOSS and getattr(settings, name) != getattr(plain, name):
            raise OptionError(
                f"{name} is about gradients, and without a loss there are none.",
                hint=f"Name a loss, for example --loss squared_error, or leave --{name} out.",
                instead=Instead(f"--{name}", ""),
            )


def _flops(
    convention: Convention, source: Any, options: LoadOptions, model: Model, loss: str
) -> tuple[Sequence[Row], Convention]:
    """Rows of flops that weights over the ledger cannot give, and the convention that is left."""
    if convention.tool is None and not convention.per_parameter:
        return (), convention
    from nncost.pipeline.convention_flops import with_flops

    return with_flops(convention, source, options, model, loss)


def _per_example(ledger: Ledger, batch: Dim) -> Ledger:
    """A ledger with the neurons of one example; all of them if the batch does not divide them."""
    neurons = ledger.neurons
    if not is_symbolic(neurons) and not is_symbolic(batch) and (batch == 0 or neurons % batch):
        return ledger
    return replace(ledger, neurons=exact_divide(neurons, batch))


def _training_of(model: Model, settings: Settings) -> tuple[str, str]:
    """The loss and optimizer: those named, or the defaults of the kind of source."""
    loss, optimizer = settings.loss, settings.optimizer
    if loss is None:
        loss = model.default_loss
        if loss == NO_LOSS and optimizer not in (None, NO_OPTIMIZER):
            loss = "cross_entropy" if final_softmax(model.graph) is not None else "squared_error"
    if loss == NO_LOSS:
        if optimizer not in (None, NO_OPTIMIZER):
            raise OptionError(
                "an optimizer needs a loss, received loss none",
                hint=f"Losses: {', '.join(LOSSES)}.",
                instead=Instead("--loss", ""),
            )
        return loss, NO_OPTIMIZER
    return loss, optimizer or model.default_optimizer


def _frozen(graph: Graph, patterns: Sequence[str]) -> Graph:
    """The graph with the parameters whose path matches a pattern not trainable."""
    unused = set(patterns)

    def hit(parameter: Parameter) -> bool:
        hits = {p for p in patterns if matches(p, parameter.path, parameter.tensor.name)}
        unused.difference_update(hits)
        return bool(hits)

    parameters = tuple(replace(p, trainable=False) if hit(p) else p for p in graph.parameters)
    if unused:
        raise _no_layer(min(unused), list(dict.fromkeys(p.path for p in graph.parameters)))
    return replace(graph, parameters=parameters)


def _no_layer(pattern: str, paths: Sequence[str]) -> OptionError:
    close = nearest(pattern, paths)
    hint = "" if close is None else f"Did you mean {close!r}? "
    hint += f"Layers with parameters: {', '.join(paths)[:_LISTED] or 'none'}."
    instead = Instead(pattern, close or paths[0]) if paths else None
    return OptionError(f"freeze={pattern[:_SHOWN]!r} matches no layer.", hint=hint, instead=instead)
