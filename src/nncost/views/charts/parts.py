"""What charts are made of: names that fit, amounts that can be drawn, units of axes, and pieces of Vega-Lite.

The fields of a specification are ours and fixed; names of layers, files and symbols are values in its data and nothing
else, so that no text is ever read as an expression or a field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, log10
from shlex import quote
from typing import Any

from nncost.dims import Dim, is_symbolic
from nncost.errors import Instead, OptionError, SymbolError
from nncost.ir.graph import PHASES
from nncost.records import record
from nncost.units import BYTE_UNITS, SECOND_UNITS, counted
from nncost.views import shortened, without_folders

WIDTH = 640
"""Of every picture, in points."""
LABEL = 34
"""Characters of a label beside a bar."""
TOP = 20
"""Bars of a chart, unless another number is asked for."""
_TITLE_NAME = 60
_MOST_BITS = 1_000
"""Of amounts that can be drawn."""
_DIGITS = 15
_FEW_TICKS = 3
Spec = dict[str, Any]


# ------------------------------------------------------------------- text
def titled(name: str, what: str, unknown: Sequence[object]) -> str:
    """Return the title of a chart, which says what is missing in it."""
    return with_missing(f"{shortened(without_folders(name), _TITLE_NAME)}: {what}", unknown)


def with_missing(title: str, unknown: Sequence[object]) -> str:
    """Return a title with what is missing behind it."""
    return f"{title} – INCOMPLETE: {_not_in_it(unknown)}" if unknown else title


def described(sentences: Iterable[str], unknown: Sequence[object]) -> str:
    """Return sentences in one text, the last of which says what is missing."""
    missing = [f"INCOMPLETE: {_not_in_it(unknown)}."] if unknown else []
    return " ".join([*filter(None, sentences), *missing])


def _not_in_it(unknown: Sequence[object]) -> str:
    return f"{counted(len(unknown), 'unknown operation')} {'is' if len(unknown) == 1 else 'are'} not in it"


def nothing_to_draw(what: str, unknown: Sequence[object], hint: str) -> OptionError:
    """Return what is said where no layer has any of it; unknown operations may have."""
    missing = f" INCOMPLETE: {_not_in_it(unknown)}." if unknown else ""
    return OptionError(f"no layer has {what}: there is nothing to draw.{missing}", hint=hint)


def share_text(part: float, whole: float) -> str:
    """Return ``42 %``."""
    from nncost.views.cells import share

    return share(part / whole).text if whole else "0 %"


# ------------------------------------------------------------------- amounts
def check_numbers(sizes: Iterable[Dim | None], what: str = "a chart") -> None:
    """Raise SymbolError for sizes that have no number."""
    symbols = {str(symbol) for size in sizes if size is not None and is_symbolic(size) for symbol in size.free_symbols}  # type: ignore[union-attr]
    if any("[" in name for name in symbols):
        raise SymbolError(
            f"{what} needs numbers, which a family of layers has not.",
            hint="Its last member and each width are named in the spec, as in h0-h1-...-hl: --symbol l=2 --symbol h0=784 …",
        )
    if symbols:
        names = sorted(name.strip("'") for name in symbols)
        given = " ".join(f"--symbol {quote(f'{name}=128')}" for name in names)
        raise SymbolError(
            f"{what} needs numbers; these sizes have none: {', '.join(names)}.",
            hint=f"For example: {given}. The chart growth shows how amounts grow with one of them.",
            instead=Instead("", given),
        )


def number(amount: Dim) -> int:
    """Return an amount that can be drawn. Raise OptionError for one beyond the numbers of pictures."""
    assert isinstance(amount, int)
    if amount.bit_length() > _MOST_BITS:
        raise OptionError(
            f"this is too large to be drawn: an amount has more than {_MOST_BITS:,} bits.",
            hint="nncost count gives its exact counts.",
        )
    return amount


def exact_value(amount: float) -> float | str:
    """Return an amount as data of a picture hold it: a number or, of a whole one with more digits than those have, text."""
    return str(amount) if isinstance(amount, int) and len(str(abs(amount))) > _DIGITS else amount


@record
class Unit:
    """What an axis counts in: ``size`` base units are one; ``form`` writes its numbers."""

    name: str
    size: float
    form: str = ","

    def of(self, amount: float) -> float:
        """Return an amount in the unit."""
        return amount / self.size

    def axis(self, what: str) -> Spec:
        """Return the axis of amounts: what it counts, and in which unit."""
        title = f"{what} ({self.name})" if self.name else what
        return {"title": title, "labelExpr": f"datum.value === 0 ? '0' : format(datum.value, '{self.form}')"}


COUNT = Unit("", 1, "~s")


def byte_unit(most: int) -> Unit:
    """Return the unit that suits amounts of bytes up to ``most``."""
    return _unit(most, BYTE_UNITS)


def second_unit(most: float) -> Unit:
    """Return the unit that suits seconds up to ``most``."""
    return _unit(most, SECOND_UNITS)


def _unit(most: float, units: Sequence[tuple[float, str]]) -> Unit:
    size, name = next((each for each in reversed(units) if most >= each[0]), units[0])
    return Unit(name, size, ",.4~r")


# ------------------------------------------------------------------- Vega-Lite
def decades(low: float, high: float) -> list[float]:
    """Return the ticks of a logarithmic axis: powers of ten, at most nine, or with their doubles and fivefolds if few."""
    first, last = floor(log10(low)), ceil(log10(high))
    step = max(1, -(-(last - first) // 9))
    powers = [10.0**power for power in range(first, last + 1, step)]
    inside = [tick for tick in powers if low <= tick <= high]
    if len(inside) >= _FEW_TICKS or step > 1:
        return inside
    return [tick for tick in (part * power for power in powers for part in (1, 2, 5)) if low <= tick <= high]


def spec(width: int | str, *, is_interactive: bool = False, **parts: Any) -> Spec:
    """Return a specification; one with which one can interact says so."""
    told = {"usermeta": {"interactive": True}} if is_interactive else {}
    return {"width": width, **told, **parts}


def lettered(layer: Spec) -> list[Spec]:
    """Return a layer of text on a wider one in the colour of the paper, so that no line of the grid strikes it through."""
    styles = layer["mark"].get("style", ())
    behind = [*([styles] if isinstance(styles, str) else styles), "halo"]
    return [{**layer, "mark": {**layer["mark"], "style": behind}}, layer]


def log_ticks(low: float, high: float) -> Spec:
    """Return what an axis says of its ticks, all of which are shown."""
    values = decades(low, high)
    return {"values": values, "tickCount": len(values)}


def names_axis(field: str, order: str) -> Spec:
    """Return the encoding of names in a column, in their order."""
    return {
        "field": field, "type": "nominal", "sort": {"field": order, "op": "min"}, "title": None,
        "axis": {"ticks": False, "domain": False},
    }  # fmt: skip


def colour(field: str, domain: Sequence[str], used: Sequence[str]) -> Spec:
    """Return the encoding of categories by colour, each with its own whatever others there are, and named if it is alone."""
    return {"field": field, "type": "nominal", "scale": {"domain": list(domain)}, "legend": {"values": list(used)}}


def phase_colour(used: Sequence[str], field: str = "phase") -> Spec:
    """Return the encoding of phases by colour."""
    return colour(field, PHASES, [phase for phase in PHASES if phase in used])


def tooltip(**fields: str) -> list[Spec]:
    """Return what pointing at a mark shows: texts by their fields, with titles."""
    return [{"field": field, "type": "nominal", "title": title} for field, title in fields.items()]


def of_batch(settings: Mapping[str, Any]) -> str:
    """Return ``batch 32`` for titles."""
    return f"batch {settings['batch']}"
