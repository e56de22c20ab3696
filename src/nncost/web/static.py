"""The calculator as a folder that any web server serves: the page, and nncost itself in the browser's own Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, files, version
from importlib.resources import files as resources
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from nncost.errors import MissingExtraError, OptionError
from nncost.names import shortened

PYODIDE = "314.0.7"
"""The version of the npm package that was tried: Python 3.14 as WebAssembly, 2026-11."""
_RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
_CORE = ("click", "lark", "platformdirs", "latex2mathml")
_SYMBOLS = ("sympy", "mpmath")
"""Fetched with the first symbol only: they are the larger part of all packages."""
_LEFT_OUT = ("web/page", "web/server")
_MEMBER_DATE = (1980, 1, 1, 0, 0, 0)
"""The date of every member of an archive, so that the same files make the same archive."""
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
_NEXT = "Download it once with npm, and name its folder:  npm install pyodide  and  nncost web --static DIR --pyodide node_modules/pyodide"


def write(folder: Path, pyodide: Path | None = None) -> Sequence[str]:
    """Write the page into a folder, which is made if it is not there; return the names of the files.

    ``pyodide`` is the folder of the npm package; without it, npm downloads it. Raise OptionError where it cannot be had or
    the folder cannot be written, MissingExtraError for a package that is not installed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory() as temporary:
            runtime = _runtime(pyodide, Path(temporary))
            _write_page(folder)
            _write_python(folder / "page" / "python", runtime)
        _write_offline(folder)
    except OSError as error:
        raise OptionError(f"{shortened(str(folder))} cannot be written: {error.strerror or error}.") from None
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------- Python for the browser
def _runtime(pyodide: Path | None, temporary: Path) -> Path:
    """The folder with Pyodide's files."""
    found = pyodide if pyodide is not None else _downloaded(temporary)
    missing = [name for name in _RUNTIME if not (found / name).is_file()]
    if missing:
        raise OptionError(f"{shortened(str(found))} is no Pyodide: it has no {missing[0]}.", hint=_NEXT)
    return found


def _downloaded(temporary: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise OptionError("a static page needs Pyodide, and there is no npm to download it with.", hint=_NEXT)
    command = [
        npm,
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        str(temporary),
        f"pyodide@{PYODIDE}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the user's own npm
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["npm failed"])[-1]
        raise OptionError(f"npm could not download Pyodide: {shortened(last)}", hint=_NEXT)
    return temporary / "node_modules" / "pyodide"


def _write_python(folder: Path, runtime: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _RUNTIME:
        shutil.copyfile(runtime / name, folder / name)
    lock = json.loads((runtime / "pyodide-lock.json").read_text("utf-8"))
    (folder / "pyodide-lock.json").write_text(json.dumps({"info": lock["info"], "packages": {}}), "utf-8")
    _archive(folder / "core.zip", [*_of_nncost(), *_of_packages(_CORE)])
    _archive(folder / "symbols.zip", _of_packages(_SYMBOLS))
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    at_start = sum(sizes[name] for name in (*_RUNTIME[2:], "core.zip"))
    (folder / "parts.json").write_text(json.dumps({"core": "core.zip", "bytes": at_start, "sizes": sizes}), "utf-8")


def _of_nncost() -> Iterator[tuple[str, bytes]]:
    """nncost's own files but for the page and the server, and its devices checked, which pydantic is not needed for then."""
    from nncost.timing.devices.catalogue import shipped
    from nncost.timing.devices.checked import FILE, as_text

    root = Path(str(resources("nncost")))
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and path.suffix != ".pyc" and not name.startswith(_LEFT_OUT):
            yield f"nncost/{name}", path.read_bytes()
    yield f"nncost/timing/devices/data/{FILE}", as_text(shipped()).encode()
    yield f"nncost-{version('nncost')}.dist-info/METADATA", f"Name: nncost\nVersion: {version('nncost')}\n".encode()


def _of_packages(names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The files of installed packages but for their tests."""
    for name in names:
        try:
            found = files(name)
        except PackageNotFoundError:
            raise MissingExtraError("a static page", name, "web") from None
        if not found:
            raise OptionError(
                f"the files of the package {name!r} are not known here.",
                hint=f"Install it again:  pip install --force-reinstall {name}",
            )
        for path in sorted(found):
            if _is_needed(path):
                yield path.as_posix(), path.read_binary()


def _is_needed(path: PurePosixPath) -> bool:
    return not {"..", "tests", "__pycache__", "bin", "benchmarks"} & set(path.parts) and path.suffix not in (
        ".pyc",
        ".pyi",
        ".so",
    )


def _archive(place: Path, members: Iterator[tuple[str, bytes]] | Sequence[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, _MEMBER_DATE), content, zipfile.ZIP_DEFLATED)


# ------------------------------------------------------------------- the page
def _write_page(folder: Path) -> None:
    """Copy the page; it asks Python in a worker, and says itself what it may load."""
    from nncost.documents.html import style
    from nncost.web.presets import PAGE

    shutil.copytree(
        PAGE, folder / "page", dirs_exist_ok=True, ignore=shutil.ignore_patterns("index.html", "offline.js")
    )
    (folder / "page" / "documents.css").write_text(style(), "utf-8")
    index = (PAGE / "index.html").read_text("utf-8")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    index = index.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n{policy}', 1)
    (folder / "index.html").write_text(index.replace('content="http"', 'content="worker"', 1), "utf-8")
    (folder / ".nojekyll").write_text("", "utf-8")
    (folder / "vega.js").write_bytes(_vega())


def _vega() -> bytes:
    """The script that draws charts. Raise MissingExtraError without it."""
    from nncost.web.server.site import vega_script

    return vega_script()


def _write_offline(folder: Path) -> None:
    """Write the service worker, which keeps every file but the symbols' once the page was loaded; they are kept when they come."""
    from nncost.web.presets import PAGE

    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    kept = [name for name in names if name not in ("offline.js", "index.html", ".nojekyll", "page/python/symbols.zip")]
    digest = sha256(
        b"".join(name.encode() + (folder / name).read_bytes() for name in names if name != "offline.js")
    ).hexdigest()
    script = (PAGE / "offline.js").read_text("utf-8")
    script = script.replace('"VERSION"', json.dumps(digest[:16])).replace('["FILES"]', json.dumps(["./", *kept]))
    (folder / "offline.js").write_text(script, "utf-8")
