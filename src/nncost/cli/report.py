"""``nncost report``."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any

import click

from nncost.cli.main import EXIT_INCOMPLETE
from nncost.cli.options import count_options, keywords, source_text
from nncost.errors import OptionError

HELP = """Write all that is known of each SOURCE as one HTML page: totals, layers, pictures, memory, seconds, worked arithmetic.

\b
  nncost report 784-16-16-10 -o report.html
  nncost report model.onnx --loss cross_entropy --optimizer adam -o report.html
  nncost report net.py:build --input 1x3x224x224 --on h100 -o report.html
  nncost report 784-16-16-10 784-32-10 784-64-10 -o three.html      several networks on one page

The page is one file: it opens from disk, asks for nothing from any network, prints on A4, and holds its numbers as JSON.

Exit codes: 0 done, 2 wrong usage or bad input, 3 incomplete (an unknown operation; --allow-unknown accepts it).
"""


@click.command("report", help=HELP)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--output", metavar="FILE", help="The file to write; without it, standard output.")
@click.option(
    "--on", metavar="DEVICE", help="Seconds on a device: nncost devices (default: this machine, if calibrated)."
)
@click.option("--allow-unknown", is_flag=True, help="Exit with 0 although an operation is unknown.")
@count_options
def command(sources: tuple[str, ...], output: str | None, on: str | None, allow_unknown: bool, **options: Any) -> int:
    """Write the page of some sources."""
    from nncost.cli.messages import say
    from nncost.cli.progress import progress_bar
    from nncost.output_files import write_output
    from nncost.pipeline.keywords import settings_of
    from nncost.views.count import warnings
    from nncost.views.report_page.gather import gather
    from nncost.views.report_page.page import check_name, report_page

    if output is None and sys.stdout.isatty():
        raise OptionError("a page is a file: name it with -o.", hint="For example: -o report.html")
    if output is not None:
        check_name(output)
    texts, settings = [source_text(source) for source in sources], settings_of(**keywords(**options))
    with progress_bar("counting") if sys.stderr.isatty() else nullcontext() as progress:
        networks = gather(texts, settings, on, progress)
    content = report_page(networks).encode()
    if output in (None, "-"):
        sys.stdout.buffer.write(content)
    else:
        assert output is not None
        write_output(output, content)
        say(f"nncost: wrote {output} ({len(content):,} bytes).")
    open_ = [network.report for network in networks if not network.report.complete]
    for report in open_:
        say(f"nncost: {report.source.name}: {warnings(report)[0].text}")
    return 0 if allow_unknown or not open_ else EXIT_INCOMPLETE
