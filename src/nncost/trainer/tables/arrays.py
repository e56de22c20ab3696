"""NPZ files: an array with one number for each example is a column, one with more gives a column for each."""

from __future__ import annotations

import zipfile
import zlib
from typing import Any

import numpy as np

from nncost.errors import SourceError
from nncost.trainer.tables.csv_text import MAX_COLUMNS
from nncost.trainer.tables.table import Array, Cell, Column, Table

MAX_BYTES = 2**34
"""Bytes that the arrays of one file may take unpacked (16 GiB): small files can claim any size."""


def read(path: str, target: str | None) -> Table:
    """The columns of an NPZ file; arrays of objects, which are pickles, are refused. Raise SourceError."""
    from nncost.frontends.weights.npz import read as read_headers

    headers = read_headers(path)  # Refuses objects, and shapes that are not what is stored.
    claimed = sum(entry.bytes for entry in headers.entries)
    if claimed > MAX_BYTES:
        raise SourceError(f"the arrays of {path} take {claimed:,} bytes unpacked; at most {MAX_BYTES:,} are read.")
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(f"{path} is damaged or no NPZ file: {str(error)[:300]}") from None
    return _table(path, arrays, target)


def table_of(data: Any) -> Table:
    """The columns of ``(examples, targets)`` as arrays, called ``x.0`` … and ``target``. Raise SourceError."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise SourceError(
            f"data is the path of a table or a pair of arrays (examples, targets), received {type(data).__name__}."
        )
    x, target = np.asarray(data[0]), np.asarray(data[1])
    return _table("data", {"x": x, "target": target}, "target")


def _table(path: str, arrays: dict[str, Array], target: str | None) -> Table:
    rows = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    if len(set(rows.values())) != 1 or not all(array.ndim for array in arrays.values()):
        sizes = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:12]) or "no array"
        raise SourceError(
            f"the arrays of {path} are not one table: {sizes}.", hint="Each needs one entry for each example, first."
        )
    columns = [column for name, array in arrays.items() for column in _columns(path, name, array, target)]
    if len(columns) > MAX_COLUMNS:
        raise SourceError(f"{path} has {len(columns):,} values for each example; at most {MAX_COLUMNS:,} are read.")
    return Table(path, tuple(columns), next(iter(rows.values())))


def _columns(path: str, name: str, array: Array, target: str | None) -> list[Column]:
    if array.dtype.kind not in "biufUS":
        raise SourceError(f"the array {name!r} of {path} holds {array.dtype}, neither numbers nor text.")
    if array.ndim == 1 or array.size == array.shape[0]:
        return [_column(name, array.reshape(-1), keep=name == target)]
    flat = array.reshape(array.shape[0], -1)
    if flat.shape[1] > MAX_COLUMNS:
        raise SourceError(f"{name!r} of {path} has {flat.shape[1]:,} values for each example; at most {MAX_COLUMNS:,}.")
    return [_column(f"{name}.{i}", flat[:, i], keep=False) for i in range(flat.shape[1])]


def _text(entry: object) -> str:
    return entry.decode("utf-8", "replace") if isinstance(entry, bytes) else str(entry)


def _column(name: str, values: Any, *, keep: bool) -> Column:
    is_text = values.dtype.kind in "US"
    texts = [_text(entry) for entry in values.tolist()] if keep or is_text else []
    if is_text:
        first = Cell(1, texts[0]) if texts else None
        return Column(name, None, texts if keep else None, first, len(texts))
    numbers = values.astype(np.float64)
    empty = np.isnan(numbers)
    empties = int(empty.sum())
    cell = Cell(int(np.argmax(empty)) + 1, "nan") if empties else None
    return Column(
        name, numbers, texts if keep else None, empty=cell, empties=empties, is_boolean=values.dtype.kind == "b"
    )
