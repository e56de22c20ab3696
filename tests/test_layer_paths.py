"""Layers named together are exactly those that were given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncost.layer_paths import ranged, together

NUMBERS = st.integers(0, 6)
PATHS = st.lists(
    st.one_of(
        st.builds("layers.{}".format, NUMBERS),
        st.builds("blocks.{}.layers.{}.fc".format, NUMBERS, st.integers(0, 2)),
        st.builds("{}.{}.{}".format, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
        st.sampled_from(["", "head", "layer1", "x.01", "x.1", "a-b"]),
    ),
    max_size=40,
)


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (["head"], "head"),
        (["layers.0", "layers.1"], "layers.0-1"),
        ([f"model.layers.{i}.mlp" for i in range(32)], "model.layers.0-31.mlp"),
        ([f"layers.{i}" for i in (0, 2, 4)], "layers.0, 2, 4"),
        ([f"layers.{i}" for i in (0, 1, 3, 5, 6)], "layers.0-1, 3, 5-6"),
        ([f"layers.{i}" for i in range(0, 32, 2)], "layers.0, 2, …, 30"),
        ([f"b.{i}.l.{j}" for i in range(4) for j in range(2)], "b.0-3.l.0-1"),
        ([f"b.{i}.l.{j}" for i in range(3) for j in range(2 + (i == 2))], "b.0-1.l.0-1, b.2.l.0-2"),
        (["encoder.0", "decoder.0", "encoder.1"], "encoder.0-1, decoder.0"),
        (["0", "2", "3"], "0, 2-3"),
        (["x.01", "x.1"], "x.01, x.1"),
        (["layers.10", "layers.9"], "layers.9-10"),
        (["a.0", "a.0"], "a.0"),
        ([], ""),
    ],
)
def test_names(paths: list[str], name: str) -> None:
    assert ranged(paths) == name


@given(PATHS)
def test_every_layer_is_named_once(paths: list[str]) -> None:
    members = [path for _, group in together(paths) for path in group]
    assert len(members) == len(set(members))
    assert set(members) == set(paths)
    assert ranged(paths) == ", ".join(name for name, _ in together(paths))


def read_back(name: str) -> set[str]:
    """The paths that a name without an ellipsis means, by the rules that the notation is explained with."""
    found = [""]
    for part in name.split("."):
        numbers = []
        for piece in part.split(", "):
            first, _, last = piece.partition("-")
            whole = piece.isdigit() or (first.isdigit() and last.isdigit())
            numbers += [str(i) for i in range(int(first), int(last or first) + 1)] if whole else [piece]
        found = [f"{path}.{number}" for path in found for number in numbers]
    return {path[1:] for path in found}


@given(PATHS)
def test_a_name_means_its_layers(paths: list[str]) -> None:
    for name, members in together(paths):
        if "…" not in name and ".01" not in name:
            assert read_back(name) == set(members)
