"""An option of the command line has the name of its keyword in Python; one that is repeated, its singular."""

from __future__ import annotations

import inspect
from importlib import import_module

import click
import pytest

import nncost
from nncost.documents import FORMATS
from nncost.documents.document import Chart
from nncost.pipeline.keywords import settings_of
from nncost.pipeline.settings import CountSettings
from nncost.plots import PredictionPlots, ReportPlots
from nncost.views.charts import KINDS

SHOWN = {"by", "depth", "expand", "shapes", "rows"}
"""Keywords of ``table``."""
ONLY_ON_THE_COMMAND_LINE = {*FORMATS, "mathml", "python", "verbose", "allow_unknown", "no_bias"}
ONLY_IN_PYTHON = {"progress"}
COMMANDS = ["count", "explain", "formula", "predict", "measure", "calibrate", "train"]
PLOTTED = {"output", "theme", "form"}
"""Options of ``plot`` that are arguments of ``chart.save``; its kind stands among the sources."""


def keywords(name: str) -> set[str]:
    """What the function takes, its settings written out."""
    parameters = inspect.signature(getattr(nncost, name)).parameters
    found = {key for key, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD}
    return found | (set(CountSettings.__annotations__) if len(found) < len(parameters) else set())


def named(parameter: click.Parameter) -> str:
    """The keyword that a parameter's first name stands for."""
    if isinstance(parameter, click.Argument):
        return str(parameter.name)
    name = parameter.opts[0].removeprefix("--").replace("-", "_")
    return f"{name}s" if parameter.multiple and parameter.name == f"{name}s" else name


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_keywords(name: str) -> None:
    command = import_module(f"nncost.cli.{name}").command
    options = {named(parameter) for parameter in command.params}
    assert options - ONLY_ON_THE_COMMAND_LINE - SHOWN == keywords(name) - ONLY_IN_PYTHON


def test_options_of_plot_are_keywords() -> None:
    options = {named(parameter) for parameter in import_module("nncost.cli.plot").command.params}
    assert options - ONLY_ON_THE_COMMAND_LINE - PLOTTED | {"kind"} == keywords("plot") - ONLY_IN_PYTHON
    assert set(inspect.signature(Chart.save).parameters) == {"self", "path", "theme"}


def test_methods_of_plots_are_kinds() -> None:
    """Every kind of one result is a method, with the settings of its builder."""
    of = {"report": ReportPlots, "prediction": PredictionPlots}
    for name, kind in KINDS.items():
        if kind.subject in of:
            assert set(inspect.signature(getattr(of[kind.subject], name)).parameters) - {"self"} == set(kind.settings)


@pytest.mark.parametrize("name", ["count", "predict", "measure"])
def test_choices_of_a_table_are_keywords(name: str) -> None:
    kind = {"count": nncost.Report, "predict": "Prediction", "measure": "Measurement"}[name]
    if isinstance(kind, str):
        kind = getattr(import_module(f"nncost.timing.{'prediction' if name == 'predict' else 'measure.measure'}"), kind)
    command = import_module(f"nncost.cli.{name}").command
    options = {named(parameter) for parameter in command.params} & SHOWN
    assert options == set(inspect.signature(kind.table).parameters) - {"self"}


def test_settings_are_those_of_a_count() -> None:
    count = inspect.signature(nncost.count).parameters
    assert set(CountSettings.__annotations__) == set(count) - {"source", "inputs", "fits"}
    for name in CountSettings.__annotations__:
        assert CountSettings.__annotations__[name].__forward_arg__ == count[name].annotation
        assert (
            name not in (own := inspect.signature(settings_of).parameters) or own[name].default == count[name].default
        )


def test_the_former_name_of_an_option_still_works(capsys: pytest.CaptureFixture[str]) -> None:
    from nncost.cli.main import run

    for name in ("--symbol", "--set"):
        assert run(["formula", "784-h-k-10", "parameters", name, "k=3", name, "h=2"]) == 0
        assert "1,619" in capsys.readouterr().out


def test_a_keyword_that_is_none_is_refused() -> None:
    for function in (nncost.explain, nncost.formula, nncost.plot, nncost.predict, nncost.measure):
        with pytest.raises(TypeError, match=r"no setting 'optimiser'\. Did you mean 'optimizer'"):
            function("3-2", optimiser="adam")


def test_every_public_function_is_documented() -> None:
    for name in (*COMMANDS, "plot", "run"):
        function = getattr(nncost, name)
        text = inspect.getdoc(function) or ""
        missing = {key for key in inspect.signature(function).parameters if f"``{key}" not in text}
        assert not missing - {"settings"}, name
        assert "Raise" in text
