"""What a page needs to let sizes be dragged: handles, the spec in pieces, formulas as trees, and the values at present."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nncost.dims import is_symbolic
from nncost.errors import NncostError
from nncost.frontends import registry
from nncost.frontends.spec_text import SpecText
from nncost.notation.tree import integer_text
from nncost.report import Report
from nncost.web.answers.formulas import agreeing, formulas_of, rows_of, values_of
from nncost.web.answers.handles import BATCH, IMAGE, LENGTH, REPEAT, Handle, bindings

if TYPE_CHECKING:
    from nncost.web.answers.templates import Depth, Template

SCHEMA = "nncost.calculator/1"
SPEC = "spec"
MAX_ROWS = 250
"""Rows of a report up to which formulas are derived: of larger networks each answer is asked for."""
_LOOPS_FROM = 6
"""Repetitions from which on formulas of memory peaks hold: a first layer, and a loop of at least five."""


def calculator(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that a page shows of a source; ``formulas`` False leaves out what takes SymPy.

    Sizes of a spec can be dragged; those of a file have handles, too, but no formulas: each change is asked for. All numbers are in digits. Raise an NncostError for
    a source or a setting that does not fit.
    """
    settings = dict(request)
    source, wants_formulas = settings.pop("source"), settings.pop("formulas", True)
    front_end = registry.front_end_for(source)
    if front_end.kind != SPEC or str(source).endswith(tuple(front_end.endings)):
        return _file(source, settings)
    from nncost.web.answers.templates import Template

    template = Template.of(source, settings)
    concrete = {**settings, "batch": template.batch.value, "symbols": bindings(template.handles)}
    report = _counted(source, concrete)
    result = _told(report, source, concrete)
    result["handles"] = [_handle(handle) for handle in template.handles]
    result["pieces"] = template.pieces()
    return result | _in_symbols(template, settings, report, wants_formulas=wants_formulas)


def _file(source: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    from nncost.web.answers.files import sized

    found = sized(source, settings)
    return _told(found.report, source, found.settings) | {"handles": [_handle(handle) for handle in found.handles]}


def _counted(source: Any, settings: Mapping[str, Any]) -> Report:
    from nncost.api import count

    return count(source, **settings)


def _told(report: Report, source: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything about a report whose sizes are numbers."""
    return {
        "schema": SCHEMA,
        "source": source,
        "kind": report.source.kind,
        "name": report.source.name,
        "settings": {name: _plain(value) for name, value in report.settings.items()},
        "symbols": {name: integer_text(size) for name, size in (settings.get("symbols") or {}).items()},
        "complete": report.complete,
        "unknown": [dict(item) for item in report.unknown],
        "estimated": list(report.estimated),
        "notes": list(report.notes),
        "memory": {"at": report.memory.step_peak_at, "phase": report.memory.step_peak_phase, "notes": list(report.memory.notes)},
        "values": values_of(report),
        "rows": rows_of(report),
        "handles": [],
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """A setting as JSON holds it; numbers in digits."""
    if isinstance(value, bool) or value is None or isinstance(value, (str, list)):
        return value
    return str(value) if is_symbolic(value) else integer_text(value)


_FARTHEST = {BATCH: 256, REPEAT: 24, IMAGE: 256, LENGTH: 256}
_WIDEST = 64


def _handle(handle: Handle) -> dict[str, Any]:
    low, high = _range(handle)
    result: dict[str, Any] = {
        "name": handle.name, "label": handle.label, "group": handle.group, "value": handle.text,
        "minimum": integer_text(low), "maximum": integer_text(high), "places": max(1, len(handle.places)),
    }  # fmt: skip
    if handle.most is not None:
        result |= {"least": integer_text(handle.least), "most": integer_text(handle.most)}
    if handle.step != 1:
        result["step"] = integer_text(handle.step)
    if handle.is_open:
        result["open"] = True
    if handle.base:
        result |= {"base": handle.base, "first": integer_text(handle.first)}
    if handle.group in (REPEAT, LENGTH):
        result["memory_from"] = integer_text(_LOOPS_FROM)
    return result


def _range(handle: Handle) -> tuple[int, int]:
    """The sizes between which a slider goes: up to a power of two some way above the present one."""
    ahead = 2 * handle.value if handle.group == REPEAT else 1 << (2 * handle.value - 1).bit_length()
    high = max(_FARTHEST.get(handle.group, _WIDEST), ahead)
    low = max(handle.least, handle.value % handle.step or handle.step)
    if handle.most is not None:
        high = min(high, handle.most)
    return low, high - (high - low) % handle.step


# ------------------------------------------------------------------- in symbols
def _in_symbols(
    template: Template, settings: Mapping[str, Any], report: Report, *, wants_formulas: bool
) -> dict[str, Any]:
    """The formulas of a spec in the sizes that can be dragged, and its hidden layers with those in their number."""
    from nncost.web.answers.templates import depth_of

    is_wanted = wants_formulas and len(report.rows) <= MAX_ROWS
    result: dict[str, Any] = {}
    if is_wanted and (found := _formulas(template.text, template.handles, template.free, settings, report)):
        result["formulas"] = found
    depth = depth_of(template)
    if depth is not None:
        result["depth"] = _depth(depth)
        if is_wanted and depth.text is not None:
            handles = depth.handles(template)
            names = frozenset(handle.name for handle in handles)
            found = _formulas(depth.text, handles, names, settings, report)
            result["depth"] |= {} if found is None else {"formulas": {**found, "rows": []}}
    return result


def _depth(depth: Depth) -> dict[str, Any]:
    return {
        "number": _handle(depth.number),
        **({} if depth.width is None else {"width": _handle(depth.width)}),
        "prefix": depth.prefix,
        "runs": [
            {"width": run.width.name, "behind": run.behind, **({} if run.count is None else {"count": run.count.name})}
            for run in depth.runs
        ],
        "suffix": depth.suffix,
    }


def _formulas(
    text: str, handles: Sequence[Handle], free: frozenset[str], settings: Mapping[str, Any], report: Report
) -> dict[str, Any] | None:
    """Formulas that give at the present sizes what the report says; None where there are none."""
    batch = next(handle.name for handle in handles if handle.group == BATCH)
    try:
        symbolic = _counted(SpecText(text), {**settings, "batch": batch, "symbols": bindings(handles, free)})
    except NncostError:
        return None
    found = formulas_of(symbolic)
    present: dict[str, Any] = {handle.name: handle.value for handle in handles if not handle.base}
    last = max((handle.value for handle in handles if handle.group == REPEAT), default=0)
    present |= {handle.base: [handle.value] * (last + 1) for handle in handles if handle.base}
    return {**found, "symbols": sorted(free), "quantities": agreeing(found["quantities"], present, values_of(report))}
