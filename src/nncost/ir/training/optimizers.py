"""The table of optimizers: update graphs in the form PyTorch documents (Lion: its paper).

A step after the first one, so that every state exists. Numbers that are the same for the whole
step, such as 1−β₁ᵗ or the learning rate times the weight decay, are free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.records import field, record

LEARNING_RATE, ADAM_EPSILON, ADAGRAD_EPSILON, WEIGHT_DECAY = 0.001, 1e-8, 1e-10, 0.01
MOMENTUM, BETA_1, BETA_2, RMSPROP_ALPHA = 0.9, 0.9, 0.999, 0.99
LION_BETA_1, LION_BETA_2 = 0.9, 0.99
"""PyTorch 2.13's defaults; Lion's from Chen et al. 2023, Symbolic Discovery of Optimization Algorithms."""
STEP_NUMBER = 10
"""Any step after the first: bias corrections are step constants, so their value changes no count."""
RATE, DECAY, FIRST_CORRECTION, SECOND_CORRECTION = "learning_rate", "decay", "first_correction", "second_correction"
"""The names of the constants that a run sets anew in each step."""

States = list[Tensor]
UpdateRule = Callable[[Builder, Tensor, Tensor, States], tuple[Tensor, States]]
"""``update(builder, parameter, gradient, states) -> (new parameter, new states)``"""


@record
class TorchForm:
    """The optimizer of PyTorch that computes the same: the settings in which it does, and its names of the states.

    One that ``counts_steps`` keeps the number of the step beside them.
    """

    name: str
    settings: Mapping[str, float] = field(default_factory=dict)
    states: tuple[str, ...] = ()
    counts_steps: bool = False


@record
class Optimizer:
    """The update of one parameter block, its states, the formula, and the learning rate a training begins with.

    ``torch`` is None if PyTorch has none: then only NumPy trains with it.
    """

    update: UpdateRule
    states: tuple[str, ...]
    formula: str
    learning_rate: float
    torch: TorchForm | None = None


def step_constants(learning_rate: float, step: int) -> dict[str, float]:
    """The named constants of the update graphs at a learning rate, in a step from 1."""
    return {
        RATE: learning_rate,
        DECAY: learning_rate * WEIGHT_DECAY,
        FIRST_CORRECTION: 1 - BETA_1**step,
        SECOND_CORRECTION: 1 - BETA_2**step,
    }


_COUNTED = step_constants(LEARNING_RATE, STEP_NUMBER)


def _named(b: Builder, name: str) -> Tensor:
    return b.constant(_COUNTED[name], name)


def _descend(b: Builder, p: Tensor, direction: Tensor) -> Tensor:
    return b.map("sub", p, b.map("mul", _named(b, RATE), direction))


def _blend(b: Builder, old: Tensor, new: Tensor, beta: float) -> Tensor:
    """β·old + (1−β)·new."""
    return b.map("add", b.map("mul", beta, old), b.map("mul", 1 - beta, new))


def _scaled(b: Builder, g: Tensor, square: Tensor, epsilon: float = ADAM_EPSILON) -> Tensor:
    """η·g / (√square + ε)."""
    return b.map("div", b.map("mul", _named(b, RATE), g), b.map("add", b.map("sqrt", square), epsilon))


def _sgd(b: Builder, p: Tensor, g: Tensor, states: States) -> tuple[Tensor, States]:
    return _descend(b, p, g), []


def _momentum(b: Builder, p: Tensor, g: Tensor, states: States) -> tuple[Tensor, States]:
    velocity = b.map("add", b.map("mul", MOMENTUM, states[0]), g)
    return _descend(b, p, velocity), [velocity]


def _nesterov(b: Builder, p: Tensor, g: Tensor, states: States) -> tuple[Tensor, States]:
    velocity = b.map("add", b.map("mul", MOMENTUM, states[0]), g)
    return _descend(b, p, b.map("add", g, b.map("mul", MOMENTUM, velocity))), [velocity]


def _adam(b: Builder, p: Tensor, g: Tensor, states: States) -> tuple[Tensor, States]:
    first = _blend(b, states[0], g, BETA_1)
    second = _blend(b, states[1], b.map("square", g), BETA_2)
    unbiased_first = b.map("div", first, _named(b, FIRST_CORRECTION))
    unbiased_second = b.map("div", second, _named(b, SECOND_CORRECTION))
    return b.map("sub", p, _scaled(b, unbiased_first, unbiased_second)), [first, second]


def _adamw(b: Builder, p: Tensor, g: Tensor, states: States) -> tuple[Tensor, States]:
    decayed = b.map("sub", p, b.map("mul", _named(b, DECAY), p))
    return _adam(b, decayed, g, states)


def _rmsprop(b: Builder, p: Tensor, g: Tensor, states: States) -> tuple[Tensor, States]:
    square = _blend(b, states[0], b.map("square", g), RMSPROP_ALPHA)
    return b.map("sub", p, _scaled(b, g, square)), [square]


def _adagrad(b: Builder, p: Tensor, g: Tensor, states: States) -> tuple[Tensor, States]:
    total = b.map("add", states[0], b.map("square", g))
    return b.map("sub", p, _scaled(b, g, total, ADAGRAD_EPSILON)), [total]


def _lion(b: Builder, p: Tensor, g: Tensor, states: States) -> tuple[Tensor, States]:
    direction = b.map("sign", _blend(b, states[0], g, LION_BETA_1))
    return _descend(b, p, direction), [_blend(b, states[0], g, LION_BETA_2)]


AS_ADAM = "then as adam"
"""What stands in a formula for that of adam."""
OPTIMIZERS: Mapping[str, Optimizer] = {
    "sgd": Optimizer(_sgd, (), "p ← p − η·g", 0.1, TorchForm("SGD")),
    "momentum": Optimizer(
        _momentum, ("velocity",), "v ← μ·v + g;  p ← p − η·v", 0.03,
        TorchForm("SGD", {"momentum": MOMENTUM}, ("momentum_buffer",)),
    ),
    "nesterov": Optimizer(
        _nesterov, ("velocity",), "v ← μ·v + g;  p ← p − η·(g + μ·v)", 0.03,
        TorchForm("SGD", {"momentum": MOMENTUM, "nesterov": True}, ("momentum_buffer",)),
    ),
    "adam": Optimizer(
        _adam, ("first", "second"), "m ← β₁·m + (1−β₁)·g;  v ← β₂·v + (1−β₂)·g²;  m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ);  p ← p − η·m̂/(√v̂ + ε)", 0.003,
        TorchForm("Adam", {}, ("exp_avg", "exp_avg_sq"), counts_steps=True),
    ),
    "adamw": Optimizer(
        _adamw, ("first", "second"), f"p ← p − η·λ·p;  {AS_ADAM}", 0.003,
        TorchForm("AdamW", {"weight_decay": WEIGHT_DECAY}, ("exp_avg", "exp_avg_sq"), counts_steps=True),
    ),
    "rmsprop": Optimizer(
        _rmsprop, ("square",), "v ← α·v + (1−α)·g²;  p ← p − η·g/(√v + ε)", 0.001,
        TorchForm("RMSprop", {}, ("square_avg",), counts_steps=True),
    ),
    "adagrad": Optimizer(
        _adagrad, ("total",), "s ← s + g²;  p ← p − η·g/(√s + ε)", 0.03,
        TorchForm("Adagrad", {"eps": ADAGRAD_EPSILON}, ("sum",), counts_steps=True),
    ),
    "lion": Optimizer(
        _lion, ("momentum",), "p ← p − η·sign(β₁·m + (1−β₁)·g);  m ← β₂·m + (1−β₂)·g", 0.0003,
        TorchForm("Lion", {}, ("momentum",)),
    ),
}  # fmt: skip
"""Learning rates were chosen on the digits of scikit-learn and the networks of ``docs/train.md``."""

NO_OPTIMIZER = "none"
