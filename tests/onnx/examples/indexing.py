"""Examples of taking, putting, sorting and searching."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from tests.onnx.examples.example import Example, X, ints, one, single, weights
from tests.onnx.models import node

MICROSOFT = "com.microsoft"
TAKING = [
    Example("GatherND", [node("GatherND", "x i0")], {"x": X, "i0": (4, 2)}),
    Example("GatherND(batch)", [node("GatherND", "x i0", batch_dims=1)], {"x": X, "i0": (2, 4, 1)}),
    Example("GatherND(table)", [node("GatherND", "w i0")], {"i0": (3, 1)}, {"w": weights(4, 5)}),
    Example("GatherND(microsoft)", [node("GatherND", "x i0", domain=MICROSOFT)], {"x": X, "i0": (4, 3)}),
    *(Example(f"GatherElements(part,{axis})", [node("GatherElements", "x n", axis=axis)], {"x": (3, 4)}, {"n": np.array([[0, 1]])}) for axis in (0, 1)),
    Example("GatherElements(negative part)", [node("GatherElements", "x n", axis=1)], {"x": X}, {"n": np.array([[[-1, 0], [1, -2]]])}),
    Example("OneHot", [node("OneHot", "i0 d v")], {"i0": (2, 3), "v": (2,)}, {"d": np.int64(4)}),
    Example("OneHot(axis)", [node("OneHot", "i0 d v", axis=0)], {"i0": (2, 3), "v": (2,)}, {"d": np.int64(1)}),
    *(Example(f"Hardmax({axis},{opset})", [node("Hardmax", "x", "h", axis=axis), node("Mul", "h x")], {"x": X}, opset=opset)
      for axis, opset in ((-1, 21), (1, 11), (0, 13))),
    Example("ReverseSequence", [node("ReverseSequence", "x n", batch_axis=0, time_axis=1)], {"x": X}, {"n": ints(2, 3)}),
    Example("ReverseSequence(time first)", [node("Add", "i0 e", "n"), node("ReverseSequence", "x n")], {"x": (3, 2, 4), "i0": (2,)}, {"e": ints(1)}),
]  # fmt: skip
PUTTING = [
    *(Example(f"ScatterElements({how})", [node("ScatterElements", "x i0 u", axis=1, reduction=how)], {"x": X, "i0": (2, 2, 4), "u": (2, 2, 4)})
      for how in ("add", "mul", "max", "min")),
    Example("ScatterElements", [node("ScatterElements", "x n u", axis=-1)], {"x": (1, 5), "u": (1, 2)}, {"n": np.array([[1, -2]])}),
    Example("Scatter", [node("Scatter", "x n u")], {"x": (3, 2), "u": (1, 2)}, {"n": np.array([[1, 2]])}, opset=10),
    *(Example(f"ScatterND({how})", [node("ScatterND", "x i0 u", reduction=how)], {"x": X, "i0": (4, 2), "u": (4, 5)}) for how in ("add", "mul", "max", "min")),
    Example("ScatterND", [node("ScatterND", "x n u")], {"x": X, "u": (2, 3, 5)}, {"n": np.array([[1], [0]])}),
    Example("TensorScatter", [node("TensorScatter", "x u i0", axis=1)], {"x": (2, 4, 3), "u": (2, 2, 3), "i0": (2,)}, opset=24),
    Example("TensorScatter(circular)", [node("TensorScatter", "x u n", mode="circular")], {"x": (2, 3, 4, 2), "u": (2, 3, 2, 2)}, {"n": ints(3, 0)}, opset=24),
    Example("TensorScatter(start)", [node("TensorScatter", "x u")], {"x": (2, 4, 3), "u": (2, 2, 3)}, opset=24),
]  # fmt: skip
ORDERING = [
    *(one("TopK", "x k", {"k": ints(2)}, axis=axis, largest=largest, outputs="y z") for axis in (0, -1) for largest in (0, 1)),
    one("TopK", "x k", {"k": ints(5)}, outputs="y z", label="all"), one("TopK", "x", k=2, axis=1, opset=9, outputs="y z"),
    one("TopK", "x k", {"k": ints(2)}, opset=10, outputs="y z", label="10"),
    *(one(op, "x", axis=-1, select_last_index=1) for op in ("ArgMax", "ArgMin")),
    Example("ArgMax(equal)", [node("ArgMax", "i0", axis=1, select_last_index=1, keepdims=0)], {"i0": (3, 5)}, types={"i0": TensorProto.INT32}),
    one("NonZero", "x"), Example("NonZero(ints)", [node("NonZero", "i0")], {"i0": (3, 4)}),
    Example("NonZero(mask)", [node("Greater", "x zero", "m"), node("NonZero", "m", "n"), node("Transpose", "n", "t"), node("GatherND", "x t")], {"x": X}, {"zero": single(0)}),
    Example("Compress", [node("Compress", "x c", axis=1)], {"x": X, "c": (3,)}, types={"c": TensorProto.BOOL}),
    Example("Compress(all)", [node("Compress", "x c")], {"x": X}, {"c": np.array([True, False, True, True])}),
    *(Example(f"Unique({sort})", [node("Unique", "i0", "y a b c", sorted=sort)], {"i0": (6,)}, outputs=("y", "a", "b", "c")) for sort in (0, 1)),
    Example("Unique(axis)", [node("Unique", "x", "y a b c", axis=1)], {"x": (3, 4)}, outputs=("y", "a", "b", "c")),
    Example("Unique(microsoft)", [node("Unique", "x", "y a b", domain=MICROSOFT)], {"x": (6,)}, outputs=("y", "a", "b")),
    *(one("CumProd", "x a", {"a": np.int64(1)}, exclusive=e, reverse=r, opset=26, reference="onnx") for e in (0, 1) for r in (0, 1)),
    *(one("CumSum", "x a", {"a": np.int64(axis)}, x=(2, 0, 3), exclusive=1, reverse=r, label=f"none,{axis},{r}") for axis in (0, 1) for r in (0, 1)),
    one("CumProd", "x a", {"a": np.int64(1)}, x=(2, 0, 3), exclusive=1, opset=26, label="none", reference="onnx"),
    Example("CumSum(int32)", [node("CumSum", "i0 a")], {"i0": (3, 4)}, {"a": np.int64(0)}, types={"i0": TensorProto.INT32}),
]  # fmt: skip
CUTTING = [
    *(one("Pad", "x p", {"p": ints(0, -1, 2, 0, 1, -1)}, mode=mode) for mode in ("constant", "reflect", "edge")),
    one("Pad", "x p", {"p": ints(0, -1, 2, 0, 1, -1)}, mode="wrap"),
    *(one("Pad", "x p f", {"p": ints(*pads), "f": single(0.5)}, x=(size,), label=f"{size},{pads}")
      for size, pads in ((3, (5, -4)), (1, (2, -2)), (0, (2, -1)), (3, (-4, 5)), (3, (5, -3)), (3, (2, -5)))),
    one("Pad", "x", paddings=[0, 0, 1, 0, 1, 0], value=0.3, opset=1, reference="onnx"),
    Example("Pad(filled)", [node("ReduceMax", "x", "m", keepdims=0), node("Pad", "x p m")], {"x": X}, {"p": ints(0, 1, 2, 0, 0, 1)}),
    Example("Pad(microsoft)", [node("Pad", "x p", domain=MICROSOFT)], {"x": X}, {"p": ints(0, 1, 2, 0, 0, 1)}),
    one("CenterCropPad", "x s", {"s": ints(5, 2, 2)}, opset=18), one("CenterCropPad", "x s", {"s": ints(8, 2)}, axes=[-1, 1], opset=18),
    *(one("Trilu", "x", upper=upper) for upper in (0, 1)), one("Trilu", "x k", {"k": np.int64(-1)}, upper=1), one("Trilu", "x k", {"k": np.int64(2)}, upper=0),
    one("Trilu", "x", domain=MICROSOFT), one("ExpandDims", "x a", {"a": np.int32(-1)}, domain=MICROSOFT),
]  # fmt: skip
EXAMPLES = [*TAKING, *PUTTING, *ORDERING, *CUTTING]
