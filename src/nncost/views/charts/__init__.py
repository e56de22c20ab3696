"""Charts of results: one file for each kind, found by its name.

A builder is a function of what it shows and of keywords; it returns a ``Chart``, which every renderer of
``nncost.documents`` shows and ``nncost.documents.pictures`` draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nncost.errors import Instead, OptionError
from nncost.names import meant, nearest, shortened

if TYPE_CHECKING:
    from nncost.documents.document import Chart

Subject = Literal["report", "prediction", "reports"]


class Kind(NamedTuple):
    """What help says of a kind of chart, what it shows, the place of its builder, and the settings that it takes.

    Some settings it ``needs``; others say what is ``asked`` for before there is a result to show.
    """

    help: str
    subject: Subject
    builder: str
    settings: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()


_HERE = "nncost.views.charts"
KINDS: Mapping[str, Kind] = {
    "layers": Kind("cost by layer, a part for each phase", "report", f"{_HERE}.layers:layers_chart", ("quantity", "top")),
    "tree": Kind("the tree of modules, each as high as its share", "report", f"{_HERE}.tree:tree_chart", ("quantity", "depth")),
    "memory": Kind("bytes in use over one step, and the peak", "report", f"{_HERE}.memory:memory_chart"),
    "roofline": Kind("layers under what a device can do", "report", f"{_HERE}.roofline:roofline_chart", ("on", "top"), ("on",)),
    "growth": Kind("how amounts grow with a symbol", "report", f"{_HERE}.growth:growth_chart", ("quantity", "over")),
    "time": Kind("seconds by their cause", "prediction", f"{_HERE}.time:time_chart", ("by", "top"), asked=("on",)),
    "compare": Kind("several networks side by side", "reports", f"{_HERE}.compare:compare_chart"),
    "network": Kind("the network as textbooks draw it", "report", "nncost.views.drawing:network_chart"),
}  # fmt: skip
ALSO: Mapping[str, str] = {
    "layer": "layers", "cost": "layers", "bars": "layers", "bar": "layers", "flops": "layers", "icicle": "tree", "modules": "tree",
    "module": "tree", "treemap": "tree", "flame": "tree", "sunburst": "tree", "parameters": "tree", "timeline": "memory", "peak": "memory",
    "bytes": "memory", "roof": "roofline", "roof-line": "roofline", "intensity": "roofline", "scaling": "growth", "grow": "growth",
    "symbol": "growth", "seconds": "time", "cause": "time", "causes": "time", "latency": "time", "comparison": "compare", "side-by-side": "compare",
    "versus": "compare", "vs": "compare", "drawing": "network", "draw": "network", "diagram": "network", "graph": "network", "architecture": "network",
    "neurons": "network",
}  # fmt: skip
"""What else people call the kinds."""


def kind_named(text: object) -> str:
    """Return the kind of chart that a text means. Raise OptionError with the nearest for another one."""
    if not isinstance(text, str):
        raise OptionError(f"a kind of chart is a name, received {shortened(repr(text), 60)}", hint=_accepted())
    found = meant(text, KINDS, ALSO)
    if found is not None:
        return found
    close = nearest(text, KINDS, ALSO)
    hint = "" if close is None else f"Did you mean {close!r}? "
    instead = None if close is None else Instead(text, close)
    raise OptionError(f"there is no chart {shortened(text, 60)!r}.", hint=f"{hint}{_accepted()}", instead=instead)


def _accepted() -> str:
    return f"Charts: {', '.join(KINDS)}."


def chart_of(kind: str, subject: Any, **settings: Any) -> Chart:
    """Return the chart of a kind of a Report, a Prediction or, to compare, several Reports.

    Raise OptionError for another kind or for a setting that the kind does not take.
    """
    name = kind_named(kind)
    check_settings(name, settings)
    module, _, function = KINDS[name].builder.partition(":")
    build: Callable[..., Chart] = getattr(import_module(module), function)
    return build(subject, **settings)


def check_settings(kind: str, names: Iterable[str], sources: int = 1) -> None:
    """Raise OptionError for a setting that the kind has no use for, for one that it needs, and for too many sources."""
    known, names = KINDS[kind], list(names)
    if sources != 1 and known.subject != "reports":
        raise OptionError(
            f"the chart {kind} shows one source, received {sources}.", hint="Several stand side by side in the chart compare.",
            instead=Instead(kind, "compare"),
        )  # fmt: skip
    for name in names:
        if name not in (*known.settings, *known.asked):
            others = [other for other, each in KINDS.items() if name in (*each.settings, *each.asked)]
            hint = f"Charts with it: {', '.join(others)}."
            raise OptionError(
                f"{name} changes nothing about the chart {kind}.", hint=hint, instead=Instead(f"--{name}", "")
            )
    for name in known.needs:
        if name not in names:
            raise OptionError(
                f"the chart {kind} needs a device.", hint="For example: --on h100   (all: nncost devices)",
                instead=Instead("", "--on h100"),
            )  # fmt: skip
