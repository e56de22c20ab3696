"""The layout of a result is that of PyTorch's own meta kernel, wherever it is told without it."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import nn

import nncost
from nncost.frontends.torch.step.fake_tensors import FakeTensors
from nncost.frontends.torch.step.plain_results import _SHAPES, ELEMENTWISE, IN_PLACE, plain_result
from tests.memory.torch.truth import inference_of

aten = torch.ops.aten
BINARY = [operator for operator in ELEMENTWISE | IN_PLACE if operator._overloadname == "Tensor"]


def shapes(draw: random.Random) -> list[list[int]]:
    """Two shapes that fit together, or perhaps do not."""
    whole = [draw.choice((0, 1, 1, 2, 3)) for _ in range(draw.randint(0, 4))]
    other = [draw.choice((1, size, size, 5)) for size in whole][draw.choice((0, 0, 1)) :]
    return draw.sample([whole, other], 2)


def strided(shape: list[int], draw: random.Random) -> torch.Tensor:
    """A tensor on the meta device, in row-major order or another."""
    order = list(range(len(shape)))
    if draw.random() < 0.3:
        draw.shuffle(order)
    made = torch.empty(
        [shape[axis] for axis in order],
        dtype=draw.choice((torch.float32, torch.float32, torch.float64, torch.int64)),
        device="meta",
    )
    return made.permute([order.index(axis) for axis in range(len(shape))])


def factors(operator: Any, draw: random.Random) -> list[Any]:
    """Operands of a product, which perhaps do not fit together."""
    rows, inner, columns = (draw.randint(0, 3) for _ in range(3))
    stack = [draw.randint(0, 2)] if operator is aten.bmm.default else []
    pair = [strided([*stack, rows, inner], draw), strided([*stack, draw.choice((inner, inner, 2)), columns], draw)]
    return [strided([draw.choice((columns, columns, 1))], draw), *pair] if operator is aten.addmm.default else pair


def test_layouts_are_pytorchs() -> None:
    draw, fast, told = random.Random(0), FakeTensors(), 0
    for _ in range(4_000):
        operator: Any = draw.choice(sorted(_SHAPES, key=str))
        tensors = [strided(shape, draw) for shape in shapes(draw)]
        args: list[Any] = [tensors[0]]
        if operator in BINARY:
            args.append(draw.choice((tensors[1], tensors[1], 2.0, 3, True)))
        elif operator is aten.pow.Tensor_Scalar:
            args.append(draw.choice((2, 0.5)))
        elif operator in (aten.mm.default, aten.bmm.default, aten.addmm.default):
            args = factors(operator, draw)
        fakes = [fast.wrap(value) if isinstance(value, torch.Tensor) else value for value in args]
        found = plain_result(operator, fakes, {}, [value for value in fakes if isinstance(value, torch.Tensor)], fast)
        if found is NotImplemented:
            continue
        told += 1
        expected = operator(*args)
        assert (found.shape, found.stride(), found.dtype) == (expected.shape, expected.stride(), expected.dtype), (
            operator, [(value.shape, value.stride()) for value in args if isinstance(value, torch.Tensor)]
        )  # fmt: skip
    assert told > 1_500


def test_other_types_are_left_to_pytorch() -> None:
    fast = FakeTensors()
    x = fast.make((2, 3), (3, 1), torch.float32)
    assert plain_result(aten.mul.Tensor, (x, 1j), {}, [x], fast) is NotImplemented
    half = fast.make((2, 3), (3, 1), torch.float16)
    assert plain_result(aten.mul.Tensor, (x, half), {}, [x, half], fast) is NotImplemented
    wider = fast.make((4,), (1,), torch.float32)
    assert plain_result(aten.add.Tensor, (x, wider), {}, [x, wider], fast) is NotImplemented


class Ordered(nn.Module):
    """An image in the order that is asked for: the copy of what a norm cannot read tells which it is."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(4, 4, 3), nn.GroupNorm(2, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.convolution(x.contiguous(memory_format=torch.channels_last))
        return self.norm(y.clone(memory_format=torch.contiguous_format))


def test_another_order_that_is_asked_for_is_left_to_pytorch() -> None:
    fast = FakeTensors()
    x = fast.make((2, 4, 9, 8), (288, 72, 8, 1), torch.float32)
    assert plain_result(aten.clone.default, (x,), {"memory_format": torch.channels_last}, [x], fast) is NotImplemented
    module, image = Ordered(), torch.randn(2, 4, 9, 8)
    assert nncost.count(module, (image,)).memory.forward_allocated == inference_of(module, (image,))
