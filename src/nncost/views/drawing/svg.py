"""A small writer of SVG: shapes and texts at absolute places, in the colours of ``style.css``.

Colours are presentation attributes, ``fill="var(--nn-forward, #0072b2)"``: a page with the style sheet lends its own, and a
picture that stands alone has the light ones, or by ``STYLE`` the dark ones. Text is anybody's and is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from importlib.resources import files

from nncost.names import printable
from nncost.views.drawing.text import text_width

ROOT_CLASS = "nn-drawing"
FONT = "system-ui, sans-serif"
MARGIN = 14
TEXT_ABOVE, TEXT_BELOW = 0.95, 0.3
"""What a line of text takes above and below its base line, in sizes of its font."""
_LONGEST_TITLE = 300
_COLOUR = re.compile(r"--nn-([a-z-]+):\s*(#[0-9a-fA-F]{3,6})")


class Canvas:
    """Elements in the order in which they are drawn, and the box around them."""

    __slots__ = ("_box", "_parts")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._box: tuple[float, float, float, float] | None = None

    def line(
        self, *points: tuple[float, float], colour: str = "soft", width: float = 1.2, arrow: bool = False, **more: str
    ) -> None:
        """A line through points; with ``arrow`` there is a head at its end."""
        self._cover(points)
        path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        self._add("path", d=path, fill="none", stroke=ink(colour), stroke_width=_n(width), **more)
        if arrow:
            self._head(points[-2], points[-1], colour)

    def shape(self, points: list[tuple[float, float]], fill: str, stroke: str = "ink", **more: str) -> None:
        """A filled polygon."""
        self._cover(points)
        self._add(
            "polygon",
            points=" ".join(f"{_n(x)},{_n(y)}" for x, y in points),
            fill=ink(fill),
            stroke=ink(stroke),
            **more,
        )

    def box(
        self, x: float, y: float, width: float, height: float, *, fill: str = "paper", stroke: str = "ink",
        corner: float = 6, **more: str,
    ) -> None:  # fmt: skip
        """A rectangle with round corners."""
        self._cover([(x, y), (x + width, y + height)])
        place = {"x": _n(x), "y": _n(y), "width": _n(width), "height": _n(height), "rx": _n(corner)}
        self._add("rect", **place, fill=fill if fill == "none" else ink(fill), stroke=ink(stroke), **more)

    def circle(self, x: float, y: float, radius: float, *, fill: str, stroke: str, **more: str) -> None:
        """A circle around a point."""
        self._cover([(x - radius, y - radius), (x + radius, y + radius)])
        self._add("circle", cx=_n(x), cy=_n(y), r=_n(radius), fill=ink(fill), stroke=ink(stroke), **more)

    def strokes(
        self, lines: list[tuple[float, float, float, float]], colour: str, width: float, opacity: float
    ) -> None:
        """Many lines as one element."""
        path = "".join(f"M{_n(a)} {_n(b)}L{_n(c)} {_n(d)}" for a, b, c, d in lines)
        self._add("path", d=path, fill="none", stroke=ink(colour), stroke_width=_n(width), stroke_opacity=_n(opacity))

    def text(
        self,
        x: float,
        y: float,
        string: str,
        size: float,
        *,
        anchor: str = "middle",
        colour: str = "ink",
        bold: bool = False,
    ) -> None:
        """One line of text on the base line ``y``; nothing if it is empty."""
        if not string:
            return
        width = text_width(string, size)
        left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        self._cover([(left, y - TEXT_ABOVE * size), (left + width, y + TEXT_BELOW * size)])
        weight = {"font_weight": "600"} if bold else {}
        place = {"x": _n(x), "y": _n(y), "font_size": _n(size), "text_anchor": anchor}
        self._parts.append(f'<text{_attributes(place | weight)} fill="{ink(colour)}">{clean(string)}</text>')

    @contextmanager
    def titled(self, title: str) -> Iterator[None]:
        """What is drawn inside shows the title under a pointer."""
        shown = title if len(title) <= _LONGEST_TITLE else f"{title[:_LONGEST_TITLE]}…"
        self._parts.append(f"<g><title>{clean(shown)}</title>")
        yield
        self._parts.append("</g>")

    def below(self, string: str, size: float, colour: str = "soft", *, bold: bool = False) -> None:
        """A line of text below all that is drawn, from its left side on."""
        left, _, _, bottom = self._box or (0.0, 0.0, 0.0, 0.0)
        self.text(left, bottom + 1.8 * size, string, size, anchor="start", colour=colour, bold=bold)

    def document(self, title: str, description: str) -> str:
        """The whole SVG, as large as what was drawn and a margin."""
        left, top, right, bottom = self._box or (0.0, 0.0, 1.0, 1.0)
        x, y, width, height = left - MARGIN, top - MARGIN, right - left + 2 * MARGIN, bottom - top + 2 * MARGIN
        view = f"{_n(x)} {_n(y)} {_n(width)} {_n(height)}"
        paper = f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" fill="{ink("paper")}"/>'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{ROOT_CLASS}" role="img" viewBox="{view}" width="{_n(width)}" '
            f'height="{_n(height)}" font-family="{FONT}" text-rendering="geometricPrecision">'
            f"<title>{clean(title)}</title><desc>{clean(description)}</desc>{standalone_style()}{paper}{''.join(self._parts)}</svg>"
        )

    def _head(self, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
        (x0, y0), (x, y) = start, end
        length = max(1e-6, ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5)
        dx, dy = (x - x0) / length, (y - y0) / length
        points = [
            (x, y),
            (x - 7 * dx + 3.2 * dy, y - 7 * dy - 3.2 * dx),
            (x - 7 * dx - 3.2 * dy, y - 7 * dy + 3.2 * dx),
        ]
        self.shape(points, colour, colour, stroke_width="0.5")

    def _add(self, name: str, **attributes: str) -> None:
        self._parts.append(f"<{name}{_attributes(attributes)}/>")

    def _cover(self, points: list[tuple[float, float]] | tuple[tuple[float, float], ...]) -> None:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        left, top, right, bottom = self._box or (xs[0], ys[0], xs[0], ys[0])
        self._box = (min(left, *xs), min(top, *ys), max(right, *xs), max(bottom, *ys))


def clean(string: str) -> str:
    """Text of anybody as XML holds it."""
    return escape(printable(string))


def ink(name: str) -> str:
    """A colour of the style sheet by its name, with its light value."""
    return f"var(--nn-{name}, {_colours()[0][name]})"


@cache
def standalone_style() -> str:
    """The dark colours for a picture that stands alone; inside a page the page's own hold, and this does nothing."""
    dark = "".join(f"--nn-{name}:{value};" for name, value in _colours()[1].items())
    return f"<style>@media (prefers-color-scheme: dark){{svg.{ROOT_CLASS}:root{{color-scheme:dark;{dark}}}}}</style>"


@cache
def _colours() -> tuple[dict[str, str], dict[str, str]]:
    """The light and the dark colours, as ``style.css`` has them: its first two blocks."""
    style = (files("nncost.documents") / "style.css").read_text("utf-8")
    light, _, rest = style.partition("@media (prefers-color-scheme: dark)")
    dark = rest.partition("[data-jp-theme")[0]
    return dict(_COLOUR.findall(light)), dict(_COLOUR.findall(dark))


def _attributes(attributes: dict[str, str]) -> str:
    return "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())


def _n(number: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{number:.1f}".removesuffix(".0") if number == number else "0"
