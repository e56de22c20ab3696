"""onnxruntime's attention with caches in random forms, and the roles and amounts of its fused layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

import nncost
from tests.onnx.models import assert_close, loaded, make_model, node, reference, saved

INTEGERS = {"n": TensorProto.INT32, "t": TensorProto.INT32}
WIDTH = 16


def settings_of(rng: np.random.Generator, heads: int, groups: int) -> dict[str, Any]:
    found: dict[str, Any] = {"num_heads": heads, "kv_num_heads": groups}
    for name, value in (("softcap", 0.7), ("scale", 0.4), ("smooth_softmax", 1)):
        found |= {name: value} if rng.random() < 0.3 else {}
    if rng.random() < 0.4:
        found["local_window_size"] = int(rng.integers(1, 6))
    if rng.random() < 0.5:
        found |= {"do_rotary": 1, "rotary_interleaved": int(rng.integers(0, 2))}
    return found


def random_case(rng: np.random.Generator) -> tuple[list[str], dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any], int]:  # fmt: skip
    """The operands' names, what is fed, the constants, the attributes, and how many positions there are in the end."""
    groups, shared, length = int(rng.integers(1, 3)), int(rng.integers(1, 3)), int(rng.integers(1, 5))
    heads, batch = groups * shared, int(rng.integers(1, 3)) if length == 1 else 1
    attributes = settings_of(rng, heads, groups)
    past = int(rng.integers(1, 5)) if rng.random() < 0.6 else 0
    total, packed = past + length, rng.random() < 0.3
    widths = (
        {"q": (heads + 2 * groups) * WIDTH}
        if packed
        else {"q": heads * WIDTH, "k": groups * WIDTH, "v": groups * WIDTH}
    )
    feeds = {name: rng.normal(size=(batch, length, width)).astype(np.float32) for name, width in widths.items()}
    if past:
        room = length + int(rng.integers(0, 3)) if rng.random() < 0.4 else 0
        feeds |= {name: rng.normal(size=(batch, groups, past + room, WIDTH)).astype(np.float32) for name in "ju"}
    feeds |= {"n": np.full(batch, total - 1, dtype=np.int32), "t": np.array(total, dtype=np.int32)}
    constants: dict[str, np.ndarray] = {}
    if "do_rotary" in attributes:
        constants |= {name: rng.normal(size=(20, WIDTH // 2)) for name in "cs"}
    if rng.random() < 0.3:
        feeds["a"] = rng.normal(size=(1, heads if rng.random() < 0.5 else 1, length, total)).astype(np.float32)
    if "smooth_softmax" not in attributes and rng.random() < 0.4:
        constants["h"] = rng.normal(size=heads)
    given = {**feeds, **constants}
    return [name if name in given else "-" for name in "qkvjuntcs-ah"], feeds, constants, attributes, total


@pytest.mark.parametrize("seed", range(50))
def test_random_group_query_attention(seed: int, tmp_path: Path) -> None:
    names, feeds, constants, attributes, total = random_case(np.random.default_rng(seed))
    made = node("GroupQueryAttention", " ".join(names), "y p r", domain="com.microsoft", **attributes)
    shapes = {name: array.shape for name, array in feeds.items()}
    outputs = ("y", "p", "r")
    model = make_model([made], shapes, constants=constants, outputs=outputs, opset=17, types=INTEGERS)
    ours = list(nncost.run(saved(model, tmp_path), feeds).values())
    theirs = reference(model, feeds)
    assert [each.shape for each in ours] == [each.shape for each in theirs]
    assert_close(ours[0], theirs[0], 1e-4)
    for left, right in zip(ours[1:], theirs[1:], strict=True):
        assert_close(left[:, :, :total], right[:, :, :total], 1e-4)


def decoding(folder: Path, *, lengths: tuple[int, ...] | None = None) -> nncost.Report:
    """One token of 4 heads that share 2, after 7 in the cache."""
    shapes: dict[str, Any] = {"q": (2, 1, 64), "k": (2, 1, 32), "v": (2, 1, 32), "j": (2, 2, 7, 16), "u": (2, 2, 7, 16)}
    shapes |= {"t": ()} | ({"n": (2,)} if lengths is None else {})
    constants = {} if lengths is None else {"n": np.array(lengths, dtype=np.int32)}
    made = node("GroupQueryAttention", "q k v j u n t", domain="com.microsoft", num_heads=4, kv_num_heads=2)
    return nncost.count(saved(make_model([made], shapes, constants=constants, opset=17, types=INTEGERS), folder))


def test_a_cache_is_full_unless_its_lengths_are_known(tmp_path: Path) -> None:
    """8 keys: for each of 2·4 heads 8 scores of 16 features, and as many products with values."""
    report = decoding(tmp_path)
    assert report.totals["forward"]["macs"] == 2 * 4 * 8 * (16 + 16)
    assert report.parameters.total == 0
    assert any("full" in note for note in report.notes)
    known = decoding(tmp_path, lengths=(3, 3))
    assert known.totals["forward"]["macs"] == 2 * 4 * 4 * (16 + 16)
    assert not decoding(tmp_path, lengths=(3, 5)).complete


def test_roles_of_fused_layers(tmp_path: Path) -> None:
    """Tables and scales are weights, shifts biases; a table of rotary positions is neither."""
    shapes = {"x": (2, 3, 8), "z": (2, 3, 8)}
    constants = {name: np.ones(8) for name in "gob"}
    nodes = [node("SkipLayerNormalization", "x z g o b", domain="com.microsoft")]
    graph = loaded(make_model(nodes, shapes, constants=constants, opset=17), tmp_path).graph
    assert [(p.tensor.name, p.role) for p in graph.parameters] == [("b", "bias"), ("o", "bias"), ("g", "weight")]
    projected = {"w": np.ones((8, 24)), "b": np.ones(24)}
    nodes = [node("Attention", "x w b", domain="com.microsoft", num_heads=2)]
    report = nncost.count(saved(make_model(nodes, {"x": (2, 3, 8)}, constants=projected, opset=17), tmp_path))
    assert report.parameters.total == 8 * 24 + 24
    assert report.totals["forward"]["macs"] == 2 * 3 * 8 * 24 + 2 * 2 * 3 * 3 * 8


def test_a_mixture_counts_the_experts_that_are_chosen(tmp_path: Path) -> None:
    """5 rows meet 2 of 3 experts: 8·6 products up and 6·8 down each; all experts are parameters."""
    shapes = {"x": (5, 8), "p": (5, 3)}
    constants = {"a": np.ones((3, 6, 8)), "c": np.ones((3, 6)), "d": np.ones((3, 8, 6)), "e": np.ones((3, 8))}
    made = node("MoE", "x p a c d e", domain="com.microsoft", k=2)
    report = nncost.count(saved(make_model([made], shapes, constants=constants, opset=17), tmp_path))
    amounts = report.totals["forward"]
    assert amounts["macs"] == 5 * 2 * (8 * 6 + 6 * 8)
    assert amounts["mul"] - amounts["macs"] == 5 * 2 * 8
    # The sums of products with their biases, of two experts, and of a softmax over three scores.
    assert amounts["add"] == 5 * 2 * (8 * 6 + 6 * 8) + 5 * 8 + 5 * (3 + 2)
    assert report.parameters.total == 3 * (6 * 8 + 6 + 8 * 6 + 8)
