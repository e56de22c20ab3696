"""Examples of products by an equation, of matrices, signals, fused operations and random numbers."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from tests.onnx.examples.example import IMAGE, Example, X, ints, one, single, two, weights
from tests.onnx.models import node

MICROSOFT = "com.microsoft"
EINSUMS = [
    *(one("Einsum", "x", x=x, equation=equation) for equation, x in (("ij->ji", (3, 4)), ("ij->i", (3, 4)), ("ii->i", (3, 3)), ("iij->j", (3, 3, 2)), ("...i->i...", X), ("ijk", X))),
    *(two("Einsum", a, b, equation=equation) for equation, a, b in (
        ("ij,jk->ik", (3, 4), (4, 5)), ("bij, bjk -> bik", (2, 3, 4), (2, 4, 5)), ("i,j->ij", (3,), (4,)), ("ij,ij->ij", (3, 4), (3, 4)), ("ij,jk", (3, 4), (4, 2)),
        ("...ij,...jk->...ik", (2, 1, 3, 4), (2, 5, 4, 2)), ("bhid,bhjd->bhij", (2, 2, 3, 4), (2, 2, 5, 4)), ("ijk,jl->il", (2, 3, 4), (3, 5)), ("ii,ij->j", (3, 3), (3, 2)))),
    Example("Einsum(three)", [node("Einsum", "a b c", equation="ij,jk,kl->il")], {"a": (2, 3), "b": (3, 4), "c": (4, 5)}),
    Example("Einsum(layer)", [node("Einsum", "x w", equation="bti,oi->bto")], {"x": X}, {"w": weights(4, 5)}),
]  # fmt: skip
MATRICES = [
    Example("Mod(cut)", [node("Abs", "b", "d"), node("Add", "d c", "e"), node("Mod", "a e", fmod=1)], {"a": (2, 3), "b": (3,)}, {"c": single(0.2)}),
    Example("Mod(ints)", [node("Add", "i1 c", "e"), node("Mod", "i0 e")], {"i0": (2, 3), "i1": (3,)}, {"c": ints(3)}),
    Example("Det", [node("Add", "x e", "m"), node("Det", "m")], {"x": (2, 3, 3)}, {"e": 3 * np.eye(3)}),
    Example("Inverse", [node("Add", "x e", "m"), node("Inverse", "m", domain=MICROSOFT)], {"x": (2, 3, 3)}, {"e": 3 * np.eye(3)}),
    *(two("CDist", (3, 4), (5, 4), domain=MICROSOFT, metric=metric) for metric in ("euclidean", "sqeuclidean")),
]  # fmt: skip
SIGNALS = [
    one("DFT", "x", x=(2, 8, 1), opset=17), one("DFT", "x", x=(2, 8, 2), opset=17, onesided=0, axis=1), one("DFT", "x", x=(2, 8, 1), opset=17, onesided=1),
    one("DFT", "x n a", {"n": np.int64(4), "a": np.int64(1)}, x=(2, 8, 2)), one("DFT", "x n", {"n": np.int64(16)}, x=(2, 8, 2), inverse=1),
    one("DFT", "x - a", {"a": np.int64(0)}, x=(8, 3, 1), onesided=1), one("DFT", "x", x=(2, 5, 2), inverse=1, onesided=1, reference="onnx"),
    one("STFT", "x s w", {"s": np.int64(4), "w": weights(8)}, x=(2, 24, 1)), one("STFT", "x s - f", {"s": np.int64(3), "f": np.int64(4)}, x=(1, 12, 1), onesided=0),
    one("STFT", "x s w", {"s": np.int64(8), "w": weights(8)}, x=(2, 24, 2), onesided=0),
    Example("HannWindow", [node("HannWindow", "n", "w"), node("Mul", "x w")], {"x": (2, 8)}, {"n": np.int64(8)}),
    Example("MelWeightMatrix", [node("MelWeightMatrix", "a b c d e", "w"), node("MatMul", "x w")], {"x": (2, 9)},
            {"a": np.int64(8), "b": np.int64(16), "c": np.int64(8192), "d": single(0), "e": single(4096)}, reference="onnx"),
]  # fmt: skip
KERNELS = {"w": weights(6, 2, 3, 3), "b": weights(6)}
FUSED = [
    *(Example(f"FusedMatMul({attributes})", [node("FusedMatMul", "a b", domain=MICROSOFT, **attributes)], {"a": a, "b": b}) for attributes, a, b in (
        ({"transA": 1, "alpha": 0.5}, (2, 4, 3), (2, 4, 5)), ({"transB": 1}, (3, 4), (5, 4)), ({"transBatchA": 1, "transBatchB": 1}, (3, 2, 4), (4, 2, 5)))),
    one("FusedMatMul", "x w", {"w": weights(4, 5)}, domain=MICROSOFT, transB=1, alpha=0.5, label="layer"),
    two("TransposeMatMul", (4, 3), (4, 5), domain=MICROSOFT, transA=1),
    one("FusedGemm", "x w b", {"w": weights(5, 3), "b": weights(5)}, x=(4, 3), domain=MICROSOFT, transB=1, activation="LeakyRelu", activation_alpha=0.2),
    one("FusedGemm", "x w", {"w": weights(3, 5)}, x=(4, 3), domain=MICROSOFT, activation="Relu", label="relu"),
    Example("FusedConv", [node("FusedConv", "x w b z", domain=MICROSOFT, activation="Relu", group=2, pads=[1, 1, 1, 1])], {"x": IMAGE, "z": (2, 6, 7, 6)}, KERNELS),
    one("FusedConv", "x w b", KERNELS, x=IMAGE, domain=MICROSOFT, activation="Clip", activation_params=[0.1, 0.8], group=2),
    one("FusedConv", "x w b", KERNELS, x=IMAGE, domain=MICROSOFT, activation="HardSigmoid", activation_params=[0.3, 0.4], group=2, label="hard"),
    Example("Range(microsoft)", [node("Range", "a b", "r", domain=MICROSOFT), node("Gather", "x r", axis=2)], {"x": X}, {"a": np.int64(1), "b": np.int64(4)}),
]  # fmt: skip
LAST, FIRST = {"perm": [0, 2, 3, 1]}, {"perm": [0, 3, 1, 2]}
TRANSFORM = [node("Unsqueeze", "x m", "u"), node("DFT", "u - a", onesided=1)]
ALIKE = [
    Example("NhwcConv", [node("NhwcConv", "x w b", domain=MICROSOFT, group=2, strides=[2, 1])], {"x": (2, 7, 6, 4)}, KERNELS,
            same_as=[node("Transpose", "x", "f", **FIRST), node("Conv", "f w b", "c", group=2, strides=[2, 1]), node("Transpose", "c", **LAST)]),
    Example("NhwcConv(channels last)", [node("NhwcConv", "x k", domain=MICROSOFT)], {"x": (2, 7, 6, 4)}, {"k": weights(5, 3, 2, 4)},
            same_as=[node("Transpose", "x", "f", **FIRST), node("Transpose", "k", "w", **FIRST), node("Conv", "f w", "c"), node("Transpose", "c", **LAST)]),
    Example("NhwcFusedConv", [node("NhwcFusedConv", "x w b z", domain=MICROSOFT, group=2, activation="Relu", pads=[1, 1, 1, 1])], {"x": (2, 7, 6, 4), "z": (2, 7, 6, 6)}, KERNELS,
            same_as=[node("Transpose", "x", "f", **FIRST), node("Conv", "f w b", "c", group=2, pads=[1, 1, 1, 1]), node("Transpose", "c", "l", **LAST), node("Add", "l z", "s"),
                     node("Relu", "s")]),
    Example("BiasSplitGelu", [node("BiasSplitGelu", "x b", domain=MICROSOFT)], {"x": (2, 3, 6)}, {"b": weights(6)},
            same_as=[node("Add", "x b", "s"), node("Split", "s", "l r", axis=-1, num_outputs=2), node("Gelu", "r", "g"), node("Mul", "l g")]),
    Example("Rfft", [node("Rfft", "x", domain=MICROSOFT, signal_ndim=1, onesided=1)], {"x": (2, 8)}, {"m": ints(-1), "a": np.int64(1)}, same_as=TRANSFORM),
    Example("Irfft", [node("Rfft", "x", "f", domain=MICROSOFT), node("Irfft", "f", domain=MICROSOFT)], {"x": (2, 8)}, same_as=[node("Identity", "x")]),
    Example("Tile(1)", [node("Tile", "x t a")], {"x": X}, {"t": np.float32(2), "a": np.float32(1), "r": ints(1, 2, 1)}, opset=1, same_as=[node("Tile", "x r")]),
]  # fmt: skip
RANDOM = [
    *(one(op, "x", x=(3, 4), reference="shape", **attributes) for op, attributes in (("RandomUniformLike", {}), ("RandomUniformLike", {"low": -1.0, "high": 2.0, "dtype": 11}),
      ("RandomNormalLike", {}), ("RandomNormalLike", {"mean": 1.0, "scale": 2.0}))),
    *(Example(op, [node(op, "", shape=[3, 4], **attributes)], {"x": (1,)}, reference="shape") for op, attributes in (("RandomUniform", {"low": -1.0}), ("RandomNormal", {"scale": 2.0}))),
    Example("Bernoulli", [node("Abs", "x", "p"), node("Bernoulli", "p", dtype=TensorProto.INT64)], {"x": (3, 4)}, reference="shape"),
    one("Bernoulli", "x", x=(3, 4), reference="shape", label="like"), one("Multinomial", "x", x=(3, 4), sample_size=5, reference="shape"),
]  # fmt: skip
EXAMPLES = [*EINSUMS, *MATRICES, *SIGNALS, *FUSED, *ALIKE, *RANDOM]
