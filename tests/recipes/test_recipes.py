"""Every recipe of CONTRIBUTING.md is applied to a copy of the package and does what it promises there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes.apply import ROOT, copy_with_recipes, recipes

HERE = Path(__file__).parent
RECIPES = {
    "An activation": ("activation", "activation_is_measured_and_trained"),
    "A spec layer": ("spec_layer",),
    "A loss": ("loss",),
    "An optimizer": ("optimizer",),
    "A type of number": ("dtype",),
    "An ONNX operator": ("onnx_operator",),
    "A PyTorch operator": ("torch_operator",),
    "An output format": ("output_format",),
    "A front end": ("front_end",),
}
"""What ``uses.py`` does with each."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    copy_with_recipes(folder)
    return folder


def python(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "NO_COLOR": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def failures(copy: Path) -> dict[str, str]:
    """Why a use failed, by its name."""
    done = python(copy, str(HERE / "uses.py"), str(ROOT))
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_recipe_is_used() -> None:
    assert recipes() == list(RECIPES)


@pytest.mark.parametrize("use", [use for uses in RECIPES.values() for use in uses])
def test_recipe(use: str, failures: dict[str, str]) -> None:
    assert use not in failures, failures[use]


def test_what_is_added_proves_itself(copy: Path) -> None:
    """The self-counting proof takes the new things up by itself."""
    words = ("squareplus", "layerscale", "absolute_error", "signsgd")
    done = python(copy, "-m", "pytest", "-q", "-rA", "tests/proof/test_selfcount.py", "-k", " or ".join(words))
    assert done.returncode == 0, done.stdout
    for word in words:
        assert re.search(rf"^PASSED .*{word}", done.stdout, re.MULTILINE), word
