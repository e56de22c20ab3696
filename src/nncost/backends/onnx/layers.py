"""Layers as ONNX's own operators; what ONNX has no operator for gives None and is written in core operations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nncost.backends.constants import Constants
from nncost.backends.onnx.emitter import Emitter
from nncost.backends.onnx.recurrent import Named, Valued, emit_recurrent
from nncost.backends.operands import (
    DEFAULT_SETTINGS,
    attention_scale,
    causal_mask,
    divisor,
    has_standard_bias,
    integers,
    recurrent_weights,
    widths,
)
from nncost.dims import Shape
from nncost.ir import layers
from nncost.ir.graph import Region, Tensor
from nncost.records import record

IMAGE_RANK = 4
"""onnxruntime normalises local responses of images only."""
GELU_OPSET, GROUP_NORM_OPSET, RMS_NORM_OPSET = 20, 21, 23


@record
class LayerWriter:
    """What writing a layer takes: the emitter, the names of tensors, the values of parameters, the layer's path."""

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


def emit_layer(w: LayerWriter, region: Region, constants: Constants) -> list[str] | None:
    """Return the names of the region's outputs, or None for a layer without an operator."""
    found = _emit(w, region, constants)
    return [found] if isinstance(found, str) else found


def _emit(w: LayerWriter, region: Region, constants: Constants) -> str | list[str] | None:
    x = region.inputs[0] if region.inputs else region.outputs[0]
    match region.layer:
        case layers.Dense():
            return _dense(w, region) if has_standard_bias(region) else None
        case layers.Conv(strides, padding, dilations, groups) if "float" in x.dtype:
            return w.node(
                "Conv", *w.names(*region.inputs), kernel_shape=_kernel(region), strides=list(strides),
                pads=_pads(padding), dilations=list(dilations), group=groups,
            )  # fmt: skip
        case layers.ConvTranspose() as layer:
            return _transposed(w, layer, region)
        case layers.Pool(function="max") as layer:
            return _max_pool(w, layer, x)
        case layers.Pool() as layer:
            return _average_pool(w, layer, region)
        case layers.GlobalPool(function, keep):
            y = w.node("GlobalAveragePool" if function == "average" else "GlobalMaxPool", w.name(x))
            return y if keep else w.node("Flatten", y, axis=1)
        case layers.Softmax(axis, logarithm):
            return w.node("LogSoftmax" if logarithm else "Softmax", w.name(x), axis=axis)
        case layers.Activation() as layer:
            return _activation(w, layer, x)
        case layers.BatchNorm(epsilon):
            return w.node("BatchNormalization", *w.names(*region.inputs), epsilon=epsilon)
        case layers.LayerNorm(axes, epsilon, True) if _fits(region, x.shape[x.rank - axes :]):
            return w.node("LayerNormalization", *w.names(*region.inputs), axis=-axes, epsilon=epsilon)
        case layers.RMSNorm(epsilon, True) if _fits(region, x.shape[-1:]):
            return w.node("RMSNormalization", *w.names(*region.inputs), since=RMS_NORM_OPSET, axis=-1, epsilon=epsilon)
        case layers.GroupNorm(_, epsilon, True, True, True):
            return w.node("InstanceNormalization", *w.names(*region.inputs), epsilon=epsilon)
        case layers.GroupNorm(groups, epsilon, True, True):
            inputs = w.names(*region.inputs)
            return w.node("GroupNormalization", *inputs, since=GROUP_NORM_OPSET, num_groups=groups, epsilon=epsilon)
        case layers.LocalResponseNorm(size, alpha, beta, bias) if x.rank == IMAGE_RANK and size % 2:
            return w.node("LRN", w.name(x), size=size, alpha=alpha, beta=beta, bias=bias)
        case layers.Embedding():
            return w.node("Gather", *w.names(*region.inputs), axis=0)
        case layers.Dropout():
            return w.name(x)
        case layers.Attention():
            return _attention(w, region)
        case layers.Recurrent() as layer:
            weights = recurrent_weights(region, constants)
            return None if weights is None else emit_recurrent(w.e, w.name, w.value, w.path, layer, x, weights)
        case _:
            return None


def _fits(region: Region, shape: Shape) -> bool:
    """Whether a norm's scale and shift have the shape that its operator takes."""
    return all(tensor.shape == shape for tensor in region.inputs[1:])


def _dense(w: LayerWriter, region: Region) -> str:
    x, weight, *bias = region.inputs
    if x.rank == 2:
        return w.node("Gemm", *w.names(*region.inputs), transB=1)
    product = w.node("MatMul", w.name(x), w.node("Transpose", w.name(weight), perm=[1, 0]))
    return w.node("Add", product, w.name(bias[0])) if bias else product


def _kernel(region: Region) -> list[int]:
    return list(integers(region.inputs[1].shape[2:]))


def _pads(padding: layers.Widths) -> list[int]:
    """All widths before, then all behind."""
    return [*(low for low, _ in widths(padding)), *(high for _, high in widths(padding))]


def _transposed(w: LayerWriter, layer: layers.ConvTranspose, region: Region) -> str:
    """A negative crop is output padding if runtimes take it, else zeros before the bias is added."""
    x, weight, *bias = region.inputs
    crop = widths(layer.crop)
    extra = [max(-high, 0) for _, high in crop]
    settings: dict[str, Any] = {
        "kernel_shape": _kernel(region), "strides": list(layer.strides), "dilations": list(layer.dilations),
        "group": layer.groups, "pads": _pads(tuple((max(low, 0), max(high, 0)) for low, high in crop)),
    }  # fmt: skip
    if all(low >= 0 and more < stride for (low, _), more, stride in zip(crop, extra, layer.strides, strict=True)):
        return w.node("ConvTranspose", *w.names(*region.inputs), **settings, output_padding=extra)
    y = w.node("ConvTranspose", *w.names(x, weight), **settings)
    added = [0, 0, *(max(-low, 0) for low, _ in crop), 0, 0, *extra]
    y = w.node("Pad", y, w.e.integers(added), w.e.scalar(0.0, x.dtype))
    if not bias:
        return y
    around = w.e.integers([-1, *[1] * len(layer.strides)])
    return w.node("Add", y, w.node("Reshape", w.name(bias[0]), around))


# ------------------------------------------------------------------- pooling
def _padded(w: LayerWriter, x: Tensor, padding: layers.Widths, value: float) -> str:
    """The input with explicit padding on its spatial axes."""
    before, after = zip(*widths(padding), strict=True)
    return w.node("Pad", w.name(x), w.e.integers([0, 0, *before, 0, 0, *after]), w.e.scalar(value, x.dtype))


def _fits_kernel(layer: layers.Pool) -> bool:
    """Runtimes take only padding narrower than the kernel."""
    return all(max(pair) < size for pair, size in zip(widths(layer.padding), integers(layer.kernel), strict=True))


def _max_pool(w: LayerWriter, layer: layers.Pool, x: Tensor) -> str:
    fits = _fits_kernel(layer)
    return w.node(
        "MaxPool", w.name(x) if fits else _padded(w, x, layer.padding, -math.inf), kernel_shape=list(layer.kernel),
        strides=list(layer.strides), pads=_pads(layer.padding) if fits else [0] * (2 * len(layer.kernel)),
        dilations=list(layer.dilations),
    )  # fmt: skip


def _average_pool(w: LayerWriter, layer: layers.Pool, region: Region) -> str | None:
    """With the padding counted everywhere or nowhere; other divisors are written in core operations."""
    plain = not layer.count_padding and layer.divisor is None
    counted = np.array_equal(divisor(region), math.prod(integers(layer.kernel)))
    if not _fits_kernel(layer) or not (plain or counted):
        return None
    return w.node(
        "AveragePool", w.name(region.inputs[0]), kernel_shape=list(layer.kernel), strides=list(layer.strides),
        pads=_pads(layer.padding), count_include_pad=0 if plain else 1,
    )  # fmt: skip


# ------------------------------------------------------------------- activations
_PLAIN: Mapping[str, str] = {
    "relu": "Relu", "leaky_relu": "LeakyRelu", "elu": "Elu", "celu": "Celu", "mish": "Mish", "softplus": "Softplus",
    "softsign": "Softsign", "sigmoid": "Sigmoid", "tanh": "Tanh", "hardswish": "HardSwish",
}  # fmt: skip
_BOUNDS = {"relu6": (0.0, 6.0), "hardtanh": (-1.0, 1.0)}
_ALPHA = ("leaky_relu", "elu", "celu")
"""Those that take one number."""


def _activation(w: LayerWriter, layer: layers.Activation, operand: Tensor) -> str | None:
    x, settings, name = w.name(operand), layer.settings, layer.name
    if name in _PLAIN:
        if len(settings) > int(name in _ALPHA):
            return None
        own: dict[str, Any] = {"alpha": settings[0]} if settings else {}
        return w.node(_PLAIN[name], x, **own)
    match name:
        case "selu":
            alpha, gamma = settings or DEFAULT_SETTINGS[name]
            return w.node("Selu", x, alpha=alpha, gamma=gamma)
        case "gelu" | "gelu_tanh":
            return w.node("Gelu", x, since=GELU_OPSET, approximate="tanh" if name == "gelu_tanh" else "none")
        case "silu":
            return w.node("Mul", x, w.node("Sigmoid", x))
        case "hardsigmoid":
            alpha, beta = settings or DEFAULT_SETTINGS[name]
            return w.node("HardSigmoid", x, alpha=alpha, beta=beta)
        case "relu6" | "hardtanh":
            low, high = (w.e.scalar(bound) for bound in settings or _BOUNDS[name])
            return w.node("Clip", x, low, high)
        case _:
            return None


# ------------------------------------------------------------------- attention
def _attention(w: LayerWriter, region: Region) -> str:
    """Two matrix products around a softmax; shared heads are an axis of their own that broadcasts."""
    query_, key_, value_, *mask = region.inputs
    heads, length, width = integers(query_.shape[1:])
    groups = integers(key_.shape)[1]
    query, key, value = w.names(query_, key_, value_)
    if groups != heads:
        query = w.node("Reshape", query, w.e.integers([-1, groups, heads // groups, length, width]))
        key, value = (w.node("Unsqueeze", x, w.e.integers([2])) for x in (key, value))
    last = 3 + (groups != heads)
    order = [*range(last - 1), last, last - 1]
    scores = w.node("MatMul", query, w.node("Transpose", key, perm=order))
    scores = w.node("Mul", scores, w.e.scalar(attention_scale(region), query_.dtype))
    hidden = w.e.scalar(-math.inf, query_.dtype)
    if mask:
        name, is_boolean = w.name(mask[0]), mask[0].dtype == "bool"
        scores = w.node("Where", name, scores, hidden) if is_boolean else w.node("Add", scores, name)
    seen = causal_mask(region)
    scores = scores if seen is None else w.node("Where", w.e.array(seen, "seen"), scores, hidden)
    y = w.node("MatMul", w.node("Softmax", scores, axis=-1), value)
    if groups == heads:
        return y
    return w.node("Reshape", y, w.e.integers([-1, heads, length, integers(value_.shape)[3]]))
