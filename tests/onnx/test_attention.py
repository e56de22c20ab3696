"""Attention: amounts by hand, and random forms against ONNX's own evaluator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

import nncost
from tests.onnx.models import assert_close, evaluated, loaded, make_model, node, saved

B, H, G, T, S, E, V = 2, 4, 2, 3, 5, 6, 8
QKV = {"q": (B, H, T, E), "k": (B, G, S, E), "v": (B, G, S, V)}
SCORES, PRODUCTS = B * H * T * S, B * H * T * S * (E + V)


def totals(folder: Path, inputs: str = "q k v", constants: Any = None, **attributes: Any) -> dict[str, Any]:
    model = make_model([node("Attention", inputs, **attributes)], QKV, constants=constants, opset=24)
    report = nncost.count(saved(model, folder))
    assert report.complete
    return report.totals["forward"]


def test_the_amounts_of_attention(tmp_path: Path) -> None:
    plain = totals(tmp_path)
    assert plain["macs"] == PRODUCTS
    assert plain["mul"] - PRODUCTS == B * H * T * E + B * G * S * E
    assert (plain["exp"], plain["div"], plain["cmp"]) == (SCORES, SCORES, SCORES - B * H * T)
    numbers = totals(tmp_path, "q k v m", {"m": np.ones((T, S))})
    assert numbers["add"] - plain["add"] == SCORES
    assert numbers["cmp"] - plain["cmp"] == 3 * B * H * T
    truth = totals(tmp_path, "q k v m", {"m": np.ones((T, S), dtype=bool)}, is_causal=1)
    assert truth["cmp"] - plain["cmp"] == SCORES + 3 * B * H * T
    capped = totals(tmp_path, softcap=2.0)
    assert [capped[name] - plain.get(name, 0) for name in ("div", "tanh", "mul")] == [SCORES] * 3


@pytest.mark.parametrize(("attributes", "hidden"), [({"is_causal": 1}, 9), ({}, 0)])
def test_masked_products_of_attention(attributes: dict[str, Any], hidden: int, tmp_path: Path) -> None:
    """Of 3 queries over 5 keys, the first sees one key, the next two and three: 9 of 15 scores are hidden."""
    assert totals(tmp_path, **attributes).get("masked_macs", 0) == B * H * hidden * (E + V)


def test_products_that_a_window_hides(tmp_path: Path) -> None:
    """One key on either side: 2, 3 and 3 of 5 keys are seen."""
    made = node("Attention", "q k v", left_window_size=1, right_window_size=1)
    report = nncost.count(saved(make_model([made], QKV, opset=25), tmp_path))
    assert report.totals["forward"]["masked_macs"] == B * H * (15 - 8) * (E + V)


def test_a_cache_is_joined_and_no_parameter(tmp_path: Path) -> None:
    past = {"j": np.ones((B, G, 2, E)), "u": np.ones((B, G, 2, V))}
    made = node("Attention", "q k v - j u", "y p r", is_causal=1)
    graph = loaded(make_model([made], QKV, constants=past, opset=24, outputs=("y", "p", "r")), tmp_path).graph
    assert graph.parameters == ()
    assert [tensor.shape for tensor in graph.outputs] == [(B, H, T, V), (B, G, 7, E), (B, G, 7, V)]


def test_symbolic_lengths(tmp_path: Path) -> None:
    shapes: dict[str, Any] = {"q": (1, 2, "t", 4), "k": (1, 2, "t", 4), "v": (1, 2, "t", 4)}
    report = nncost.count(saved(make_model([node("Attention", "q k v", is_causal=1)], shapes, opset=24), tmp_path))
    amounts = [report.totals["forward"][name] for name in ("macs", "masked_macs")]
    assert [each.subs(dict.fromkeys(each.free_symbols, 5)) for each in amounts] == [2 * 5 * 5 * 8, 2 * 10 * 8]


def test_rotary_positions(tmp_path: Path) -> None:
    """R features of E: 2 mul and 1 add for each; tables are no parameters."""
    tables = {"c": np.ones((B, T, 2)), "s": np.ones((B, T, 2))}
    made = node("RotaryEmbedding", "x c s", rotary_embedding_dim=4)
    report = nncost.count(saved(make_model([made], {"x": (B, H, T, E)}, constants=tables, opset=23), tmp_path))
    amounts = report.totals["forward"]
    assert (amounts["mul"], amounts["add"]) == (2 * B * H * T * 4, B * H * T * 4)
    assert report.parameters.total == 0


def _mask(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Over the last axes of the scores, some of size one, of numbers or of truth values."""
    rank = int(rng.integers(2, 5))
    sizes = [size if rng.random() < 0.6 or axis >= 2 else 1 for axis, size in enumerate(shape)][-rank:]
    if rng.random() < 0.5:
        return rng.random(sizes) < 0.7
    return np.where(rng.random(sizes) < 0.8, rng.normal(size=sizes), -np.inf).astype(np.float32)


@pytest.mark.parametrize("seed", range(60))
def test_random_attention(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    batch, groups, shared, length, source, width, wide, past = (int(n) for n in rng.integers(1, 5, 8))
    heads, cached, attributes = groups * shared, rng.random() < 0.3, dict[str, Any]()
    flat = rng.random() < 0.3
    shapes: dict[str, tuple[int, ...]] = {
        "q": (batch, heads, length, width), "k": (batch, groups, source, width), "v": (batch, groups, source, wide),
    }  # fmt: skip
    if flat:
        attributes |= {"q_num_heads": heads, "kv_num_heads": groups}
        shapes = {name: (batch, s[2], s[1] * s[3]) for name, s in shapes.items()}
    if cached:
        shapes |= {"j": (batch, groups, past, width), "u": (batch, groups, past, wide)}
    for name, value in (("is_causal", 1), ("softcap", 0.7), ("scale", 0.4), ("softmax_precision", 11)):
        attributes |= {name: value} if rng.random() < 0.4 else {}
    if (opset := int(rng.choice([23, 24, 25]))) == 25:
        attributes |= {"left_window_size": int(rng.integers(-1, 3)), "right_window_size": int(rng.integers(-1, 3))}
    if attributes.get("is_causal"):
        attributes.pop("right_window_size", None)
    attributes["qk_matmul_output_mode"] = int(rng.integers(0, 4) if "softcap" not in attributes else rng.integers(1, 4))
    feeds = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    total = source + (past if cached else 0)
    if rng.random() < 0.5:
        feeds["m"] = _mask(rng, (batch, heads, length, total))
    if opset > 23 and not cached and rng.random() < 0.5:
        feeds["n"] = rng.integers(0, total + 1, batch)
    names = ["q", "k", "v", *(name if name in feeds else "-" for name in "mjun")]
    made = node("Attention", " ".join(names), "y p r s", **attributes)
    types = {"n": TensorProto.INT64} | ({"m": TensorProto.BOOL} if feeds.get("m", np.zeros(1)).dtype == bool else {})
    given = {name: array.shape for name, array in feeds.items()}
    model = make_model([made], given, opset=opset, outputs=("y", "p", "r", "s"), types=types)
    with np.errstate(all="ignore"):
        expected = evaluated(model, feeds)
    for ours, theirs in zip(nncost.run(saved(model, tmp_path), feeds).values(), expected, strict=True):
        finite = np.isfinite(theirs)
        np.testing.assert_array_equal(np.isfinite(ours), finite)
        assert_close(np.where(finite, ours, 0), np.where(finite, theirs, 0), 1e-5)
