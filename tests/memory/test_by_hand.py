"""Peaks worked out by hand, in numbers of 4 bytes each."""

from __future__ import annotations

import pytest

import nncost
from tests.symbols.test_graphs import tied_autoencoder


def floats(amount: object) -> int:
    assert isinstance(amount, int)
    assert amount % 4 == 0
    return amount // 4


def test_the_textbook_network() -> None:
    memory = nncost.count("784-16-16-10").memory
    assert (memory.parameters, memory.gradients, memory.optimizer_state) == (52_008, 52_008, 0)
    assert memory.inputs == 4 * (784 + 10)
    assert memory.resident == 52_008 + 3_176
    # A sigmoid's output is kept, what goes into it is freed: 16 + 16 + 10 stay, 10 more are there at the end.
    assert floats(memory.activations) == 16 + 16 + 10
    assert floats(memory.forward_allocated) == 16 + 16 + 10 + 10
    # When the first layer's weight gradient is made: all 13,002 derivatives, the loss, the 16 gradients of its sums.
    assert floats(memory.step_allocated) == 13_002 + 1 + 16
    assert memory.step_peak == memory.resident + 4 * 13_019
    assert (memory.step_peak_at, memory.step_peak_phase) == ("dense.1", "backward")
    assert memory.workspace == 0
    assert memory.exact


def test_a_large_batch_moves_the_peak_to_the_activations() -> None:
    memory = nncost.count("784-16-16-10", batch=64).memory
    assert floats(memory.activations) == 64 * 42
    assert floats(memory.forward_allocated) == 64 * 52
    # dense.1: 13,002 + 1 + 64·16 = 14,027. dense.2, its input gradient made and its weight gradient too:
    # 170 + 272 + 1, and 64·(16 activations + 16 gradients there + 16 behind) = 3,515.
    assert floats(memory.step_allocated) == 13_002 + 1 + 64 * 16


def test_thirty_thirty_thirty() -> None:
    memory = nncost.count("30-30-30").memory
    assert memory.resident == 4 * (1_860 + 60)
    assert floats(memory.forward_allocated) == 30 + 30 + 30
    assert floats(memory.step_allocated) == 1_860 + 1 + 30


def test_inference_frees_each_value_after_its_last_use() -> None:
    memory = nncost.count("784-16-16-10", loss="none").memory
    assert memory.resident == 52_008 + 4 * 784
    assert floats(memory.forward_allocated) == 16 + 16
    assert memory.step_peak == memory.forward_peak
    assert (memory.activations, memory.gradients, memory.step_peak_at) == (0, 0, "dense.1")


@pytest.mark.parametrize(("optimizer", "states"), [("sgd", 0), ("momentum", 1), ("adam", 2), ("adamw", 2), ("lion", 1)])
def test_states_are_there_before_the_step(optimizer: str, states: int) -> None:
    memory = nncost.count("784-16-16-10", optimizer=optimizer).memory
    assert memory.optimizer_state == states * 52_008
    assert memory.resident == (1 + states) * 52_008 + 3_176
    assert floats(memory.step_allocated) == 13_019  # The update writes over parameters and states.


def test_frozen_layers_have_neither_gradients_nor_states() -> None:
    memory = nncost.count("784-16-16-10", freeze="dense.1", optimizer="adam").memory
    trained = 272 + 170
    assert (floats(memory.gradients), floats(memory.optimizer_state)) == (trained, 2 * trained)


def test_later_micro_batches_find_the_gradients_of_earlier_ones() -> None:
    memory = nncost.count("784-16-16-10", accumulate=4).memory
    # All 13,002 are there; the fresh 12,544 are added and freed; loss and gradients of the sums as before.
    assert floats(memory.step_allocated) == 13_002 + 12_544 + 1 + 16
    assert floats(memory.forward_allocated) == 13_002 + 52
    assert floats(memory.activations) == 42
    assert memory.gradients == 52_008


def test_a_residual_keeps_what_the_skip_needs() -> None:
    memory = nncost.count("8, dense 4, residual[dense 4], dense 1", loss="none").memory
    # x1 = 4; the branch 4; their sum 4: all three at once while it is added.
    assert floats(memory.forward_allocated) == 4 + 4 + 4
    memory = nncost.count("8, dense 4, residual[dense 4], dense 1").memory
    assert floats(memory.activations) == 4 + 4 + 1  # Inputs of two weight gradients, and what the loss reads.


def test_padding_of_a_convolution_takes_nothing() -> None:
    bare = nncost.count("1x4x4, conv 2 3x3 pad=1", loss="none").memory
    assert floats(bare.forward_allocated) == 2 * 4 * 4
    assert floats(nncost.count("1x4x4, conv 2 3x3", loss="none").memory.forward_allocated) == 2 * 2 * 2


def test_shared_parameters_have_one_gradient() -> None:
    memory = nncost.count(tied_autoencoder(2, 8, 3), loss="squared_error").memory
    assert floats(memory.parameters) == floats(memory.gradients) == 8 * 3 + 3
    assert floats(memory.inputs) == 2 * 8 + 2 * 8
    # Both gradients of the tied weight are there while they are added, and the sum.
    assert floats(memory.step_allocated) >= 3 * 24


def test_dropout_keeps_its_mask() -> None:
    memory = nncost.count("8, dense 4, dropout 0.5", batch=3).memory
    assert floats(memory.activations) == 3 * (4 + 4)  # The mask, and the output for the loss.
    assert floats(memory.forward_allocated) == 3 * (4 + 4 + 4)
    assert nncost.count("8, dense 4, dropout 0.5", batch=3, loss="none").memory.forward_allocated == 3 * 4 * 4


def test_running_averages_are_written_over() -> None:
    memory = nncost.count("4, batchnorm", batch=5).memory
    assert floats(memory.buffers) == 2 * 4
    # Output and normalised input: the averages take no new memory. No gradient is asked for behind the first
    # layer; where one is, the deviation of each channel is kept too.
    assert floats(memory.forward_allocated) == 5 * 4 + 5 * 4
    assert floats(nncost.count("2, dense 4, batchnorm", batch=5).memory.activations) == 5 * 4 + 5 * 4 + 4


def test_bytes_follow_the_type() -> None:
    single, half = (nncost.count("784-16-16-10", dtype=name).memory for name in ("float32", "float16"))
    assert half.step_allocated * 2 == single.step_allocated
    assert half.resident * 2 == single.resident


def test_every_gradient_has_memory_of_its_own() -> None:
    """Two biases added to the same sum have the same gradient, stored twice."""
    from nncost.ir.builder import Builder

    b = Builder()
    x = b.input((5,), name="x")
    with b.layer("add"):
        y = b.map("add", b.map("add", x, b.parameter((5,), "bias", "one")), b.parameter((5,), "bias", "two"))
    memory = nncost.count(b.graph(y), loss="squared_error").memory
    assert floats(memory.gradients) == 10
    assert floats(memory.step_allocated) >= 10 + 1


def test_the_timeline_adds_up() -> None:
    report = nncost.count("784-16:relu-16:relu-10", batch=32, optimizer="adam")
    memory, live = report.memory, report.memory.resident
    for row in memory.timeline:
        live += row.allocated - row.freed
        assert row.live == live
        assert row.peak >= live
    assert max(row.peak for row in memory.timeline) == memory.step_peak
    assert live == memory.resident + memory.gradients + 4  # The loss is the caller's.


def test_unknown_operations_are_named() -> None:
    from nncost.ir import ops
    from nncost.ir.builder import Builder

    b = Builder()
    x = b.input((5,), name="x")
    report = nncost.count(b.graph(b.emit(ops.Opaque("Strange", (((7,), "float32"),)), x)))
    assert not report.memory.exact
    assert "unknown" in report.memory.notes[0]
    assert floats(report.memory.forward_allocated) == 7
