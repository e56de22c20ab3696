"""Seconds of a step and a run on a device of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def predict(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prediction, exactly as ``nncost predict --json`` prints it.

    Raise OptionError for a device that the catalogue does not have. Calibrated machines are no devices here: they are those
    of whoever runs nncost.
    """
    from nncost.pipeline.keywords import settings_of, truth
    from nncost.timing.devices.catalogue import device_named
    from nncost.timing.predict import counted
    from nncost.timing.roofline import predict_on

    settings = dict(request)
    source, device = settings.pop("source"), device_named(settings.pop("on"))
    compiled = truth("compiled", settings.pop("compiled", False))
    return predict_on(counted(source, settings_of(**settings)), device, compiled=compiled).to_dict()
