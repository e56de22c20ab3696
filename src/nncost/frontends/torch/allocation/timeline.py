"""A module's timeline: its step followed, what its operators take learned, both put together."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from nncost.dims import Dim
from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.allocation.follow import follow_step
from nncost.frontends.torch.allocation.known_results import Known
from nncost.frontends.torch.allocation.timeline_builder import Assembly
from nncost.frontends.torch.allocation.workspace_cache import Lessons
from nncost.ir.storage import Timeline

MOST_RUNS = 4
"""Each run may show results that lie otherwise than the run before took them to."""


def timeline_of(
    module: nn.Module, given: Inputs, options: LoadOptions, known: Known | None = None
) -> tuple[Timeline | None, int, Dim]:
    """The timeline of a step, the bytes of the optimizer's state, and those of inputs and targets.

    No timeline where the step cannot be followed on stand-ins: the operations are counted all the same.
    """
    known = dict(known or {})
    for _ in range(MOST_RUNS):
        try:
            followed = follow_step(module, given, options, known)
        except Exception:  # noqa: BLE001 - the module's own code runs; its count has succeeded
            return None, 0, 0
        lessons = Lessons(options.learn)
        timeline = Assembly(lessons.of, followed.gradients).walk(followed.events, followed.forward_ends)
        lessons.keep()
        if not lessons.otherwise.keys() - known.keys():
            break
        known |= lessons.otherwise  # results that lie otherwise than their stand-ins did: followed again as they do
    unlearned = (*followed.unknown, *sorted(lessons.missing))
    return replace(timeline, unlearned=unlearned), followed.state_bytes, followed.input_bytes
