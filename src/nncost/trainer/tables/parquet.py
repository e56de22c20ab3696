"""Parquet files, by pyarrow."""

from __future__ import annotations

from typing import Any

import numpy as np

from nncost.errors import MissingExtraError, SourceError
from nncost.trainer.tables.table import Cell, Column, Table


def read(path: str, target: str | None) -> Table:
    """The columns of a Parquet file. Raise SourceError for a damaged one."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("reading Parquet", "pyarrow", "train") from None
    try:
        content = parquet.read_table(path, memory_map=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise SourceError(f"{path} is damaged or no Parquet file: {first[:300]}") from None
    if len(set(content.column_names)) != content.num_columns:
        raise SourceError(f"{path} has two columns of one name.")
    columns = tuple(_column(name, content.column(name), keep=name == target) for name in content.column_names)
    return Table(path, columns, content.num_rows)


def _column(name: str, values: Any, *, keep: bool) -> Column:
    from pyarrow import types

    kind = values.type
    empty = values.is_null(nan_is_null=True).to_numpy() if values.null_count or types.is_floating(kind) else None
    empties = 0 if empty is None else int(empty.sum())
    first = Cell(int(np.argmax(empty)) + 1, "") if empties and empty is not None else None
    is_boolean = types.is_boolean(kind)
    if is_boolean or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        numbers = np.array([np.nan if x is None else float(x) for x in values.to_pylist()]) if (
            types.is_decimal(kind) or values.null_count
        ) else values.to_numpy().astype(np.float64)  # fmt: skip
        texts = [str(x) for x in values.to_pylist()] if keep else None
        return Column(name, numbers, texts, empty=first, empties=empties, is_boolean=is_boolean)
    texts = ["" if x is None else str(x) for x in values.to_pylist()]
    odd = next((Cell(row, text) for row, text in enumerate(texts, 1) if text), None)
    odds = sum(text != "" for text in texts)
    return Column(name, None, texts if keep else None, odd, odds, first, empties)
