"""Cost by layer: a bar for each layer, its phases one behind the other."""

from __future__ import annotations

from nncost.documents.document import Chart
from nncost.report import Report
from nncost.units import bytes_text, compact, counted, exact
from nncost.views.charts.bars import Bar, most, numbers, stacked
from nncost.views.charts.parts import (
    COUNT,
    TOP,
    byte_unit,
    check_numbers,
    described,
    nothing_to_draw,
    number,
    of_batch,
    phase_colour,
    share_text,
    titled,
)
from nncost.views.charts.quantities import measure_of
from nncost.views.layers import named_lines

_WHOLE = "all"
"""The one part of a bar that has no phases."""


def layers_chart(report: Report, quantity: str | None = None, top: int = TOP) -> Chart:
    """Return the cost of each layer in a quantity, by phase; of many layers the ``top`` most costly.

    Raise QuantityError for a quantity that layers have not, OptionError where none of them has any, and SymbolError where
    sizes have no numbers.
    """
    measure = measure_of(report, quantity)
    phases = measure.phases or (_WHOLE,)
    lines = [(name, {phase: measure.of(line, phase) for phase in phases}) for name, line in named_lines(report)]
    check_numbers(amount for _, parts in lines for amount in parts.values())
    bars = [Bar(name, {phase: number(amount) for phase, amount in parts.items() if amount}) for name, parts in lines]
    shown, others = most(bars, top)
    if not shown:
        raise nothing_to_draw(measure.title, report.unknown, "Others: --quantity parameters, macs, bytes …")
    total = sum(int(bar.total) for bar in shown)
    used = [phase for phase in phases if any(bar.parts.get(phase) for bar in shown)]
    unit = byte_unit(max((int(bar.total) for bar in shown), default=0)) if measure.is_bytes else COUNT
    where = f" of {measure.phases[0]}" if len(measure.phases) == 1 else ""
    what = f"{measure.title}{where}"
    title = f"{what} by layer" if not measure.phases else f"{what} by layer, {of_batch(report.settings)}"
    palette = phase_colour(used, "part") if measure.phases else None
    sentences = [
        f"{exact(total)} {what} in {counted(len([bar for bar in bars if bar.total]), 'layer')}.",
        _most_costly(shown, total, others),
        _by_phase(shown, used, total) if len(used) > 1 else "",
        f"Of the layers, the {len(shown) - 1} most costly are shown, the others as one." if others else "",
    ]
    return Chart(
        titled(report.source.name, title, report.unknown),
        described(sentences, report.unknown),
        stacked(shown, phases, unit, what, (_exact, bytes_text if measure.is_bytes else _compact), palette),
        numbers("layer", shown, phases, int, what),
        report.complete,
    )


def _exact(amount: float) -> str:
    return exact(int(amount))


def _compact(amount: float) -> str:
    return compact(int(amount))


def _most_costly(bars: list[Bar], total: int, others: int) -> str:
    named = bars[:-1] if others else bars
    if not named or not total:
        return ""
    top = max(named, key=lambda bar: bar.total)
    return f"The most, {share_text(top.total, total)}, in {top.name}."


def _by_phase(bars: list[Bar], used: list[str], total: int) -> str:
    parts = (f"{phase} {share_text(sum(bar.parts.get(phase, 0) for bar in bars), total)}" for phase in used)
    return f"By phase: {', '.join(parts)}."
