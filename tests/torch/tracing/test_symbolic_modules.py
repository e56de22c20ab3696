"""Every quantity of small modules and of whole networks, bytes included, as a formula: it gives the numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import nncost
from nncost.dims import is_symbolic, substitute, symbol
from tests.torch.vision import import_torchvision
from tests.trials import trials

from .symbolic_modules import CASES
from .symbolic_networks import Diffusion, Operator

_SIZES = (
    (2, 16, 17, 18), (3, 17, 16, 19), (4, 19, 22, 24), (5, 20, 20, 30), (8, 23, 18, 31), (13, 24, 25, 50),
    (16, 32, 36, 64), (17, 37, 33, 65), (40, 64, 96, 100), (131, 71, 70, 128),
)  # fmt: skip
SAMPLED = tuple(dict(zip("BHWT", sizes, strict=True)) for sizes in _SIZES)
TRAINING: dict[str, Any] = {"loss": "sum", "optimizer": "sgd"}


def with_numbers(inputs: Any, numbers: Mapping[str, int]) -> Any:
    if isinstance(inputs, dict):
        return {key: with_numbers(value, numbers) for key, value in inputs.items()}
    if isinstance(inputs, str):
        return "".join(str(numbers.get(letter, letter)) for letter in inputs) if "x" in inputs else numbers[inputs]
    return tuple(with_numbers(item, numbers) if isinstance(item, (str, tuple)) else item for item in inputs)


def check(module: nn.Module, inputs: Any, sampled: Any, **settings: Any) -> nncost.Report:
    """The formula is complete and gives what is counted at each of the sampled sizes."""
    formula = nncost.count(module, inputs, **settings)
    assert formula.complete, formula.unknown
    assert not any("Counted at" in note for note in formula.notes), formula.notes
    assert any(is_symbolic(amount) for amount in formula.totals["forward"].values())
    for numbers in sampled:
        values = {symbol(name): number for name, number in numbers.items()}
        counted = nncost.count(module, with_numbers(inputs, numbers), **settings)
        for phase, quantities in counted.totals.items():
            for quantity, amount in quantities.items():
                found = substitute(formula.totals[phase].get(quantity, 0), values)
                assert found == amount, (numbers, phase, quantity)
    return formula


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("name", CASES)
def test_a_formula_gives_the_numbers(name: str) -> None:
    make, inputs = CASES[name]
    module, drawn = make(), random.Random(name)
    check(module, inputs, drawn.sample(SAMPLED, min(trials(3), len(SAMPLED))), **TRAINING)
    check(module, inputs, drawn.sample(SAMPLED, 1))


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("kind", ["convolution", "recurrent"])
def test_layers_that_hold_for_every_batch_have_no_conditions(kind: str) -> None:
    for name, (make, inputs) in CASES.items():
        if name.startswith(kind) and inputs != ("B", 4, "T"):
            assert nncost.count(make(), inputs, **TRAINING).notes == (), name


class Halving(nn.Module):
    """What is halved, doubled and joined with what it was: sizes must be even."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.out = nn.Conv2d(3, 8, 2, 2), nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(7, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.cat([self.up(functional.relu(self.down(x))), x], 1))


def test_a_network_that_takes_multiples_only_has_a_formula_for_them() -> None:
    even = [{"B": 2, "H": 16, "W": 18}, {"B": 5, "H": 64, "W": 30}]
    report = check(Halving(), ("B", 3, "H", "W"), even, **TRAINING)
    assert report.notes == ("The formulas hold where H is a multiple of 2, W is a multiple of 2.",)


def torchvision() -> Any:
    return import_torchvision()


def resnet() -> nn.Module:
    return torchvision().models.resnet18()


def swin() -> nn.Module:
    return torchvision().models.SwinTransformer([4, 4], 16, [2, 2], [2, 4], [7, 7], num_classes=5)


def gpt2() -> nn.Module:
    torchvision()
    import transformers

    settings = {"n_layer": 2, "n_head": 2, "n_embd": 16, "vocab_size": 50, "n_positions": 200}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**settings, bos_token_id=0, eos_token_id=0))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "ResNet-18": (resnet, ("B", 3, "H", "W")),
    "Swin": (swin, ("B", 3, 64, 64)),
    "GPT-2": (gpt2, {"input_ids": "BxT:int64"}),
    "diffusion": (Diffusion, (("B", 3, "H", "W"), ("B",))),
    "Fourier operator": (Operator, ("B", "H", "W", 1)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_formulas(name: str) -> None:
    make, inputs = NETWORKS[name]
    sampled = [{"B": 2, "H": 64, "W": 64, "T": 17}, {"B": 5, "H": 32, "W": 96, "T": 100}]
    module = make()
    check(module, inputs, sampled[:1])
    check(module, inputs, sampled, **TRAINING)


def test_a_network_that_takes_no_sizes_at_all_raises_what_it_raises() -> None:
    with pytest.raises(RuntimeError, match="expected input"):
        nncost.count(Halving(), ("B", 4, "H", "W"))


def test_sizes_that_data_decide_have_a_limit_or_it_is_said_that_they_have_none() -> None:
    class Chosen(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            return super().forward(x[x[:, 0] > 0])

    class Repeated(nn.Linear):
        def forward(self, x: torch.Tensor, times: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            return super().forward(x.repeat_interleave(times, 0))

    def note(module: nn.Module, *inputs: str) -> str:
        return nncost.count(module, inputs).notes[0]

    assert note(Chosen(4, 4), "6x4") == "rows1 is a number of rows that the data decide, 0 to 6."
    assert note(Chosen(4, 4), "Bx4") == "rows1 is a number of rows that the data decide, 0 to B."
    unlimited = "rows1 is a number of rows that the data decide, 0 or more without an upper limit."
    assert note(Repeated(4, 4), "6x4", "6:int64") == unlimited
