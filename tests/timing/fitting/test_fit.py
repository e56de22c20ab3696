"""A user's own times refine a device: constants are found again, bad files are one error, and nothing is half written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import nncost
from nncost.cli.main import run
from nncost.counting.products import Product
from nncost.errors import SourceError
from nncost.records import replace
from nncost.timing.devices.catalogue import device_named
from nncost.timing.fitting import device_file
from nncost.timing.kernels.choice import constants_of
from nncost.timing.kernels.constants import shipped
from nncost.timing.kernels.seconds import product_seconds

SHAPES = [(m, k, n) for m in (1, 16, 300, 4096) for k, n in ((1024, 4096), (4096, 1024), (4096, 11008))]
HEADER = "m,k,n,dtype,seconds"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def times(tmp_path: Path, launch: float = 20e-6) -> Path:
    """Times of an A100 whose launches take longer than published ones."""
    a100, kernels = device_named("a100"), shipped()["a100"]
    constants = replace(kernels.products, launch_seconds=launch)
    lines = [HEADER]
    for shape in SHAPES:
        seconds = product_seconds(
            Product(*shape), 2, constants, kernels.units, a100.peak("float16"), a100.bandwidth_bytes_per_second
        )
        lines.append(",".join(map(str, shape)) + f",float16,{seconds}")
    path = tmp_path / "times.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def fit(path: Path, *options: str) -> int:
    return run(["devices", "fit", str(path), "--like", "a100", *options])


def test_constants_are_found_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(times(tmp_path), "--name", "mine", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "nncost.devices.fit/1"
    assert (said["name"], said["like"], said["rows"]) == ("mine", "a100", len(SHAPES))
    before, launch = said["constants"]["launch_seconds"]
    assert before == 3.6e-6
    assert launch == pytest.approx(20e-6, rel=0.3), "waves and memory take a part"
    errors = {name: each["median"] for name, each in said["errors"].items()}
    assert errors["fitted"] <= errors["left_out"] < 0.05 < errors["before"]
    own = device_named("mine")
    assert own.kernels is not None
    assert own.kernels.products.launch_seconds == launch
    assert own.kernels.dtypes == ("float16", "bfloat16")
    assert said["path"] == str(device_file.place_of("mine"))


def test_predictions_use_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(times(tmp_path, launch=200e-6), "--name", "mine") == 0
    shown = capsys.readouterr().out
    assert "error of the rows" in shown
    assert "left out one by one" in shown
    assert "nncost predict 784-512-512-10 --on mine --dtype float16" in shown
    assert max(len(line) for line in shown.splitlines() if not line.startswith("Kept")) <= 80
    own, like = (nncost.predict("16-16", on=name, dtype="float16", loss="none") for name in ("mine", "a100"))
    assert own.seconds["step"].value > 5 * like.seconds["step"].value
    assert "timed products of" in own.device["efficiency"]["source"]
    assert run(["devices"]) == 0
    assert "\nmine " in capsys.readouterr().out
    other = constants_of(device_named("mine"), "bfloat16")
    assert other is not None
    assert other.products.launch_seconds > 100e-6, "one 16-bit type stands for the other"


def test_a_device_keeps_its_name_and_is_fitted_again(tmp_path: Path) -> None:
    for launch in (20e-6, 90e-6):
        assert fit(times(tmp_path, launch)) == 0
    own = device_named("a100-sxm-80gb")
    assert own.kernels is not None
    assert own.kernels.products.launch_seconds == pytest.approx(90e-6, rel=0.3)
    assert nncost.predict("16-16", on="a100", dtype="bfloat16").device["name"] == "a100"


BINARY = b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)) * 4
ROWS = [f"{16 * (number + 1)},64,64,float16,0.001" for number in range(12)]


def with_row(row: str, header: str = HEADER) -> str:
    return "\n".join([header, *ROWS[:3], row, *ROWS[3:]]) + "\n"


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        ("", "line 1: the header has no column m"),
        ("\n\n\n", "line 1: the header has no column m"),
        (HEADER + "\n", "holds 0 timed products; a fit of seven constants needs 8 or more"),
        ("\n".join([HEADER, *ROWS[:7]]), "holds 7 timed products"),
        (with_row("1,2,3,float16,1", "m,k,n,dtype"), "line 1: the header has no column seconds"),
        (with_row("1,2,3,float16,1", HEADER + ",colour"), "line 1: the header has a column 'colour'"),
        (with_row("1,2,3,float16,1", HEADER + ",m"), "line 1: the header names a column twice"),
        (with_row("1,2,3,float16,-0.1"), "line 5, column seconds: seconds above 0"),
        (with_row("1,2,3,float16,0"), "line 5, column seconds: seconds above 0"),
        (with_row("1,2,3,float16,nan"), "line 5, column seconds: seconds above 0"),
        (with_row("1,2,3,float16,inf"), "line 5, column seconds: seconds above 0"),
        (with_row("1,2,3,float16,1e9"), "line 5, column seconds: seconds above 0"),
        (with_row("1,2,3,float16,soon"), "received 'soon'"),
        (
            with_row("4096,4096,4096,float16,1e-9"),
            "line 5, column seconds: at a100's peak this product takes 0.000441 s",
        ),
        (with_row("0,2,3,float16,1"), "line 5, column m: a whole number from 1 to 10,000,000"),
        (with_row("1,-2,3,float16,1"), "line 5, column k: a whole number"),
        (with_row("1,2,1.5,float16,1"), "line 5, column n: a whole number"),
        (with_row("9" * 5_000 + ",2,3,float16,1"), "line 5, column m: a whole number"),
        (with_row("1,2,3,float17,1"), "line 5, column dtype: a type that a100 has a peak for"),
        (with_row("1,2,3,float8,1"), "line 5, column dtype: a type that a100 has a peak for"),
        (with_row("1,2,3,float16"), "line 5: 4 cells where the header has 5 columns"),
        (with_row('1,2,3,float16,"1'), "line 14: unexpected end of data"),
        (BINARY, "this is not"),
        (with_row("1,2,3,float16,\0"), "line 5: this is not text"),
        (b"\xff\xfe" + HEADER.encode("utf-16-le"), "line 1: this is not UTF-8 text"),
        (b"x" * 4_000_001, "is larger than 4,000,000 bytes"),
    ],
)
def test_a_bad_file_is_one_error_and_nothing_is_written(
    content: str | bytes, fragment: str, tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert fit(path, "--name", "mine", "--json") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"nncost: error: {path}")
    assert fragment in told.err
    assert "Traceback" not in told.err
    assert not list(empty_cache.rglob("*.toml"))


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        assert fit(path) == 2
        assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["fit"], "a fit needs a file of times"),
        (["fit", "times.csv"], "a fit needs the device that was timed"),
        (["fit", "times.csv", "--like", "a1000"], "unknown device 'a1000'"),
        (["fit", "times.csv", "--like", "m1"], "none are known for m1"),
        (["fit", "times.csv", "--like", "a100", "--name", "h100"], "h100 is the device H100 SXM5 80GB"),
        (["fit", "times.csv", "--like", "a100", "--name", "rpi5"], "rpi5 is the device Raspberry Pi 5"),
        (["fit", "times.csv", "--like", "a100", "--name", "this"], "a device's name is small letters"),
        (["fit", "times.csv", "--like", "a100", "--name", "../mine"], "a device's name is small letters"),
        (["fit", "times.csv", "--like", "a100", "--name", "x" * 61], "a device's name is small letters"),
        (["--like", "a100"], "--like belongs to a fit"),
        (["h100", "--name", "mine"], "--name belongs to a fit"),
        (["h100", "a100"], "devices takes one name"),
    ],
)
def test_what_does_not_fit_is_said(
    arguments: list[str], fragment: str, tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(times(tmp_path))
    assert run(["devices", *(path if each == "times.csv" else each for each in arguments)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("nncost: error: ")
    assert fragment in said
    assert not list(empty_cache.rglob("*.toml"))


def test_a_file_written_by_hand_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = device_file.place_of("mine")
    own = tmp_path / "cache" / "devices"
    assert fit(times(tmp_path), "--name", "other") == 0
    text = "# My own notes.\n" + (own / "other.toml").read_text().replace('"other"', '"abacus"')
    (own / "other.toml").unlink()
    place.write_text(text)
    assert fit(times(tmp_path), "--name", "mine") == 2
    assert "mine.toml was not written by a fit" in capsys.readouterr().err
    assert place.read_text() == text


def test_a_folder_that_cannot_be_written(tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty_cache.mkdir()
    (empty_cache / "devices").write_text("a file in the folder's place")
    assert fit(times(tmp_path), "--name", "mine") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_constants_that_a_file_lacks_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(times(tmp_path), "--name", "mine") == 0
    place = device_file.place_of("mine")
    text = place.read_text()
    for wrong, fragment in (
        (text.replace("units = 108\n", ""), "kernels.units: field required"),
        (text.replace("units = 108\n", "units = -1\n"), "kernels.units: input should be greater than 0"),
        (text.replace("4096 = ", "4097 = "), "kernels.products.tile_shares"),
        (text.partition("[accelerator.kernels.rows.gather]")[0], "rows has norm, activation"),
    ):
        place.write_text(wrong)
        with pytest.raises(SourceError) as raised:
            device_named("mine")
        assert fragment in str(raised.value)
        assert str(place) in str(raised.value)


def test_odd_names_of_files_are_written_as_text(tmp_path: Path) -> None:
    odd = tmp_path / 'ti"me\\s\x7f\té.csv'
    odd.write_text(times(tmp_path).read_text())
    assert fit(odd, "--name", "mine") == 0
    assert "timed products of" in str(device_named("mine").note)
