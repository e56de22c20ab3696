"""``nncost plot``."""

from __future__ import annotations

import re
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nncost.cli.main import EXIT_INCOMPLETE
from nncost.cli.messages import say
from nncost.cli.options import count_options, format_options, keywords, show, size, source_text
from nncost.errors import Instead, OptionError
from nncost.names import meant, nearest
from nncost.views.charts import ALSO, KINDS, kind_named

if TYPE_CHECKING:
    from nncost.documents.document import Chart

_NEEDED = "784-16-16-10"
HELP = f"""Draw SOURCE as a chart of a KIND, into a file or as text with bars; of several sources a comparison.

\b
  nncost plot 784-16-16-10                                   cost by layer, as text with bars
  nncost plot 784-16-16-10 layers -o layers.svg              the same as a picture: svg, png, html or json
  nncost plot 784-16-16-10 network -o network.svg            the drawing: neurons, or volumes of a convolutional one
  nncost plot 784-16-16-10 memory -o memory.png --theme dark
  nncost plot "3x32x32, conv 16 3x3, relu, flatten, dense 10" tree --quantity flops
  nncost plot 784-512-512-10 roofline --on h100 --batch 64
  nncost plot 784-512-512-10 time --on h100 --batch 64 --by phase
  nncost plot 784-h-h-10 growth --over h=16..4096
  nncost plot 784-16-16-10 784-128:relu-10 compare -o both.svg
  nncost plot model.onnx layers --loss cross_entropy --optimizer sgd --top 10

Kinds: {"; ".join(f"{name} ({kind.help})" for name, kind in KINDS.items())}.

Exit codes: 0 done, 2 wrong usage or bad input, 3 incomplete (an unknown operation; --allow-unknown accepts it).
"""
_LETTERS, _ALIKE = re.compile(r"[A-Za-z_-]+"), 0.65
"""What may be a misspelt kind, and how alike it is to one."""
_OWN = ("quantity", "on", "over", "by", "depth", "top")


@click.command("plot", help=HELP)
@click.argument("source", nargs=-1, required=True, metavar="SOURCE... [KIND]")
@click.option("--output", "-o", metavar="FILE", help="Write a picture that ends in .svg, .png, .html or .json.")
@click.option(
    "--theme", metavar="NAME", help="light (default) or dark: of PNG and JSON; the others follow their reader."
)
@click.option(
    "--quantity",
    multiple=True,
    metavar="NAME",
    help="Of layers, tree, growth: flops (default), parameters, bytes, macs, forward.mul …; of growth repeatable.",
)
@click.option(
    "--on", metavar="DEVICE", help="Of roofline and time: a name from nncost devices; time knows this machine, too."
)
@click.option(
    "--over", metavar="NAME=N..N", help="Of growth: the symbol and its sizes, as h=16..4096 (default 1 to 1,024)."
)
@click.option("--by", metavar="WHAT", help="Of time: layer (default), phase or op.")
@click.option("--depth", metavar="N", help="Of the tree: so many levels (default 4).")
@click.option(
    "--top",
    metavar="N",
    help="Of layers and time so many bars, of the text of roofline so many points (default 20), the others as one.",
)
@format_options(json="The Vega-Lite specification, with its data.", html="A page of HTML, without scripts.")
@click.option("--allow-unknown", is_flag=True, help="Exit with 0 although an operation is unknown.")
@count_options
def command(
    source: tuple[str, ...],
    output: str | None,
    theme: str | None,
    form: str | None,
    allow_unknown: bool,
    **options: Any,
) -> int:
    """Draw a chart."""
    from nncost.api import plot

    sources, kind = _parted(source)
    own = {name: options.pop(name) for name in _OWN}
    _check_output(output, theme, form)
    own |= {
        name: int(size(own[name], f"--{name}", symbolic=False)) for name in ("depth", "top") if own[name] is not None
    }
    own["quantity"] = own["quantity"][0] if len(own["quantity"]) == 1 else list(own["quantity"]) or None
    texts = [source_text(each) for each in sources]
    with _progress(kind, own["on"]) as progress:
        chart = plot(texts if len(texts) > 1 else texts[0], kind, progress=progress, **own, **keywords(**options))
    if output is None:
        from nncost.documents.pictures.page import still

        show(form, lambda: chart.document, json=lambda: chart.to_dict(theme or "light"), html=lambda: still(chart))
    else:
        _write(chart, output, theme or "light")
    return 0 if chart.complete or allow_unknown else EXIT_INCOMPLETE


def _parted(words: tuple[str, ...]) -> tuple[list[str], str | None]:
    """The sources and the kind, which may stand anywhere. Raise OptionError for two kinds, and for none that is meant."""
    kinds = [word for word in words if meant(word, KINDS, ALSO)]
    sources = [word for word in words if word not in kinds]
    if len(kinds) > 1:
        raise OptionError(
            f"a chart has one kind, received {kinds[0]!r} and {kinds[1]!r}.", instead=Instead(kinds[1], "")
        )
    if not sources:
        raise OptionError(
            f"plot needs a source beside {words[0]!r}.",
            hint=f"For example: nncost plot {_NEEDED} {words[0]}",
            instead=Instead("", _NEEDED),
        )
    if not kinds and len(sources) > 1:
        for word in sources:
            is_near = _LETTERS.fullmatch(word) and nearest(word, KINDS, ALSO, likeness=_ALIKE)
            if (is_near or (word.isascii() and word.isalpha())) and not _exists(word):
                kind_named(word)
    return sources, kinds[0] if kinds else None


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # no name that a file could have
        return False


def _check_output(output: str | None, theme: str | None, form: str | None) -> None:
    """Raise OptionError for a file or a theme that is not accepted, and for options that change nothing."""
    from nncost.documents.pictures.files import FOLLOWING, checked, writer_of

    if theme is not None:
        checked(theme)
    if output is not None:
        writer_of(Path(output))
        if form is not None:
            raise OptionError(f"-o writes a picture; --{form} prints one.", instead=Instead(f"--{form}", ""))
    is_followed = Path(output).suffix.lower() in FOLLOWING if output is not None else form != "json"
    if theme is not None and is_followed:
        what = "text" if output is None else f"a {Path(output).suffix} file, which follows its reader"
        raise OptionError(
            f"--theme changes nothing about {what}.",
            hint="It is that of .png and .json.",
            instead=Instead("--theme", ""),
        )


def _write(chart: Chart, output: str, theme: str) -> None:
    chart.save(output, theme)
    say(f"nncost: wrote {output} ({chart.title})")


def _progress(kind: str | None, on: str | None) -> AbstractContextManager[Any]:
    """A bar while operators are timed on this machine; everything else answers at once."""
    from nncost.cli.progress import progress_bar

    is_slow = kind is not None and kind_named(kind) == "time" and on in (None, "this") and sys.stderr.isatty()
    return progress_bar("timing operators") if is_slow else nullcontext()
