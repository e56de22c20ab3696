"""A prediction wherever it is asked for: on this machine, or on a named device."""

from __future__ import annotations

from typing import Any

from nncost.errors import Instead, OptionError
from nncost.pipeline.settings import Settings
from nncost.timing import Progress
from nncost.timing.predict import THIS, not_compiled, predict_named
from nncost.timing.prediction import Prediction


def predict_source(
    source: Any,
    settings: Settings,
    device: str,
    progress: Progress | None = None,
    budget: float | None = None,
    *,
    compiled: bool = False,
) -> Prediction:
    """A source's step on ``"this"`` machine, or on a device of the catalogue, there also ``compiled``.

    Here, steps run for real within ``budget`` seconds (None: the usual ones). ``progress(what, done, of)`` is called while
    operators are timed. Raise an NncostError for anything that does not fit.
    """
    if device != THIS:
        if budget is not None:
            raise OptionError(
                f"a budget is for steps on this machine; nothing runs on {device}.", instead=Instead("--budget", "")
            )
        return predict_named(source, settings, device, compiled=compiled)
    if compiled:
        raise not_compiled(device)
    from nncost.timing.predict_this_machine import BUDGET_SECONDS, predict_here

    return predict_here(source, settings, progress, BUDGET_SECONDS if budget is None else budget)
