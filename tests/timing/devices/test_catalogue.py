"""The catalogue holds the published figures, each with its source, and says what is wrong with a file."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nncost.errors import NncostError, OptionError, SourceError
from nncost.timing.devices.catalogue import catalogue, device_named
from nncost.timing.devices.files import read_devices

HERE = Path(__file__).parent
TERA, GIGA = 1e12, 1e9
PEAKS = {
    "fp32_tflops": "float32", "tf32_tflops": "tensorfloat32", "fp16_tensor_tflops": "float16",
    "bf16_tensor_tflops": "bfloat16", "fp8_tflops": "float8", "int8_tops": "int8", "fp4_tflops": "float4",
}  # fmt: skip
MEASURED = {
    "Intel Gaudi 2": "gaudi2", "NVIDIA A100 SXM": "a100", "NVIDIA GH200 SXM": "gh200", "NVIDIA A100 PCIe": "a100-pcie",
    "NVIDIA H100 SXM": "h100", "NVIDIA B300 SXM": "b300", "NVIDIA B200 SXM": "b200", "Intel Gaudi 3": "gaudi3",
    "NVIDIA GB200 SXM": "gb200", "AMD MI355X": "mi355x", "AMD MI325X": "mi325x", "AMD MI300X": "mi300x",
    "NVIDIA H200 SXM": "h200",
}  # fmt: skip


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    return tmp_path


def table(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", table("hardware.csv"), ids=lambda row: row["accelerator"])
def test_every_published_figure_is_in_the_catalogue(row: dict[str, str]) -> None:
    device = device_named(row["accelerator"])
    assert dict(device.peaks) == pytest.approx({PEAKS[k]: float(row[k]) * TERA for k in PEAKS if row[k]})
    assert device.memory_bytes == float(row["memory_gb"]) * GIGA
    assert device.bandwidth_bytes_per_second == pytest.approx(float(row["memory_bandwidth_gb_s"]) * GIGA)
    assert device.tdp_watts == (float(row["tdp_w"]) if row["tdp_w"] else None)
    link = device.link_bytes_per_second
    assert link == (pytest.approx(float(row["link_gb_s_one_way"]) * GIGA) if row["link_gb_s_one_way"] else None)
    assert (device.vendor, device.reliability, device.note, device.source) == (
        row["vendor"], row["reliability"], row["note"], row["source"],
    )  # fmt: skip


ADDED = {"A40"}
"""Devices that came with the times of their kernels."""


def test_nothing_else_is_in_the_catalogue() -> None:
    assert {device.title for device in catalogue()} == {row["accelerator"] for row in table("hardware.csv")} | ADDED
    assert all(device.source and device.date.year >= 2026 for device in catalogue())


@pytest.mark.parametrize(
    "row", table("hardware_measured_matmul.csv"), ids=lambda r: f"{r['accelerator']} {r['precision']}"
)
def test_every_measured_product_is_in_the_catalogue(row: dict[str, str]) -> None:
    dtype = {"bf16": "bfloat16", "fp8": "float8"}[row["precision"]]
    measured = [m for m in device_named(MEASURED[row["accelerator"]]).measured_matmul if m.dtype == dtype]
    assert [(m.flops_per_second, m.theory_flops_per_second, m.source) for m in measured] == [
        (pytest.approx(float(row["max_achieved_matmul_tflops"]) * TERA), pytest.approx(float(row["theory_tflops"]) * TERA), row["source"])
    ]  # fmt: skip
    assert 0 < measured[0].share < 1


@pytest.mark.parametrize("name", ["h100", "H100", "h100-sxm", "H100 SXM5 80GB", "h100_80gb"])
def test_a_device_has_several_names(name: str) -> None:
    assert device_named(name).name == "h100"


def test_an_unknown_device_gets_the_nearest_names_and_the_next_command() -> None:
    with pytest.raises(OptionError, match="unknown device 'h10'") as raised:
        device_named("h10")
    assert "h100" in str(raised.value)
    assert "nncost devices" in str(raised.value)
    with pytest.raises(OptionError, match="nncost devices"):
        device_named("\x00" * 1_000)


OWN = """
[[accelerator]]
name = "abacus"
title = "Abacus 3000"
vendor = "Counting House"
kind = "cpu"
memory_bytes = 1_000
bandwidth_bytes_per_second = 2
peaks = { float32 = 3 }
reliability = "measured by hand"
source = "the attic"
date = 2026-01-01
"""


def own(folder: Path, text: str | bytes) -> Path:
    path = folder / "devices" / "own.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_users_own_file_adds_and_replaces(empty_cache: Path) -> None:
    own(empty_cache, OWN + OWN.replace("abacus", "h100"))
    assert device_named("abacus").peaks == {"float32": 3}
    assert device_named("h100").title == "Abacus 3000"
    assert len(catalogue()) == len(table("hardware.csv")) + len(ADDED) + 1


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "has no [[accelerator]]"),
        ("x = 1", "has 'x' at its top"),
        ("accelerator = 3", "has no [[accelerator]]"),
        (OWN[: OWN.index("kind")] + 'kind = "cp', "line 6"),
        (OWN.replace("memory_bytes = 1_000", "memory_bytes = -1"), "memory_bytes: input should be greater than 0"),
        (OWN.replace("= 2\n", "= nan\n"), "bandwidth_bytes_per_second: input should be a finite number"),
        (OWN.replace("float32 = 3", "float33 = 3"), "float33"),
        (OWN.replace('"cpu"', '"desk"'), "kind: input should be 'gpu'"),
        (OWN.replace('source = "the attic"', ""), "source: field required"),
        (OWN[: OWN.index("kind")] + "kind = cpu", "(at line 6, column 8)"),
        (OWN + "colour = 1", "colour: extra inputs are not permitted"),
        (OWN.replace('name = "abacus"', "name = 7"), "name: input should be a valid string"),
        ("accelerator = [1]", "[[accelerator]] 1"),
        (b"\xff\xfe\n", "line 1: this is not UTF-8"),
        ("a = " + "[" * 100_000, "is not TOML"),
        (OWN + OWN.replace('"abacus"', '"abacus2"\naliases = ["abacus"]'), "belongs to both"),
    ],
)
def test_a_faulty_file_is_named_with_its_fault(empty_cache: Path, text: str | bytes, fragment: str) -> None:
    path = own(empty_cache, text)
    with pytest.raises(SourceError) as raised:
        catalogue()
    assert fragment in str(raised.value)
    if "belongs" not in fragment:
        assert str(path) in str(raised.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NncostError, match="cannot be read"):
        read_devices(tmp_path)


def test_a_rate_that_nobody_published() -> None:
    with pytest.raises(OptionError, match="no rate of float32") as raised:
        device_named("tpu-v5e").peak("float32")
    assert "bfloat16" in str(raised.value)
    assert "--dtype" in str(raised.value)
