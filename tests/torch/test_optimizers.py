"""Every optimizer of ``torch.optim``, by counts derived by hand from what its step does to one element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.errors import OptionError
from nncost.frontends.torch.step.optimizer import known_optimizers
from tests.torch.fingerprint import no_trace

optim = torch.optim
ROWS = COLUMNS = 8
N = ROWS * COLUMNS
QUANTITIES = ("mul", "add", "div", "sqrt", "cmp")
Make = Callable[[Any], torch.optim.Optimizer]


def each(mul: int = 0, add: int = 0, div: int = 0, sqrt: int = 0, cmp: int = 0) -> dict[str, int]:
    """Counts of the whole matrix, from those of one element."""
    return {name: N * times for name, times in zip(QUANTITIES, (mul, add, div, sqrt, cmp), strict=True)}


# The running mean is m + (1−β₁)·(g − m) [1 mul, 2 add], the running square β₂·v + (1−β₂)·g·g [3 mul, 1 add];
# η·m/d is added as one product, one division, one addition. Numbers that are the same for the whole step are free.
ADAM = each(mul=1 + 3 + 1, add=2 + 1 + 1 + 1, div=1 + 1, sqrt=1)  # d = √v / √(1−β₂ᵗ) + ε
OPTIMIZERS: dict[str, tuple[Any, dict[str, int]]] = {
    "sgd": ("sgd", each(mul=1, add=1)),
    "sgd, decay": (lambda p: optim.SGD(p, 0.1, weight_decay=0.1), each(mul=1 + 1, add=1 + 1)),
    "momentum": ("momentum", each(mul=1 + 1, add=1 + 1)),
    "momentum, dampened": (lambda p: optim.SGD(p, 0.1, momentum=0.9, dampening=0.1), each(mul=2 + 1, add=1 + 1)),
    "nesterov": ("nesterov", each(mul=1 + 1 + 1, add=1 + 1 + 1)),
    "adam": ("adam", ADAM),
    "adam, decay": (lambda p: optim.Adam(p, weight_decay=0.1), ADAM | each(6, 6, 2, 1)),
    "adam, amsgrad": (lambda p: optim.Adam(p, amsgrad=True), ADAM | {"cmp": N}),
    "adamw": ("adamw", each(mul=5 + 1, add=5, div=2, sqrt=1)),  # θ is scaled by 1 − ηλ
    "adamax": ("adamax", each(mul=1 + 1 + 1, add=2 + 1 + 1, div=1, cmp=1)),  # u = max(β₂·u, |g| + ε)
    "nadam": ("nadam", each(mul=1 + 3 + 2, add=2 + 1 + 1 + 2, div=1 + 2, sqrt=1)),  # two terms: of g and of m
    # m̂ = m/(1−β₁ᵗ), l = c·(1/(√v + ε)), θ −= m̂·η·l·r, the subtraction being −1 times, as PyTorch writes it
    "radam": ("radam", each(mul=1 + 3 + 1 + 3 + 1, add=2 + 1 + 1 + 1, div=1 + 1, sqrt=1)),
    "rmsprop": ("rmsprop", each(mul=3 + 1, add=1 + 1 + 1, div=1, sqrt=1)),
    # and the mean of g, whose square is taken off v (−1·ḡ·ḡ); a velocity μ·b + g/d, and η times it
    "rmsprop, centred": (
        lambda p: optim.RMSprop(p, centered=True, momentum=0.9),
        each(mul=3 + 1 + 2 + 1 + 1, add=1 + 2 + 1 + 1 + 1 + 1, div=1, sqrt=1),
    ),
    "adagrad": ("adagrad", each(mul=1 + 1, add=1 + 1 + 1, div=1, sqrt=1)),
    # Δ = √(u + ε)/√(v + ε)·g; u and v are running squares; η = 1 is a factor all the same
    "adadelta": ("adadelta", each(mul=3 + 1 + 3 + 1, add=1 + 1 + 1 + 1 + 1, div=1, sqrt=2)),
    "asgd": ("asgd", each(mul=1 + 1, add=1)),  # θ·(1−λη) − η·g; the average begins after a million steps
    # the sign of g·g₋₁ compared with 0 three times, the step clamped on both sides, one comparison with η⁻; −1·sign·step
    "rprop": ("rprop", each(mul=1 + 1 + 2, add=1, cmp=3 + 2 + 1)),
    "lion": ("lion", each(mul=2 + 1 + 2, add=1 + 1 + 1)),
    # rows R and columns C: the norms of θ and of the update, of each row and column of g; R + C running means;
    # their product over the mean of the rows; 1/√ of it, times g
    "adafactor": (
        "adafactor",
        {
            "mul": N + (N + 2 * ROWS) + (N + 2 * COLUMNS) + N + N + N + N,
            "add": (N - 1) + (N - ROWS + 2 * ROWS) + (N - COLUMNS + 2 * COLUMNS) + (ROWS - 1) + (N - 1) + N,
            "div": ROWS + COLUMNS + 1 + N + N,
            "sqrt": 1 + ROWS + COLUMNS + N + 1,
            "cmp": 1 + N,
        },
    ),
    # two blends, the norm, five times X·Xᵀ, b·A + c·A·A and a·X + A·X, then decay and step
    "muon": (
        "muon",
        {
            "mul": 3 * N + 5 * (3 * N * ROWS + 2 * ROWS * ROWS + N) + 2 * N,
            "add": 4 * N + (N - 1) + 5 * (3 * N * ROWS - N - 2 * N + 2 * N) + N,
            "div": N,
            "sqrt": 1,
            "cmp": 1,
        },
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_counted(name: str) -> None:
    optimizer, expected = OPTIMIZERS[name]
    module = nn.Linear(COLUMNS, ROWS, bias=False)
    chosen = optimizer if isinstance(optimizer, str) else optimizer(module.parameters())
    report = nncost.count(module, (2, COLUMNS), loss="sum", optimizer=chosen)
    assert report.complete
    assert {quantity: report.update[quantity] for quantity in QUANTITIES} == expected
    assert {quantity for quantity in report.update if report.update[quantity]} <= {
        *QUANTITIES, "flops", "macs", "read_bytes", "write_bytes",
    }  # fmt: skip


def test_none_of_pytorchs_is_missing() -> None:
    theirs = {name.lower() for name, value in vars(optim).items() if isinstance(value, type)}
    refused = {"optimizer", "lbfgs", "sparseadam"}
    assert theirs - refused <= set(known_optimizers()) <= set(OPTIMIZERS) | {"sparseadam"}


@pytest.mark.parametrize(
    ("name", "why"), [("LBFGS", "no fixed cost"), ("SparseAdam", "does not support dense gradients")]
)
def test_those_that_do_not_fit_are_refused(name: str, why: str) -> None:
    module = nn.Linear(4, 4)
    for optimizer in (name.lower(), getattr(optim, name)):
        with pytest.raises(OptionError, match=why):
            nncost.count(module, (1, 4), loss="sum", optimizer=optimizer)


HOW: dict[str, dict[str, Any]] = {
    "loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
    "capturable": {"capturable": True},
    "differentiable": {"differentiable": True},
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop", "NAdam", "RAdam", "Adadelta"])
def test_how_it_runs_does_not_matter(kind: str, how: str) -> None:
    module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2))
    make = getattr(optim, kind)
    expected = nncost.count(module, (2, 8), loss="sum", optimizer=make(module.parameters(), lr=0.1))
    try:
        with torch.no_grad():
            optimizer = make(module.parameters(), lr=0.1, **HOW[how])
    except (TypeError, RuntimeError):
        pytest.skip("this optimizer has no such form here")
    report = nncost.count(module, (2, 8), loss="sum", optimizer=optimizer)
    for quantity in QUANTITIES:
        assert report.update[quantity] == expected.update[quantity], quantity


def test_names_classes_functions_and_instances_agree() -> None:
    module = nn.Linear(8, 8)
    ways: tuple[Any, ...] = (
        "adamw",
        "AdamW",
        optim.AdamW,
        lambda p: optim.AdamW(p, lr=0.3),
        optim.AdamW(module.parameters()),
    )
    counts = [nncost.count(module, (2, 8), loss="sum", optimizer=way).update.mul for way in ways]
    assert counts == [6 * 72] * len(ways)


def test_groups_and_untrained_parameters() -> None:
    module = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 2, bias=False), nn.Linear(2, 2, bias=False))
    groups = [
        {"params": module[0].parameters(), "momentum": 0.9},
        {"params": module[1].parameters(), "weight_decay": 0.1},
    ]
    report = nncost.count(module, (2, 8), loss="sum", optimizer=optim.SGD(groups, lr=0.1))
    assert report.update.mul == 2 * 64 + 2 * 16  # nothing for the third, which no group holds
    assert report.backward.derivatives == 64 + 16 + 4


def test_an_optimizer_of_another_model_is_refused() -> None:
    module, other = nn.Linear(8, 8), nn.Linear(8, 8)
    with pytest.raises(OptionError, match="holds none of the parameters"):
        nncost.count(module, (2, 8), loss="sum", optimizer=optim.SGD(other.parameters(), lr=0.1))


def test_an_optimizer_for_each_parameter_runs_in_the_backward_pass() -> None:
    """As PyTorch's own tutorial has it: found by the parameter, in a hook on its gradient."""
    module = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False))
    found = {p: torch.optim.SGD([p], momentum=0.9) for p in module.parameters()}

    def step(parameter: torch.Tensor) -> None:
        found[parameter].step()
        found[parameter].zero_grad()

    plain = nncost.count(module, (2, 8), loss="sum")
    for parameter in module.parameters():
        parameter.register_post_accumulate_grad_hook(step)
    with no_trace(module):
        report = nncost.count(module, (2, 8), loss="sum")
    assert list(found) == list(module.parameters())
    assert report.backward.macs == plain.backward.macs
    assert report.backward.mul > plain.backward.mul
