"""Devices as documents and JSON: calibrated machines, and the catalogue with its sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from nncost.documents.document import Block, Document, Facts, Heading, Note, Number, Section, Shell, Table
from nncost.timing.devices.catalogue import device_folders
from nncost.timing.devices.decode import reading_share, reading_source
from nncost.timing.devices.device import VECTOR, Device
from nncost.timing.devices.launches import launches_of
from nncost.timing.devices.profile_store import Stored, identity_of
from nncost.timing.kernels.choice import constants_of
from nncost.units import bytes_text, rate_text, seconds_text
from nncost.views.cells import size

SCHEMA = "nncost.timing.devices/1"
_TERA = 1e12
_COLUMNS = (VECTOR, "float16", "bfloat16", "float8")


def devices_document(profiles: Sequence[Stored], devices: Sequence[Device]) -> Document:
    """Return both lists."""
    header = ("name", *_COLUMNS, "memory", "a second", "W")
    table = Table(header, tuple(map(_row, devices)))
    machines = [block for stored in profiles for block in _machine(stored)]
    blocks: tuple[Block, ...] = (
        *(machines or [Note("None yet."), Shell("Next:", ("nncost", "calibrate"))]), Heading("Catalogue: dense peaks in Tflop/s, memory, bandwidth, rated power"), table,
        *(Shell("One of them, with its sources:", ("nncost", "devices", device.name)) for device in devices[:1]),
        Note("Your own, as TOML files in:"), *(Note(f"  {folder}") for folder in device_folders()),
    )  # fmt: skip
    return Document("Calibrated machines", (Section("", blocks),), main=table)


def _machine(stored: Stored) -> list[Block]:
    """What a calibrated machine is, how it was measured, and whether that holds here."""
    profile, fields = stored.profile, stored.profile.fingerprint
    version = fields.get("libraries", {}).get(profile.engine, "")
    peak = f", {rate_text(profile.peak_flops_per_second, 'flop/s')}" if profile.contraction else ""
    reasons = " and ".join(stored.mismatches)
    facts = (
        ("measured", f"{profile.engine} {version}, {fields.get('date', 'no date')}{peak}"),
        ("here", f"does not describe this machine now: {reasons}" if reasons else "describes this machine: --on this"),
    )
    return [Heading(f"{profile.name}: {fields.get('accelerator') or identity_of(fields)}"), Facts(facts)]


def _row(device: Device) -> tuple[str | Number, ...]:
    peaks = (
        Number(device.peaks[dtype], f"{device.peaks[dtype] / _TERA:g}") if dtype in device.peaks else ""
        for dtype in _COLUMNS
    )
    watts = "" if device.tdp_watts is None else Number(device.tdp_watts, f"{device.tdp_watts:g}")
    return device.name, *peaks, size(device.memory_bytes), size(device.bandwidth_bytes_per_second), watts


def device_document(device: Device) -> Document:
    """Return everything known of one device."""
    facts = (
        ("names", ", ".join((device.name, *device.aliases))),
        *((name, rate_text(rate, "flop/s" if "float" in name else "op/s")) for name, rate in device.peaks.items()),
        ("memory", f"{bytes_text(device.memory_bytes)}, {bytes_text(device.bandwidth_bytes_per_second)} a second"),
        ("power", "" if device.tdp_watts is None else f"{device.tdp_watts:g} W"),
        ("link", "" if device.link_bytes_per_second is None else f"{bytes_text(device.link_bytes_per_second)} a second, one way"),
        *_pace(device),
        *(("measured", _measured(m.dtype, m.flops_per_second, m.share, m.source)) for m in device.measured_matmul),
        ("reliability", device.reliability), ("note", device.note), ("source", device.source),
        ("date", device.date.isoformat()),
    )  # fmt: skip
    known = Facts(tuple((name, text) for name, text in facts if text))
    return Document(f"{device.title} ({device.vendor}), dense peaks", (Section("", (known,)),))


def _pace(device: Device) -> Iterator[tuple[str, str]]:
    """What predictions take from others' measurements: launches, kernels, and how fast weights are read."""
    launches = launches_of(device)
    names = ("compiled",) if launches.always_compiled else ("eager", "compiled")
    shares = ((name, launches.seconds(compiled=name == "compiled")) for name in names)
    said = ", ".join(
        f"{name} {seconds_text(s.value)} ({seconds_text(s.low)} to {seconds_text(s.high)})" for name, s in shares
    )
    yield "launch", f"{said}: {launches.label}"
    kernels = next(filter(None, (constants_of(device, dtype) for dtype in ("bfloat16", "float16", VECTOR))), None)
    if kernels is not None:
        yield "kernels", kernels.source
    reading = reading_share(device)
    if reading is not None:
        yield (
            "decoding",
            f"reads weights at {reading.value:.0%} of its bandwidth, launches included: {reading_source(device)}",
        )


def _measured(dtype: str, rate: float, share: float, source: str) -> str:
    return f"matrix products in {dtype} at {rate_text(rate, 'flop/s')}, {share:.0%} of the theory there ({source})"


def devices_json(profiles: Sequence[Stored], devices: Sequence[Device]) -> dict[str, Any]:
    """Both lists as plain data."""
    return {
        "schema": SCHEMA,
        "calibrated": [
            {"profile": asdict(s.profile), "path": str(s.path), "shipped": s.shipped, "holds": not s.mismatches,
             "mismatches": list(s.mismatches)}
            for s in profiles
        ],
        "catalogue": [device.to_dict() for device in devices],
    }  # fmt: skip
