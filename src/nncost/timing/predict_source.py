"""A prediction wherever it is asked for: on this machine, or on a named device."""

from __future__ import annotations

from typing import Any

from nncost.pipeline.settings import Settings
from nncost.timing import Progress
from nncost.timing.predict import THIS, predict_named
from nncost.timing.prediction import Prediction


def predict_source(source: Any, settings: Settings, device: str, progress: Progress | None = None) -> Prediction:
    """A source's step on ``"this"`` machine, by its operators, or on a device of the catalogue.

    ``progress(what, done, of)`` is called while operators are timed. Raise an NncostError for anything that does not fit.
    """
    if device != THIS:
        return predict_named(source, settings, device)
    from nncost.timing.predict_this_machine import predict_here

    return predict_here(source, settings, progress)
