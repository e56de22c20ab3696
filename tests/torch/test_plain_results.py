"""The layout of a result is that of PyTorch's own kernel, wherever it is told without it."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

import nncost
from nncost.frontends.torch.step.elementwise_results import BACKWARD, COMPARISONS, ELEMENTWISE, IN_PLACE
from nncost.frontends.torch.step.fake_tensors import FakeTensors, tensors_in
from nncost.frontends.torch.step.plain_results import RULES, SOFTMAX, plain_result
from tests.memory.torch.truth import inference_of

aten = torch.ops.aten
BINARY = {operator for operator in ELEMENTWISE | IN_PLACE | COMPARISONS if operator._overloadname == "Tensor"}
PRODUCTS = {aten.mm.default, aten.bmm.default, aten.addmm.default}
ALONG_AXES = {aten.mean.dim, aten.sum.dim_IntList}
ALONG_ONE = {aten.all.dim, aten.any.dim}
SCALAR = {operator for operator in ELEMENTWISE | IN_PLACE | COMPARISONS if operator._overloadname == "Scalar"}


def shapes(draw: random.Random) -> list[list[int]]:
    """Two shapes that fit together, or perhaps do not."""
    whole = [draw.choice((0, 1, 1, 2, 3, 3, 4)) for _ in range(draw.randint(0, 5))]
    other = [draw.choice((1, size, size, 5)) for size in whole][draw.choice((0, 0, 1)) :]
    return draw.sample([whole, other], 2)


def strided(shape: list[int], draw: random.Random, dtype: torch.dtype | None = None) -> torch.Tensor:
    """A tensor in row-major order or another, perhaps a part of a wider one."""
    order = list(range(len(shape)))
    if draw.random() < 0.4:
        draw.shuffle(order)
    gaps = [draw.choice((0, 0, 0, 2)) if draw.random() < 0.4 else 0 for _ in shape]
    made = torch.ones(
        [shape[axis] + gaps[axis] for axis in order],
        dtype=dtype
        or draw.choice((torch.float32, torch.float32, torch.float64, torch.int64, torch.bool, torch.bfloat16)),
    )
    made = made.permute([order.index(axis) for axis in range(len(shape))])
    return made[tuple(slice(0, size) for size in shape)]


def factors(operator: Any, draw: random.Random) -> list[Any]:
    """Operands of a product, which perhaps do not fit together."""
    rows, inner, columns = (draw.randint(0, 3) for _ in range(3))
    stack = [draw.randint(0, 2)] if operator is aten.bmm.default else []
    dtype = draw.choice((torch.float32, torch.float64, None))
    other = [*stack, draw.choice((inner, inner, 2)), columns]
    pair = [strided([*stack, rows, inner], draw, dtype), strided(other, draw, dtype)]
    return (
        [strided([draw.choice((columns, columns, 1))], draw, dtype), *pair] if operator is aten.addmm.default else pair
    )


def arguments(operator: Any, draw: random.Random) -> list[Any]:
    """What an operator is called with, which perhaps does not fit."""
    first, second = shapes(draw)
    x, axis = strided(first, draw), draw.randint(-5, 4)
    if operator in PRODUCTS:
        return factors(operator, draw)
    if operator in BINARY:
        numbers = () if operator in COMPARISONS else (2.0, 3, True)
        return [x, draw.choice((strided(second, draw, x.dtype), strided(second, draw), *numbers))]
    if operator in SCALAR or operator is aten.pow.Tensor_Scalar:
        return [x, draw.choice((2, 0.5))]
    if operator in BACKWARD:
        other = strided(draw.choice((first, first, second)), draw, draw.choice((x.dtype, x.dtype, None)))
        return [x, other, 0.5] if operator is aten.threshold_backward.default else [x, other]
    if operator is aten.bernoulli_.float:
        return [x, 0.5]
    if operator in SOFTMAX:
        if "backward" in str(operator):
            return [x, strided(first, draw, x.dtype), axis, x.dtype]
        return [x, axis, False]
    if operator is aten.where.self:
        condition = strided(draw.choice((first, second)), draw, draw.choice((torch.bool, torch.bool, torch.uint8)))
        return [condition, strided(draw.choice((first, second)), draw, x.dtype), strided(second, draw, x.dtype)]
    if operator is aten.native_batch_norm_backward.default:
        return batch_norm_backward(draw)
    if operator in ALONG_AXES | ALONG_ONE:
        axes = draw.choice((None, [], [axis], [axis, draw.randint(-5, 4)]))
        return [x, axis if operator in ALONG_ONE else axes, *draw.choice(((), (True,), (False,)))]
    if operator is aten.cumsum.default:
        return [x, axis]
    if operator is aten.cat.default:
        others = [
            strided([*first[:-1], draw.randint(0, 3)] if draw.random() < 0.5 else first, draw, x.dtype) for _ in "ab"
        ]
        return [[x, *others], *draw.choice(((), (-1,), (axis,)))]
    if operator is aten.embedding.default:
        return [strided([3, 4], draw), strided(first, draw, draw.choice((torch.int64, torch.int32, torch.float32)))]
    if "layer_norm" in str(operator):
        normed = first[draw.randint(0, len(first)) :]
        x = strided(first, draw, draw.choice((torch.float32, torch.float64, torch.bfloat16)))
        weight = draw.choice((None, strided(draw.choice((normed, normed, second)), draw, x.dtype)))
        if operator is aten.native_layer_norm.default:
            return [x, normed, weight, weight, 1e-5]
        rows = torch.ones([*first[: len(first) - len(normed)], *[1] * len(normed)], dtype=x.dtype)
        asked = [draw.random() < 0.7 for _ in "xwb"]
        return [strided(first, draw, x.dtype), x, normed, rows, rows, weight, weight, asked]
    return [x]


def batch_norm_backward(draw: random.Random) -> list[Any]:
    """What the backward pass of a batch norm is called with."""
    shape, dtype = [draw.randint(1, 3) for _ in range(draw.randint(2, 4))], draw.choice((torch.float32, torch.float64))
    each = torch.ones(shape[1], dtype=dtype)
    asked = [draw.random() < 0.7 for _ in "xwb"]
    pair = [strided(shape, draw, dtype) for _ in "gx"]
    return [*pair, draw.choice((None, each, each)), each, each, each, each, draw.random() < 0.5, 1e-5, asked]


def layouts(result: Any) -> Any:
    """Shape, strides and type of each tensor."""
    pieces = result if isinstance(result, tuple) else (result,)
    return [None if piece is None else (tuple(piece.shape), piece.stride(), piece.dtype) for piece in pieces]


def test_layouts_are_pytorchs() -> None:
    draw, fast = random.Random(0), FakeTensors()
    told = dict.fromkeys(RULES, 0)
    for _ in range(30_000):
        operator: Any = draw.choice(sorted(RULES, key=str))
        args = arguments(operator, draw)
        fakes = tree_map_only(torch.Tensor, fast.in_place_of, args)
        found = plain_result(operator, fakes, {}, tensors_in(fakes), fast)
        if found is NotImplemented:
            continue
        told[operator] += 1
        assert layouts(found) == layouts(operator(*args)), (operator, args)
    assert min(told.values()) > 10, told


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
