"""The page of a report: one file with its style, its script and its numbers, which asks for nothing from anywhere."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from os import PathLike, fspath
from pathlib import PurePath

from nncost.dims import shape_text
from nncost.documents.html import block, style, text
from nncost.errors import Instead, OptionError
from nncost.version import __version__
from nncost.views import shortened, without_folders
from nncost.views.report_page.network import Network, alarms, sections, tiles
from nncost.views.report_page.pictures import comparison

_ENDINGS = ("", ".html", ".htm")
_LONGEST = 60
"""Characters of a file's name."""


def title_of(network: Network) -> str:
    """Return the name of what was counted."""
    return shortened(without_folders(network.report.source.name))


def report_page(networks: Sequence[Network]) -> str:
    """Return the page of one network, or of several beside each other."""
    names = [title_of(network) for network in networks]
    title = text(" · ".join(names))
    own = "\n".join(_network(network, number) for number, network in enumerate(networks, 1))
    compared = _compared(networks) if len(networks) > 1 else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">\n'
        f"<title>{title}</title>\n<style>{style()}{_own('page.css')}</style>\n</head>\n"
        f'<body class="nncost-page">\n<main class="nncost report">\n{compared}{own}\n'
        f"<footer>Made by nncost {text(__version__)}: every number is exact, or says what it is.</footer>\n"
        f"</main>\n<script>{_own('page.js')}</script>\n</body>\n</html>\n"
    )


@cache
def _own(name: str) -> str:
    return (files("nncost.views.report_page") / name).read_text("utf-8")


def _policy() -> str:
    """What the page may do: run its own script, and nothing that a name in it says."""
    script = b64encode(sha256(_own("page.js").encode()).digest()).decode()
    return f"default-src 'none'; script-src 'sha256-{script}'; style-src 'unsafe-inline'; img-src data:"


def _network(network: Network, number: int) -> str:
    report = network.report
    parts = list(sections(network))
    ids = [f"{title.lower().replace(' ', '-')}-{number}" for title, _ in parts]
    links = "".join(
        f'<li><a href="#{name}">{text(title)}</a></li>' for name, (title, _) in zip(ids, parts, strict=True)
    )
    inputs = ", ".join(f"{name} {shape_text(shape)}" for name, shape in report.source.inputs.items())
    inner = "\n".join(
        f'<section id="{name}">\n<h2>{text(title)}</h2>\n{markup}\n</section>'
        for name, (title, markup) in zip(ids, parts, strict=True)
    )
    return (
        f'<article id="network-{number}">\n<header>\n<h1>{text(title_of(network))}</h1>\n'
        f'<p class="note">{text(inputs)}</p>\n{_tiles(network)}\n{alarms(report)}\n'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n{_download(network, number)}\n</header>\n{inner}\n</article>'
    )


def _tiles(network: Network) -> str:
    cells = "".join(f"<div><dt>{text(name)}</dt><dd>{text(amount)}</dd></div>" for name, amount in tiles(network))
    return f'<dl class="tiles">{cells}</dl>'


def _download(network: Network, number: int) -> str:
    """Every number as JSON, and a button that the script makes work."""
    written = json.dumps(network.report.to_dict(), ensure_ascii=False).replace("<", "\\u003c")
    return (
        f'<script type="application/json" id="report-{number}">{written}</script>\n'
        f'<p><button type="button" class="download" data-of="report-{number}" data-name="{_file_name(network)}" hidden>Download the numbers as JSON</button></p>'
    )


def _file_name(network: Network) -> str:
    """The name that the downloaded numbers have: that of the network, as far as every system takes it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", title_of(network))[:_LONGEST].strip("-.") or "report"


def _compared(networks: Sequence[Network]) -> str:
    """A table of what all networks have, with links to their parts of the page."""
    shared = [dict(tiles(network)) for network in networks]
    names = [name for name in shared[0] if all(name in tile for tile in shared)]
    head = "".join(f'<th scope="col" class="number">{text(name)}</th>' for name in names)
    charts = "\n".join(block(chart) for chart in comparison([network.report for network in networks]))
    rows = "\n".join(_compared_row(network, number, names) for number, network in enumerate(networks, 1))
    return (
        f'<section>\n<h1>{len(networks)} networks</h1>\n<div class="wide" tabindex="0" role="group" aria-label="comparison">\n'
        f"<table>\n<thead>\n<tr><td></td>{head}</tr>\n</thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>\n{charts}\n</section>\n"
    )


def _compared_row(network: Network, number: int, names: Sequence[str]) -> str:
    known = dict(tiles(network))
    cells = "".join(f'<td class="number">{text(known[name])}</td>' for name in names)
    link = f'<a href="#network-{number}">{text(title_of(network))}</a>'
    mark = "" if network.report.complete else " (INCOMPLETE)"
    return f'<tr><th scope="row" class="text">{link}{mark}</th>{cells}</tr>'


def check_name(path: str | PathLike[str]) -> None:
    """Raise OptionError for a file whose name says that it is no page."""
    name = fspath(path)
    if PurePath(name).suffix.lower() not in _ENDINGS:
        raise OptionError(
            f"a report is a page of HTML, received {name[-60:]!r}.", hint="For a PDF, print the page from a browser.",
            instead=Instead(name, f"{PurePath(name).stem}.html"),
        )  # fmt: skip
