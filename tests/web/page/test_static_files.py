"""What ``nncost web --static`` writes, and what it says where it cannot."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from nncost.cli.main import run
from nncost.errors import OptionError
from nncost.timing.devices.catalogue import shipped
from nncost.timing.devices.checked import as_text, devices_in
from nncost.web.static import write

pytest.importorskip("vl_convert", reason="the script of charts is of the package vl-convert-python")


@pytest.fixture
def pyodide(tmp_path: Path) -> Path:
    """A folder with the files that are taken from Pyodide; what is in them is nobody's business here."""
    folder = tmp_path / "pyodide"
    folder.mkdir()
    for name in ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip"):
        (folder / name).write_text(name)
    (folder / "pyodide-lock.json").write_text('{"info": {"python": "3.14"}, "packages": {"numpy": {}}}')
    return folder


def test_the_command_writes_a_folder(pyodide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["web", "--static", str(tmp_path / "site"), "--pyodide", str(pyodide)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert re.search(r"\d\d files, [\d.]+ MB. Try them:  python -m http.server", told.err)
    index = (tmp_path / "site" / "index.html").read_text()
    assert 'name="nncost-backend" content="worker"' in index
    assert "'wasm-unsafe-eval'" in index
    assert "'unsafe-eval'" not in index
    assert "'unsafe-inline'" not in index


def test_archives_hold_what_is_needed_and_no_more(pyodide: Path, tmp_path: Path) -> None:
    write(tmp_path / "site", pyodide)
    python = tmp_path / "site" / "page" / "python"
    core = zipfile.ZipFile(python / "core.zip").namelist()
    assert {"nncost/api.py", "nncost/web/answers/calculator.py", "lark/lark.py", "latex2mathml/converter.py"} <= set(
        core
    )
    assert not [
        name
        for name in core
        if name.startswith(("sympy", "pydantic", "rich", "numpy", "nncost/web/server", "nncost/web/page"))
    ]
    assert not [name for name in core if name.endswith((".pyc", ".so"))]
    symbols = zipfile.ZipFile(python / "symbols.zip").namelist()
    assert {"sympy/__init__.py", "mpmath/__init__.py"} <= set(symbols)
    assert not [name for name in symbols if "/tests/" in name]
    assert (
        devices_in(zipfile.ZipFile(python / "core.zip").read("nncost/timing/devices/data/checked.json").decode())
        == shipped()
    )
    assert json.loads((python / "pyodide-lock.json").read_text()) == {"info": {"python": "3.14"}, "packages": {}}


def test_what_is_kept_for_later_is_what_there_is(pyodide: Path, tmp_path: Path) -> None:
    names = write(tmp_path / "site", pyodide)
    script = (tmp_path / "site" / "offline.js").read_text()
    kept = json.loads(re.search(r"FILES = (\[.*\]);", script)[1])  # type: ignore[index]
    left_out = {"index.html", "offline.js", ".nojekyll", "page/python/symbols.zip"}
    assert set(kept) == {"./", *names} - left_out


def test_the_same_files_make_the_same_folder(pyodide: Path, tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, pyodide) for name in ("one", "two"))
    assert first == second
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in first)
    (pyodide / "pyodide.mjs").write_text("newer")
    write(tmp_path / "two", pyodide)
    assert (tmp_path / "one" / "offline.js").read_bytes() != (tmp_path / "two" / "offline.js").read_bytes()


def test_without_pyodide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="is no Pyodide") as found:
        write(tmp_path / "site", tmp_path)
    assert "npm install pyodide" in str(found.value.hint)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OptionError, match="no npm"):
        write(tmp_path / "site")


def test_a_folder_that_cannot_be_written(pyodide: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="cannot be written"):
        write(tmp_path / "file" / "site", pyodide)


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "there").write_text("")
    assert run(["web", "--static", str(tmp_path / "there")]) == 2
    said = capsys.readouterr().err
    assert "is a file" in said
    assert "npm" not in said


def test_pyodide_is_for_the_static_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["web", "--pyodide", "somewhere"]) == 2
    assert "--pyodide is for --static" in capsys.readouterr().err


def test_devices_keep_every_field() -> None:
    assert devices_in(as_text(shipped())) == shipped()
