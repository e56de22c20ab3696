"""Calibrated machines: profiles kept as JSON, one file each, and which of them describes this machine now."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncost.cache import cache_folder, write_json
from nncost.errors import SourceError
from nncost.records import record
from nncost.timing.devices.fingerprint import differences, fingerprint
from nncost.timing.devices.profile import Profile
from nncost.timing.devices.validation import faults_in
from nncost.units import counted

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA = "nncost.profile/1"
_DIGEST_DIGITS = 12
_SLUG = re.compile(r"[^A-Za-z0-9.]+")
_SLUG_LENGTH = 60
_IDENTITY = ("cpu", "system", "cores", "threads", "accelerator")
"""What tells one calibrated machine from another, besides the engine's version."""
MAX_PROFILE_BYTES = 64_000_000
"""A larger file is no profile."""


@record
class Stored:
    """A profile and where it lies; ``mismatches`` say why it does not describe this machine, empty where it does."""

    profile: Profile
    path: Path
    shipped: bool
    mismatches: Sequence[str]


def profiles_folder() -> Path:
    """Where this user's profiles lie; it need not exist."""
    return cache_folder() / "profiles"


def load_profiles() -> tuple[Profile, ...]:
    """Every readable profile: this user's, newest first, then those that come with nncost."""
    return tuple(stored.profile for stored in stored_profiles())


def stored_profiles() -> tuple[Stored, ...]:
    """As :func:`load_profiles`, with where each lies and whether it holds here; unreadable ones are left out."""
    return tuple(stored for _, stored in _read() if isinstance(stored, Stored))


def profile_faults() -> tuple[str, ...]:
    """One sentence for each of this user's profiles that cannot be read."""
    return tuple(str(fault) for _, fault in _read() if not isinstance(fault, Stored))


def this_profile() -> Profile | None:
    """The newest profile measured on this machine as it is now; None where there is none."""
    matching = (stored for stored in stored_profiles() if not stored.mismatches)
    return next((stored.profile for stored in matching), None)


def why_no_profile() -> str:
    """Why :func:`this_profile` has nothing, in one sentence."""
    old = [stored for stored in stored_profiles() if not stored.shipped and stored.mismatches]
    if old:
        return f"the calibration of {old[0].profile.fingerprint.get('date', 'earlier')} does not hold now: {' and '.join(old[0].mismatches)}"
    faults = profile_faults()
    return f"this machine's calibration cannot be read: {faults[0]}" if faults else "this machine is not calibrated yet"


def save_profile(profile: Profile) -> Path:
    """Write a profile, whole or not at all; an older one of the same machine and libraries is replaced.

    Raise OSError if the folder cannot be written.
    """
    path = profiles_folder() / _file_name(profile)
    write_json(path, {"schema": SCHEMA, **asdict(profile)})
    return path


def load_profile(path: Path) -> Profile:
    """One profile's file. Raise SourceError naming the file and the field at fault."""
    from pydantic import ValidationError

    try:
        content = json.loads(_bytes_of(path))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"is not whole JSON ({str(error)[:80]})") from None
    if not isinstance(content, Mapping) or content.get("schema") != SCHEMA:
        raise _unreadable(path, f"is not a profile: schema {SCHEMA} is missing")
    try:
        fields = {name: value for name, value in content.items() if name != "schema"}
        profile = _adapter().validate_python(fields)
    except ValidationError as error:
        raise _unreadable(path, f"has wrong fields: {faults_in(error)}") from None
    fault = _impossible(profile)
    if fault:
        raise _unreadable(path, f"has wrong fields: {fault}")
    return profile


def _impossible(profile: Profile) -> str:
    """The first field no measurement can have given; empty where there is none."""
    for name in ("contraction", "bandwidth"):
        if not getattr(profile, name):
            return f"{name}: nothing was measured"
    numbers = [("page_bytes", profile.page_bytes), ("cold", profile.cold)]
    for name in ("contraction", "convolution", "bandwidth"):
        numbers += [(name, number) for rate in getattr(profile, name) for number in (rate.size, rate.per_second)]
    wrong = next(((name, number) for name, number in numbers if not (isfinite(number) and number > 0)), None)
    seconds = [("page_fault", profile.page_fault), ("spread", profile.spread), *profile.overheads.items()]
    wrong = wrong or next(((name, number) for name, number in seconds if not (isfinite(number) and number >= 0)), None)
    return "" if wrong is None else f"{wrong[0]}: a number that cannot be measured, received {wrong[1]!r}"


def _bytes_of(path: Path) -> bytes:
    if path.stat().st_size > MAX_PROFILE_BYTES:
        raise _unreadable(path, "is too large for a profile")
    return path.read_bytes()


def _unreadable(path: Path, fault: str) -> SourceError:
    return SourceError(f"{path} {fault}.", hint="Measure again with:  nncost calibrate")


@cache
def _adapter() -> TypeAdapter[Profile]:
    from pydantic import TypeAdapter

    return TypeAdapter(Profile)


def _read() -> Iterator[tuple[Path, Stored | SourceError]]:
    now = fingerprint()
    for path, shipped in _paths():
        try:
            profile = load_profile(path)
        except SourceError as error:
            yield path, error
            continue
        yield path, Stored(profile, path, shipped, _mismatches(profile, now, shipped))


def _mismatches(profile: Profile, now: Mapping[str, Any], shipped: bool) -> list[str]:
    """A shipped profile was measured elsewhere, and one of an accelerator is asked for by its name."""
    accelerator = profile.fingerprint.get("accelerator")
    if shipped or accelerator:
        return [f"the measurement was of {accelerator or 'another machine'}"]
    return differences(profile.fingerprint, now, profile.engine)


def _paths() -> list[tuple[Path, bool]]:
    """Files of this user, newest first, then the shipped ones."""
    try:
        own = sorted(profiles_folder().glob("*.json"), key=lambda path: (-path.stat().st_mtime_ns, path.name))
    except OSError:
        own = []
    shipped = Path(str(files("nncost.timing.devices") / "data" / "profiles"))
    return [*((path, False) for path in own), *((path, True) for path in sorted(shipped.glob("*.json")))]


def _file_name(profile: Profile) -> str:
    """A readable name with a digest of what tells this machine from others."""
    identity = [profile.engine, profile.fingerprint.get("libraries", {}).get(profile.engine)]
    identity += [profile.fingerprint.get(key) for key in _IDENTITY]
    digest = sha256(json.dumps(identity, default=str).encode()).hexdigest()[:_DIGEST_DIGITS]
    slug = _SLUG.sub("-", profile.name).strip("-.")[:_SLUG_LENGTH] or "machine"
    return f"{slug}-{digest}.json"


def identity_of(fields: Mapping[str, Any]) -> str:
    """A machine's processor with its cores, as a title: ``Intel(R) Xeon(R) Processor, 2 cores``."""
    cores = fields.get("cores", "?")
    return f"{fields.get('cpu', 'unknown processor')}, {counted(cores, 'core')}"
