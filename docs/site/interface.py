"""The reference of Python: the public names of ``nncost``, and the classes that they return, by their docstrings."""

from __future__ import annotations

import nncost

FOLDER = "python"
FUNCTIONS = "Functions"
_RESULTS = {
    "Report": ("nncost.Report", "nncost.report.Totals", "nncost.report.ParameterCounts", "nncost.report.ParameterType",
               "nncost.report.ReportRow", "nncost.report.Run", "nncost.report.Source", "nncost.counting.memory.memory.Memory"),
    "Prediction": ("nncost.timing.prediction.Prediction", "nncost.timing.prediction.Seconds",
                   "nncost.timing.prediction.PredictedRow", "nncost.timing.prediction.PredictedRun"),
    "Measurement": ("nncost.timing.measure.measure.Measurement", "nncost.timing.measure.measure.MeasuredRow"),
    "Training": ("nncost.trainer.outcome.Training",),
    "Formula": ("nncost.notation.formula.Formula",),
    "Document": ("nncost.documents.document.Document",),
    "Chart": ("nncost.documents.document.Chart",),
    "Profile": ("nncost.timing.devices.profile.Profile",),
    "Inputs, errors": ("nncost.Inputs", "nncost.NncostError"),
}  # fmt: skip
"""The classes of a page, by its title."""


def navigation() -> list[str | dict[str, str]]:
    """The pages, functions first."""
    return [{FUNCTIONS: f"{FOLDER}/index.md"}, *({title: _name(title)} for title in _RESULTS)]


def pages() -> dict[str, str]:
    """Every page as Markdown by its name."""
    shown = {name.removeprefix("nncost.") for names in _RESULTS.values() for name in names}
    functions = [f"nncost.{name}" for name in nncost.__all__ if name not in shown]
    intro = "Names of the package `nncost`. Each is imported when it is first used.\n\n"
    first = {f"{FOLDER}/index.md": f"# {FUNCTIONS}\n\n{intro}{_entries(functions)}"}
    return first | {_name(title): f"# {title}\n\n{_entries(names)}" for title, names in _RESULTS.items()}


def _name(title: str) -> str:
    return f"{FOLDER}/{title.partition(',')[0].lower()}.md"


def _entries(names: list[str] | tuple[str, ...]) -> str:
    return "".join(f"::: {name}\n\n" for name in names)
