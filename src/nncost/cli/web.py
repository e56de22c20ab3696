"""``nncost web``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from nncost.cli.messages import say
from nncost.errors import Instead, OptionError
from nncost.units import bytes_text

HELP = """Serve the calculator and its HTTP API to browsers on this machine, until Ctrl-C.

\b
  nncost web                     at http://127.0.0.1:8080/
  nncost web --open              and show it in a browser
  nncost web --port 9000         at another port; 0 for any that is free
  nncost web --host 0.0.0.0      also to other machines, unencrypted
  nncost web --static DIR        write the calculator as files that any web server serves, without Python there

Only specs and uploaded files are read (ONNX, safetensors, GGUF, config.json): no file of this machine, no pickle, no
Python code. Each request is limited in size, time and memory: nncost docs web.
"""
_LAST_PORT = 65_535


@click.command("web", help=HELP)
@click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", help="Where it listens (default 127.0.0.1: this machine alone)."
)
@click.option("--port", metavar="N", default="8080", help="The port (default 8080).")
@click.option("--open", "shows", is_flag=True, help="Show it in a browser.")
@click.option("--static", metavar="DIR", help="Write the page as files into this folder; Python runs in the browser.")
@click.option("--pyodide", metavar="DIR", help="The npm package pyodide, for --static; otherwise npm downloads it.")
def command(host: str, port: str, shows: bool, static: str | None, pyodide: str | None) -> None:
    """Serve, or write what any other server can serve."""
    if static is not None:
        _write(static, pyodide)
        return
    if pyodide is not None:
        raise OptionError(
            "--pyodide is for --static: a server runs its own Python.", instead=Instead("", "--static DIR")
        )
    from nncost.web.server.limits import Limits
    from nncost.web.server.run import serve

    number = int(port) if port.isascii() and port.isdigit() and len(port) <= len(str(_LAST_PORT)) else -1
    if not 0 <= number <= _LAST_PORT:
        raise OptionError(
            f"--port takes a number from 0 to {_LAST_PORT:,}, received {port[:60]!r}", instead=Instead(port, "8080")
        )
    limits = Limits()

    def ready(address: str) -> None:
        say(f"nncost: {address}  (Ctrl-C ends it)")
        say(
            f"nncost: {limits.workers} processes answer, with at most {limits.seconds:g} s and {bytes_text(limits.memory_bytes)} for each "
            f"request; files up to {bytes_text(limits.upload_bytes)} are read. Limits: nncost docs web"
        )
        if shows:
            import webbrowser

            webbrowser.open(address)

    serve(host, number, limits, ready)


def _write(folder: str, pyodide: str | None) -> None:
    """Write the static page, and say how to look at it."""
    from nncost.web.static import write

    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise OptionError(f"--static takes a folder, and {folder[:60]!r} is a file.", instead=Instead(folder, "site"))
    if pyodide is None:
        say("nncost: npm downloads Pyodide (14 MB); --pyodide DIR names a copy that is there")
    names = write(place, None if pyodide is None else Path(pyodide))
    size_bytes = sum((place / name).stat().st_size for name in names)
    say(f"nncost: {len(names)} files, {bytes_text(size_bytes)}. Try them:  {_try(folder)}")


def _try(folder: str) -> str:
    return shlex.join(["python", "-m", "http.server", "--bind", "127.0.0.1", "--directory", folder])
