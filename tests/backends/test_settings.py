"""Settings that specs cannot name: a region's layer says the same as its operations, in PyTorch and in ONNX files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nncost.backends.onnx import onnx_bytes
from nncost.backends.torch import module_of
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions
from nncost.ir.builder import Builder
from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Region, Tensor
from nncost.ir.layers import Activation, Attention, BatchNorm, Conv, ConvTranspose, Layer, LayerNorm, Pool, Recurrent
from nncost.ir.library import conv, norm, pool, recurrent, sequence
from nncost.ir.library.activations import activation
from tests.backends.test_export import session

IMAGE, VECTOR = (2, 4, 7, 6), (3, 5)


def averaged(padding: list[tuple[int, int]], **options: object) -> Callable[[Builder], Tensor]:
    return lambda b: pool.average_pool(
        b, b.input(IMAGE), kernel=(3, 2), stride=(2, 1), padding=padding, **options  # type: ignore[arg-type]
    )  # fmt: skip


def activated(name: str, *settings: float) -> Callable[[Builder], Tensor]:
    return lambda b: activation(b, name, b.input(VECTOR), *settings)


def attended(queries: int, keys: int, *, mask: bool = False, **options: object) -> Callable[[Builder], Tensor]:
    def build(b: Builder) -> Tensor:
        query, key, value = (b.input((2, heads, n, 4)) for heads, n in ((4, queries), (2, keys), (2, keys)))
        given = b.input((queries, keys)) if mask else None
        return sequence.attention(b, query, key, value, mask=given, **options)  # type: ignore[arg-type]

    return build


def cropped(crop: list[tuple[int, int]], extra: tuple[int, int]) -> Callable[[Builder], Tensor]:
    def build(b: Builder) -> Tensor:
        weight, bias = b.parameter((4, 3, 2, 3), "weight", "weight"), b.parameter((6,), "bias", "bias")
        return conv.conv_transpose(
            b, b.input(IMAGE), weight, bias, stride=(2, 1), padding=crop, dilation=(1, 2), output_padding=extra, groups=2
        )  # fmt: skip

    return build


def recurring(
    kind: str, reverse: tuple[bool, ...], biases: int, *, states: str = ""
) -> Callable[[Builder], list[Tensor]]:
    def build(b: Builder) -> list[Tensor]:
        rows, cells, initial = recurrent.CELLS[kind].gates * 3, [], []
        for _ in reverse:
            shapes = ((rows, 5), (rows, 3), (rows,), (rows,))[: 2 + biases]
            cells.append(recurrent.CellWeights(*(b.parameter(shape, "weight", "weight") for shape in shapes)))
            count = recurrent.CELLS[kind].states
            if states == "zero":
                initial.append([b.broadcast(b.constant(0.0), (2, 3)) for _ in range(count)])
            elif states:
                initial.append([b.input((2, 3)) for _ in range(count)])
        y, finals = recurrent.recurrent_layer(b, kind, b.input((2, 4, 5)), cells, reverse=reverse, initial=initial)
        return [y, *(state for final in finals for state in final)]

    return build


def normalised(shape: tuple[int, ...], axes: int) -> Callable[[Builder], Tensor]:
    def build(b: Builder) -> Tensor:
        shift = b.parameter(shape, "bias", "bias")
        return norm.layer_norm(b, b.input((2, 3, 4)), None, shift, axes=axes, epsilon=0.1)

    return build


def padded(b: Builder) -> Tensor:
    return pool.max_pool(
        b, b.input(IMAGE), kernel=(3, 2), stride=(2, 1), padding=[(0, 1), (2, 0)], dilation=(1, 2)
    )  # fmt: skip


CASES: dict[str, Callable[[Builder], Tensor | list[Tensor]]] = {
    "maximum, uneven padding": padded,
    "average, padding counts": averaged([(1, 1), (1, 1)]),
    "average, padding does not count": averaged([(1, 1), (1, 1)], count_padding=False),
    "average, uneven padding does not count": averaged([(0, 1), (1, 0)], count_padding=False),
    "average, overhang": averaged([(1, 2), (0, 1)], overhang=(1, 1)),
    "average, overhang and padding do not count": averaged([(1, 2), (0, 1)], overhang=(1, 1), count_padding=False),
    "average, divisor": averaged([(1, 1), (0, 0)], divisor=2.5),
    "transposed, output padding": cropped([(1, 1), (0, 2)], (1, 0)),
    "transposed, cropped behind": cropped([(0, 2), (1, 3)], (0, 0)),
    "transposed, zeros before": cropped([(-1, 0), (2, -2)], (0, 1)),
    "leaky_relu": activated("leaky_relu", 0.3),
    "elu": activated("elu", 0.7),
    "elu, scaled": activated("elu", 0.7, 1.2, 0.9),
    "selu, single precision": activated("selu", 1.67326319217681884765625, 1.05070102214813232421875),
    "selu, other": activated("selu", 1.5, 1.1),
    "hardtanh": activated("hardtanh", -0.5, 0.25),
    "hardsigmoid": activated("hardsigmoid", 0.2, 0.4),
    "attention, scale": attended(3, 3, scale=0.3),
    "attention, causal, more keys": attended(3, 5, causal=True),
    "attention, causal from the start": attended(3, 5, causal=True, from_start=True),
    "attention, causal and mask": attended(3, 5, causal=True, mask=True),
    "attention, mask": attended(4, 3, mask=True, scale=0.5),
    "layer norm, shift only": normalised((3, 4), 2),
    "layer norm, shift of another shape": normalised((4,), 2),
    "lstm": recurring("lstm", (False,), 2),
    "lstm, two directions, one bias": recurring("lstm", (False, True), 1),
    "lstm, states of zero": recurring("lstm", (False,), 0, states="zero"),
    "lstm, states": recurring("lstm", (False, True), 2, states="given"),
    "gru, backwards": recurring("gru", (True,), 2),
    "rnn, two directions": recurring("rnn", (False, True), 2),
}


def built(build: Callable[[Builder], Tensor | list[Tensor]]) -> Graph:
    b = Builder(path="layer")
    outputs = build(b)
    return b.graph(*([outputs] if isinstance(outputs, Tensor) else outputs))


@pytest.mark.parametrize("name", CASES)
def test_module_and_file_give_what_the_operations_give(name: str) -> None:
    graph = built(CASES[name])
    module = module_of(graph, seed=1)
    values = module.values()
    feeds = {tensor: value.numpy() for tensor, value in zip(graph.inputs, module.inputs, strict=True)}
    expected = execute(graph, feeds | {p.tensor: value for p, value in values.items()}, dtype="float32")
    ours = module.module(*module.inputs)
    running = session(onnx_bytes(graph, values))
    written = running.run(None, {i.name: a for i, a in zip(running.get_inputs(), feeds.values(), strict=True)})
    for tensor, ran, read in zip(graph.outputs, ours if isinstance(ours, tuple) else (ours,), written, strict=True):
        np.testing.assert_allclose(ran.detach().numpy(), expected[tensor], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(read, expected[tensor], rtol=1e-5, atol=1e-5)


LAYERS: list[tuple[str, Layer]] = [
    ("4x9x9, conv 6 3 stride=2 pad=1 dilation=2 groups=2", Conv((2, 2), ((1, 1), (1, 1)), (2, 2), 2)),
    ("4x9, conv_transpose 6 3 stride=2 pad=1 output_pad=1", ConvTranspose((2,), ((1, 0),), (1,), 1)),
    ("2x9x9, maxpool 3 stride=2 pad=1", Pool("max", (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1))),
    ("2x9, avgpool 3", Pool("average", (3,), (3,), ((0, 0),), (1,))),
    ("2x9, batchnorm", BatchNorm(1e-5)),
    ("2x9, layernorm", LayerNorm(1, 1e-5, True, True)),
    ("4, elu", Activation("elu")),
    ("3x4, gru 5 bidirectional biases=1", Recurrent("gru", 5, (False, True), 1)),
]


@pytest.mark.parametrize(("spec", "layer"), LAYERS, ids=[spec for spec, _ in LAYERS])
def test_a_spec_gives_its_settings_to_the_region(spec: str, layer: Layer) -> None:
    (region,) = registry.load(spec, LoadOptions()).graph.items
    assert isinstance(region, Region)
    assert region.layer == layer


def test_settings_of_another_kind_are_refused() -> None:
    (region,) = registry.load("4, elu", LoadOptions()).graph.items
    assert isinstance(region, Region)
    assert region.settings(Activation).name == "elu"
    with pytest.raises(TypeError, match=r"elu.1: elu is no Attention"):
        region.settings(Attention)
