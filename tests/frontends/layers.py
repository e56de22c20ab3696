"""The layers that more than one front end reads: for each composite of ``ir.library`` at least one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.frontends.layer import Arrays, Function, Layer
from tests.onnx.models import node
from tests.torch.vision import import_torchvision

X, ROWS, IMAGE, SEQUENCE = (2, 3, 5), (4, 6), (2, 4, 7, 6), (2, 3, 4)


def of(function: Callable[..., Any], **settings: Any) -> Callable[[], nn.Module]:
    """A module that is a function with these settings."""
    return lambda: Function(lambda x: function(x, **settings))


def named(*names: str) -> Callable[[Arrays], Mapping[str, Any]]:
    """ONNX constants that are the module's state, under these names, in its order."""
    return lambda state: dict(zip(names, state.values(), strict=True))


def uncounted_batches() -> nn.Module:
    """Batch norm without PyTorch's count of the batches it has seen, which is an integer addition."""
    module = nn.BatchNorm2d(4)
    module.num_batches_tracked = None
    return module


def learned_instance_norm() -> nn.Module:
    """Instance norm after some training: its scale and shift are no longer ones and zeros."""
    module = nn.InstanceNorm2d(4, affine=True)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    return module


def number(value: float) -> np.ndarray:
    return np.array(value, dtype=np.float32)


def _plain_activations() -> list[Layer]:
    """The activations without settings, as each front end calls them."""
    table: dict[str, tuple[list[Any] | None, Callable[[], nn.Module] | None]] = {
        "relu": ([node("Relu", "x")], nn.ReLU), "leaky_relu": ([node("LeakyRelu", "x")], nn.LeakyReLU),
        "elu": ([node("Elu", "x")], nn.ELU), "selu": ([node("Selu", "x")], nn.SELU), "gelu": ([node("Gelu", "x")], nn.GELU),
        "gelu_tanh": ([node("Gelu", "x", approximate="tanh")], lambda: nn.GELU(approximate="tanh")),
        "silu": ([node("Swish", "x")], nn.SiLU), "mish": ([node("Mish", "x")], nn.Mish), "softplus": ([node("Softplus", "x")], nn.Softplus),
        "softsign": ([node("Softsign", "x")], None), "sigmoid": ([node("Sigmoid", "x")], nn.Sigmoid),
        "tanh": ([node("Tanh", "x")], nn.Tanh), "hardsigmoid": ([node("HardSigmoid", "x", alpha=1 / 6)], nn.Hardsigmoid),
        "hardswish": ([node("HardSwish", "x")], nn.Hardswish), "relu6": ([node("Clip", "x", min=0.0, max=6.0)], nn.ReLU6),
        "hardtanh": ([node("Clip", "x", min=-1.0, max=1.0)], nn.Hardtanh),
    }  # fmt: skip
    return [
        Layer(name, (f"activation {name}",), ROWS, name, nodes, module, bounds=(-3.0, 3.0), opset={"relu6": 6, "hardtanh": 6, "silu": 24}.get(name, 22))
        for name, (nodes, module) in table.items()
    ]  # fmt: skip


ACTIVATIONS = [
    *_plain_activations(),
    Layer("leaky_relu 0.3", ("activation leaky_relu",), ROWS, None, [node("LeakyRelu", "x", alpha=0.3)], lambda: nn.LeakyReLU(0.3)),
    Layer("elu 0.5", ("activation elu",), ROWS, None, [node("Elu", "x", alpha=0.5)], lambda: nn.ELU(0.5)),
    Layer("celu", ("activation celu",), ROWS, None, [node("Celu", "x")], nn.CELU),
    Layer("celu 2", ("activation celu",), ROWS, None, [node("Celu", "x", alpha=2.0)], lambda: nn.CELU(2.0)),
    Layer("threshold", ("activation threshold",), ROWS, None, [node("ThresholdedRelu", "x", alpha=0.3)], lambda: nn.Threshold(0.3, 0.0)),
    Layer("hardshrink", ("activation shrink",), ROWS, None, [node("Shrink", "x", lambd=0.3)], lambda: nn.Hardshrink(0.3)),
    Layer("softshrink", ("activation shrink",), ROWS, None, [node("Shrink", "x", lambd=0.3, bias=0.3)], lambda: nn.Softshrink(0.3)),
    Layer("prelu", ("prelu",), ROWS, None, [node("PRelu", "x w")], nn.PReLU, named("w")),
    Layer("softmax", ("softmax",), ROWS, "softmax", [node("Softmax", "x")], lambda: nn.Softmax(-1)),
    Layer("log_softmax", ("softmax",), ROWS, "log_softmax", [node("LogSoftmax", "x")], lambda: nn.LogSoftmax(-1)),
]  # fmt: skip
ELEMENTWISE = [
    *(Layer(name, (f"composed {name}",), ROWS, None, [node(name.capitalize(), "x")], of(getattr(torch, name)), bounds=(0.1, 0.9))
      for name in ("sinh", "cosh", "tan", "asinh", "atanh", "asin", "acos")),
    Layer("acosh", ("composed acosh",), ROWS, None, [node("Acosh", "x")], of(torch.acosh), bounds=(1.1, 2.0)),
    *(Layer(f"power {e}", ("power",), ROWS, None, [node("Pow", "x e")], of(torch.pow, exponent=e), lambda state, e=e: {"e": number(e)},
            bounds=(0.1, 0.9)) for e in (-2, -1, 0.5, 1, 2, 2.5, 3, 4)),
]  # fmt: skip
REDUCTIONS = [
    Layer(name, (composite,), X, None, [node(op, "x a", keepdims=keep)], of(function, dim=-1, keepdim=bool(keep)),
          lambda state: {"a": np.array([-1])}, bounds=(0.1, 0.9))
    for keep in (0, 1)
    for name, composite, op, function in (
        (f"logsumexp keep={keep}", "logsumexp", "ReduceLogSumExp", torch.logsumexp),
        (f"norm 1 keep={keep}", "vector_norm", "ReduceL1", lambda x, **settings: torch.linalg.vector_norm(x, 1, **settings)),
        (f"norm 2 keep={keep}", "vector_norm", "ReduceL2", torch.linalg.vector_norm),
        (f"sum of squares keep={keep}", "power_sum", "ReduceSumSquare", lambda x, **settings: x.square().sum(**settings)),
    )
]  # fmt: skip
REDUCTIONS += [
    Layer("cumulative sum", ("cumulative_sum",), X, None, [node("CumSum", "x a")], of(torch.cumsum, dim=1), lambda state: {"a": np.int64(1)}),
]  # fmt: skip
WEIGHTS = named("w", "b")


def vision() -> Any:
    """torchvision's operators; without the package what needs them is skipped."""
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_torchvision().ops


class Deformed(nn.Module):
    """A deformable convolution whose offsets are a part of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.convolve = vision().deform_conv2d
        self.weight, self.bias = (
            nn.Parameter(torch.linspace(-1, 1, 48).reshape(6, 4, 1, 2)),
            nn.Parameter(torch.ones(6)),
        )

    def forward(self, x: torch.Tensor) -> Any:
        return self.convolve(x, x[..., :5], self.weight, self.bias)


class Regions(nn.Module):
    """An image in boxes that are its own numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.align = vision().roi_align

    def forward(self, x: torch.Tensor) -> Any:
        return self.align(x, x.reshape(-1, 5), (2, 3), 3.0, 2, aligned=True)


class Distances(nn.Module):
    """Distances to fixed points."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("points", torch.linspace(-1, 1, 30).reshape(5, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cdist(x, self.points)


LAYERS = [
    Layer("dense", ("dense",), ROWS, "dense 3", [node("Gemm", "x w b", transB=1)], lambda: nn.Linear(6, 3), WEIGHTS),
    Layer("dense over a sequence", ("dense",), SEQUENCE, "dense 3 bias=no", [node("MatMul", "x w")], lambda: nn.Linear(4, 3, bias=False),
          lambda state: {"w": state["weight"].T}),
    Layer("conv", ("conv",), IMAGE, "conv 6 3x2 stride=2 pad=1 groups=2", [node("Conv", "x w b", strides=[2, 2], pads=[1, 1, 1, 1], group=2)],
          lambda: nn.Conv2d(4, 6, (3, 2), 2, 1, groups=2), WEIGHTS),
    Layer("conv, dilated, 1-D", ("conv",), X, "conv 6 2 dilation=2", [node("Conv", "x w b", dilations=[2])], lambda: nn.Conv1d(3, 6, 2, dilation=2), WEIGHTS),
    Layer("conv, same", ("same_padding", "halves", "pad"), IMAGE, "conv 6 5x3 pad=same", [node("Conv", "x w b", auto_pad="SAME_UPPER")],
          lambda: nn.Conv2d(4, 6, (5, 3), padding="same"), WEIGHTS),
    Layer("conv, same, stride 2", ("same_padding", "halves"), IMAGE, "conv 6 3 stride=2 pad=same",
          [node("Conv", "x w b", auto_pad="SAME_UPPER", strides=[2, 2])], lambda: nn.Conv2d(4, 6, 3, 2), WEIGHTS, without="torch"),
    Layer("conv_transpose", ("conv_transpose",), IMAGE, "conv_transpose 6 3 stride=2 pad=1 output_pad=1 groups=2",
          [node("ConvTranspose", "x w b", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1], group=2)],
          lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), WEIGHTS),
    *(Layer(f"padded, {mode}", ("pad_with_border",), IMAGE, None, [node("Pad", "x p", mode=mode)], lambda module=module: module((1, 2, 2, 1)),
            lambda state: {"p": np.array([0, 0, 2, 1, 0, 0, 1, 2])}) for mode, module in (("reflect", nn.ReflectionPad2d), ("edge", nn.ReplicationPad2d))),
    Layer("maxpool", ("max_pool",), IMAGE, "maxpool 3x2 stride=2 pad=1", [node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 1, 1, 1])],
          lambda: nn.MaxPool2d((3, 2), 2, 1)),
    Layer("maxpool, ceil mode", ("overhang",), IMAGE, None, [node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)],
          lambda: nn.MaxPool2d(3, 2, ceil_mode=True)),
    Layer("avgpool", ("average_pool",), IMAGE, "avgpool 3 stride=2", [node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2])],
          lambda: nn.AvgPool2d(3, 2)),
    Layer("avgpool, padded", ("average_pool",), IMAGE, "avgpool 3 pad=1", [node("AveragePool", "x", kernel_shape=[3, 3], strides=[3, 3],
          pads=[1, 1, 1, 1], count_include_pad=1)], lambda: nn.AvgPool2d(3, padding=1)),
    *(Layer(f"avgpool, ceil mode, include={include}", ("average_pool", "overhang"), IMAGE, None,
            [node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=int(include))],
            lambda include=include: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=include)) for include in (True, False)),
    Layer("global_avgpool", ("global_average_pool",), IMAGE, "global_avgpool", [node("GlobalAveragePool", "x", "p"), node("Flatten", "p")],
          lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())),
    Layer("global_maxpool", ("global_max_pool",), IMAGE, "global_maxpool", [node("GlobalMaxPool", "x", "p"), node("Flatten", "p")],
          lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())),
    Layer("adaptive_avgpool", ("adaptive_pool",), IMAGE, "adaptive_avgpool 3x2", None, lambda: nn.AdaptiveAvgPool2d((3, 2))),
    Layer("adaptive_maxpool", ("adaptive_pool",), IMAGE, "adaptive_maxpool 3x2", None, lambda: nn.AdaptiveMaxPool2d((3, 2))),
    Layer("batchnorm", ("batch_norm",), IMAGE, "batchnorm", [node("BatchNormalization", "x s b m v")], uncounted_batches, named(*"sbmv")),
    Layer("layernorm", ("layer_norm",), X, "layernorm", [node("LayerNormalization", "x s b")], lambda: nn.LayerNorm(5), named(*"sb")),
    Layer("rmsnorm", ("rms_norm",), X, "rmsnorm", [node("RMSNormalization", "x s")], lambda: nn.RMSNorm(5, eps=1e-5), named("s"), opset=23),
    Layer("groupnorm", ("group_norm",), IMAGE, "groupnorm 2", [node("GroupNormalization", "x s b", num_groups=2)], lambda: nn.GroupNorm(2, 4), named(*"sb")),
    Layer("instancenorm", ("instance_norm",), IMAGE, "instancenorm affine", [node("InstanceNormalization", "x s b")],
          learned_instance_norm, named(*"sb")),
    Layer("instancenorm without affine", ("instance_norm",), IMAGE, "instancenorm", [node("InstanceNormalization", "x s b")],
          None, lambda state: {"s": np.ones(4), "b": np.zeros(4)}),
    Layer("lrn", ("local_response_norm",), IMAGE, "lrn 3", [node("LRN", "x", size=3)], None),
    Layer("embedding", ("embedding",), (2, 5), "embedding 7 3", [node("Gather", "w x")], lambda: nn.Embedding(7, 3), named("w"), rows=7),
    Layer("dropout", ("dropout",), ROWS, "dropout 0.3", [node("Dropout", "x r")], None, lambda state: {"r": number(0.3)}),
    Layer("pixel shuffle", ("pixel_shuffle",), IMAGE, None, [node("DepthToSpace", "x", blocksize=2, mode="CRD")], lambda: nn.PixelShuffle(2)),
    Layer("pixel unshuffle", ("pixel_unshuffle",), (2, 3, 4, 6), None, [node("SpaceToDepth", "x", blocksize=2, mode="CRD")], lambda: nn.PixelUnshuffle(2)),
    *(Layer(f"triangle, upper={upper}", ("triangle",), (2, 4, 5), None, [node("Trilu", "x k", upper=int(upper))],
            of(torch.triu if upper else torch.tril, diagonal=1), lambda state: {"k": np.int64(1)}) for upper in (True, False)),
    Layer("columns to an image", ("col2im",), (2, 12, 16), None, [node("Col2Im", "x s k")], lambda: nn.Fold((5, 6), (2, 3)),
          lambda state: {"s": np.array([5, 6]), "k": np.array([2, 3])}),
    *(Layer(f"resized, {mode}", ("resize",), IMAGE, None, [node("Resize", "x - s", mode=mode, coordinate_transformation_mode="half_pixel")],
            of(functional.interpolate, scale_factor=2.0, mode=f"bi{mode}"), lambda state: {"s": np.float32([1, 1, 2, 2])}) for mode in ("linear", "cubic")),
    *(Layer(f"sampled, {padding}", ("grid_sample",), (2, 2, 7, 6), None, [node("Transpose", "x", "g", perm=[0, 2, 3, 1]), node("GridSample", "x g", padding_mode=padding)],
            lambda padding=padding: Function(lambda x: functional.grid_sample(x, x.permute(0, 2, 3, 1), padding_mode=padding, align_corners=False)), bounds=(-1.3, 1.3))
      for padding in ("zeros", "border", "reflection")),
    Layer("deformable convolution", ("deformable_conv",), (1, 4, 5, 6), None, [node("Slice", "x a b c", "o"), node("DeformConv", "x w o d")], Deformed,
          lambda state: {"a": np.array([0]), "b": np.array([5]), "c": np.array([3]), "w": state["weight"], "d": state["bias"]}),
    Layer("aligned regions", ("region_align",), (2, 2, 4, 5), None,
          [node("Reshape", "x s", "r"), node("Split", "r p", "m b", axis=1), node("Cast", "m", "n", to=7), node("Squeeze", "n a", "i"),
           node("RoiAlign", "x b i", output_height=2, output_width=3, spatial_scale=3.0, sampling_ratio=2)],
          Regions, lambda state: {"s": np.array([-1, 5]), "p": np.array([1, 4]), "a": np.array([1])}, bounds=(0.0, 0.9)),
    Layer("affine grid", ("affine_grid",), (2, 2, 3), None, [node("AffineGrid", "x s")], of(functional.affine_grid, size=(2, 1, 4, 5), align_corners=False),
          lambda state: {"s": np.array([2, 1, 4, 5])}),
    Layer("distances", ("distances_between",), ROWS, None, [node("CDist", "x z", domain="com.microsoft", metric="euclidean")], Distances, named("z")),
    Layer("tile", ("tile",), X, None, [node("Tile", "x r")], lambda: Function(lambda x: x.repeat(1, 2, 3)), lambda state: {"r": np.array([1, 2, 3])}),
]  # fmt: skip
HIDDEN = 3


class Recurrent(nn.Module):
    """A recurrent layer of which the outputs of all steps are read."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.layer = kind(4, HIDDEN, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:
        return self.layer(x)[0]


def _recurrent(kind: type[nn.RNNBase], gates: Sequence[int], without: str = "", **attributes: Any) -> Layer:
    """``gates`` are the places of ONNX's gates among PyTorch's; ONNX reads the time steps first, of each direction."""
    op = kind.__name__

    def constants(state: Arrays) -> Mapping[str, Any]:
        w, r, *biases = (np.concatenate([a[g * HIDDEN : (g + 1) * HIDDEN] for g in gates]) for a in state.values())
        return {"w": w[None], "r": r[None], "b": np.concatenate(biases)[None], "a": np.array([1])}

    nodes = [
        node("Transpose", "x", "t", perm=[1, 0, 2]), node(op, "t w r b", "s", hidden_size=HIDDEN, **attributes),
        node("Squeeze", "s a", "q"), node("Transpose", "q", perm=[1, 0, 2]),
    ]  # fmt: skip
    spec = f"{op.lower()} {HIDDEN}"
    return Layer(
        op.lower(),
        (f"recurrent_layer {op.lower()}",),
        SEQUENCE,
        spec,
        nodes,
        lambda: Recurrent(kind),
        constants,
        without=without,
    )


class Attention(nn.Module):
    """Self-attention of two heads with its four projections."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(4, 4) for _ in range(4))

    def forward(self, x: torch.Tensor) -> Any:
        projected = [layer(x).unflatten(2, (2, 2)).transpose(1, 2) for layer in (self.query, self.key, self.value)]
        y = functional.scaled_dot_product_attention(*projected)
        return self.output(y.transpose(1, 2).flatten(2))


def _attention_nodes() -> list[onnx.NodeProto]:
    """Four projections around onnxruntime's attention, which scales the scores as PyTorch does."""
    projected = [
        made
        for letter in "qkv"
        for made in (node("MatMul", f"x {letter}w", f"{letter}p"), node("Add", f"{letter}p {letter}b", letter))
    ]
    attended = node("MultiHeadAttention", "q k v", "a", num_heads=2, domain="com.microsoft")
    return [*projected, attended, node("MatMul", "a ow", "op"), node("Add", "op ob")]


def _attention_constants(state: Arrays) -> Mapping[str, Any]:
    names = [f"{letter}{kind}" for letter in "qkvo" for kind in "wb"]
    return {name: array.T for name, array in zip(names, state.values(), strict=True)}


SEQUENCES = [
    _recurrent(nn.LSTM, (0, 3, 1, 2)),
    # On a CPU PyTorch runs these two step by step, and a GRU in a form that saves a product.
    _recurrent(nn.RNN, (0,), without="torch"),
    _recurrent(nn.GRU, (1, 0, 2), without="torch", linear_before_reset=1),
    Layer(
        "attention",
        ("attention", "split_heads", "merge_heads"),
        SEQUENCE,
        "attention heads=2",
        _attention_nodes(),
        Attention,
        _attention_constants,
    ),
]

TABLE: tuple[Layer, ...] = (*ACTIVATIONS, *ELEMENTWISE, *REDUCTIONS, *LAYERS, *SEQUENCES)
