"""Tensors of classes of their own: counted by what runs inside, never damaged, never silently zero."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.errors import SourceError
from tests.torch.kinds.subclasses import Below, Doubling, Holding, Named, Packed, Slotted, Told, Wrapper, dense, made

SHAPE = (3, 8)


def packed(out: int, into: int) -> Packed:
    return Packed(torch.ones(out, into, dtype=torch.int8), torch.ones(out, 1))


@pytest.mark.parametrize("given", [(2, 64), torch.zeros(2, 64)])
def test_what_a_wrapper_computes_is_counted(given: Any) -> None:
    layer = dense(packed(32, 64), requires_grad=False)
    weight = layer.weight
    report = nncost.count(layer, given)
    assert (report.forward.mul, report.forward.macs) == (2 * 32 * 64 + 32 * 64, 2 * 32 * 64)
    assert (report.parameters.total, report.parameters.bytes) == (32 * 64, 32 * 64 + 32 * 4)
    assert report.memory is not None
    assert report.memory.parameters == 32 * 64 + 32 * 4
    assert report.complete
    assert report.memory.exact
    assert layer.weight is weight
    assert type(weight.q) is torch.Tensor  # type: ignore[attr-defined]


def test_wrappers_within_wrappers_and_as_buffers() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", Told(Told(packed(4, 8))))

        def forward(self, x: Any) -> Any:
            return nn.functional.linear(x, self.table)  # type: ignore[arg-type]

    report = nncost.count(Net(), SHAPE)
    assert report.forward.mul == 3 * 8 * 4 + 8 * 4
    assert report.parameters.buffers == 4 * 8
    assert report.memory is not None
    assert report.memory.buffers == 4 * 8 + 4 * 4


def test_different_contents_of_equal_shape_are_different_blocks() -> None:
    layers = [dense(Told(torch.zeros(8, 8)), requires_grad=False), dense(packed(8, 8), requires_grad=False)]
    report = nncost.count(nn.Sequential(*layers, *layers[::-1]), SHAPE)
    assert report.forward.mul == 4 * 3 * 64 + 2 * 64


@pytest.mark.parametrize(
    ("kind", "given"),
    [(Told, SHAPE), (Told, torch.zeros(SHAPE)), (Wrapper, torch.zeros(SHAPE)), (Holding, torch.zeros(SHAPE)),
     (Named, SHAPE), (Doubling, SHAPE), (Slotted, torch.zeros(SHAPE))],
)  # fmt: skip
def test_training_is_that_of_the_plain_layer(kind: Any, given: Any) -> None:
    values = torch.randn(4, 8)
    layer = dense(made(kind, values.clone()))
    report = nncost.count(layer, given, loss="sum", optimizer="sgd")
    doubled = 3 * 4 if kind is Doubling else 0
    assert (report.forward.macs, report.forward.mul) == (3 * 32, 3 * 32 + doubled)
    assert (report.backward.macs, report.update.mul, report.complete) == (3 * 32, 32, True)
    assert type(layer.weight) is kind
    assert layer.weight.grad is None
    found = layer.weight.inner if isinstance(layer.weight, Wrapper) else layer.weight
    with torch._C._DisableTorchDispatch():
        assert torch.equal(torch.Tensor.as_subclass(found, torch.Tensor), values)  # type: ignore[arg-type]


def test_a_model_sees_the_class_of_its_tensors() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 8).as_subclass(Named))

        def forward(self, x: Any) -> Any:
            product = x @ self.weight.T
            first, second = product.chunk(2, -1)
            plain = torch.zeros(3, 2)
            seen = [type(tensor) for tensor in (self.weight, product, first, plain.add_(first), plain)]
            assert seen == [Named, Named, Named, Named, torch.Tensor]
            return torch.cat([first, second], -1)

    net = Net()
    net(torch.zeros(SHAPE))
    assert nncost.count(net, SHAPE).forward.macs == 96


@pytest.mark.parametrize("kind", [Told, Wrapper, Holding, Named])
def test_inputs_of_the_class(kind: Any) -> None:
    x = made(kind, torch.randn(SHAPE))
    report = nncost.count(nn.Linear(8, 4), x, loss="sum")
    assert (report.forward.macs, report.backward.macs) == (96, 96)


def test_what_cannot_be_seen_is_refused() -> None:
    with pytest.raises(SourceError, match="class Wrapper run their own operators"):
        nncost.count(dense(Wrapper(torch.zeros(4, 8))), SHAPE)
    with pytest.raises(SourceError, match="class Below compute aten"):
        nncost.count(_Multiplied(), torch.zeros(SHAPE))


class _Multiplied(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch._C._DisableTorchDispatch():
            weight = made(Below, torch.zeros(8, 4))
        return x @ weight


def test_bytes_that_are_not_known_are_said_to_be() -> None:
    report = nncost.count(dense(Wrapper(torch.zeros(4, 8))), torch.zeros(SHAPE))
    assert any("class Wrapper do not say what they hold" in note for note in report.notes)


def test_weights_that_torchao_has_quantized() -> None:
    quantization = pytest.importorskip("torchao.quantization")
    net = nn.Sequential(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 256)).eval()
    quantization.quantize_(net, quantization.Int8WeightOnlyConfig())
    report = nncost.count(net, (2, 1024))
    assert report.parameters.bytes == 1_322_240
    assert report.forward.mul == 2 * (1024 * 1024 + 1024 * 256) + 2 * (1024 + 256)
