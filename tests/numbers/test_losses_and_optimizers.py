"""Losses with their gradients, and optimizer updates with their states, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nncost.ir.training.losses import LOSSES
from nncost.ir.training.optimizers import OPTIMIZERS, STEP_NUMBER
from tests.numbers.networks import Factory
from tests.numbers.twins import Twins, close

RATE, STEPS_BEFORE = 0.001, STEP_NUMBER - 1
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def rows_of(y: torch.Tensor) -> torch.Tensor:
    return y.reshape(-1, y.shape[-1])


THEIR_LOSSES: dict[str, Loss] = {
    "squared_error": functional.mse_loss,
    "cross_entropy": lambda y, t: functional.cross_entropy(rows_of(y), t.flatten()),
    "binary_cross_entropy": functional.binary_cross_entropy,
    "binary_cross_entropy_with_logits": functional.binary_cross_entropy_with_logits,
    "sum": lambda y, t: y.sum(),
}


def cross_entropy_of_probabilities(y: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return functional.nll_loss(rows_of(y).log(), t.flatten())


CASES: list[tuple[str, str, Factory, Loss]] = [
    *(
        (loss, spec, factory, THEIR_LOSSES[loss])
        for loss in ("squared_error", "cross_entropy", "binary_cross_entropy_with_logits", "sum")
        for spec, factory in (
            ("3-4-3:none", lambda: nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 3))),
            ("5x3, dense 4, tanh, dense 6", lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 6))),
            ("2x3x3, conv 2 2, dense 4", lambda: nn.Sequential(nn.Conv2d(2, 2, 2), nn.Linear(2, 4))),
        )
    ),
    *(
        ("binary_cross_entropy", spec, factory, functional.binary_cross_entropy)
        for spec, factory in (
            ("3-4-3", lambda: nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 3), nn.Sigmoid())),
            ("2x3, dense 4, sigmoid", lambda: nn.Sequential(nn.Linear(3, 4), nn.Sigmoid())),
        )
    ),
    *(
        ("cross_entropy", spec, factory, cross_entropy_of_probabilities)
        for spec, factory in (
            ("3-4-5:softmax", lambda: nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 5), nn.Softmax(-1))),
            ("2x3, dense 4, softmax", lambda: nn.Sequential(nn.Linear(3, 4), nn.Softmax(-1))),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "spec", "factory", "theirs"), CASES, ids=[f"{loss}: {spec}" for loss, spec, *_ in CASES]
)
@pytest.mark.parametrize("accumulate", [1, 3])
def test_loss(loss: str, spec: str, factory: Factory, theirs: Loss, accumulate: int) -> None:
    twins = Twins(spec, factory, loss=loss, accumulate=accumulate)
    twins.execute()
    output = twins.module(twins.input())
    target = torch.zeros(()) if loss == "sum" else twins.target()
    value = theirs(output, target)
    close(twins.values[twins.step.loss], value, "loss")
    # A mean over micro-batches: each one's gradient is that of loss/k; a sum is a sum over all of them.
    (value if loss == "sum" else value / accumulate).backward()
    for leaf, parameter in twins.pairs():
        close(twins.gradient(leaf), parameter.grad, leaf.parameter.path)


def test_all_losses_are_compared() -> None:
    assert {loss for loss, *_ in CASES} == set(LOSSES)


def test_the_final_softmax_chooses_the_fused_loss() -> None:
    twins = Twins("3-4-5:softmax", CASES[-2][2])
    assert twins.counted.loss == "cross_entropy"
    twins.execute()
    functional.cross_entropy(twins.module[:-1](twins.input()), twins.target()).backward()
    for leaf, parameter in twins.pairs():
        close(twins.gradient(leaf), parameter.grad)


def test_three_accumulated_micro_batches_are_one_big_batch() -> None:
    """(1/k)·Σ of the micro-batches' gradients, which is what accumulation adds up, is the big batch's."""
    factory = CASES[0][2]
    whole = Twins("3-4-3:none", factory, batch=6)
    gradients: list[np.ndarray] = []
    whole.execute()
    for part in range(3):
        twins = Twins("3-4-3:none", factory, batch=2, accumulate=3)
        twins.feeds = {
            ours: _rows(whole, theirs, part) for ours, theirs in zip(_leaves(twins), _leaves(whole), strict=True)
        }
        twins.execute()
        gradients.append(twins.gradient(twins.leaves[0]))
    close(np.sum(gradients, axis=0), whole.gradient(whole.leaves[0]))


def _leaves(twins: Twins) -> list[object]:
    return [*twins.graph.inputs, *(p.tensor for p in twins.graph.parameters)]


def _rows(twins: Twins, tensor: object, part: int) -> np.ndarray:
    values = twins.feeds[tensor]  # type: ignore[index]
    return values[2 * part : 2 * part + 2] if values.shape[:1] == (6,) else values


# -------------------------------------------------------------------- optimizers
def _adam_state(names: tuple[str, str], states: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    return {"step": torch.tensor(float(STEPS_BEFORE)), names[0]: states[0], names[1]: states[1]}


Make = Callable[[list[torch.Tensor]], torch.optim.Optimizer]
State = Callable[[list[torch.Tensor]], dict[str, object]]
THEIR_OPTIMIZERS: dict[str, tuple[Make, State, tuple[str, ...]]] = {
    "sgd": (lambda p: torch.optim.SGD(p, lr=RATE), lambda s: {}, ()),
    "momentum": (lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9), lambda s: {"momentum_buffer": s[0]}, ("momentum_buffer",)),
    "nesterov": (
        lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9, nesterov=True),
        lambda s: {"momentum_buffer": s[0]},
        ("momentum_buffer",),
    ),
    "adam": (lambda p: torch.optim.Adam(p, lr=RATE), lambda s: _adam_state(("exp_avg", "exp_avg_sq"), s), ("exp_avg", "exp_avg_sq")),
    "adamw": (lambda p: torch.optim.AdamW(p, lr=RATE), lambda s: _adam_state(("exp_avg", "exp_avg_sq"), s), ("exp_avg", "exp_avg_sq")),
    "rmsprop": (
        lambda p: torch.optim.RMSprop(p, lr=RATE),
        lambda s: {"step": torch.tensor(float(STEPS_BEFORE)), "square_avg": s[0]},
        ("square_avg",),
    ),
    "adagrad": (
        lambda p: torch.optim.Adagrad(p, lr=RATE),
        lambda s: {"step": torch.tensor(float(STEPS_BEFORE)), "sum": s[0]},
        ("sum",),
    ),
}  # fmt: skip

REPEATED: tuple[str, Factory] = (
    "4, [dense 4, tanh]*3, dense 2",
    lambda: nn.Sequential(*(m for _ in range(3) for m in (nn.Linear(4, 4), nn.Tanh())), nn.Linear(4, 2)),
)


@pytest.mark.parametrize("scale", [1.0, 1e-8])
@pytest.mark.parametrize("name", THEIR_OPTIMIZERS)
def test_optimizer(name: str, scale: float) -> None:
    """A tiny gradient and tiny states let the ε in each denominator decide the result."""
    make, state, names = THEIR_OPTIMIZERS[name]
    twins = Twins(*REPEATED, loss="sum", optimizer=name)
    for tensor in twins.graph.inputs:
        if tensor.name == "loss_gradient":
            twins.feeds[tensor] = np.asarray(scale)
        elif tensor.name not in ("x", "target"):
            twins.feeds[tensor] = twins.feeds[tensor] * scale**2
    twins.execute()
    (twins.module(twins.input()).sum() * scale).backward()
    optimizer = make([parameter for _, parameter in twins.pairs()])
    for leaf, parameter in twins.pairs():
        states = [torch.from_numpy(twins.feeds[s][leaf.index].copy()) for s in twins.states(leaf.parameter)]
        assert len(states) == len(names)
        if states:
            optimizer.state[parameter] = dict(state(states))
    before = {leaf: parameter.detach().numpy().copy() for leaf, parameter in twins.pairs()}
    optimizer.step()
    for leaf, parameter in twins.pairs():
        close(twins.updated(leaf), parameter, leaf.parameter.path)
        # The step itself, which is far smaller than the parameter: rounding of p − step is 1e-16.
        moved = twins.updated(leaf) - before[leaf]
        np.testing.assert_allclose(moved, parameter.detach().numpy() - before[leaf], rtol=1e-7, atol=4e-16)
        for tensor, key in zip(twins.step.states[leaf.parameter], names, strict=True):
            np.testing.assert_allclose(
                twins.values[tensor][leaf.index], optimizer.state[parameter][key].numpy(), rtol=1e-9
            )


def test_lion() -> None:
    """p − η·sign(β₁·m + (1−β₁)·g), then m ← β₂·m + (1−β₂)·g, with 0.9 and 0.99 as in its paper."""
    twins = Twins(*REPEATED, loss="squared_error", optimizer="lion")
    twins.execute()
    for leaf, parameter in twins.pairs():
        g, p = twins.gradient(leaf), parameter.detach().numpy()
        m = twins.feeds[twins.states(leaf.parameter)[0]][leaf.index] - 0.5
        twins.feeds[twins.states(leaf.parameter)[0]][leaf.index] = m
        assert g.shape == p.shape
    twins.execute()
    both = {-1.0: 0, 1.0: 0}
    for leaf, parameter in twins.pairs():
        g, p = twins.gradient(leaf), parameter.detach().numpy()
        m = twins.feeds[twins.states(leaf.parameter)[0]][leaf.index]
        direction = np.sign(0.9 * m + 0.1 * g)
        close(twins.updated(leaf), p - RATE * direction)
        close(twins.values[twins.step.states[leaf.parameter][0]][leaf.index], 0.99 * m + 0.01 * g)
        for sign in both:
            both[sign] += int((direction == sign).sum())
    assert min(both.values()) > 0


def test_all_optimizers_are_compared() -> None:
    assert {*THEIR_OPTIMIZERS, "lion"} == set(OPTIMIZERS)
