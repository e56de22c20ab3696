"""``calibrate``: every probe once, kept as soon as it is done, so that a stopped calibration goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncost.cache import cache_folder, read_json, write_json
from nncost.errors import OptionError
from nncost.records import record
from nncost.timing import Progress, check_torch
from nncost.timing.devices.fingerprint import fingerprint
from nncost.timing.devices.profile import Profile, Rate
from nncost.timing.devices.profile_store import save_profile
from nncost.units import counted

if TYPE_CHECKING:
    from nncost.timing.calibration.overheads import Observation

SCHEMA = "nncost.calibration/2"
ENGINE = "torch"
MAX_AGE_SECONDS = 3600.0
"""A stopped calibration is taken up again within an hour; after that the machine may be another."""
_OVERHEADS, _ROUND = "overheads: ", ", round "
ROUNDS = 3
"""What else runs on a machine comes and goes: every network is looked at so many times."""
_NINE_OF_TEN = 0.9
_OPERATOR = {"forward": "forward_operator", "backward": "backward_operator", "update": "update_operator"}


@record
class Probe:
    """One thing that is measured: its name and what measures it, as plain data."""

    name: str
    measure: Callable[[], Any]


def calibrate(progress: Progress | None = None, *, fresh: bool = False) -> tuple[Profile, Path]:
    """Measure this machine and keep its profile; the profile and its file.

    What an earlier calibration had finished is not measured again, unless ``fresh``, which also forgets the times of operators.
    Raise OptionError
    where the profile cannot be written, and a MissingExtraError without PyTorch.
    """
    check_torch("calibrating this machine")
    from nncost.frontends.torch.step.state.random_states import random_state_kept

    with random_state_kept(seed=0):
        return _calibrated(progress, fresh=fresh)


def _calibrated(progress: Progress | None, *, fresh: bool) -> tuple[Profile, Path]:
    path = cache_folder() / "calibration.json"
    here = fingerprint()
    done = {} if fresh else _unfinished(path, here)
    if fresh:
        from nncost.timing.replay.timing_cache import TimingCache

        TimingCache().forget()
    try:
        probes = list(_probes())
        for number, probe in enumerate(probes):
            if progress is not None:
                progress(probe.name, number, len(probes))
            if probe.name not in done:
                done[probe.name] = probe.measure()
                write_json(path, {"schema": SCHEMA, "fingerprint": here, "at": time.time(), "done": done})
        profile = _profile(done, here)
        saved = save_profile(profile)
        for used in (path, *_round_files()):
            used.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OptionError(
            f"the calibration cannot be kept in {cache_folder()}: {reason}.",
            hint="Set NNCOST_CACHE to a folder that can be written.",
        ) from None
    return profile, saved


def _unfinished(path: Path, here: Mapping[str, Any]) -> dict[str, Any]:
    """What an earlier calibration of the same machine had finished."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA or content.get("fingerprint") != here:
        return {}
    at, done = content.get("at"), content.get("done")
    recent = isinstance(at, (int, float)) and 0 <= time.time() - at <= MAX_AGE_SECONDS
    return dict(done) if recent and isinstance(done, dict) else {}


def _probes() -> Iterator[Probe]:
    from nncost.timing.calibration import overheads, rates
    from nncost.timing.replay.page_faults import seconds_of_a_fault
    from nncost.timing.replay.timing_cache import TimingCache

    yield Probe("reference work", _reference)
    yield Probe("matrix products", lambda: [asdict(rate) for rate in rates.products()])
    yield Probe("convolutions", lambda: [asdict(rate) for rate in rates.convolutions()])
    yield Probe("bandwidth by working set", lambda: [asdict(rate) for rate in rates.bandwidths()])
    yield Probe("page faults", seconds_of_a_fault)
    yield Probe("cold caches", rates.cold_factor)
    usual = _reference()
    for number, path in enumerate(_round_files(), 1):
        for name, observe in overheads.observations(TimingCache(path, usual)):
            yield Probe(f"{_OVERHEADS}{name}{_ROUND}{number}", partial(_plain, observe))


def _round_files() -> list[Path]:
    """Where the times of operators are kept between the rounds of a calibration: each round takes its own."""
    return [cache_folder() / "operators" / f"calibration-{number}.json" for number in range(1, ROUNDS + 1)]


def _reference() -> float:
    """Seconds of the reference work now: the middle of nine."""
    from nncost.timing.measure.reference import Reference

    return sorted(Reference().seconds() for _ in range(9))[4]


def _plain(observe: Callable[[], Any]) -> dict[str, Any]:
    return asdict(observe())


def _profile(done: Mapping[str, Any], here: Mapping[str, Any]) -> Profile:
    from nncost.timing.calibration.overheads import Observation, quietest, solve
    from nncost.timing.measure.step import StepSeconds
    from nncost.timing.replay.page_faults import PAGE_BYTES

    rounds: dict[str, list[Observation]] = {}
    for name, fields in done.items():
        if name.startswith(_OVERHEADS):
            observation = Observation(
                StepSeconds(**fields["measured"]), fields["operators"], fields["amounts"], fields["faults"]
            )
            rounds.setdefault(name.partition(_ROUND)[0], []).append(observation)
    seen = [quietest(each) for each in rounds.values()]
    overheads = solve(seen)
    bandwidth = [Rate(**fields) for fields in done["bandwidth by working set"]]
    return Profile(
        name=_name(here), fingerprint=here, engine=ENGINE,
        contraction=[Rate(**fields) for fields in done["matrix products"]],
        convolution=[Rate(**fields) for fields in done["convolutions"]],
        bandwidth=bandwidth, overheads={**overheads, **_per_operation(seen), "step": overheads["backward_call"]},
        page_fault=done["page faults"], page_bytes=PAGE_BYTES, cold=done["cold caches"],
        spread=_spread(seen, overheads), references={"reference": done["reference work"]},
    )  # fmt: skip


def _name(here: Mapping[str, Any]) -> str:
    return f"{here['cpu']}, {counted(here['threads'], 'thread')}"


def _per_operation(seen: Sequence[Observation]) -> dict[str, float]:
    """What one operation of each phase takes in all, however small: for predictions that replay nothing."""
    found = {}
    for phase, name in _OPERATOR.items():
        each = sorted(getattr(o.measured, phase) / max(1, o.amounts.get(name, 0)) for o in seen)
        found[phase] = each[len(each) // 4]  # most networks do more than what an operation takes at least
    return found


def _spread(seen: Sequence[Observation], overheads: Mapping[str, float]) -> float:
    """How far the overheads miss the networks they were found from: nine of ten relative errors are smaller."""
    from nncost.timing.calibration.overheads import step_seconds

    errors = sorted(abs(step_seconds(each, overheads) / each.measured.step - 1) for each in seen)
    return errors[min(len(errors) - 1, int(_NINE_OF_TEN * len(errors)))]
