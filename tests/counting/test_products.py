"""The matrix products that contractions are: their sizes by hand, and together all multiplications of contractions."""

from __future__ import annotations

import pytest

import nncost
from nncost.counting.products import Product
from nncost.dims import add_all
from nncost.report import Report
from tests.layer_examples import EXAMPLES
from tests.onnx.models import LIGHT

BY_HAND: dict[str, dict[tuple[str, str], dict[Product, int]]] = {
    "784-16-10": {
        ("dense.1", "forward"): {Product(5, 784, 16): 1},
        ("dense.2", "backward"): {Product(5, 10, 16): 1, Product(10, 5, 16): 1},
        ("dense.1", "backward"): {Product(16, 5, 784): 1},
    },
    "6x9x8, conv 4 3x2 stride=2 groups=2": {("conv.1", "forward"): {Product(5 * 4 * 4, 3 * 3 * 2, 2, copies=2): 1}},
    "8, embedding 50 16, [attention heads=2]*3": {
        ("repeat.1.attention.1", "forward"): {Product(8, 8, 8, copies=10): 6},
        ("repeat.1.attention.1.query", "forward"): {Product(5 * 8, 16, 16): 3},
    },
    "7x3, lstm 4": {("lstm.1", "forward"): {Product(5 * 7, 3, 16): 1, Product(5, 4, 16): 7}},
}


def products(report: Report, path: str, phase: str) -> dict[Product, int]:
    found: dict[Product, int] = {}
    for row in report.rows:
        if (row.path, row.phase) == (path, phase):
            for runs in row.products.values():
                found |= {each: found.get(each, 0) + times for each, times in runs.items()}
    return found


@pytest.mark.parametrize("spec", BY_HAND)
def test_by_hand(spec: str) -> None:
    report = nncost.count(spec, batch=5)
    for (path, phase), wanted in BY_HAND[spec].items():
        assert products(report, path, phase) == wanted, (path, phase)


def check(report: Report) -> None:
    """All multiplications of contractions are in the products."""
    for row in report.rows:
        inside = row.inside or {row.op: row.counts}
        for name, counts in inside.items():
            runs = row.products.get(name, {})
            assert add_all(each.macs * times for each, times in runs.items()) == counts.get("macs", 0), (row.path, name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_layer(name: str) -> None:
    for example in EXAMPLES[name]:
        check(nncost.count(example, batch=3, loss="sum", optimizer="adam"))


@pytest.mark.parametrize("name", ["light_resnet50", "light_shufflenet"])
def test_files(name: str) -> None:
    check(nncost.count(LIGHT / f"{name}.onnx", loss="sum", optimizer="sgd"))


def test_modules_and_their_blocks() -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    module = torch.nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    report = nncost.count(module, (4, 7, 16), loss="sum", optimizer="adamw")
    check(report)
    last = products(report, "layers.2.linear1", "forward")
    assert last == products(report, "layers.0.linear1", "forward")
    assert [(sorted((each.m, each.n)), each.k, times) for each, times in last.items()] == [([28, 32], 16, 1)]


def test_sizes_that_are_no_numbers_yet() -> None:
    assert not any(row.products for row in nncost.count("784-h-10").rows if row.phase == "update")
    ((path, inside),) = [
        (row.path, row.products) for row in nncost.count("4-3-h").rows if row.products and row.phase == "forward"
    ]
    assert (path, inside) == ("dense.1", {"dense": {Product(1, 4, 3): 1}})
