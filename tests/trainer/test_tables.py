"""Tables of every kind are read alike, and whatever is wrong is named with its place."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

import nncost
from nncost.errors import SourceError
from nncost.trainer.dataset import features_of, target_of
from nncost.trainer.tables import Table, read_table
from nncost.trainer.tables.csv_text import MAX_COLUMNS, MAX_LINE

PLAIN = "a,b,y\n1,2,0\n3,4,1\n5,6,0\n"


def written(folder: Path, text: str | bytes, name: str = "t.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def numbers(table: Table) -> list[list[float]]:
    return [list(column.numbers) for column in table.columns if column.numbers is not None]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.rstrip("\n"),
        "\n\n" + PLAIN.replace("\n", "\n\n"),
        "a , b, y\n 1, 2 ,0\n3,4, 1\n5,6,0",
        '"a","b","y"\n"1","2","0"\n3,"4",1\n5,6,0\n',
        "a,b,y\n1e0,2.0,0\n+3,4,1\n5,.6e1,-0\n",
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.encode("utf-16"),
    ],
)
def test_every_way_to_write_a_csv(tmp_path: Path, text: str | bytes) -> None:
    table = read_table(written(tmp_path, text), "y")
    assert [column.name for column in table.columns] == ["a", "b", "y"]
    assert numbers(table) == [[1, 3, 5], [2, 4, 6], [0, 1, 0]]
    assert table.rows == 3


def test_a_table_without_a_header_has_numbers_for_names(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "1,2,cat\n3,4,dog\n"), "2")
    assert [column.name for column in table.columns] == ["0", "1", "2"]
    assert numbers(table) == [[1, 3], [2, 4]]
    assert table.columns[2].texts == ["cat", "dog"]


def test_a_header_of_numbers_is_known_by_the_target(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "1990,2000,y\n1,2,3\n"), "y")
    assert numbers(table) == [[1], [2], [3]]


def test_quoted_cells_hold_delimiters_and_line_breaks(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, 'a,name\n1,"x, ""y""\nz"\n2,b\n'), "name")
    assert table.columns[1].texts == ['x, "y"\nz', "b"]
    broken = read_table(written(tmp_path, 'a,name\n1,"x\nz"\noh,b\n'), "name")
    assert broken.columns[0].odd is not None
    assert broken.columns[0].odd.place == "row 2 (line 4)"


def test_parquet_and_npz_hold_the_same(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"a": [1, 3, 5], "b": [2.0, 4.0, 6.0], "ok": [True, False, True], "y": ["u", "v", "u"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", **{name: np.array(values) for name, values in columns.items()})
    for name in ("t.parquet", "t.npz"):
        table = read_table(str(tmp_path / name), "y")
        assert numbers(table) == [[1, 3, 5], [2, 4, 6], [1, 0, 1]]
        assert [column.is_boolean for column in table.columns] == [False, False, True, False]
        assert list(table.columns[3].texts or ()) == ["u", "v", "u"]


def test_an_array_with_several_numbers_for_each_example_is_several_columns(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "t.npz", x=np.arange(24).reshape(3, 2, 2, 2), y=np.arange(3)[:, None])
    table = read_table(str(tmp_path / "t.npz"), "y")
    assert [column.name for column in table.columns] == [f"x.{i}" for i in range(8)] + ["y"]
    assert numbers(table)[7] == [7, 15, 23]


def refusal(path: str, target: str = "y") -> str:
    with pytest.raises(nncost.NncostError) as raised:
        read_whole(path, target)
    return str(raised.value)


def read_whole(path: str, target: str) -> None:
    table = read_table(path, target)
    target_of(table, target)
    features_of(table, target, ())


CASES = [
    ("", "is empty (0 bytes)"),
    ("\n\n\n", "no line with text"),
    ("a,b,y\n", "has a header but no rows"),
    ("a,b,z\n1,2,3\n", "no column 'y'"),
    ("a,b,a,y\n1,2,3,4\n", "more than one column called a"),
    ("a,b,y\n1,2,0\n3,4\n", "line 3 of"),
    ("a,b,y\n1,2,0\n3,4,1,9\n", "has 4 cells, the first line has 3"),
    ("a,b,y\n1,,0\n3,4,1\n,,1\n", "row 1 (line 2) of"),
    ("a,b,y\n1,,0\n3,4,1\n,,1\n", "In all 3 missing in 2 columns: a, b"),
    ("a,b,y\n1,NaN,0\n3,4,1\n", "the value is missing"),
    ("a,b,y\n1,2,\n3,4,1\n", "row 1 (line 2) of"),
    ("a,b,y\n1,2,\n3,4,1\n", "has no target 'y'; 1 of 2 rows"),
    ("a,b,y\n1,2,x\n3,4,\n", "has no target 'y'"),
    ("a,b,y\n1,red,0\n3,green,1\n", "1 column of text: b"),
    ("a,b,y\n1,2,0\n3,4x,1\n", "row 2 (line 3) of"),
    ("a,b,y\n1,2,0\n3,4x,1\n", "'4x' is not a number (1 such cell)"),
    ("a;b;y\n1,5;2;0\n3,5;4;1\n", "Write decimals with a point"),
    ("a,b,y\n1,1e400,0\n3,4,1\n", "row 1 of"),
    ("a,b,y\n1,-inf,0\n3,4,1\n", "-inf is not a finite number"),
    ("a,b,y\n1,2,1e999\n3,4,1\n", "the target 'y' is not a finite number"),
    ("y\n1\n2\n", "no column beside the target"),
    ('a,b,y\n1,"2,0\n3,4,1\n', "a quote is opened and never closed"),
    ("a,b,y\n1,2\x00,3\n", "zero byte"),
    (b"a,b,y\n1,2,\xff\xfe\n", "is not UTF-8 text (byte 10)"),
    (b"\x1f\x8b\x08abc", "gunzip"),
    (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not UTF-8 text"),
]


@pytest.mark.parametrize(("text", "fragment"), CASES)
def test_what_is_wrong_is_named(tmp_path: Path, text: str | bytes, fragment: str) -> None:
    assert fragment in refusal(written(tmp_path, text))


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    assert "does not exist" in refusal(str(tmp_path / "none.csv"))
    assert "is a folder" in refusal(str(tmp_path))
    assert "is no file" in refusal("/dev/zero")
    assert "a�b.csv does not exist" in refusal("a\0b.csv")
    for name in ("t.parquet", "t.npz"):
        assert f"is called {Path(name).suffix} and is none" in refusal(written(tmp_path, PLAIN, name))


def test_giants_fail_before_they_fill_the_memory(tmp_path: Path) -> None:
    wide = written(tmp_path, ",".join(f"c{i}" for i in range(10**6)) + "\n")
    assert f"more than {MAX_COLUMNS:,}" in refusal(wide) or "is longer than" in refusal(wide)
    few_letters = written(tmp_path, "x" + "," * (MAX_COLUMNS + 5) + "\n")
    assert f"at most {MAX_COLUMNS:,} are read" in refusal(few_letters)
    long_cell = written(tmp_path, "a,y\n" + "1" * 200_000 + ",2\n")
    assert "field larger than field limit" in refusal(long_cell)


def test_a_line_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("wb") as file:
        file.write(b"a,b,y\n")
        file.truncate(200_000_000)  # A hole of zero bytes: two hundred megabytes without a line break.
    assert f"line 2 of {path} is longer than {MAX_LINE:,}" in refusal(str(path))


def test_damaged_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"a": [1.0, None, 3.0], "y": [0, 1, 0]}), tmp_path / "t.parquet")
    assert "row 2 of" in refusal(str(tmp_path / "t.parquet"))
    whole = (tmp_path / "t.parquet").read_bytes()
    for end in (4, 8, len(whole) // 2, len(whole) - 1):
        assert "is damaged or no Parquet file" in refusal(written(tmp_path, whole[:end], "cut.parquet"))
    parquet.write_table(pyarrow.table({"a": [[1], [2]], "y": [0, 1]}), tmp_path / "lists.parquet")
    assert "1 column of text: a" in refusal(str(tmp_path / "lists.parquet"))


class Trap:
    """A pickle that would tell of being run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, ("ran",))


def test_hostile_npz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "t.npz", x=np.array([Trap(), Trap()], dtype=object), y=np.arange(2))
    assert "Python objects" in refusal("t.npz")
    assert not (tmp_path / "ran").exists()
    packed = io.BytesIO()
    np.save(packed, np.zeros((2, 3)))
    claim = packed.getvalue().replace(b"(2, 3), ", b"(2,1e9),").replace(b"(2,1e9)", b"(2,9999)")
    with zipfile.ZipFile(tmp_path / "claims.npz", "w") as archive:
        archive.writestr("x.npy", claim)
    assert "claims" in refusal("claims.npz")
    whole = (tmp_path / "t.npz").read_bytes()
    assert "claims.npz" not in refusal(written(tmp_path, whole[: len(whole) // 2], "cut.npz"))
    np.savez(tmp_path / "ragged.npz", x=np.zeros((3, 2)), y=np.arange(4))
    assert "are not one table: x (3, 2), y (4,)" in refusal("ragged.npz")
    np.savez(tmp_path / "complex.npz", x=np.zeros(3, dtype=complex), y=np.arange(3))
    assert "neither numbers nor text" in refusal("complex.npz")
    np.savez(tmp_path / "scalar.npz", x=np.zeros(()), y=np.zeros(()))
    with pytest.raises(SourceError):
        read_table("scalar.npz", "y")


def test_columns_can_be_left_out(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "id,a,y\nx1,1,0\nx2,2,1\n"), "y")
    assert features_of(table, "y", ("id",)).names == ("a",)
    with pytest.raises(nncost.NncostError, match="no column 'nope'"):
        features_of(table, "y", ("nope",))
    with pytest.raises(nncost.NncostError, match="cannot be left out"):
        features_of(table, "y", ("y",))
