"""The output shapes in a report are those that forward hooks see of the layers of a real run."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

if not all(map(find_spec, ("torch", "transformers", "timm", "torchvision"))):
    pytest.skip("transformers, timm and torchvision are not installed", allow_module_level=True)

from typing import Any

import torch
from torch import nn

import nncost
from nncost.dims import substitute, symbol
from nncost.frontends.huggingface.transformers import quiet
from nncost.frontends.model import Inputs
from nncost.frontends.torch.step.fake_tensors import tensors_in
from tests.torch.architectures.subjects import SUBJECTS, Subject, numbers
from tests.torch.tracing.blocks import Stack

NAMES = {
    "llama", "gpt2", "mixtral", "bert", "t5", "vit", "mamba", "resnet18", "torchvision_googlenet", "swin_tiny_patch4_window7_224",
}  # fmt: skip
CHOSEN = [subject for subject in SUBJECTS if subject.name in NAMES]


def seen(module: nn.Module, given: Inputs) -> dict[str, tuple[int, ...]]:
    """The shape of the first tensor that each layer returns, in the order in which they end."""
    shapes: dict[str, tuple[int, ...]] = {}

    def hook(name: str) -> Any:
        def note(layer: nn.Module, args: Any, output: Any) -> None:
            tensors = tensors_in(output)
            if tensors:
                shapes.pop(name, None)
                shapes[name] = tuple(tensors[0].shape)

        return note

    handles = [layer.register_forward_hook(hook(name)) for name, layer in module.named_modules()]
    with torch.no_grad(), quiet():
        module(*given.args, **given.kwargs)
    for handle in handles:
        handle.remove()
    return shapes


@pytest.mark.parametrize("subject", CHOSEN, ids=str)
def test_of_architectures(subject: Subject) -> None:
    module, shapes = subject.build()
    module.eval()
    expected = seen(module, numbers(shapes, torch.float32))
    report = nncost.count(module, shapes)
    assert len(expected) > 10
    assert dict(report.outputs) == expected
    assert list(report.outputs) == list(expected)
    for row in report.rows:
        assert row.output == (expected.get(row.path) if row.phase == "forward" else None)


def test_at_least_eight_architectures_are_there() -> None:
    assert len(CHOSEN) >= 8


@pytest.mark.parametrize(
    "settings", [{}, {"reuse": False}, {"loss": "sum"}, {"loss": "sum", "backward": "derived"}], ids=str
)
def test_of_equal_blocks(settings: dict[str, Any]) -> None:
    expected = seen(Stack(), Inputs((torch.zeros(3, 5, 6),)))
    assert dict(nncost.count(Stack(), (3, 5, 6), **settings).outputs) == expected


def test_with_symbols() -> None:
    outputs = nncost.count(Stack(), "BxTx6").outputs
    sizes = {symbol("B"): 3, symbol("T"): 5}
    at_sizes = {path: tuple(substitute(dim, sizes) for dim in shape) for path, shape in outputs.items()}
    assert at_sizes == seen(Stack(), Inputs((torch.zeros(3, 5, 6),)))


class Halves(nn.Module):
    """Takes only even batches: its formulas are in half of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(x.view(x.shape[0] // 2, 2, 6)).view(x.shape[0], 4)


def test_with_multiples_of_a_number() -> None:
    rows = nncost.count(Halves(), "Bx6").to_dict()["rows"]
    assert [row["output"] for row in rows if row["phase"] == "forward"] == [["B/2", 2, 4]]


class Oddities(nn.Module):
    """A layer that is called twice, one that returns no tensor, one that only lends its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.lent, self.size = nn.Linear(6, 6), nn.Linear(6, 6), Size()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.twice(self.twice(x).expand(4, *x.shape))
        return {"y": nn.functional.linear(x, self.lent.weight) * self.size(x)}


class Size(nn.Module):
    def forward(self, x: torch.Tensor) -> int:
        return x.shape[0]


def test_of_odd_layers() -> None:
    report = nncost.count(Oddities(), (2, 6))
    assert dict(report.outputs) == {"twice": (4, 2, 6), "": (4, 2, 6)}
    assert {row.path: row.output for row in report.rows} == {"": (4, 2, 6), "twice": (4, 2, 6), "lent": None}


def test_a_nested_tensor_has_no_shape() -> None:
    for layout in (torch.strided, torch.jagged):
        nested = torch.nested.nested_tensor([torch.zeros(2, 6), torch.zeros(3, 6)], layout=layout)
        report = nncost.count(nn.Sequential(nn.Linear(6, 4)), nested)
        assert report.forward.mul == 5 * 6 * 4
        assert dict(report.outputs) == {}
