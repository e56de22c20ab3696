"""Seconds of each layer in a real step: PyTorch's profiler tells which operators and gradients are whose."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from nncost.timing.measure.step import Stepper, StepSeconds

_MARK = "nncost layer "
_BACKWARD = "autograd::engine::evaluate_function"
STEPS = 5
"""Steps under the profiler: the first of them is slower than the others."""
_MICRO = 1e-6
Place = tuple[str, str]
"""A layer's path and a phase."""


def layer_seconds(stepper: Stepper, whole: StepSeconds) -> dict[Place, float]:
    """Seconds of each layer, forward and backward.

    The profiler makes everything longer, so its times only say how a phase is shared out; the phases are
    those that were measured without it. What belongs to no layer stands under ``""``.
    """
    with _marked(stepper.module), _silent_profiler(), torch.autograd.profiler.profile(use_kineto=False) as found:
        for _ in range(STEPS):
            stepper.step()
    shares = _shares(found.function_events or ())
    result: dict[Place, float] = {}
    for phase, total in (("forward", whole.forward), ("backward", whole.backward)):
        known = sum(seconds for (_, where), seconds in shares.items() if where == phase)
        for (path, where), seconds in shares.items():
            if where == phase and known:
                result[path, phase] = total * seconds / known
    return result


@contextmanager
def _silent_profiler() -> Iterator[None]:
    """PyTorch's profiler writes when it starts and stops; what a user sees is ours."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _marked(module: nn.Module) -> Iterator[None]:
    """Every layer without layers inside says when it runs."""
    with ExitStack() as stack:
        open_ranges: list[Any] = []
        for path, layer in module.named_modules():
            if next(layer.children(), None) is None:
                stack.callback(layer.register_forward_pre_hook(_begin(path, open_ranges)).remove)
                stack.callback(layer.register_forward_hook(_end(open_ranges), always_call=True).remove)
        yield


def _begin(path: str, open_ranges: list[Any]) -> Any:
    def begin(*_: Any) -> None:
        entered = torch.autograd.profiler.record_function(_MARK + path)
        entered.__enter__()
        open_ranges.append(entered)

    return begin


def _end(open_ranges: list[Any]) -> Any:
    def end(*_: Any) -> None:
        if open_ranges:
            open_ranges.pop().__exit__(None, None, None)

    return end


def _shares(events: Sequence[Any]) -> Mapping[Place, float]:
    """Profiled seconds by layer: of forward operators by the range around them, of gradients by the operator they are of."""
    shares: dict[Place, float] = {}
    owner: dict[int, str] = {}
    for event in sorted(events, key=lambda event: event.time_range.start):
        if event.name.startswith(_BACKWARD):
            continue
        path = _path_of(event)
        if event.sequence_nr >= 0 and path is not None:
            owner[event.sequence_nr] = path  # the last to begin with a number is the one that makes its node
        if event.cpu_parent is None and not event.name.startswith(("Optimizer", "aten::")):
            _add(shares, (path or "", "forward"), event.cpu_time_total if path is not None else 0.0)
        elif event.cpu_parent is None and event.name.startswith("aten::"):
            _add(shares, ("", "forward"), event.cpu_time_total)
    for event in events:
        if event.name.startswith(_BACKWARD):
            _add(shares, (owner.get(event.sequence_nr, ""), "backward"), event.cpu_time_total)
    return {place: seconds for place, seconds in shares.items() if seconds}


def _add(shares: dict[Place, float], place: Place, microseconds: float) -> None:
    shares[place] = shares.get(place, 0.0) + microseconds * _MICRO


def _path_of(event: Any) -> str | None:
    """The layer whose range is around an event; None where there is none."""
    while event is not None:
        if event.name.startswith(_MARK):
            return str(event.name.removeprefix(_MARK))
        event = event.cpu_parent
    return None
