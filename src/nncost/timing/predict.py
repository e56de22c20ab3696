"""A prediction for a source on a named device."""

from __future__ import annotations

from typing import Any

from nncost.errors import Instead, OptionError
from nncost.pipeline.report_on import report_on
from nncost.pipeline.settings import Settings
from nncost.report import Report
from nncost.timing.devices.catalogue import device_named
from nncost.timing.devices.profile_store import load_profiles, this_profile, why_no_profile
from nncost.timing.from_profile import predict_with_profile
from nncost.timing.prediction import Prediction
from nncost.timing.roofline import predict_on

THIS = "this"
"""The name of the machine that runs nncost."""


def predict_named(source: Any, settings: Settings, name: str, *, compiled: bool = False) -> Prediction:
    """A source's step on a device of the catalogue, or on a machine whose profile has that name.

    Raise an NncostError for anything that does not fit.
    """
    measured = next((profile for profile in load_profiles() if profile.name.lower() == str(name).lower()), None)
    if measured is not None:
        if compiled:
            raise not_compiled(measured.name)
        return predict_with_profile(counted(source, settings), measured)
    device = device_named(name)
    return predict_on(counted(source, settings), device, compiled=compiled)


def not_compiled(name: str) -> OptionError:
    """What to say where a compiled step is asked of a machine whose operations were timed one by one."""
    machine = "this machine" if name == THIS else name
    return OptionError(
        f"a compiled step is predicted for devices of the catalogue; {machine} was calibrated with operations one by one.",
        hint="For example: --on a100 --compiled   (all: nncost devices)",
        instead=Instead("--compiled", ""),
    )


def predict_this(source: Any, settings: Settings) -> Prediction:
    """A source's step on this machine, from its profile only. Raise OptionError if it has none that holds."""
    profile = this_profile()
    if profile is None:
        raise not_calibrated()
    return predict_with_profile(counted(source, settings), profile)


def counted(source: Any, settings: Settings) -> Report:
    """What a source computes. Raise OptionError for a checkpoint, which computes nothing."""
    report = report_on(source, settings)
    if report.storage is not None:
        raise OptionError("a checkpoint holds parameters, not operations: there are no seconds.", hint=report.notes[0])
    return report


def not_calibrated() -> OptionError:
    """What to say where this machine has no profile that holds."""
    return OptionError(
        f"cannot predict for this machine: {why_no_profile()}.",
        hint="Measure it once, in at most 5 minutes:  nncost calibrate\n"
        "Or predict for a device of the catalogue:  --on h100   (all: nncost devices)",
    )
