"""Options that contradict each other, or change nothing about what is shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import click

from nncost.errors import Instead, OptionError
from nncost.names import meant

LAYER, FORM = "layer", "form"
"""The usual grouping, and the parameter that all options of formats set."""
_GROUPINGS: Mapping[str, str] = {
    "layers": LAYER, "module": LAYER, "path": LAYER, "name": LAYER, "operation": "op", "operations": "op", "ops": "op", "kind": "op",
    "operator": "op", "type": "op", "phases": "phase", "pass": "phase", "timeline": "memory", "causes": "cause", "dtypes": "dtype",
    "tensors": "tensor", "layer": LAYER, "op": "op", "phase": "phase", "memory": "memory", "cause": "cause", "dtype": "dtype",
    "tensor": "tensor",
}  # fmt: skip
"""What else the rows of a table are grouped by."""
_SHOWN = 60
_CUT, _OPENED = (LAYER, "memory"), (LAYER, "op")
"""Groupings whose rows have paths, and those whose rows have operations inside."""


def check_given(command: click.Command, arguments: Sequence[str]) -> None:
    """Raise OptionError for two formats, for an option that is given twice, and for a switch in both positions."""
    formats = list(dict.fromkeys(option for parameter, option in _given(command, arguments) if parameter.name == FORM))
    if len(formats) > 1:
        raise OptionError(
            f"{formats[0]} contradicts {formats[1]}: a result has one format.", instead=Instead(formats[1], "")
        )
    seen: dict[str | None, str] = {}
    for parameter, option in _given(command, arguments):
        if parameter.name == FORM:
            continue
        before = seen.setdefault(parameter.name, option)
        if before != option:
            raise OptionError(f"{before} contradicts {option}.", instead=Instead(option, ""))
        if seen.get(f"{parameter.name} again") and not parameter.is_flag:
            raise OptionError(f"{option} is given twice; it has one value.")
        seen[f"{parameter.name} again"] = option


def _given(command: click.Command, arguments: Sequence[str]) -> list[tuple[click.Option, str]]:
    """The options that may stand once, in their order, each as it was written."""
    try:
        _, _, order = command.make_parser(click.Context(command)).parse_args(list(arguments))
    except click.ClickException:
        return []
    once = {id(parameter) for parameter in order if isinstance(parameter, click.Option) and not parameter.multiple}
    found = []
    waiting = [arg.partition("=")[0] for arg in arguments if arg.startswith("--")]
    for parameter in order:
        if isinstance(parameter, click.Option):
            names = (*parameter.opts, *parameter.secondary_opts)
            written = next((arg for arg in waiting if arg in names), names[0])
            if written in waiting:
                waiting.remove(written)
            if id(parameter) in once:
                found.append((parameter, written))
    return found


def spelled(by: str) -> str:
    """The name of a grouping that a text means; the text itself if it means none."""
    return meant(by, dict.fromkeys(_GROUPINGS.values()), _GROUPINGS) or by


def grouping(by: str, accepted: Collection[str], elsewhere: str = "") -> str:
    """The grouping that a text means. Raise OptionError for none; ``elsewhere`` says what other sources have."""
    found = spelled(by)
    from nncost.pipeline.choices import check_choice

    try:
        check_choice("grouping", found, tuple(accepted), _GROUPINGS)
    except OptionError as error:
        error.hint = f"{error.hint} {elsewhere}".rstrip()
        error.instead = Instead(by, error.instead.accepted) if error.instead else None
        raise
    return found


def check_table(
    form: str | None,
    *,
    by: str,
    depth: str | None = None,
    expand: bool = False,
    rows: bool = False,
    shapes: bool = False,
) -> None:
    """Raise OptionError for an option about rows that this table does not have; say so if the format has no table."""
    by = spelled(by)
    asked = {"--by": by != LAYER, "--depth": depth is not None, "--expand": expand, "--rows": rows, "--shapes": shapes}
    given = [option for option, is_given in asked.items() if is_given]
    if form == "json" and given:
        click.echo(f"nncost: {', '.join(given)}: about the rows of a table; --json is the whole result.", err=True)
    for option, groupings, what in (
        ("--depth", _CUT, "cuts the paths of layers"), ("--expand", _OPENED, "shows what is inside of layers"),
        ("--shapes", (LAYER,), "shows what layers return"),
    ):  # fmt: skip
        if option in given and by not in groupings:
            raise OptionError(
                f"{option} {what}; that does not change rows by {by[:_SHOWN]}.", instead=Instead(option, "")
            )
