"""Which kind of table a file is, by what it begins with."""

from __future__ import annotations

from pathlib import Path

from nncost.errors import Instead, SourceError
from nncost.frontends.nearby import nearest_file
from nncost.names import printable
from nncost.trainer.tables.table import Table

_PARQUET, _ZIP, _GZIP = b"PAR1", b"PK\x03\x04", b"\x1f\x8b"
_BEGINNING = 4
ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".npz")
ACCEPTED = "CSV (comma, semicolon, tab or | between cells), Parquet and NPZ"


def read_table(path: str, target: str | None = None) -> Table:
    """The columns of a file; the target's cells are kept as text too. Raise SourceError for what is no table."""
    start = _beginning(path)
    try:
        if start == _PARQUET:
            from nncost.trainer.tables.parquet import read
        elif start == _ZIP:
            from nncost.trainer.tables.arrays import read
        else:
            from nncost.trainer.tables.csv_text import read
        table = read(path, target)
    except MemoryError:
        raise SourceError(f"{path} does not fit into this machine's memory.") from None
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from None
    if not table.rows:
        raise SourceError(f"{path} has a header but no rows.")
    return table


def _beginning(path: str) -> bytes:
    file = Path(path)
    try:
        if not file.is_file():
            what = "is a folder" if file.is_dir() else "is no file" if file.exists() else "does not exist"
            close = nearest_file(path, ENDINGS)
            raise SourceError(
                f"{printable(path)} {what}.",
                hint=("" if close is None else f"Did you mean {close!r}? ") + f"--data takes a file: {ACCEPTED}.",
                instead=None if close is None else Instead(path, close),
            )
        if file.stat().st_size == 0:
            raise SourceError(f"{path} is empty (0 bytes).", hint=f"--data takes a file: {ACCEPTED}.")
        with file.open("rb") as opened:
            start = opened.read(_BEGINNING)
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}") from None
    if start.startswith(_GZIP):
        raise SourceError(f"{path} is compressed.", hint=f"Unpack it first:  gunzip {path}")
    suffix = file.suffix.lower()
    expected = {".parquet": _PARQUET, ".pq": _PARQUET, ".npz": _ZIP}.get(suffix, start)
    if start != expected:
        raise SourceError(f"{path} is called {suffix} and is none: it begins with {start!r}.")
    return start
