"""What may help a step that takes too long to be run again and again: it is predicted, by its operators alone."""

from __future__ import annotations

from typing import Any

import torch

from nncost.pipeline.settings import Settings
from nncost.records import replace
from nncost.timing.deadline import until
from nncost.timing.measure.step import copy_of
from nncost.timing.predict_this_machine import predict_here
from nncost.timing.prediction import Prediction, Seconds
from nncost.timing.runnable import Subject
from nncost.timing.what_helps.trial import Case, Variant

WIDE = 0.1
"""What two predictions of alike steps may differ by for nothing (the median error of held-out networks is about a tenth)."""


def operators_alone(prediction: Prediction) -> Seconds:
    """What a prediction says of the step by its operators alone."""
    return prediction.operators_alone.get("step", prediction.seconds["step"])


def predicted_gain(case: Case, variant: Variant, usual: Prediction, end: float) -> float:
    """How many times faster a variant's step is predicted to be. Raise OutOfTimeError at the moment ``end``."""
    source, settings = _as_source(case, variant)
    other = predict_here(source, settings, until(end))
    return operators_alone(usual).value / operators_alone(other).value * variant.examples


def _as_source(case: Case, variant: Variant) -> tuple[Any, Settings]:
    """What a prediction takes: the source with another batch, or another module."""
    if variant.batch is not None:
        load = replace(case.settings.load, batch=variant.batch)
        return case.source, replace(case.settings, load=load)
    module = variant.module(copy_of(case.subject.module, memory=False))
    load = replace(case.settings.load, given=case.subject.given, inputs={}, symbols={}, batch=None)
    chosen = replace(case.settings, load=load, loss=case.subject.loss, optimizer=_class_of(case.subject), freeze=())
    return module, chosen


def _class_of(subject: Subject) -> Any:
    """A user's optimizer holds the user's parameters, not those of a copy."""
    return type(subject.optimizer) if isinstance(subject.optimizer, torch.optim.Optimizer) else subject.optimizer
