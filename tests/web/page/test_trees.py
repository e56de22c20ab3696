"""One translation of formulas: trees have the same values in Python, as Python's source, in JavaScript, and by substitution."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import sympy

import nncost
from nncost.dims import Dim, ceil_divide, ceil_log2, floor_divide, indexed, largest, sum_over, symbol
from nncost.errors import SymbolError
from nncost.notation.tree import evaluate, integer_of, integer_text, python_source, tree_of
from nncost.web.answers.formulas import quantities
from tests.web.page.node import needs_node, run

NAMES = ("a", "b", "c")
EVALUATOR = """
import { evaluate, NoValue } from "./modules/evaluator.js";
const value = (tree, sizes) => {
  const big = Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, Array.isArray(size) ? (k) => BigInt(size[k]) : BigInt(size)]));
  try { return evaluate(tree, big); } catch (error) { if (error instanceof NoValue) return "none"; throw error; }
};
const result = given.map(([tree, sizes]) => value(tree, sizes));
"""


def random_dim(rng: random.Random, depth: int = 4) -> Dim:
    """A random expression of integers, of every kind that amounts have."""
    if depth == 0 or rng.random() < 0.15:
        return symbol(rng.choice(NAMES)) if rng.random() < 0.7 else rng.choice((1, 2, 3, 7, 10**20, -5))
    left, right = random_dim(rng, depth - 1), random_dim(rng, depth - 1)
    match rng.randrange(8):
        case 0 | 1:
            return left + right
        case 2:
            return left * right
        case 3:
            return left - right
        case 4:
            return floor_divide(left, rng.choice((2, 3, 5)))
        case 5:
            return ceil_divide(left, rng.choice((2, 4)))
        case 6:
            return largest([left, right])
    return sympy.sympify(left) ** rng.choice((2, 3))


def by_substitution(dim: Dim, sizes: dict[str, int]) -> int:
    return int(sympy.sympify(dim).subs({symbol(name): size for name, size in sizes.items()}).doit())


def cases(count: int) -> list[tuple[Dim, dict[str, int]]]:
    rng = random.Random(13)
    sizes = [1, 2, 3, 8, 17, 1000, 2**53 + 1, 10**40 + 7]
    return [(random_dim(rng), {name: rng.choice(sizes) for name in NAMES}) for _ in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("node")


def test_random_expressions_in_python() -> None:
    for dim, sizes in cases(400):
        expected = by_substitution(dim, sizes)
        tree = tree_of(dim)
        assert evaluate(tree, sizes) == expected
        assert eval(python_source(tree), {"max": max, **sizes}) == expected
        assert evaluate(as_json(tree), sizes) == expected


def as_json(tree: Any) -> Any:
    """A tree as it comes back from JSON, where tuples are lists."""
    return json.loads(json.dumps(tree))


@needs_node
def test_random_expressions_in_javascript(folder: Path) -> None:
    given = cases(400)
    found = run(EVALUATOR, [[tree_of(dim), {n: str(s) for n, s in sizes.items()}] for dim, sizes in given], folder)
    assert [int(text) for text in found] == [by_substitution(dim, sizes) for dim, sizes in given]


SPECS = [
    ("784-h-h-10", {"h": 16}),
    ("784-h*L-10", {"h": 10**30, "L": 7}),
    ("3xHxW, conv 16 3x3 stride=2 pad=1, relu, maxpool 2, flatten, dense 10", {"H": 17, "W": 30}),
    ("4xN, conv C 3 pad=same stride=1, avgpool 2, flatten, dense 5", {"N": 12, "C": 6}),
    ("Txd, attention heads=2 causal, layernorm", {"T": 9, "d": 8}),
    ("Tx4, lstm h bidirectional last, dense 3", {"T": 6, "h": 5}),
    ("T, embedding V D, [residual[layernorm, dense F, gelu, dense D]]*L, dense V, softmax", {"T": 4, "V": 11, "D": 6, "F": 9, "L": 8}),
]  # fmt: skip


@needs_node
@pytest.mark.parametrize(("spec", "sizes"), SPECS)
def test_formulas_of_reports(spec: str, sizes: dict[str, int], folder: Path) -> None:
    symbolic = nncost.count(spec, batch="B", optimizer="adam")
    numbers = dict(quantities(nncost.count(spec, batch=3, symbols=sizes, optimizer="adam")))
    given = {**sizes, "B": 3}
    trees = {path: tree_of(amount) for path, amount in quantities(symbolic)}
    found = run(EVALUATOR, [[tree, {n: str(s) for n, s in given.items()}] for tree in trees.values()], folder)
    for (path, tree), text in zip(trees.items(), found, strict=True):
        assert int(text) == numbers[path] == evaluate(tree, given), path


@needs_node
def test_families_and_logarithms(folder: Path) -> None:
    h, k, last = "h", symbol("k"), symbol("l")
    total = sum_over(indexed(h, k - 1) * indexed(h, k), k, 1, last)
    sizes = {"h": [784, 16, 16, 10], "l": 3}
    assert evaluate(tree_of(total), sizes) == 12_960
    logarithm = tree_of(ceil_log2(symbol("n")))
    numbers = [1, 2, 3, 4, 5, 1023, 1024, 1025, 2**100, 2**100 + 1]
    expected = [(n - 1).bit_length() for n in numbers]
    assert [evaluate(logarithm, {"n": n}) for n in numbers] == expected
    given = [
        [tree_of(total), {"h": ["784", "16", "16", "10"], "l": "3"}],
        *[[logarithm, {"n": str(n)}] for n in numbers],
    ]
    assert [int(text) for text in run(EVALUATOR, given, folder)] == [12_960, *expected]


@needs_node
def test_quotients_without_remainder_have_no_other_value(folder: Path) -> None:
    tree = tree_of(symbol("d") / sympy.Integer(8))  # type: ignore[operator]
    assert evaluate(tree, {"d": 64}) == 8
    with pytest.raises(SymbolError, match="not a multiple"):
        evaluate(tree, {"d": 65})
    assert run(EVALUATOR, [[tree, {"d": "64"}], [tree, {"d": "65"}]], folder) == ["8", "none"]


def test_digits_of_giants() -> None:
    for number in (0, -7, 10**4_000, -(10**9_001) - 3, 10**12_345):
        assert integer_of(integer_text(number)) == number
    assert integer_text(-(10**4_000)).startswith("-1000")


def test_names_without_a_size_are_told() -> None:
    with pytest.raises(SymbolError, match="no size for 'h'"):
        evaluate(("+", "h", "1"), {})
    with pytest.raises(SymbolError, match="integer expression"):
        tree_of(sympy.sin(symbol("x")))
