"""Core operations that no layer of the spec language uses, alone: run, counted, differentiated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch

import nncost
from nncost.counting.ledger import count_graph
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Tensor
from nncost.ir.training.step import training_step
from tests.proof.selfcount import Tally, assert_proven, counted_array

Build = Callable[[Builder, Tensor], Tensor]
SHAPE = (2, 3, 4)


def take_rows(b: Builder, x: Tensor) -> Tensor:
    return b.emit(ops.Gather(1), x, b.emit(ops.Constant("array", (5,), "int64", [0, 2, 2, 1, 0])))


def take_along(b: Builder, x: Tensor) -> Tensor:
    index = b.emit(ops.Constant("array", (2, 2, 4), "int64", np.arange(16).reshape(2, 2, 4) % 3))
    return b.emit(ops.Gather(1, along=True), x, index)


def scatter_rows(b: Builder, x: Tensor) -> Tensor:
    return b.emit(ops.Scatter(1, 6), x, b.emit(ops.Constant("array", (3,), "int64", [4, 0, 4])))


def scatter_along(b: Builder, x: Tensor) -> Tensor:
    index = b.emit(ops.Constant("array", SHAPE, "int64", np.arange(24).reshape(SHAPE) % 5))
    return b.emit(ops.Scatter(2, 7, along=True), x, index)


CASES: dict[str, tuple[Build, Callable[[torch.Tensor], torch.Tensor]]] = {
    "scan sum": (lambda b, x: b.emit(ops.Scan("sum", 1), x), lambda x: x.cumsum(1)),
    "flip": (lambda b, x: b.emit(ops.Flip((0, 2)), x), lambda x: x.flip(0, 2)),
    "stride": (lambda b, x: b.emit(ops.Stride(2, 3), x), lambda x: x[:, :, ::3]),
    "stride short": (lambda b, x: b.emit(ops.Stride(1, 2), x), lambda x: x[:, ::2]),
    "gather": (take_rows, lambda x: x[:, [0, 2, 2, 1, 0]]),
    "gather along": (take_along, lambda x: x.gather(1, torch.arange(16).reshape(2, 2, 4) % 3)),
    "scatter": (scatter_rows, lambda x: torch.zeros(2, 6, 4, dtype=x.dtype).index_add(1, torch.tensor([4, 0, 4]), x)),
    "scatter along": (
        scatter_along,
        lambda x: torch.zeros(2, 3, 7, dtype=x.dtype).scatter_add(2, torch.arange(24).reshape(SHAPE) % 5, x),
    ),
    "reduce prod": (lambda b, x: b.reduce("prod", x, [1]), lambda x: x.prod(1)),
    "reduce max": (lambda b, x: b.reduce("max", x, [2]), lambda x: x.amax(2)),
    "reduce min": (lambda b, x: b.reduce("min", x, [0]), lambda x: x.amin(0)),
    "reduce sum over two axes": (lambda b, x: b.reduce("sum", x, [0, 2]), lambda x: x.sum((0, 2))),
    "arg min": (lambda b, x: b.emit_many(ops.ArgReduce("min", 1), x)[0], lambda x: x.min(1).values),
    "pad and crop": (lambda b, x: b.emit(ops.Pad((0, 1, -1), (2, 0, -1)), x), lambda x: torch.nn.functional.pad(x, (-1, -1, 1, 0, 0, 2))),
    "split and join": (
        lambda b, x: b.emit(ops.Concat(0), *b.emit_many(ops.Split(2, (1, 1, 2)), x)[:2]),
        lambda x: torch.cat(x.split([1, 1, 2], 2)[:2]),
    ),
    "pow": (lambda b, x: b.map("pow", x, 2.5), lambda x: x**2.5),
    "max of two": (lambda b, x: b.map("max", x, 0.5), lambda x: x.clamp(min=0.5)),
    "min of two": (lambda b, x: b.map("min", x, 0.5), lambda x: x.clamp(max=0.5)),
    "sin": (lambda b, x: b.map("sin", x), torch.sin),
    "cos": (lambda b, x: b.map("cos", x), torch.cos),
    "atan": (lambda b, x: b.map("atan", x), torch.atan),
    "atan2": (lambda b, x: b.map("atan2", b.map("square", x), x), lambda x: torch.atan2(x * x, x)),
    "abs": (lambda b, x: b.map("abs", b.map("sub", x, 0.5)), lambda x: (x - 0.5).abs()),
    "sort": (lambda b, x: b.emit_many(ops.Sort(1), x)[0], lambda x: x.sort(1).values),
}  # fmt: skip


def graph_of(build: Build) -> tuple[Graph, Tensor]:
    """The operation on a trainable tensor, so that its gradient is derived too."""
    b = Builder()
    x = b.parameter(SHAPE, "weight", "x")
    return b.graph(build(b, x)), x


@pytest.mark.parametrize("name", [name for name in CASES if name != "sort"])
def test_core_operations(name: str) -> None:
    graph, _ = graph_of(CASES[name][0])
    assert_proven(graph)
    assert_proven(training_step(graph, loss="squared_error", optimizer="sgd").graph)


@pytest.mark.parametrize("name", CASES)
def test_core_operation_values_and_gradients(name: str) -> None:
    build, theirs = CASES[name]
    graph, x = graph_of(build)
    step = training_step(graph, loss="squared_error", optimizer="none")
    rng = np.random.default_rng(0)
    target = next(t for t in step.graph.inputs if t.name == "target")
    feeds = {x: rng.uniform(0.1, 0.9, SHAPE), target: rng.uniform(size=target.shape)}
    values = execute(step.graph, feeds)
    leaf = torch.from_numpy(feeds[x]).requires_grad_()
    output = theirs(leaf)
    torch.nn.functional.mse_loss(output, torch.from_numpy(feeds[target])).backward()
    np.testing.assert_allclose(values[graph.outputs[0]], output.detach().numpy(), rtol=1e-12)
    (gradient,) = step.gradients.values()
    np.testing.assert_allclose(values[gradient], leaf.grad.numpy(), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(("function", "quantity"), [("sum", "add"), ("prod", "mul"), ("max", "cmp")])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scan(function: str, quantity: str, axis: int) -> None:
    b = Builder()
    x = b.input(SHAPE)
    graph = b.graph(b.emit(ops.Scan(function, axis), x))  # type: ignore[arg-type]
    assert_proven(graph)
    assert count_graph(graph).amount(quantity) == 24 - 24 // SHAPE[axis]  # type: ignore[arg-type]
    numbers = np.random.default_rng(0).normal(size=SHAPE)
    theirs = {"sum": np.cumsum, "prod": np.cumprod, "max": np.maximum.accumulate}[function]
    np.testing.assert_allclose(execute(graph, {x: numbers})[graph.outputs[0]], theirs(numbers, axis=axis))


def test_fold_adds_each_tap() -> None:
    b = Builder()
    x = b.input((2, 5, 3))  # Five positions of three taps along one axis of length 7.
    graph = b.graph(b.emit(ops.Fold((1,), (7,), (1,), (1,)), x))
    assert_proven(graph)
    assert count_graph(graph).amount("add") == 30


# -------------------------------------------------------------------- what cannot count itself
def test_sort_is_estimated() -> None:
    b = Builder()
    x = b.input((3, 10))
    graph = b.graph(*b.emit_many(ops.Sort(1), x))
    (row,) = (row for row in count_graph(graph).rows if row.quantity == "cmp")
    assert (row.amount, row.note) == (3 * 10 * 4, "estimated")
    report = nncost.count(graph)
    assert report.forward.cmp == 120
    assert report.estimated == [": sort (cmp)"]
    assert report.complete


@pytest.mark.parametrize(("length", "steps"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1024, 10), (1025, 11)])
def test_sorting_takes_n_times_the_ceiling_of_log_n(length: int, steps: int) -> None:
    b = Builder()
    graph = b.graph(*b.emit_many(ops.Sort(0), b.input((length,))))
    assert count_graph(graph).amount("cmp") == length * steps


def test_algorithm_counts_its_closed_form() -> None:
    """A radix-2 FFT of n complex points: 5·n·log₂n operations; inside a loop it runs as often as the loop."""
    b = Builder()
    x = b.input((8, 2))
    fft = ops.Algorithm("fft", (((8, 2), "float32"),), {"mul": 2 * 8 * 3, "add": 3 * 8 * 3})

    def step(body: Builder, carried: list[Tensor], _: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return [body.emit(fft, carried[0])], []

    (y,), _ = b.repeat(5, [b.emit(fft, x)], step)
    report = nncost.count(b.graph(y))
    assert (report.forward.mul, report.forward.add, report.forward.flops) == (48 * 6, 72 * 6, 120 * 6)
    assert report.complete


def test_an_iterating_algorithm_is_labelled() -> None:
    b = Builder()
    op = ops.Algorithm("svd", (((4,), "float32"),), {"mul": 1000}, note="estimated")
    report = nncost.count(b.graph(b.emit(op, b.input((4, 4)))))
    assert report.estimated == [": svd (mul)"]


def test_opaque_makes_a_report_incomplete() -> None:
    b = Builder()
    x = b.input((2, 3))
    with b.layer("mystery"):
        y = b.emit(ops.Opaque("oracle", (((2, 3), "float32"),)), b.map("exp", x))
    report = nncost.count(b.graph(y))
    assert not report.complete
    assert report.unknown == [{"path": "mystery.1", "op": "oracle", "phase": "forward"}]
    assert report.forward.exp == 6
    assert report.to_dict()["complete"] is False


def test_the_gradient_of_an_opaque_operation_is_unknown_too() -> None:
    b = Builder()
    w = b.parameter((2, 3), "weight", "w")
    graph = b.graph(b.emit(ops.Opaque("oracle", (((2, 3), "float32"),)), b.map("square", w)))
    ledger = count_graph(training_step(graph, loss="squared_error", optimizer="none").graph)
    assert [(u.op, u.phase) for u in ledger.unknown] == [("oracle", "forward"), ("gradient of oracle", "backward")]


INTEGER_CASES: dict[str, Build] = {
    "add": lambda b, x: b.emit(ops.Map("add"), x, x),
    "mul": lambda b, x: b.emit(ops.Map("mul"), x, x),
    "greater": lambda b, x: b.emit(ops.Map("greater"), x, x),
    "clip": lambda b, x: b.emit(ops.Map("clip"), x, x, x),
    "reduce sum": lambda b, x: b.reduce("sum", x, [1]),
    "reduce max": lambda b, x: b.reduce("max", x, [0, 2]),
    "scan": lambda b, x: b.emit(ops.Scan("sum", 2), x),
    "arg max": lambda b, x: b.emit_many(ops.ArgReduce("max", 1), x)[1],
    "scatter": scatter_rows,
    "fold": lambda b, x: b.emit(ops.Fold((1,), (6,), (1,), (1,)), x),
}


@pytest.mark.parametrize("name", INTEGER_CASES)
def test_integer_arithmetic_is_int_ops(name: str) -> None:
    """All that a run on whole numbers records, whatever its kind, is one quantity."""
    b = Builder()
    x = b.input(SHAPE, dtype="int64")
    graph = b.graph(INTEGER_CASES[name](b, x))
    tally = Tally()
    execute(graph, {x: counted_array(np.arange(24).reshape(SHAPE) % 7, tally)}, observe=tally.enter)
    ledger = count_graph(graph)
    assert {row.quantity for row in ledger.rows} - {"read_bytes", "write_bytes"} == {"int_ops"}
    assert ledger.amount("int_ops") == sum(Counter(tally.counts).values()) > 0


def test_quantized_contractions_are_multiplications() -> None:
    b = Builder()
    x, w = b.input((2, 3), dtype="int8"), b.input((4, 3), dtype="int8")
    ledger = count_graph(b.graph(b.contract("bi,oi->bo", x, w)))
    assert (ledger.amount("mul"), ledger.amount("add"), ledger.amount("macs"), ledger.amount("int_ops")) == (
        24,
        16,
        24,
        0,
    )


# -------------------------------------------------------------------- loops
def test_a_carried_constant_is_one_only_before_the_first_iteration() -> None:
    """c ← c² + w from c = 2: a loop squares in every iteration, the first one is no exception."""
    b = Builder()
    w = b.input((3,))
    start = b.emit(ops.Constant("fill", (3,), "float32", 2.0))

    def step(body: Builder, carried: list[Tensor], _: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return [body.map("add", body.map("square", carried[0]), w)], []

    (c,), _ = b.repeat(4, [start], step)
    ledger = count_graph(b.graph(c))
    assert (ledger.amount("mul"), ledger.amount("add")) == (12, 12)


def test_an_invariant_constant_stays_free_inside_a_loop() -> None:
    b = Builder()
    x, two = b.input((3,)), b.emit(ops.Constant("fill", (3,), "float32", 2.0))

    def step(body: Builder, carried: list[Tensor], _: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return [body.map("add", carried[0], body.map("square", two))], []

    (c,), _ = b.repeat(4, [x], step)
    ledger = count_graph(b.graph(c))
    assert (ledger.amount("mul"), ledger.amount("add")) == (0, 12)


@pytest.mark.parametrize("times", [1, 2, 3, 6])
@pytest.mark.parametrize("reverse", [False, True])
def test_loops_in_either_direction(times: int, reverse: bool) -> None:
    """Shared, scanned and carried values, with a gradient through the final state only."""
    b = Builder()
    w, xs = b.parameter((3, 3), "weight", "w"), b.parameter((times, 2, 3), "weight", "xs")
    start = b.emit(ops.Constant("fill", (2, 3), "float32", 0.5))

    def step(body: Builder, carried: list[Tensor], scanned: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        new = body.map("tanh", body.map("add", body.contract("bi,oi->bo", carried[0], w), scanned[0]))
        return [new], [body.map("square", new)]

    (final,), _ = b.repeat(times, [start], step, scanned=[xs], reverse=reverse)
    graph = b.graph(final)
    step_graph = training_step(graph, loss="sum", optimizer="none")
    assert_proven(step_graph.graph)
    rng = np.random.default_rng(1)
    feeds = {w: rng.normal(size=(3, 3)), xs: rng.normal(size=(times, 2, 3))}
    values = execute(step_graph.graph, feeds | {t: np.ones(()) for t in step_graph.graph.inputs})
    tw, txs = torch.from_numpy(feeds[w]).requires_grad_(), torch.from_numpy(feeds[xs]).requires_grad_()
    h = torch.full((2, 3), 0.5, dtype=torch.float64)
    for x in txs.flip(0) if reverse else txs:
        h = torch.tanh(h @ tw.T + x)
    h.sum().backward()
    for parameter, gradient in step_graph.gradients.items():
        theirs = tw if parameter.tensor is w else txs
        np.testing.assert_allclose(values[gradient], theirs.grad.numpy(), rtol=1e-10)


@pytest.mark.parametrize(
    "spec", ["1000x2, dense 2, gru 2 bidirectional last", "1000x2, dense 2, lstm 2 bidirectional, dense 1"]
)
def test_long_loops_stay_loops(spec: str) -> None:
    """Peeling writes two iterations out, not all of them."""
    from nncost.ir.graph import walk
    from nncost.pipeline.count import count_source
    from nncost.pipeline.settings import Settings

    assert len(list(walk(count_source(spec, Settings()).step.graph.items))) < 600
