"""The definitions of the cost model, each worked by hand."""

from __future__ import annotations

import pytest

import nncost
from nncost.counting.ledger import count_graph
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.library.dense import dense


def test_textbook_network() -> None:
    report = nncost.count("784-16-16-10")
    assert (report.parameters.total, report.parameters.weights, report.parameters.biases) == (13_002, 12_960, 42)
    assert (report.forward.mul, report.forward.add, report.forward.macs) == (12_960, 12_960, 12_960)
    # 12,960 weight gradients, 416 = 16·16 + 10·16 input gradients, 84 = 2·42 for the sigmoids.
    assert report.backward.mul == 12_960 + 416 + 84
    # Input gradients sum 16 and 10 terms: 16·15 + 16·9; one subtraction 1−s for each sigmoid.
    assert report.backward.add == 240 + 144 + 42
    assert (report.update.mul, report.update.add) == (13_002, 13_002)


def test_activations_are_outputs_of_activation_layers() -> None:
    assert nncost.count("784-16-16-10", batch=3).forward.activations == 3 * 42
    assert nncost.count("5x4, lstm 3").forward.activations == 5 * 5 * 3
    assert nncost.count("5x4, gru 3").forward.activations == 5 * 3 * 3
    assert nncost.count("5x4, rnn 3").forward.activations == 5 * 3
    assert nncost.count("5x4, dense 3, softmax").forward.activations == 15
    assert nncost.count("5x4, attention heads=2, layernorm").forward.activations == 0
    assert nncost.count("784-16-16-10").backward.activations == 0


def test_neurons() -> None:
    assert nncost.count("784-16-16-10", batch=7).neurons == 42
    assert nncost.count("3x32x32, conv 16 3x3 pad=1, flatten, dense 10").neurons == 16 * 32 * 32 + 10
    assert nncost.count("5x4, lstm 3 bidirectional layers=2").neurons == 2 * 2 * 3
    assert nncost.count("5, [dense 4]*3").neurons == 12


@pytest.mark.parametrize("batch", [1, 16])
def test_derivatives_are_one_per_trained_parameter(batch: int) -> None:
    assert nncost.count("784-16-16-10", batch=batch).backward.derivatives == 13_002
    assert nncost.count("784-16-16-10", batch=batch, freeze=["dense.1"]).backward.derivatives == 13_002 - 12_560


def test_traffic_of_a_dense_layer() -> None:
    report = nncost.count("784-16", activation="none", loss="none", batch=2)
    assert report.forward.read_bytes == 4 * (2 * 784 + 784 * 16 + 16)
    assert report.forward.write_bytes == 4 * 2 * 16
    half = nncost.count("784-16", activation="none", loss="none", batch=2, dtype="float16")
    assert half.forward.read_bytes * 2 == report.forward.read_bytes


def test_gather_reads_the_rows_it_uses() -> None:
    report = nncost.count("3, embedding 1000 8", loss="none")
    assert report.forward.read_bytes == 4 * 3 * 8 + 8 * 3  # three rows and three int64 indices
    assert report.forward.write_bytes == 4 * 3 * 8


def test_kernels_of_a_convolution_gradient() -> None:
    """Input, weight and bias gradients are three kernels, each reading the output gradient."""
    report = nncost.count("2x5x5, conv 3 1, conv 4 3 pad=1", loss="squared_error")
    row = next(row for row in report.rows if row.path == "conv.2" and row.phase == "backward")
    output, weight, image = 4 * 25, 4 * 3 * 9, 3 * 25
    assert row.counts["read_bytes"] == 4 * (output + (output + image) + (output + weight))
    assert row.counts["write_bytes"] == 4 * (4 + weight + image)


def test_batch_norm_writes_its_running_averages() -> None:
    report = nncost.count("4x3x3, batchnorm", loss="squared_error", batch=2)
    row = next(row for row in report.rows if row.op == "batchnorm" and row.phase == "forward")
    # The output, the normalised values that backward reads, and both averages of four channels.
    assert row.counts["write_bytes"] == 4 * (72 + 72 + 4 + 4)


def test_unknown_makes_the_total_incomplete() -> None:
    b = Builder()
    x = b.input((2, 3))
    y = b.emit(ops.Opaque("mystery", (((2, 3), "float32"),)), x)
    report = nncost.count(b.graph(b.map("relu", y)))
    assert not report.complete
    assert report.to_dict()["unknown"] == [{"path": "", "op": "mystery", "phase": "forward"}]
    trained = nncost.count("3-2")
    assert trained.complete


def test_parameter_roles() -> None:
    report = nncost.count("3x8x8, conv 4 3x3, batchnorm, flatten, dense 5")
    assert report.parameters.weights == 4 * 27 + 4 + 4 * 36 * 5
    assert report.parameters.biases == 4 + 4 + 5
    assert report.parameters.buffers == 8
    assert report.parameters.total == report.parameters.weights + report.parameters.biases
    assert nncost.count("4, embedding 10 3").parameters.weights == 30


def test_tied_parameter_counts_once() -> None:
    b = Builder()
    x = b.input((1, 4))
    with b.layer("dense"):
        weight = b.parameter((4, 4), "weight", "weight")
        y = dense(b, dense(b, x, weight), weight)
    report = nncost.count(b.graph(y), loss="sum", optimizer="sgd")
    assert report.parameters.total == 16
    assert report.update.mul == 16
    # Two uses: two weight gradients, one input gradient, and one addition of the two for each weight.
    assert report.backward.mul == 3 * 16
    assert report.backward.add == 16 + 4 * 3


def test_constants_fold() -> None:
    b = Builder()
    x = b.input((3,))
    table = b.emit(ops.Constant("iota", (3,), "float32"))
    scaled = b.map("mul", b.map("add", table, 1.0), 2.0)
    ledger = count_graph(b.graph(b.map("mul", x, scaled)))
    assert ledger.amount("mul") == 3
    assert ledger.amount("add") == 0


@pytest.mark.parametrize(
    ("repeated", "written"),
    [
        ("5, dense 4, [dense 4, relu]*3, dense 2", "5, dense 4, dense 4, relu, dense 4, relu, dense 4, relu, dense 2"),
        ("4, [dense 4, relu]*3", "4, dense 4, relu, dense 4, relu, dense 4, relu"),
        ("5, [dense 4, relu]*3", "5, dense 4, relu, dense 4, relu, dense 4, relu"),
        ("784-16*3-10", "784-16-16-16-10"),
        ("2x4, [residual[lstm 4]]*3", "2x4, residual[lstm 4], residual[lstm 4], residual[lstm 4]"),
    ],
)
def test_repeat_equals_written_out(repeated: str, written: str) -> None:
    left, right = nncost.count(repeated, batch=3), nncost.count(written, batch=3)
    assert left.parameters == right.parameters
    assert left.neurons == right.neurons
    for phase in left.totals:
        assert dict(left.totals[phase]) == dict(right.totals[phase]), phase


def test_batch_norm_in_inference() -> None:
    totals = nncost.count("4x3x3, batchnorm", loss="none", batch=2).forward
    assert dict(mul=totals.mul, add=totals.add, sqrt=totals.sqrt, div=totals.div) == dict(
        mul=2 * 4 + 2 * 36, add=2 * 4 + 2 * 36, sqrt=4, div=4
    )
    assert nncost.count("4, dropout 0.5", loss="none").forward.mul == 0


def test_dropout_in_training() -> None:
    report = nncost.count("4, dense 10, dropout 0.5")
    forward = [row.counts for row in report.rows if row.op == "dropout" and row.phase == "forward"]
    backward = [row.counts for row in report.rows if row.op == "dropout" and row.phase == "backward"]
    assert (forward[0]["random"], forward[0]["cmp"], forward[0]["mul"], backward[0]["mul"]) == (10, 10, 20, 20)


def test_run_with_a_partial_batch() -> None:
    report = nncost.count("5-4-3", batch=32, examples=100, epochs=2)
    full, rest = nncost.count("5-4-3", batch=32), nncost.count("5-4-3", batch=4)
    assert report.run is not None
    assert report.run.steps == 8
    for phase in ("forward", "loss", "backward", "update"):
        for name in ("mul", "add", "div", "activations"):
            expected = 2 * (3 * full.totals[phase][name] + rest.totals[phase][name])
            assert report.run.totals[phase][name] == expected, (phase, name)


def test_accumulated_step() -> None:
    one, three = nncost.count("5-4-3", batch=8), nncost.count("5-4-3", batch=8, accumulate=3)
    assert three.forward.mul == 3 * one.forward.mul
    assert three.backward.mul == 3 * one.backward.mul
    assert three.backward.add == 3 * one.backward.add + 2 * one.parameters.total
    assert dict(three.update) == dict(one.update)


def test_a_symbol_may_be_used_by_the_run_alone() -> None:
    report = nncost.count("5-4-3", batch="B", examples="N", symbols={"B": 4, "N": 12})
    assert report.run is not None
    assert report.run.steps == 3
    open_run = nncost.count("5-4-3", batch="B", examples="N").run
    assert open_run is not None
    assert str(open_run.steps) == "N/B"
    assert open_run.assumes == "B divides N"


def test_conventions() -> None:
    report = nncost.count("784-16-16-10", convention="torch")
    assert report.settings["convention"] == "torch"
    assert report.forward.flops == 25_920
    assert report.forward.mul == 12_960
    assert nncost.count("784-16-16-10").forward.flops == 12_960 + 12_960 + 42


@pytest.mark.parametrize(
    "spec", ["784-16-16-10", "3x8x8, conv 4 3x3 pad=1, relu, flatten, dense 5", "6x8, attention heads=2"]
)
def test_torch_convention_equals_torch(spec: str) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    nn = torch.nn
    network, shape = {
        "784-16-16-10": (
            nn.Sequential(nn.Linear(784, 16), nn.Sigmoid(), nn.Linear(16, 16), nn.Sigmoid(), nn.Linear(16, 10)),
            (2, 784),
        ),
        "3x8x8, conv 4 3x3 pad=1, relu, flatten, dense 5": (
            nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5)),
            (2, 3, 8, 8),
        ),
        "6x8, attention heads=2": (nn.MultiheadAttention(8, 2, batch_first=True), (2, 6, 8)),
    }[spec]
    x = torch.randn(shape)
    with FlopCounterMode(display=False) as counter:
        network(x, x, x) if "attention" in spec else network(x)
    assert nncost.count(spec, batch=2, convention="torch", loss="none").forward.flops == counter.get_total_flops()


def test_rows_of_a_layer_are_one_and_show_their_inside() -> None:
    report = nncost.count("4x6, layernorm, attention heads=2", loss="none")
    paths = [row.path for row in report.rows]
    assert paths == [
        "layernorm.1", "attention.1.query", "attention.1.key", "attention.1.value", "attention.1", "attention.1.output",
    ]  # fmt: skip
    core = report.rows[4]
    assert set(core.inside) == {"attention", "softmax"}
    for name, amount in core.counts.items():
        assert amount == sum(counts.get(name, 0) for counts in core.inside.values())
    assert report.rows[0].parameters == 12
    assert report.rows[0].counts["mul"] == 3 * 24
