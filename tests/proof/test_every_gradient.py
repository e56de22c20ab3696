"""Every scalar function and every core operation: a gradient that finite differences confirm, or one listed as unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import get_args

import numpy as np
import pytest

from nncost.counting.ledger import count_graph
from nncost.ir import ops
from nncost.ir.autodiff import differentiate
from nncost.ir.builder import Builder
from nncost.ir.execute import execute
from nncost.ir.graph import Tensor, walk
from nncost.ir.scalars import SCALARS

STEP = 1e-6
SHAPE = (3, 4)
WITHOUT = {"and", "or", "xor", "not", "shift_left", "shift_right"}
"""Functions of bits, whose operands are no real numbers."""


def gradients(build: Callable[..., Tensor], shapes: Sequence[tuple[int, ...]]) -> tuple[Builder, list[Tensor], list]:
    """``Σ build(…)`` differentiated by every operand: the builder with both passes, the operands, their gradients."""
    b = Builder()
    operands = [b.input(shape) for shape in shapes]
    y = build(b, *operands)
    seed = b.emit(ops.Constant("fill", y.shape, "float32", 1.0))
    found, ran = differentiate(b, tuple(b.items), [(y, seed)], dict.fromkeys(operands, ""))
    b.items[: len(ran)] = ran
    return b, [*operands, y], [found.get(operand) for operand in operands]


def assert_differences(build: Callable[..., Tensor], values: Sequence[np.ndarray]) -> None:
    """Each gradient is what the sum of the outputs changes by; one that is absent is zero."""
    b, (*operands, y), found = gradients(build, [value.shape for value in values])
    graph = b.graph(y, *(g for g in found if g is not None))
    feeds = dict(zip(operands, values, strict=True))
    ran = execute(graph, feeds)
    for operand, gradient in zip(operands, found, strict=True):
        ours = np.zeros(operand.shape) if gradient is None else ran[gradient]
        for place in np.ndindex(*operand.shape):
            sides = []
            for step in (STEP, -STEP):
                moved = feeds[operand].copy()
                moved[place] += step
                sides.append(np.sum(execute(graph, {**feeds, operand: moved})[y], dtype=float))
            np.testing.assert_allclose(ours[place], (sides[0] - sides[1]) / (2 * STEP), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", [name for name in SCALARS if name not in WITHOUT])
def test_every_scalar_function(name: str) -> None:
    rng = np.random.default_rng(sum(map(ord, name)))
    count = SCALARS[name].arity
    values = [rng.uniform(0.1, 0.9, SHAPE) for _ in range(count)]
    if name in ("clip", "where_between"):
        values = [rng.uniform(0.0, 1.0, SHAPE), rng.uniform(0.2, 0.4, SHAPE), rng.uniform(0.6, 0.8, SHAPE), *values[3:]]
    if name == "select":
        mask = rng.uniform(size=SHAPE) > 0.5
        condition = ops.Constant("array", SHAPE, "bool", mask)
        assert_differences(lambda b, *x: b.map(name, b.emit(condition), *x), values[1:])
    else:
        assert_differences(lambda b, *x: b.map(name, *x), values)


def _repeat(b: Builder, x: Tensor) -> Tensor:
    (final,), _ = b.repeat(3, [x], lambda body, carried, _: ([body.map("square", carried[0])], []))
    return final


def _index(*places: int) -> ops.Constant:
    return ops.Constant("array", (len(places),), "int64", list(places))


OPERATIONS: Mapping[type, Callable[[Builder, Tensor], Tensor]] = {
    ops.Contract: lambda b, x: b.contract("ij,kj->ik", x, x),
    ops.Map: lambda b, x: b.map("exp", x),
    ops.Reduce: lambda b, x: b.reduce("prod", x, [1]),
    ops.ArgReduce: lambda b, x: b.emit_many(ops.ArgReduce("max", 1), x)[0],
    ops.Scan: lambda b, x: b.emit(ops.Scan("sum", 1), x),
    ops.Window: lambda b, x: b.emit(ops.Window((1,), (2,), (1,), (2,)), x),
    ops.Fold: lambda b, x: b.emit(ops.Fold((0,), (6,), (1,), (1,)), x),
    ops.Reshape: lambda b, x: b.emit(ops.Reshape((4, 3)), x),
    ops.Transpose: lambda b, x: b.transpose(x, (1, 0)),
    ops.Pad: lambda b, x: b.emit(ops.Pad((1, -1), (0, 2)), x),
    ops.Split: lambda b, x: b.emit_many(ops.Split(1, (1, 3)), x)[1],
    ops.Concat: lambda b, x: b.emit(ops.Concat(0), x, x),
    ops.Stride: lambda b, x: b.emit(ops.Stride(1, 3), x),
    ops.Broadcast: lambda b, x: b.broadcast(x, (2, *SHAPE)),
    ops.Flip: lambda b, x: b.emit(ops.Flip((0,)), x),
    ops.Gather: lambda b, x: b.emit(ops.Gather(0), x, b.emit(_index(2, 0, 2))),
    ops.Scatter: lambda b, x: b.emit(ops.Scatter(0, 5), x, b.emit(_index(4, 0, 4))),
    ops.Sort: lambda b, x: b.emit_many(ops.Sort(1), x)[0],
    ops.Random: lambda b, x: b.map("mul", x, b.map("add", 1.0, b.map("mul", 0.0, b.emit(ops.Random(SHAPE))))),
    ops.Cast: lambda b, x: b.emit(ops.Cast("float64"), x),
    ops.Constant: lambda b, x: b.map("mul", x, 2.0),
    ops.Repeat: _repeat,
}
UNKNOWN: Mapping[str, Callable[[Builder, Tensor], Tensor]] = {
    "cumulative prod": lambda b, x: b.emit(ops.Scan("prod", 1), x),
    "cumulative max": lambda b, x: b.emit(ops.Scan("max", 0), x),
    "algorithm": lambda b, x: b.emit(ops.Algorithm("lu", ((SHAPE, "float32"),), {"mul": 3}), x),
    "opaque": lambda b, x: b.emit(ops.Opaque("mystery", ((SHAPE, "float32"),)), x),
    "inside a loop": lambda b, x: b.repeat(
        3, [x], lambda body, carried, _: ([body.emit(ops.Scan("prod", 1), carried[0])], [])
    )[0][0],
}


def test_every_operation_has_an_example() -> None:
    assert {*OPERATIONS, ops.Algorithm, ops.Opaque} == set(get_args(ops.Op))


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind.__name__)
def test_every_operation(kind: type) -> None:
    def weighted(b: Builder, x: Tensor) -> Tensor:
        return b.map("square", OPERATIONS[kind](b, x))  # every output has a gradient of its own

    assert kind in {type(node.op) for node in walk(gradients(weighted, [SHAPE])[0].items)}
    assert_differences(weighted, [np.random.default_rng(1).uniform(0.1, 0.9, SHAPE)])


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_has_no_gradient_is_unknown(name: str) -> None:
    b, (*_, y), found = gradients(UNKNOWN[name], [SHAPE])
    assert found[0] is not None
    assert any(unknown.phase == "backward" for unknown in count_graph(b.graph(y, found[0])).unknown)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "bool"])
def test_whole_numbers_have_no_gradient(dtype: str) -> None:
    def through(b: Builder, x: Tensor) -> Tensor:
        return b.emit(ops.Cast("float32"), b.emit(ops.Cast(dtype), x))

    assert gradients(through, [SHAPE])[2] == [None]
