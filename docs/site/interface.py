"""The reference of Python: the public names of ``nncost``, and the classes that they return, by their docstrings."""

from __future__ import annotations

from collections.abc import Sequence

import nncost
from nncost.cli.main import LazyGroup

FOLDER = "python"
FUNCTIONS = "Functions"
_INTRODUCTION = "Names of the package `nncost`. Each is imported when it is first used."
_RESULTS = {
    "Report": ("nncost.Report", "nncost.report.Totals", "nncost.report.ParameterCounts", "nncost.report.ParameterType",
               "nncost.report.ReportRow", "nncost.report.Run", "nncost.report.Source", "nncost.counting.memory.memory.Memory"),
    "Prediction": ("nncost.timing.prediction.Prediction", "nncost.timing.prediction.Seconds",
                   "nncost.timing.prediction.PredictedRow", "nncost.timing.prediction.PredictedRun"),
    "Measurement": ("nncost.timing.measure.measure.Measurement", "nncost.timing.measure.measure.MeasuredRow"),
    "Training": ("nncost.trainer.outcome.Training",),
    "Formula": ("nncost.notation.formula.Formula",),
    "Document": ("nncost.documents.document.Document",),
    "Chart": ("nncost.documents.document.Chart", "nncost.plots.ReportPlots", "nncost.plots.PredictionPlots"),
    "Profile": ("nncost.timing.devices.profile.Profile",),
    "Inputs": ("nncost.Inputs",),
    "NncostError": ("nncost.NncostError",),
}  # fmt: skip
"""The classes of a page, by its title."""


def navigation() -> list[str | dict[str, str]]:
    """The pages, functions first."""
    return [{FUNCTIONS: f"{FOLDER}/index.md"}, *({title: _name(title)} for title in _RESULTS)]


def pages() -> dict[str, str]:
    """Every page as Markdown by its name."""
    shown = {name.removeprefix("nncost.") for names in _RESULTS.values() for name in names}
    functions = sorted((name for name in nncost.__all__ if name not in shown), key=_place)
    first = f"# {FUNCTIONS}\n\n{_INTRODUCTION}\n\n{_entries([f'nncost.{name}' for name in functions])}"
    results = {_name(title): _entries(names, titled=True) for title, names in _RESULTS.items()}
    return {f"{FOLDER}/index.md": first, **results}


def _place(name: str) -> int:
    """Functions stand in the order of their commands, the others behind them."""
    commands = [*LazyGroup.names(), name]
    return commands.index(name)


def _name(title: str) -> str:
    return f"{FOLDER}/{title.lower()}.md"


def _entries(names: Sequence[str], *, titled: bool = False) -> str:
    """What mkdocstrings replaces by docstrings; ``titled``: the first is the title of its page."""
    title = "    options:\n      heading_level: 1\n" if titled else ""
    first, *others = names
    return "\n".join([f"::: {first}\n{title}", *(f"::: {name}\n" for name in others)])
