"""Profiles come back as they were saved, hold on the machine they describe, and say why where they do not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nncost.errors import SourceError
from nncost.timing.devices import profile_store
from nncost.timing.devices.fingerprint import differences, fingerprint
from nncost.timing.devices.profile import Profile, Rate


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    return tmp_path


def machine(**fields: object) -> Profile:
    return Profile(
        name="this machine", fingerprint={**fingerprint(), **fields}, engine="numpy",
        contraction=(Rate(1_000, 2e9, 0.1), Rate(10**9, 9e10)), convolution=(), bandwidth=(Rate(4_096, 3e10),),
        overheads={"forward": 7e-6}, page_fault=3e-6, page_bytes=4_096, cold=1.2, spread=0.05,
        references={"matmul": 1e-3},
    )  # fmt: skip


def own() -> list[profile_store.Stored]:
    return [stored for stored in profile_store.stored_profiles() if not stored.shipped]


def test_nothing_is_calibrated_at_first() -> None:
    assert own() == []
    assert profile_store.this_profile() is None
    assert profile_store.why_no_profile() == "this machine is not calibrated yet"


def test_a_profile_comes_back_as_it_was_saved() -> None:
    profile = machine()
    path = profile_store.save_profile(profile)
    read = profile_store.load_profile(path)
    assert json.dumps(json.loads(path.read_text())["contraction"]) == json.dumps(
        [{"size": 1_000, "per_second": 2e9, "spread": 0.1}, {"size": 10**9, "per_second": 9e10, "spread": 0.0}]
    )
    assert tuple(read.contraction) == profile.contraction
    assert (read.fingerprint, read.overheads, read.cold) == (profile.fingerprint, profile.overheads, profile.cold)
    assert profile_store.this_profile() == read


def test_the_same_machine_is_kept_once_and_another_beside_it() -> None:
    profile_store.save_profile(machine())
    profile_store.save_profile(replace(machine(), cold=1.5))
    assert [stored.profile.cold for stored in own()] == [1.5]
    profile_store.save_profile(machine(cores=999))
    assert len(own()) == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"cpu": "Abacus"}, "the processor was Abacus and is "),
        ({"cores": 999}, "the number of cores was 999 and is "),
        ({"threads": 999}, "the number of threads was 999 and is "),
        ({"libraries": {"numpy": "1.0"}}, "numpy was 1.0 and is "),
        ({"libraries": {}}, "numpy was not installed and is "),
    ],
)
def test_why_a_profile_does_not_hold(fields: dict[str, object], reason: str) -> None:
    profile_store.save_profile(machine(**fields))
    assert profile_store.this_profile() is None
    assert reason in profile_store.why_no_profile()


def test_what_is_no_reason() -> None:
    now = fingerprint()
    then = {**now, "date": "2001-01-01", "memory_bytes": 1, "libraries": {**now["libraries"], "onnxruntime": "0"}}
    assert differences(then, now, "numpy") == []


def test_an_accelerators_profile_is_not_this_machines() -> None:
    profile_store.save_profile(machine(accelerator="Abacus 3000"))
    assert profile_store.this_profile() is None
    assert "Abacus 3000" in profile_store.why_no_profile()


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "is not whole JSON"),
        ('{"schema": "nncost.pro', "is not whole JSON"),
        ("[" * 100_000, "is not whole JSON"),
        ("[]", "schema nncost.profile/1 is missing"),
        ('{"schema": "nncost.profile/1"}', "name: field required"),
        ('{"schema": "nncost.profile/1", "name": 7}', "name: input should be a valid string, received '7'"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(empty_cache: Path, text: str, fragment: str) -> None:
    path = empty_cache / "profiles" / "broken.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(SourceError) as raised:
        profile_store.load_profile(path)
    assert fragment in str(raised.value)
    assert str(path) in str(raised.value)
    assert own() == []
    assert fragment in profile_store.why_no_profile()
    profile_store.save_profile(machine())
    assert profile_store.this_profile() is not None


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"contraction": ()}, "contraction: nothing was measured"),
        ({"bandwidth": ()}, "bandwidth: nothing was measured"),
        ({"bandwidth": (Rate(4_096, float("nan")),)}, "bandwidth: a number that cannot be measured, received nan"),
        ({"contraction": (Rate(1_000, -2e9),)}, "contraction: a number that cannot be measured"),
        ({"contraction": (Rate(0, 2e9),)}, "contraction: a number that cannot be measured"),
        ({"page_bytes": 0}, "page_bytes: a number"),
        ({"overheads": {"forward": float("inf")}}, "forward: a number"),
    ],
)
def test_numbers_that_no_measurement_gives(changes: dict[str, object], fragment: str) -> None:
    path = profile_store.save_profile(replace(machine(), **changes))  # type: ignore[arg-type]
    with pytest.raises(SourceError) as raised:
        profile_store.load_profile(path)
    assert fragment in str(raised.value)
    assert profile_store.this_profile() is None
