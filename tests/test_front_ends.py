"""Front ends: which one reads a source, and those of other packages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

import nncost
from nncost.errors import SourceError
from nncost.frontends import registry
from nncost.frontends.front_end import Covered, FrontEnd, Observable, Runnable
from nncost.frontends.model import LoadOptions, Model
from nncost.ir.builder import Builder


class Guest(FrontEnd):
    """Reads every object of the class Network, and files of its own."""

    kind: ClassVar[str] = "guest"
    endings: ClassVar[tuple[str, ...]] = (".guest",)

    def matches(self, source: object) -> bool:
        return isinstance(source, Network) or super().matches(source)

    def load(self, source: Any, options: LoadOptions) -> Model:
        b = Builder()
        x = b.input((1, 7), name="x")
        return Model(self.kind, str(source), b.graph(b.map("relu", x)), 1, {"x": (1, 7)}, "none", "none")


class Network:
    """Somebody else's model."""


class Unsure(Guest):
    def matches(self, source: object) -> bool:
        raise RuntimeError("no idea")


def broken() -> Any:
    raise ModuleNotFoundError("No module named 'guestlib'")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What the entry points of other packages are."""
    found: list[Any] = []
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: found if group == "nncost.front_ends" else [])
    registry._installed.cache_clear()
    yield found
    registry._installed.cache_clear()


def named(load: Any) -> Any:
    return SimpleNamespace(name="guest", value="guestlib:Guest", load=load)


def test_another_package_brings_a_front_end(installed: list[Any]) -> None:
    installed.append(named(lambda: Guest))
    for source in (Network(), "net.guest"):
        report = nncost.count(source)
        assert (report.source.kind, report.forward.cmp) == ("guest", 7)
    with pytest.raises(SourceError, match="looks like a file of an unknown kind") as raised:
        nncost.count("net.unknown")
    assert ".guest" in str(raised.value)


@pytest.mark.parametrize("load", [broken, lambda: None, lambda: Unsure])
def test_a_broken_one_is_named_and_left_out(installed: list[Any], load: Any) -> None:
    installed += [named(load), named(lambda: Guest)]
    with pytest.warns(UserWarning, match="the front end (guest .guestlib:Guest.|Unsure) (does not load|cannot say)"):
        assert nncost.count(Network()).source.kind == "guest"


def test_entry_points_are_asked_only_where_nothing_built_in_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(group: str) -> Any:
        raise AssertionError(f"asked for {group}")

    monkeypatch.setattr("importlib.metadata.entry_points", asked)
    registry._installed.cache_clear()
    assert nncost.count("784-16-16-10").parameters.total == 13_002
    assert registry.front_end_for("net.onnx").kind == "onnx"


def test_what_each_can() -> None:
    sources = {"spec": "784-10", "onnx": "a.onnx", "weights": "a.npz", "huggingface": "a.json", "torch": "a.py:build"}
    found = {kind: registry.front_end_for(source) for kind, source in sources.items()}
    assert {kind: front_end.kind for kind, front_end in found.items()} == {kind: kind for kind in sources}
    assert [kind for kind, front_end in found.items() if isinstance(front_end, Runnable)] == ["huggingface", "torch"]
    assert [kind for kind, front_end in found.items() if isinstance(front_end, Observable)] == ["huggingface", "torch"]
    assert [kind for kind, front_end in found.items() if isinstance(front_end, Covered)] == ["onnx", "torch"]
    assert [kind for kind, front_end in found.items() if front_end.traced] == ["huggingface", "torch"]


def test_asking_imports_no_framework(tmp_path: Path) -> None:
    code = (
        "import sys; from nncost.frontends import registry; list(registry._all())\n"
        "for source in ('a.onnx', 'a.json', 'a.py:b', 'a.npz', '3-4', '.'): registry.front_end_for(source)\n"
        "assert not {'torch', 'onnx', 'transformers', 'numpy', 'sympy', 'lark'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=tmp_path)
