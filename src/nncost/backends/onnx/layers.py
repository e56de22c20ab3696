"""Layers as ONNX's own operators; what ONNX has no operator for gives None and is written in core operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never, cast

import numpy as np

from nncost.backends.meaning.layers import (
    Activation,
    AdaptivePool,
    Attention,
    AveragePool,
    BatchNorm,
    Convolution,
    Dense,
    Dropout,
    Embedding,
    GlobalPool,
    GroupNorm,
    LayerNorm,
    LocalResponse,
    MaxPool,
    Meaning,
    Recurrent,
    Softmax,
    TransposedConvolution,
    Widths,
)
from nncost.backends.meaning.pools import inside_counts
from nncost.backends.onnx.emitter import Emitter
from nncost.backends.onnx.recurrent import Valued, emit_recurrent
from nncost.ir.graph import Tensor
from nncost.ir.library.activations import SELU_ALPHA, SELU_SCALE

Named = Callable[[Tensor], str]
IMAGE_RANK = 4
"""onnxruntime normalises local responses of images alone."""
GELU_OPSET, GROUP_NORM_OPSET, RMS_NORM_OPSET = 20, 21, 23


@dataclass(frozen=True, slots=True)
class Writing:
    """Where a layer is written: the emitter, the names of tensors, the values of parameters, the layer's path."""

    e: Emitter
    name: Named
    value: Valued
    path: str

    def node(self, kind: str, *inputs: str, since: int = 0, **attributes: Any) -> str:
        """A node of the layer with one output."""
        return self.e.node(kind, inputs, since=since, path=self.path, **attributes)

    def names(self, *tensors: Tensor | None) -> list[str]:
        """Names of operands; a missing one at the end is left out."""
        return [self.name(tensor) for tensor in tensors if tensor is not None]


def emit_layer(w: Writing, meaning: Meaning) -> list[str] | None:
    """The names of the region's outputs; None for a layer without an operator."""
    found = _emit(w, meaning)
    return [found] if isinstance(found, str) else found


def _emit(w: Writing, meaning: Meaning) -> str | list[str] | None:
    match meaning:
        case Dense():
            return _dense(w, meaning)
        case Convolution(x, weight, bias, strides, padding, dilations, groups):
            return w.node(
                "Conv", *w.names(x, weight, bias), kernel_shape=_kernel(weight), strides=list(strides), pads=_pads(padding),
                dilations=list(dilations), group=groups,
            )  # fmt: skip
        case TransposedConvolution():
            return _transposed(w, meaning)
        case MaxPool():
            return _max_pool(w, meaning)
        case AveragePool():
            return _average_pool(w, meaning)
        case GlobalPool(x, function, keep):
            y = w.node("GlobalAveragePool" if function == "average" else "GlobalMaxPool", w.name(x))
            return y if keep else w.node("Flatten", y, axis=1)
        case AdaptivePool():
            return None
        case Softmax(x, axis, logarithm):
            return w.node("LogSoftmax" if logarithm else "Softmax", w.name(x), axis=axis)
        case Activation(x, name, settings):
            return _activation(w, name, w.name(x), settings)
        case BatchNorm(x, scale, shift, mean, variance, epsilon):
            return w.node("BatchNormalization", *w.names(x, scale, shift, mean, variance), epsilon=epsilon)
        case LayerNorm():
            return _layer_norm(w, meaning)
        case GroupNorm():
            return _group_norm(w, meaning)
        case LocalResponse(x, size, alpha, beta, bias):
            if x.rank != IMAGE_RANK:
                return None
            return w.node("LRN", w.name(x), size=size, alpha=alpha, beta=beta, bias=bias)
        case Embedding(table, indices):
            return w.node("Gather", *w.names(table, indices), axis=0)
        case Dropout(x):
            return w.name(x)
        case Attention():
            return _attention(w, meaning)
        case Recurrent():
            return emit_recurrent(w.e, w.name, w.value, w.path, meaning)
        case _:
            assert_never(meaning)


def _dense(w: Writing, layer: Dense) -> str:
    if layer.x.rank == 2:
        return w.node("Gemm", *w.names(layer.x, layer.weight, layer.bias), transB=1)
    product = w.node("MatMul", w.name(layer.x), w.node("Transpose", w.name(layer.weight), perm=[1, 0]))
    return product if layer.bias is None else w.node("Add", product, w.name(layer.bias))


def _kernel(weight: Tensor) -> list[int]:
    return [cast("int", dim) for dim in weight.shape[2:]]


def _pads(padding: Widths) -> list[int]:
    """All widths before, then all behind."""
    return [*(low for low, _ in padding), *(high for _, high in padding)]


def _transposed(w: Writing, layer: TransposedConvolution) -> str:
    """What the crop adds instead is output padding where runtimes take it, else zeros before the bias is added."""
    extra = [max(-high, 0) for _, high in layer.crop]
    settings: dict[str, Any] = {
        "kernel_shape": _kernel(layer.weight), "strides": list(layer.strides), "dilations": list(layer.dilations),
        "group": layer.groups, "pads": _pads(tuple((max(low, 0), max(high, 0)) for low, high in layer.crop)),
    }  # fmt: skip
    if all(low >= 0 and more < stride for (low, _), more, stride in zip(layer.crop, extra, layer.strides, strict=True)):
        inputs = w.names(layer.x, layer.weight, layer.bias)
        return w.node("ConvTranspose", *inputs, **settings, output_padding=extra)
    y = w.node("ConvTranspose", *w.names(layer.x, layer.weight), **settings)
    widths = [0, 0, *(max(-low, 0) for low, _ in layer.crop), 0, 0, *extra]
    y = w.node("Pad", y, w.e.integers(widths), w.e.scalar(0.0, layer.x.dtype))
    if layer.bias is None:
        return y
    around = w.e.integers([-1, *[1] * len(layer.strides)])
    return w.node("Add", y, w.node("Reshape", w.name(layer.bias), around))


# ------------------------------------------------------------------- pooling
def _padded(w: Writing, x: Tensor, padding: Widths, value: float) -> str:
    """The input with explicit padding on its spatial axes."""
    widths = [0, 0, *(low for low, _ in padding), 0, 0, *(high for _, high in padding)]
    return w.node("Pad", w.name(x), w.e.integers(widths), w.e.scalar(value, x.dtype))


def _fits_kernel(padding: Widths, kernel: Sequence[int]) -> bool:
    """Runtimes take padding narrower than the kernel alone."""
    return all(max(pair) < size for pair, size in zip(padding, kernel, strict=True))


def _max_pool(w: Writing, layer: MaxPool) -> str:
    fits = _fits_kernel(layer.padding, layer.kernel)
    x = w.name(layer.x) if fits else _padded(w, layer.x, layer.padding, -math.inf)
    pads = _pads(layer.padding) if fits else [0] * (2 * len(layer.kernel))
    return w.node(
        "MaxPool",
        x,
        kernel_shape=list(layer.kernel),
        strides=list(layer.strides),
        pads=pads,
        dilations=list(layer.dilations),
    )


def _average_pool(w: Writing, layer: AveragePool) -> str | None:
    """With the padding counted everywhere or nowhere; other divisors are written in core operations."""
    if not _fits_kernel(layer.padding, layer.kernel):
        return None
    if isinstance(layer.divisor, float):
        counts_padding, known = 1, layer.divisor == math.prod(layer.kernel)
    else:
        counts_padding, known = 0, np.array_equal(layer.divisor, inside_counts(layer))
    if not known:
        return None
    return w.node(
        "AveragePool", w.name(layer.x), kernel_shape=list(layer.kernel), strides=list(layer.strides),
        pads=_pads(layer.padding), count_include_pad=counts_padding,
    )  # fmt: skip


# ------------------------------------------------------------------- activations
_PLAIN: Mapping[str, str] = {
    "relu": "Relu", "leaky_relu": "LeakyRelu", "elu": "Elu", "celu": "Celu", "mish": "Mish", "softplus": "Softplus",
    "softsign": "Softsign", "sigmoid": "Sigmoid", "tanh": "Tanh", "hardswish": "HardSwish",
}  # fmt: skip
_BOUNDS = {"relu6": (0.0, 6.0), "hardtanh": (-1.0, 1.0)}


def _activation(w: Writing, name: str, x: str, settings: Sequence[float]) -> str:
    if name in _PLAIN:
        alpha: dict[str, Any] = {"alpha": settings[0]} if settings else {}
        return w.node(_PLAIN[name], x, **alpha)
    match name:
        case "selu":
            return w.node("Selu", x, alpha=SELU_ALPHA, gamma=SELU_SCALE)
        case "gelu" | "gelu_tanh":
            return w.node("Gelu", x, since=GELU_OPSET, approximate="tanh" if name == "gelu_tanh" else "none")
        case "silu":
            return w.node("Mul", x, w.node("Sigmoid", x))
        case "hardsigmoid":
            return w.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)
        case _:
            low, high = (w.e.scalar(bound) for bound in _BOUNDS[name])
            return w.node("Clip", x, low, high)


# ------------------------------------------------------------------- norms
def _layer_norm(w: Writing, layer: LayerNorm) -> str | None:
    """ONNX wants a scale; a norm without one is written in core operations."""
    if layer.scale is None:
        return None
    if layer.centre:
        inputs = w.names(layer.x, layer.scale, layer.shift)
        return w.node("LayerNormalization", *inputs, axis=-layer.axes, epsilon=layer.epsilon)
    if layer.axes != 1:
        return None
    inputs = w.names(layer.x, layer.scale)
    return w.node("RMSNormalization", *inputs, since=RMS_NORM_OPSET, axis=-1, epsilon=layer.epsilon)


def _group_norm(w: Writing, layer: GroupNorm) -> str | None:
    if layer.scale is None or layer.shift is None:
        return None
    inputs = w.names(layer.x, layer.scale, layer.shift)
    if layer.instance:
        return w.node("InstanceNormalization", *inputs, epsilon=layer.epsilon)
    return w.node("GroupNormalization", *inputs, since=GROUP_NORM_OPSET, num_groups=layer.groups, epsilon=layer.epsilon)


# ------------------------------------------------------------------- attention
def _attention(w: Writing, layer: Attention) -> str:
    """Two matrix products around a softmax; shared heads are an axis of their own that broadcasts."""
    heads, length, width = (cast("int", dim) for dim in layer.query.shape[1:])
    groups = cast("int", layer.key.shape[1])
    query, key, value = w.names(layer.query, layer.key, layer.value)
    if groups != heads:
        query = w.node("Reshape", query, w.e.integers([-1, groups, heads // groups, length, width]))
        key, value = (w.node("Unsqueeze", x, w.e.integers([2])) for x in (key, value))
    last = 3 + (groups != heads)
    order = [*range(last - 1), last, last - 1]
    scores = w.node("MatMul", query, w.node("Transpose", key, perm=order))
    scores = w.node("Mul", scores, w.e.scalar(layer.scale, layer.query.dtype))
    probabilities = w.node("Softmax", _masked(w, layer, scores), axis=-1)
    y = w.node("MatMul", probabilities, value)
    if groups == heads:
        return y
    return w.node("Reshape", y, w.e.integers([-1, heads, length, cast("int", layer.value.shape[3])]))


def _masked(w: Writing, layer: Attention, scores: str) -> str:
    hidden = w.e.scalar(-math.inf, layer.query.dtype)
    if layer.mask is not None:
        mask = w.name(layer.mask)
        scores = w.node("Where", mask, scores, hidden) if layer.mask.dtype == "bool" else w.node("Add", scores, mask)
    if layer.seen is None:
        return scores
    shape = (layer.query.shape[2], layer.key.shape[2])
    seen = np.broadcast_to(np.asarray(layer.seen, dtype=bool), cast("tuple[int, int]", shape))
    return w.node("Where", w.e.array(seen, "seen"), scores, hidden)
