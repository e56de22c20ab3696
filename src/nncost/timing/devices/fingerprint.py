"""What makes a measurement of this machine valid again: processor, cores, threads, memory and library versions."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "numpy", "onnxruntime")
"""Packages that do the arithmetic; their versions are part of a fingerprint."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables by which PyTorch and NumPy choose their number of threads, in that order."""
_CPU_FIELDS = Path("/proc/cpuinfo")
_MEMORY_FIELDS = Path("/proc/meminfo")
_KIBIBYTE = 1024
_EVERY_CORE = ("processor", "physical id", "core id")


def fingerprint() -> dict[str, Any]:
    """What this machine is now. Nothing that computes is imported: versions are those of the installed packages."""
    return {
        "cpu": processor_name(), "cores": available_cores(), "threads": default_threads(),
        "memory_bytes": memory_bytes(), "system": f"{platform.system()} {platform.machine()}",
        "libraries": library_versions(), "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip


def differences(then: Mapping[str, Any], now: Mapping[str, Any], engine: str) -> list[str]:
    """Why a measurement of then does not hold now, in words; empty where it does.

    The date and the memory's size are no reasons; among the libraries only the engine counts.
    """
    reasons = [
        f"{word} was {_shown(then[key])} and is {_shown(now.get(key))}"
        for key, word in (("cpu", "the processor"), ("system", "the system"), ("cores", "the number of cores"), ("threads", "the number of threads"))
        if key in then and then[key] != now.get(key)
    ]  # fmt: skip
    before, after = (side.get("libraries", {}).get(engine) for side in (then, now))
    if before != after:
        reasons.append(f"{engine} was {_shown(before)} and is {_shown(after)}")
    return reasons


def _shown(value: object) -> str:
    return "not installed" if value is None else str(value)


def library_versions() -> dict[str, str]:
    """The versions of the installed libraries."""
    found: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def available_cores() -> int:
    """Logical processors that this program may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_threads() -> int:
    """Threads that PyTorch uses: those it was set to, those the environment says, else one for each physical core."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        return int(torch.get_num_threads())
    for name in THREAD_VARIABLES:
        text = os.environ.get(name, "")
        if text.isdigit() and int(text) > 0:
            return int(text)
    return _physical_cores() or available_cores()


def processor_name() -> str:
    """The model as the processor says it."""
    for core in _cpu_fields():
        for key in ("model name", "Model", "Hardware"):
            if core.get(key):
                return core[key]
    return platform.processor() or platform.machine() or "unknown"


def memory_bytes() -> int:
    """Main memory; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def available_bytes() -> int:
    """Main memory that is free or can be freed; 0 where the system does not say."""
    try:
        fields = dict(
            line.split(":", 1) for line in _MEMORY_FIELDS.read_text(encoding="utf-8").splitlines() if ":" in line
        )
        return int(fields["MemAvailable"].split()[0]) * _KIBIBYTE
    except (OSError, KeyError, ValueError, IndexError):
        return 0


def _physical_cores() -> int:
    """Physical cores behind the processors that may be used; 0 where the system does not say."""
    if not hasattr(os, "sched_getaffinity"):
        return 0
    usable = {str(number) for number in os.sched_getaffinity(0)}
    cores = [core for core in _cpu_fields() if core.get("processor") in usable]
    if not cores or any(field not in core for core in cores for field in _EVERY_CORE):
        return 0
    return len({(core["physical id"], core["core id"]) for core in cores})


def _cpu_fields() -> Sequence[dict[str, str]]:
    """What Linux says of each processor."""
    try:
        text = _CPU_FIELDS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    blocks = (block.splitlines() for block in text.split("\n\n") if block.strip())
    pairs = ([line.partition(":") for line in block] for block in blocks)
    return [{key.strip(): value.strip() for key, _, value in block} for block in pairs]
