"""What does this neural network cost?

>>> import nncost
>>> report = nncost.count("784-16-16-10")
>>> report.parameters.total, report.forward.mul, report.backward.mul
(13002, 12960, 13460)

Nothing heavy is imported here: names are resolved when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nncost.shown import show_by
from nncost.version import __version__ as __version__

if TYPE_CHECKING:
    from nncost.api import calibrate as calibrate
    from nncost.api import count as count
    from nncost.api import explain as explain
    from nncost.api import formula as formula
    from nncost.api import measure as measure
    from nncost.api import plot as plot
    from nncost.api import predict as predict
    from nncost.api import run as run
    from nncost.api import train as train
    from nncost.api import write_report as write_report
    from nncost.errors import NncostError as NncostError
    from nncost.frontends.lowering import lowers as lowers
    from nncost.frontends.model import Inputs as Inputs
    from nncost.report import Report as Report


__all__ = [
    "Inputs", "NncostError", "Report", "calibrate", "count", "explain", "formula", "lowers", "measure", "plot", "predict",
    "run", "train", "write_report",
]  # fmt: skip
_ELSEWHERE = {
    "Inputs": "nncost.frontends.model", "NncostError": "nncost.errors", "Report": "nncost.report",
    "lowers": "nncost.frontends.lowering",
}  # fmt: skip
"""Names that ``nncost.api`` does not define."""

show_by({
    "Report": "nncost.views.report:report_document", "Prediction": "nncost.views.predict:predict_document",
    "Measurement": "nncost.views.measure:measure_document", "Training": "nncost.views.train:train_document",
    "Formula": "nncost.views.formula:one_formula_document", "Profile": "nncost.views.calibrate:calibrate_document",
})  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'nncost' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_ELSEWHERE.get(name, "nncost.api")), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
