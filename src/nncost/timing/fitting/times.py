"""Measured times of matrix products from a CSV file; every fault named by its line and column."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import NoReturn

from nncost.counting.products import Product
from nncost.errors import SourceError
from nncost.names import printable
from nncost.pipeline.choices import chosen
from nncost.records import record
from nncost.timing.devices.device import Device
from nncost.timing.row_cost import FLOPS_PER_PRODUCT

NEEDED, ALLOWED = ("m", "k", "n", "dtype", "seconds"), ("copies",)
FEWEST_ROWS, MOST_ROWS = 8, 10_000
"""Seven constants are fitted; more rows than the upper number would take minutes."""
MAX_FILE_BYTES = 4_000_000
MAX_SIZE = 10**7
LONGEST_SECONDS = 1e5
FASTER_THAN_PEAK = 1.05
"""A product that is faster than that many times the peak was mistimed, or is none of this device."""
_SHOWN = 40
_HINT = "What such a file holds:  nncost docs devices"


@record
class TimedProduct:
    """A product with the seconds that it took; ``line`` is where it stands."""

    product: Product
    dtype: str
    seconds: float
    line: int


def read_times(path: str, device: Device) -> list[TimedProduct]:
    """The products of a file that were timed on a device. Raise SourceError naming the line and the column at fault."""
    reader = csv.reader(StringIO(_text(path), newline=""), strict=True)
    try:
        columns = _columns(path, next(reader, []))
        times = list(_rows(path, reader, columns, device))
    except csv.Error as error:
        raise SourceError(f"{path}, line {reader.line_num}: {error}.", hint=_HINT) from None
    if len(times) < FEWEST_ROWS:
        raise SourceError(
            f"{path} holds {len(times)} timed products; a fit of seven constants needs {FEWEST_ROWS} or more.",
            hint=_HINT,
        )
    return times


def _text(path: str) -> str:
    place = Path(path)
    try:
        if place.exists() and not place.is_file():
            raise SourceError(f"{path} is no file.", hint=_HINT)
        with place.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if len(content) > MAX_FILE_BYTES:
        raise SourceError(f"{path} is larger than {MAX_FILE_BYTES:,} bytes.", hint=_HINT)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{path}, line {line}: this is not UTF-8 text.", hint=_HINT) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SourceError(f"{path}, line {line}: this is not text.", hint=_HINT)
    return text


def _columns(path: str, header: Sequence[str]) -> Mapping[str, int]:
    """The place of each column."""
    names = [name.strip().lower() for name in header]
    known = (*NEEDED, *ALLOWED)
    missing = [name for name in NEEDED if name not in names]
    unknown = [name for name in names if name not in known]
    if missing or unknown or len(set(names)) < len(names):
        fault = (
            f"has no column {missing[0]}"
            if missing
            else f"has a column {_shown(unknown[0])}"
            if unknown
            else "names a column twice"
        )
        raise SourceError(
            f"{path}, line 1: the header {fault}; its columns are {','.join(NEEDED)}[,copies].", hint=_HINT
        )
    return {name: names.index(name) for name in known if name in names}


def _rows(
    path: str, reader: Iterator[Sequence[str]], columns: Mapping[str, int], device: Device
) -> Iterator[TimedProduct]:
    for number, cells in enumerate(reader, 1):
        line: int = reader.line_num  # type: ignore[attr-defined]
        if not any(cell.strip() for cell in cells):
            continue
        if number > MOST_ROWS:
            raise SourceError(f"{path}, line {line}: a fit takes {MOST_ROWS:,} rows at most.", hint=_HINT)
        if len(cells) != len(columns):
            raise SourceError(
                f"{path}, line {line}: {len(cells)} cells where the header has {len(columns)} columns.", hint=_HINT
            )
        yield _timed(_Row(path, line, {name: cells[place].strip() for name, place in columns.items()}), device)


@record
class _Row:
    path: str
    line: int
    cells: Mapping[str, str]

    def wrong(self, column: str, accepted: str) -> NoReturn:
        """Raise SourceError for a cell."""
        cell = _shown(self.cells[column])
        raise SourceError(f"{self.path}, line {self.line}, column {column}: {accepted}, received {cell}.", hint=_HINT)

    def size(self, column: str) -> int:
        """A whole number."""
        text = self.cells[column]
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_SIZE)) and 1 <= int(text) <= MAX_SIZE):
            self.wrong(column, f"a whole number from 1 to {MAX_SIZE:,} is expected")
        return int(text)

    def seconds(self) -> float:
        """A time."""
        try:
            value = float(self.cells["seconds"])
        except ValueError:
            value = float("nan")
        if not (isfinite(value) and 0 < value <= LONGEST_SECONDS):
            self.wrong("seconds", f"seconds above 0, at most {LONGEST_SECONDS:,.0f}, are expected")
        return value


def _timed(row: _Row, device: Device) -> TimedProduct:
    dtype = str(chosen("dtype", row.cells["dtype"]))
    known = [name for name in device.peaks if "float" in name]
    if dtype not in known:
        row.wrong("dtype", f"a type that {device.name} has a peak for is expected ({', '.join(known)})")
    product = Product(row.size("m"), row.size("k"), row.size("n"), row.size("copies") if "copies" in row.cells else 1)
    seconds = row.seconds()
    if FLOPS_PER_PRODUCT * product.macs / seconds > FASTER_THAN_PEAK * device.peaks[dtype]:
        row.wrong(
            "seconds",
            f"at {device.name}'s peak this product takes {FLOPS_PER_PRODUCT * product.macs / device.peaks[dtype]:.3g} s",
        )
    return TimedProduct(product, dtype, seconds, row.line)


def _shown(text: str) -> str:
    return repr(printable(text[:_SHOWN])) + ("…" if len(text) > _SHOWN else "")
