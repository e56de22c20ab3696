"""The public surface, and what importing it must not bring along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import nncost

HEAVY = ("numpy", "sympy", "onnx", "torch", "rich", "jax", "keras")


def test_public_names() -> None:
    verbs = [
        "calibrate",
        "count",
        "explain",
        "formula",
        "lowers",
        "measure",
        "plot",
        "predict",
        "run",
        "train",
        "write_report",
    ]
    assert nncost.__all__ == ["Inputs", "NncostError", "Report", *verbs]
    for name in nncost.__all__:
        assert getattr(nncost, name) is not None
    assert set(nncost.__all__) <= set(dir(nncost))


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.split())


def test_importing_brings_nothing_heavy() -> None:
    assert loaded_after("import nncost") == set()
    assert loaded_after("import nncost; nncost.lowers, nncost.Inputs((1, 3))") == set()
    assert loaded_after("from nncost.cli.main import run; run(['--help'])") == set()


def test_counting_numbers_needs_neither_arrays_nor_symbols() -> None:
    assert loaded_after("import nncost; nncost.count('784-16-16-10')") == set()
    assert loaded_after("import nncost; nncost.count('3x32x32, conv 8 3x3, batchnorm, [relu]*3')") == set()
    assert loaded_after("from nncost.cli.main import run; run(['count', '784-16-16-10'])") == set()


def test_symbols_bring_sympy_alone() -> None:
    assert loaded_after("import nncost; nncost.count('784-h-10')") == {"sympy"}


def test_paths_and_strangers_as_sources(tmp_path: Path) -> None:
    path = tmp_path / "net.nncost"
    path.write_text("784-16-16-10")
    assert nncost.count(path).parameters.total == 13_002
    with pytest.raises(nncost.NncostError, match=r"cannot count a builtins\.int"):
        nncost.count(784)
    assert "13,002 parameters" in repr(nncost.count(path))


def test_quantities_by_path() -> None:
    report = nncost.count("784-16-16-10", examples=64, batch=32)
    assert report.quantity("params") == report.quantity("parameters.total") == 13_002
    assert report.quantity("backward.derivatives") == 13_002
    assert report.quantity("run.forward.mul") == report.quantity("run.totals.forward.mul") == 64 * 12_960
    with pytest.raises(nncost.NncostError, match=r"unknown quantity 'forward\.cost'"):
        report.quantity("forward.cost")


@pytest.mark.parametrize(
    ("keywords", "fragment"),
    [
        ({"batch": 1.5}, "batch must be a whole number"),
        ({"batch": "B C"}, "a name such as B"),
        ({"batch": True}, "received True"),
        ({"batch": [1]}, "batch must be"),
        ({"epochs": "3", "examples": 5}, "epochs must be"),
        ({"accumulate": 2.5}, "accumulate must be"),
        ({"examples": -1}, "examples must be"),
        ({"freeze": [3]}, "freeze takes layer paths"),
        ({"freeze": 3}, "freeze takes layer paths"),
        ({"symbols": [1]}, "names with numbers"),
        ({"symbols": {"h": 3.5}}, "the symbol h must be"),
        ({"inputs": 3}, "inputs are shapes"),
        ({"dtype": "int8"}, "Accepted: float32, float64"),
        ({"mode": "evil"}, "Accepted: train, inference"),
    ],
)
def test_keywords_are_checked_at_the_edge(keywords: dict[str, object], fragment: str) -> None:
    with pytest.raises(nncost.NncostError) as raised:
        nncost.count("784-16-10", **keywords)  # type: ignore[arg-type]
    assert fragment in str(raised.value)


def test_keywords_of_other_integer_types() -> None:
    import numpy as np

    assert nncost.count("784-16-10", batch=np.int64(3)).forward.mul == 3 * nncost.count("784-16-10").forward.mul
    assert nncost.count("784-16-10", freeze="dense.1").update.mul == 170


def test_printing_an_explanation_shows_the_text() -> None:
    text = str(nncost.explain("784-16-16-10", "parameters"))
    assert text.startswith("784-16-16-10, worked out")
    assert "12,960 + 42 = 13,002" in text
