"""Device files: TOML with one ``[[accelerator]]`` for each device, checked field by field when it is read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nncost.errors import SourceError
from nncost.timing.devices.device import Device, MeasuredMatmul
from nncost.timing.devices.validation import faults_in

ENTRY = "accelerator"
MAX_FILE_BYTES = 4_000_000
"""A larger file is no list of devices."""
_SHOWN_FAULT = 120
_RATES = ("bandwidth_bytes_per_second", "tdp_watts", "link_bytes_per_second")
_HINT = "What a device file holds:  nncost docs devices"


def read_devices(path: Path) -> list[Device]:
    """The devices of one file. Raise SourceError naming the file and the line or the field at fault."""
    content = _parsed(path)
    entries = content.get(ENTRY)
    unexpected = sorted(set(content) - {ENTRY})
    if unexpected or not isinstance(entries, list) or not entries:
        fault = f"has {unexpected[0]!r} at its top" if unexpected else f"has no [[{ENTRY}]]"
        raise SourceError(f"{path} {fault}, where a device file has [[{ENTRY}]] alone.", hint=_HINT)
    return [_device(path, number, entry) for number, entry in enumerate(entries, 1)]


def read_shipped(path: Path) -> list[Device]:
    """The devices of a file that comes with nncost: its tests have checked it, so that reading it needs no pydantic."""
    return [_unchecked(entry) for entry in _parsed(path)[ENTRY]]


def _unchecked(entry: Mapping[str, Any]) -> Device:
    rates = {name: float(entry[name]) for name in _RATES if name in entry}
    peaks = {name: float(rate) for name, rate in entry["peaks"].items()}
    measured = tuple(
        MeasuredMatmul(m["dtype"], float(m["flops_per_second"]), float(m["theory_flops_per_second"]), m["source"])
        for m in entry.get("measured_matmul", ())
    )
    aliases = tuple(entry.get("aliases", ()))
    return Device(**{**entry, **rates, "peaks": peaks, "aliases": aliases, "measured_matmul": measured})


def _parsed(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SourceError(f"{path} is larger than {MAX_FILE_BYTES:,} bytes.", hint=_HINT)
        text = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}.") from None
    try:
        return tomllib.loads(text.decode())
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{path}, line {line}: this is not UTF-8 text.", hint=_HINT) from None
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        last = text.count(b"\n") + 1
        fault = str(error)[:_SHOWN_FAULT].replace("at end of document", f"at line {last}, where the file ends")
        raise SourceError(f"{path} is not TOML: {fault}.", hint=_HINT) from None


def _device(path: Path, number: int, entry: object) -> Device:
    from pydantic import ValidationError

    from nncost.timing.devices.schema import Accelerator

    try:
        return Accelerator.model_validate(entry).device()
    except ValidationError as error:
        name = entry.get("name") if isinstance(entry, dict) else None
        which = f"[[{ENTRY}]] {number}" + (f" ({str(name)[:40]})" if name else "")
        raise SourceError(f"{path}, {which}: {faults_in(error)}.", hint=_HINT) from None
