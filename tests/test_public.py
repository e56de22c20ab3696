"""The public surface, and what importing it must not bring along."""

from __future__ import annotations

import subprocess
import sys

import nncost

HEAVY = ("numpy", "sympy", "onnx", "torch", "rich", "jax", "keras")


def test_public_names() -> None:
    assert nncost.__all__ == ["NncostError", "Report", "count", "explain", "formula"]
    for name in nncost.__all__:
        assert getattr(nncost, name) is not None
    assert set(nncost.__all__) <= set(dir(nncost))


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.split())


def test_importing_brings_nothing_heavy() -> None:
    assert loaded_after("import nncost") == set()
    assert loaded_after("from nncost.cli.main import run; run(['--help'])") == set()


def test_counting_numbers_needs_neither_arrays_nor_symbols() -> None:
    assert loaded_after("import nncost; nncost.count('784-16-16-10')") == set()
    assert loaded_after("import nncost; nncost.count('3x32x32, conv 8 3x3, batchnorm, [relu]*3')") == set()
    assert loaded_after("from nncost.cli.main import run; run(['count', '784-16-16-10'])") == set()


def test_symbols_bring_sympy_alone() -> None:
    assert loaded_after("import nncost; nncost.count('784-h-10')") == {"sympy"}
