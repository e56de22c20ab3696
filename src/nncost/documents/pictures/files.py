"""Charts as files: SVG, PNG, HTML or JSON, by the ending of the name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncost.documents.pictures.theme import LIGHT, THEMES, specification
from nncost.errors import Instead, OptionError
from nncost.names import nearest, shortened
from nncost.output_files import write_output

if TYPE_CHECKING:
    from nncost.documents.document import Chart

_SCALE = 2.0
"""Dots of a PNG for each point, as screens of today have them."""


def save(chart: Chart, path: str | PathLike[str], theme: str = LIGHT) -> None:
    """Write the chart to a file, whole or not at all; ``theme`` is that of a PNG and of JSON.

    Raise OptionError for another ending or theme, and where the file cannot be written; MissingExtraError without the
    package that draws.
    """
    target = Path(fspath(path))
    writer = writer_of(target)
    write_output(target, writer(chart, checked(theme)))


def writer_of(path: Path) -> Callable[[Chart, str], bytes]:
    """Return what writes files of that ending. Raise OptionError for another one."""
    ending = path.suffix.lower()
    if ending in _WRITERS:
        return _WRITERS[ending]
    close = nearest(ending, _WRITERS, _ALSO) if ending else ".svg"
    is_named = path.name not in ("", "-", *_WRITERS) and not (path.exists() and not path.is_file())
    named = f"{path.with_suffix('') if ending else path}{close}" if close and is_named else None
    raise OptionError(
        f"a picture is a file that ends in {', '.join(_WRITERS)}, received {shortened(str(path))!r}.",
        instead=None if named is None else Instead(str(path), named),
    )


def checked(theme: str) -> str:
    """Return the theme. Raise OptionError for another one."""
    if theme in THEMES:
        return theme
    close = nearest(str(theme), THEMES)
    raise OptionError(
        f"there is no theme {shortened(str(theme))!r}.",
        hint=f"Accepted: {', '.join(THEMES)}.",
        instead=None if close is None else Instead(str(theme), close),
    )


def data(chart: Chart, theme: str = LIGHT) -> dict[str, Any]:
    """Return the chart as JSON holds it: Vega-Lite with the theme or, of a drawing, the block with its SVG."""
    if not isinstance(chart.picture, str):
        return specification(chart, checked(theme))
    from nncost.documents.json import fields_of

    return fields_of(chart)


def png(chart: Chart, theme: str = LIGHT) -> bytes:
    """Return the picture as PNG."""
    from nncost.documents.pictures import vega
    from nncost.documents.pictures.svg import svg_in

    return bytes(vega().svg_to_png(svg_in(chart, theme), scale=_SCALE))


def _svg(chart: Chart, theme: str) -> bytes:
    from nncost.documents.pictures.svg import svg_file

    return svg_file(chart).encode()


def _html(chart: Chart, theme: str) -> bytes:
    from nncost.documents.pictures.page import page

    return page(chart).encode()


def _json(chart: Chart, theme: str) -> bytes:
    return (json.dumps(data(chart, theme)) + "\n").encode()


_WRITERS: Mapping[str, Callable[[Chart, str], bytes]] = {".svg": _svg, ".png": png, ".html": _html, ".json": _json}
FOLLOWING = (".svg", ".html")
"""Files that follow the light or dark scheme of their reader."""
_ALSO = {
    ".htm": ".html",
    ".jpg": ".png",
    ".jpeg": ".png",
    ".gif": ".png",
    ".webp": ".png",
    ".pdf": ".svg",
    ".eps": ".svg",
}
"""What else people draw into; only for suggestions."""
