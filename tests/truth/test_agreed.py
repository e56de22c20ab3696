"""Numbers everyone must agree on, worked by hand: networks of dense layers, their training and whole runs."""

from __future__ import annotations

from fractions import Fraction

import pytest

import nncost

DIGITS = "784-16-16-10"
WEIGHTS, BIASES = 784 * 16 + 16 * 16 + 16 * 10, 42


@pytest.mark.parametrize("batch", [1, 64])
def test_digits_network(batch: int) -> None:
    report = nncost.count(DIGITS, batch=batch)
    assert (report.settings["loss"], report.settings["optimizer"], report.settings["mode"]) == (
        "squared_error",
        "sgd",
        "train",
    )
    p = report.parameters
    assert (p.total, p.trainable, p.weights, p.biases, p.other, p.buffers, p.bytes) == (
        13_002,
        13_002,
        12_960,
        42,
        0,
        0,
        52_008,
    )
    assert report.neurons == 42
    forward, backward, update = report.forward, report.backward, report.update
    assert (forward.mul, forward.add, forward.macs) == (12_960 * batch, 12_960 * batch, 12_960 * batch)
    assert (forward.activations, forward.sigmoid) == (42 * batch, 42 * batch)
    # Weight gradients 12,960, input gradients of layers 3 and 2 160 + 256, two products for each sigmoid.
    assert backward.mul == (12_960 + 416 + 84) * batch
    assert backward.macs == (12_960 + 416) * batch
    # Sums over the batch for 13,002 parameters, over 10 and 16 outputs for 16 inputs each, 1 − s for 42.
    assert backward.add == (batch - 1) * 13_002 + batch * (16 * 9 + 16 * 15 + 42)
    assert backward.derivatives == 13_002
    assert (update.mul, update.add) == (13_002, 13_002)
    if batch == 1:
        assert (backward.mul, backward.add) == (13_460, 426)
    else:
        assert (forward.mul, backward.mul, backward.add) == (829_440, 861_440, 846_390)


def test_loss_of_the_digits_network() -> None:
    """Ten differences, ten squares, nine additions, one division; the gradient is one product for each output."""
    loss = nncost.count(DIGITS).loss
    assert (loss.mul, loss.add, loss.div) == (20, 19, 1)


def test_step_is_the_sum_of_its_phases() -> None:
    report = nncost.count(DIGITS, batch=3)
    for quantity in report.step:
        assert report.step[quantity] == sum(
            report.totals[phase][quantity] for phase in ("forward", "loss", "backward", "update")
        )


def test_biases_are_additions() -> None:
    """Without biases each neuron adds once less: a sum of N products has N − 1 additions."""
    full, hidden, none = (nncost.count(DIGITS, bias=choice) for choice in ("all", "hidden", "none"))
    assert (full.parameters.total, hidden.parameters.total, none.parameters.total) == (13_002, 12_992, 12_960)
    assert (full.forward.add, hidden.forward.add, none.forward.add) == (12_960, 12_960 - 10, 12_960 - 42)
    assert full.forward.mul == hidden.forward.mul == none.forward.mul


def test_smallest_networks() -> None:
    assert nncost.count("30-30-30").forward.mul == 1_800
    # Two weight gradients of 900, one input gradient of 900, two products for each of 60 sigmoids.
    assert nncost.count("30-30-30").backward.mul == 2 * 900 + 900 + 120 == 2_820
    assert nncost.count("2-2-2").parameters.total == 12
    assert nncost.count("3x32x32, flatten, dense 10").rows[0].weights == 30_720
    assert nncost.count("1-1").parameters.total == 2
    assert (nncost.count("1-1").forward.mul, nncost.count("1-1").forward.add) == (1, 1)


@pytest.mark.parametrize(
    ("spec", "ratio"), [(DIGITS, "1.04"), ("784-512*4-10", "1.67"), ("512-512*8", "1.88"), ("30-30-30", "1.57")]
)
def test_backward_is_not_twice_forward(spec: str, ratio: str) -> None:
    report = nncost.count(spec)
    assert f"{float(Fraction(int(report.backward.mul), int(report.forward.mul))):.2f}" == ratio
    assert report.backward.mul < 2 * report.forward.mul


# -------------------------------------------------------------------- whole runs
PHASES = ("forward", "loss", "backward", "update")


def test_run_of_the_digits_network() -> None:
    """60,000 examples are 1,875 batches of 32; ten epochs take 18,750 steps."""
    report = nncost.count(DIGITS, batch=32, examples=60_000, epochs=10)
    run = report.run
    assert run is not None
    assert (run.examples, run.epochs, run.batch, run.steps) == (60_000, 10, 32, 18_750)
    for phase in (*PHASES, "step"):
        assert dict(run.totals[phase]) == {
            quantity: 18_750 * amount for quantity, amount in report.totals[phase].items()
        }
    assert run.totals["forward"].mul == 600_000 * 12_960
    assert run.totals["update"].add == 18_750 * 13_002
    assert run.totals["backward"].derivatives == 18_750 * 13_002


def counted_by_batches(spec: str, examples: int, batch: int, epochs: int, accumulate: int) -> dict[str, dict[str, int]]:
    """A run counted batch by batch: each micro-batch at its own size, an update after every k of them and at the end."""
    sizes = [min(batch, examples - start) for start in range(0, examples, batch)]
    totals: dict[str, dict[str, int]] = {phase: {} for phase in PHASES}

    def add(phase: str, quantity: str, amount: object) -> None:
        totals[phase][quantity] = totals[phase].get(quantity, 0) + int(amount)  # type: ignore[call-overload]

    for position, size in enumerate(sizes):
        one = nncost.count(spec, batch=size)
        ends_step = (position + 1) % accumulate == 0 or position + 1 == len(sizes)
        for phase in PHASES:
            for quantity, amount in one.totals[phase].items():
                if (phase != "update" and quantity != "derivatives") or ends_step:
                    add(phase, quantity, amount)
        if position % accumulate:  # Its gradients are added to those gathered: two reads, an addition, a write.
            parameters = int(one.parameters.trainable)
            for quantity, amount in (("add", 1), ("flops", 1), ("read_bytes", 8), ("write_bytes", 4)):
                add("backward", quantity, amount * parameters)
    return {phase: {q: epochs * n for q, n in counts.items()} for phase, counts in totals.items()}


@pytest.mark.parametrize(
    ("examples", "batch", "accumulate"),
    [
        (1000, 64, 1),
        (1000, 64, 3),
        (1000, 64, 16),
        (1000, 64, 100),
        (10, 5, 1),
        (10, 64, 1),
        (10, 3, 2),
        (7, 1, 4),
        (128, 64, 2),
    ],
)
@pytest.mark.parametrize("spec", ["20-8-3", "6, dense 4, batchnorm, relu, dropout 0.5, dense 2"])
def test_run_equals_its_batches(spec: str, examples: int, batch: int, accumulate: int) -> None:
    report = nncost.count(spec, batch=batch, examples=examples, epochs=2, accumulate=accumulate)
    assert report.run is not None
    batches = -(-examples // batch)
    assert report.run.steps == 2 * -(-batches // accumulate)
    expected = counted_by_batches(spec, examples, batch, 2, accumulate)
    for phase in PHASES:
        assert dict(report.run.totals[phase]) == expected[phase], phase


def test_accumulated_step() -> None:
    """Three micro-batches of 64 are three forward and backward passes, two additions of gradients, one update."""
    one, three = nncost.count(DIGITS, batch=64), nncost.count(DIGITS, batch=64, accumulate=3)
    assert three.forward.mul == 3 * one.forward.mul
    assert three.backward.add == 3 * int(one.backward.add) + 2 * 13_002
    assert three.backward.derivatives == 13_002
    assert three.update.mul == one.update.mul


def test_frozen_layers_cost_no_gradient() -> None:
    report = nncost.count(DIGITS, freeze=["dense.1"])
    assert report.parameters.trainable == 13_002 - 12_560
    # Layer 1 has no gradients, so layer 2 needs none for its input: 160 of layer 3 alone.
    assert report.backward.macs == (256 + 160) + 160
    assert report.backward.derivatives == 442
    assert report.update.mul == 442
