"""What would change the time of a step: tried, and said with what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from nncost.documents.document import Block, Paragraph
from nncost.explaining.context import Context
from nncost.explaining.time.here import ENGINE
from nncost.explaining.time.saying import said
from nncost.explaining.time.steps import Step
from nncost.explaining.words import listed
from nncost.timing.from_profile import INTERPOLATED

if TYPE_CHECKING:
    from nncost.timing.prediction import Prediction
    from nncost.timing.what_helps.trial import Tried
    from nncost.timing.what_helps.try_out import Found

_WORTH_IT = 1.05
"""From this gain on, something is called faster."""
_UNSURE = 0.5
"""Rounds that differ more tell nothing."""


def found_for(context: Context, step: Step, expected: float, *, batches: bool) -> Found | None:
    """What helps, tried here; None without PyTorch, or for a step of several micro-batches. ``batches``: larger ones too."""
    if find_spec(ENGINE) is None or context.settings.accumulate != 1 or context.settings.freeze:
        return None
    from nncost.timing.what_helps.batch import larger_batch
    from nncost.timing.what_helps.remedies import REMEDIES
    from nncost.timing.what_helps.try_out import Known, try_out

    remedies = [remedy for remedy in REMEDIES if batches or remedy is not larger_batch]
    known = Known(context.report, step.seconds or expected, _by_operators(step.prediction))
    return try_out(context.source, context.settings, known, remedies, said)


def _by_operators(prediction: Prediction | None) -> Prediction | None:
    """What another prediction can be compared with: one from a profile's rates is too coarse."""
    return None if prediction is None or prediction.device.get("method") == INTERPOLATED else prediction


def help_sentences(found: Found | None) -> Iterator[Block]:
    """Each thing that was tried, the best first; then those that change nothing, and those there was no time for."""
    if found is None or not (found.tried or found.left):
        return
    if not found.tried:
        yield Paragraph(f"What may help was not tried, for want of time: {listed([each.what for each in found.left])}.")
        return
    how = "in turns with the step as it is, on copies" if found.usual is not None else "by prediction"
    noise = "" if found.noise is None else f" Meanwhile {found.noise.text}."
    yield Paragraph(f"What would change that was tried {how}.{noise}")
    for tried in found.tried:
        yield Paragraph(_sentence(tried))
    if found.left:
        yield Paragraph(f"Not tried, for want of time: {listed([each.what for each in found.left])}.")


def _sentence(tried: Tried) -> str:
    does_it = f" ({tried.attempt.do})" if tried.attempt.do and _is_faster(tried) else ""
    return f"Tried: {tried.attempt.what}{does_it}: {_outcome(tried)} ({tried.how})."


def _is_faster(tried: Tried) -> bool:
    return tried.gain >= _WORTH_IT and tried.gain - 1 > tried.scatter / 2 and tried.scatter <= _UNSURE


def _outcome(tried: Tried) -> str:
    of = " for each example" if tried.per_example else ""
    if tried.scatter > _UNSURE:
        return (
            f"cannot be told now, as one round differs from another by {tried.scatter:.0%}: other programs may be busy"
        )
    if _is_faster(tried):
        return f"{tried.gain:.2f} times faster{of}"
    if tried.gain <= 1 / _WORTH_IT and 1 / tried.gain - 1 > tried.scatter / 2:
        return f"does not help, {1 / tried.gain:.2f} times slower{of}"
    return f"does not help, {tried.gain:.2f} times as fast{of}"
