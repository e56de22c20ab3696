"""What explanations say besides numbers: gradients by their names, settings of layers, reasons, and no claim too many."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import nncost
from nncost.documents import latex
from nncost.explaining.expressions import function, named
from tests.explaining.explained import explained
from tests.explaining.test_markup import assert_well_formed


def text_of(source: object, topic: str, *shapes: object, **settings: object) -> str:
    return " ".join(str(nncost.explain(source, topic, inputs=shapes or None, **settings)).split())


@pytest.mark.parametrize("batch", [3, 64, 10, 784])
def test_gradients_of_a_module_have_their_names(batch: int) -> None:
    module = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    text = text_of(module, "backward.mul", (batch, 784), loss="cross_entropy")
    for name in ("2 Linear ∂L/∂x", "2 Linear ∂L/∂W", "0 Linear ∂L/∂W", "0 has no ∂L/∂x"):
        assert name in text
    assert "0 Linear ∂L/∂x" not in text


def test_frozen_layers_are_the_reason() -> None:
    text = " ".join(str(explained("8-9-7-5", "backward", freeze=("dense.1",))).split())
    assert "dense.2 has no ∂L/∂x: nothing before is trained" in text
    both = " ".join(str(explained("8x8, attention heads=2, dense 3", "backward.mul")).split())
    assert "have no ∂L/∂x: no one needs the derivative of the network's input" in both
    assert "saves 1,536 multiplications" in both


def test_cards_show_the_numbers_of_the_layer() -> None:
    assert "random ≥ 0.3" in text_of("6, dropout 0.3", "forward", loss="sum")
    assert "10⁻¹²" in text_of(nn.LayerNorm(6, eps=1e-12), "forward", (2, 6))
    norm = text_of(
        nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, eps=1e-3, momentum=0.4)), "forward", (2, 4), mode="train"
    )
    assert "0.6·running mean + 0.4·" in norm
    assert "0.001" in norm
    assert "min(max(z, −3), 3)" in text_of(nn.Hardtanh(-3, 3), "forward", (2, 4))
    assert "U·h_t−1 + d" not in text_of("5x4, gru 3 biases=1", "forward")


def test_every_gradient_of_a_card_is_reached() -> None:
    for spec, gradients in (
        ("2x4, batchnorm, dense 3", ("∂L/∂β = ", "∂L/∂γ = ")),
        ("4, dense 4, gelu_tanh", ("∂L/∂z = ",)),
    ):
        text = text_of(spec, "backward")
        for gradient in gradients:
            assert gradient in text


def test_what_is_learned_without_a_card() -> None:
    for module, shape in ((nn.PReLU(), (2, 4)), (nn.LSTM(4, 3), (5, 2, 4))):
        assert "Nothing here is learned" not in text_of(module, "parameters", shape)
    assert "Nothing here is learned" in text_of("3x8x8, maxpool 2", "parameters")


def test_an_update_that_differs_by_layer_is_not_one_rule() -> None:
    module = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    groups = [
        {"params": module[0].parameters(), "weight_decay": 0.1, "momentum": 0.9},
        {"params": module[1].parameters()},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    text = text_of(module, "update", (2, 4), loss="squared_error", optimizer=optimizer)
    assert "the parameters of 0, for example" in text
    assert "per parameter = " not in text
    assert "every parameter" in text_of(module, "update", (2, 4), loss="squared_error", optimizer="adam")


def test_shapes_are_those_that_layers_return() -> None:
    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.memory = nn.LSTM(4, 6, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.memory(x)[0]

    assert "An input of 2x3x4 becomes an output of 2x3x5." in text_of(nn.Linear(4, 5), "shapes", (2, 3, 4))
    assert "becomes an output of 2x3x6." in text_of(Sequence(), "shapes", (2, 3, 4))


def test_constants_of_a_module_are_not_taken_for_ones() -> None:
    class Shift(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.full((5,), 7.0)

    assert "y = a + constant" in text_of(Shift(), "forward", (2, 5))


def test_inputs_have_the_bytes_of_their_type() -> None:
    assert "inputs 8 × 12 = 96" in text_of("12, embedding 100 8", "memory", loss="none")


def test_giants_and_markup(tmp_path: Path) -> None:
    assert "402 digits" in text_of("10-10", "memory", batch=10**400 - 1)
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    assert_well_formed(latex.render(nncost.explain(module, "forward", inputs=(2, 4), mode="train")))
    square = function("square", [function("square", [named("a")])])
    assert (square.text, square.maths.latex) == ("(a²)²", r"\left(a^2\right)^2")
