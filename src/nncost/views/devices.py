"""Devices as text and JSON: calibrated machines, and the catalogue with its sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nncost.timing.devices.catalogue import device_folders
from nncost.timing.devices.device import VECTOR, Device
from nncost.timing.devices.profile_store import Stored, identity_of
from nncost.units import bytes_text, rate_text
from nncost.views.prediction import PredictionTable, aligned, wrapped

SCHEMA = "nncost.timing.devices/1"
_TERA = 1e12
_COLUMNS = (VECTOR, "float16", "bfloat16", "float8")


def devices_text(profiles: Sequence[Stored], devices: Sequence[Device]) -> str:
    """Both lists as tables of at most 80 columns."""
    lines = ["Calibrated machines", ""]
    lines += [line for stored in profiles for line in _machine(stored)] or ["  none yet:  nncost calibrate"]
    lines += ["", "Catalogue: dense peaks in Tflop/s, memory, bandwidth, rated power", ""]
    lines += aligned(
        PredictionTable(("name", *_COLUMNS, "memory", "a second", "W"), [_line(device) for device in devices])
    )
    lines += ["", "Sources, aliases and reliability of one:  nncost devices NAME"]
    lines += ["Your own, as TOML files in:", *(f"  {folder}" for folder in device_folders())]
    return "\n".join(line.rstrip() for line in lines)


def _machine(stored: Stored) -> list[str]:
    """A calibrated machine in two lines; a third says why it does not hold here."""
    profile, fields = stored.profile, stored.profile.fingerprint
    version = fields.get("libraries", {}).get(profile.engine, "")
    what = fields.get("accelerator") or identity_of(fields)
    peak = f", {rate_text(profile.peak_flops_per_second, 'flop/s')}" if profile.contraction else ""
    lines = [
        f"  {profile.name}: {what}",
        f"    {profile.engine} {version}, {fields.get('date', 'no date')}{peak}".rstrip(),
    ]
    reasons = " and ".join(stored.mismatches)
    lines += wrapped(
        "", f"does not describe this machine now: {reasons}" if reasons else "describes this machine: --on this", 4
    )
    return lines


def _line(device: Device) -> list[str]:
    peaks = [f"{device.peaks[dtype] / _TERA:g}" if dtype in device.peaks else "" for dtype in _COLUMNS]
    watts = "" if device.tdp_watts is None else f"{device.tdp_watts:g}"
    return [device.name, *peaks, bytes_text(device.memory_bytes), bytes_text(device.bandwidth_bytes_per_second), watts]


def device_text(device: Device) -> str:
    """Everything known of one device."""
    facts = [
        ("names", ", ".join((device.name, *device.aliases))),
        *((name, rate_text(rate, "flop/s" if "float" in name else "op/s")) for name, rate in device.peaks.items()),
        ("memory", f"{bytes_text(device.memory_bytes)}, {bytes_text(device.bandwidth_bytes_per_second)} a second"),
        ("power", "" if device.tdp_watts is None else f"{device.tdp_watts:g} W"),
        ("link", "" if device.link_bytes_per_second is None else f"{bytes_text(device.link_bytes_per_second)} a second, one way"),
        *(("measured", _measured(m.dtype, m.flops_per_second, m.share, m.source)) for m in device.measured_matmul),
        ("reliability", device.reliability), ("note", device.note), ("source", device.source),
        ("date", device.date.isoformat()),
    ]  # fmt: skip
    margin = max(len(name) for name, _ in facts) + 2
    lines = [line for name, text in facts if text for line in wrapped(name, text, margin)]
    return "\n".join([f"{device.title} ({device.vendor}), dense peaks", "", *lines])


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
