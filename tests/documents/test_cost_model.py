"""The cost model and the tests are complete in each other, and generated tables are current."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from nncost.counting.conventions import CONVENTIONS
from nncost.counting.quantities import ALL
from nncost.frontends.spec.kinds import layer_table
from nncost.ir.library.activations import ACTIVATIONS
from nncost.ir.scalars import SCALARS
from nncost.ir.training.losses import LOSSES
from nncost.ir.training.optimizers import OPTIMIZERS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "cost-model.md").read_text()
NAMED = set(re.findall(r"`(test_\w+)`", TEXT))


def defined_tests() -> set[str]:
    files = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in files for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}


def test_tables_are_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_every_named_test_exists() -> None:
    assert NAMED - defined_tests() == set()


def test_every_sentence_names_a_test() -> None:
    body = re.sub(r"<!-- table: \w+ -->.*?<!-- end -->", "", TEXT, flags=re.DOTALL)
    bullets = re.findall(r"^- (.*?)(?=^- |^\S|\Z|^$)", body, re.MULTILINE | re.DOTALL)
    assert len(bullets) > 20
    for bullet in bullets:
        assert "test_" in bullet, f"no test behind: {bullet}"


def test_everything_counted_is_in_the_document() -> None:
    words = {*re.findall(r"[a-z_]+[0-9]?", TEXT), *re.findall(r"`([\w-]+)`", TEXT)}
    layers = set(layer_table()) - {"flatten"}
    for names in (ALL, SCALARS, ACTIVATIONS, LOSSES, OPTIMIZERS, CONVENTIONS, layers):
        assert set(names) - words - {"none"} == set()
