"""Random shapes and attributes of operators, a function for each family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from onnx import TensorProto

from tests.onnx.examples.example import Example, ints
from tests.onnx.models import node

Draw = Callable[[np.random.Generator], Example]


def _shape(rng: np.random.Generator, rank: int, least: int = 1, most: int = 6) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(least, most + 1, rank))


def _some(rng: np.random.Generator, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _window(rng: np.random.Generator, axes: int) -> dict[str, Any]:
    kernel = rng.integers(1, 4, axes)
    pads = np.concatenate([rng.integers(0, kernel // 2 + 1), rng.integers(0, kernel // 2 + 1)])
    return {"kernel_shape": kernel.tolist(), "strides": rng.integers(1, 4, axes).tolist(), "pads": pads.tolist()}


def resizing(rng: np.random.Generator) -> Example:
    """Sizes or factors, over two or three axes; positions that fall between elements, not on the border of rounding."""
    axes = int(rng.integers(1, 3))
    x = (1, 2, *_shape(rng, axes, 2, 6))
    mode = _some(rng, "nearest", "linear", "cubic")
    way = _some(rng, "half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric")
    given = {"mode": mode, "coordinate_transformation_mode": way}
    if mode == "nearest":
        given["nearest_mode"] = _some(rng, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
        given["coordinate_transformation_mode"] = "asymmetric"
        factors = [1, 1, *(_some(rng, 2, 3) for _ in range(axes))]
        return Example(
            "Resize", [node("Resize", "x - s", **given)], {"x": x}, {"s": np.float32(factors)}, reference="onnx"
        )
    if mode == "cubic" or way in ("half_pixel", "asymmetric"):
        given |= {"exclude_outside": int(rng.integers(2)), "antialias": int(rng.integers(2))}
    sizes = ints(*_shape(rng, axes, 2, 9))
    return Example(
        "Resize",
        [node("Resize", "x - - s", axes=list(range(2, 2 + axes)), **given)],
        {"x": x},
        {"s": sizes},
        reference="onnx",
    )


def sampling(rng: np.random.Generator) -> Example:
    axes = int(rng.integers(2, 4))
    x, outputs = (2, 2, *_shape(rng, axes, 2, 5)), _shape(rng, axes, 1, 4)
    modes = ("linear", "nearest", "cubic") if axes == 2 else ("linear", "nearest")
    given = {
        "mode": _some(rng, *modes),
        "padding_mode": _some(rng, "zeros", "border", "reflection"),
        "align_corners": int(rng.integers(2)),
    }
    stretch = np.float32(rng.uniform(0.5, 2))
    nodes = [node("Mul", "g f", "h"), node("GridSample", "x h", **given)]
    return Example("GridSample", nodes, {"x": x, "g": (2, *outputs, axes)}, {"f": stretch})


def deformed(rng: np.random.Generator) -> Example:
    groups, offsets = _some(rng, 1, 2), _some(rng, 1, 2)
    kernel, size = rng.integers(1, 4, 2), rng.integers(4, 7, 2)
    pads, strides = rng.integers(0, 2, 4), rng.integers(1, 3, 2)
    outputs = (size + pads[:2] + pads[2:] - kernel) // strides + 1
    taps = int(kernel.prod())
    inputs = {"x": (1, 4, *size), "o": (1, 2 * offsets * taps, *outputs), "m": (1, offsets * taps, *outputs)}
    made = node(
        "DeformConv", "x w o - m", pads=pads.tolist(), strides=strides.tolist(), group=groups, offset_group=offsets
    )
    weights = rng.uniform(-1, 1, (4, 4 // groups, *kernel)).astype(np.float32)
    return Example("DeformConv", [made], {k: tuple(map(int, v)) for k, v in inputs.items()}, {"w": weights})


def pooling(rng: np.random.Generator) -> Example:
    axes = int(rng.integers(1, 4))
    op = _some(rng, "MaxPool", "AveragePool", "LpPool")
    x, given = (2, 2, *_shape(rng, axes, 5, 8)), _window(rng, axes) | {"ceil_mode": int(rng.integers(2))}
    given["dilations"] = rng.integers(1, 3, axes).tolist()
    if op == "AveragePool":
        given["count_include_pad"] = int(rng.integers(2))
    if op == "LpPool":
        # onnxruntime counts the last window of ceil mode otherwise here than for the other poolings.
        given |= {"p": int(rng.integers(1, 4)), "ceil_mode": 0}
    outputs = ("y", "z") if op == "MaxPool" else ("y",)
    return Example(op, [node(op, "x", " ".join(outputs), **given)], {"x": x}, outputs=outputs)


def columns(rng: np.random.Generator) -> Example:
    """onnxruntime mistakes dilations along an odd number of axes, so that the evaluator is asked."""
    axes = int(rng.integers(1, 4))
    kernel, size, strides = rng.integers(1, 3, axes), rng.integers(4, 7, axes), rng.integers(1, 3, axes)
    pads, dilations = rng.integers(0, 2, 2 * axes), rng.integers(1, 3, axes)
    counts = (size + pads[:axes] + pads[axes:] - dilations * (kernel - 1) - 1) // strides + 1
    made = node("Col2Im", "x s k", pads=pads.tolist(), strides=strides.tolist(), dilations=dilations.tolist())
    return Example(
        "Col2Im",
        [made],
        {"x": (2, int(2 * kernel.prod()), int(counts.prod()))},
        {"s": ints(*size), "k": ints(*kernel)},
        reference="onnx",
    )


def putting(rng: np.random.Generator) -> Example:
    """One element each, or slices; without a reduction each place once."""
    x = _shape(rng, int(rng.integers(1, 4)), 2, 5)
    how = _some(rng, "none", "add", "mul", "max", "min")
    if rng.integers(2):
        axis = int(rng.integers(len(x)))
        size = tuple(int(rng.integers(1, n + 1)) for n in x)
        index = np.argsort(rng.random((*size[:axis], x[axis], *size[axis + 1 :])), axis).take(range(size[axis]), axis)
        index = np.where(rng.random(index.shape) < 0.3, index - x[axis], index)
        return Example(
            "ScatterElements",
            [node("ScatterElements", "x n u", axis=axis, reduction=how)],
            {"x": x, "u": size},
            {"n": index},
        )
    depth = int(rng.integers(1, len(x) + 1))
    places = np.stack(np.unravel_index(rng.permutation(int(np.prod(x[:depth])))[:3], x[:depth]), -1)
    return Example(
        "ScatterND",
        [node("ScatterND", "x n u", reduction=how)],
        {"x": x, "u": (len(places), *x[depth:])},
        {"n": places},
    )


def taking(rng: np.random.Generator) -> Example:
    x = _shape(rng, int(rng.integers(2, 5)), 2, 4)
    batch = int(rng.integers(0, len(x) - 1))
    depth = int(rng.integers(1, len(x) - batch + 1))
    limits = np.asarray(x[batch : batch + depth])
    index = rng.integers(-limits, limits, (*x[:batch], 3, depth))
    return Example("GatherND", [node("GatherND", "x n", batch_dims=batch)], {"x": x}, {"n": index})


def ordering(rng: np.random.Generator) -> Example:
    """Many equal elements, so that their order is seen."""
    x = _shape(rng, int(rng.integers(1, 4)), 1, 6)
    axis = int(rng.integers(len(x)))
    types: Mapping[str, int] = {"i0": TensorProto.INT64}
    kind = _some(rng, "TopK", "ArgMax", "ArgMin", "Unique", "NonZero", "CumSum", "Hardmax")
    if kind == "TopK":
        k = ints(int(rng.integers(1, x[axis] + 1)))
        return Example(
            kind,
            [node(kind, "i0 k", "y z", axis=axis, largest=int(rng.integers(2)))],
            {"i0": x},
            {"k": k},
            outputs=("y", "z"),
            types=types,
        )
    if kind == "Unique":
        given = {"sorted": int(rng.integers(2))} | ({"axis": axis} if rng.integers(2) else {})
        return Example(
            kind, [node(kind, "i0", "y a b c", **given)], {"i0": x}, outputs=("y", "a", "b", "c"), types=types
        )
    if kind == "CumSum":
        given = {"exclusive": int(rng.integers(2)), "reverse": int(rng.integers(2))}
        return Example(kind, [node(kind, "i0 a", **given)], {"i0": x}, {"a": np.int64(axis)}, types=types)
    if kind == "Hardmax":
        return Example(kind, [node("Cast", "i0", "f", to=1), node(kind, "f", axis=axis)], {"i0": x}, types=types)
    given = (
        {}
        if kind == "NonZero"
        else {"axis": axis, "select_last_index": int(rng.integers(2)), "keepdims": int(rng.integers(2))}
    )
    return Example(kind, [node(kind, "i0", **given)], {"i0": x}, types=types)


def cutting(rng: np.random.Generator) -> Example:
    x = _shape(rng, int(rng.integers(1, 4)), 2, 6)
    rank, kind = len(x), _some(rng, "Slice", "Pad", "CenterCropPad", "Trilu")
    if kind == "Slice":
        steps = rng.choice([-2, -1, 1, 2], rank)
        constants = {"a": rng.integers(-7, 8, rank), "b": rng.integers(-7, 8, rank), "c": np.arange(rank), "d": steps}
        return Example(kind, [node(kind, "x a b c d")], {"x": x}, constants)
    if kind == "Pad":
        low, high = rng.integers(-1, 2, rank), rng.integers(0, 2, rank)
        return Example(
            kind,
            [node(kind, "x p", mode=_some(rng, "constant", "reflect", "edge"))],
            {"x": x},
            {"p": np.concatenate([low, high])},
        )
    if kind == "CenterCropPad":
        return Example(kind, [node(kind, "x s")], {"x": x}, {"s": rng.integers(1, 9, rank)}, opset=18)
    shape = (2, *_shape(rng, 2, 1, 5))
    return Example(
        kind, [node(kind, "x k", upper=int(rng.integers(2)))], {"x": shape}, {"k": np.int64(rng.integers(-5, 6))}
    )


def einsums(rng: np.random.Generator) -> Example:
    """Two operands of up to three letters out of four, and any output of them."""
    sizes = dict(zip("abcd", _shape(rng, 4, 1, 4), strict=True))
    terms = ["".join(rng.permutation(list("abcd"))[: int(rng.integers(1, 4))]) for _ in range(2)]
    letters = sorted(set("".join(terms)))
    output = "".join(rng.permutation(letters)[: int(rng.integers(0, len(letters) + 1))])
    inputs = {name: tuple(sizes[letter] for letter in term) for name, term in zip("xz", terms, strict=True)}
    return Example("Einsum", [node("Einsum", "x z", equation=f"{terms[0]},{terms[1]}->{output}")], inputs)


def signals(rng: np.random.Generator) -> Example:
    parts, n = int(rng.integers(1, 3)), int(rng.integers(2, 12))
    if rng.integers(2):
        inverse = int(parts == 2 and rng.integers(2))
        given = {"inverse": inverse, "onesided": int(parts == 1 and not inverse and rng.integers(2))}
        return Example(
            "DFT",
            [node("DFT", "x n a", **given)],
            {"x": (2, n, 3, parts)},
            {"n": np.int64(rng.integers(2, 14)), "a": np.int64(1)},
        )
    frame, step = int(rng.integers(2, 9)), int(rng.integers(1, 5))
    given = {"onesided": int(parts == 1 and rng.integers(2))}
    return Example(
        "STFT",
        [node("STFT", "x s w", **given)],
        {"x": (2, frame + 3 * step, parts)},
        {"s": np.int64(step), "w": rng.uniform(0.1, 1, frame)},
    )


def regions(rng: np.random.Generator) -> Example:
    corners = rng.uniform(0, 4, (3, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.5, 5, (3, 2))], 1).astype(np.float32)
    scale, height, width = float(rng.uniform(0.5, 1.5)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    if rng.integers(2):
        rows = np.concatenate([rng.integers(0, 2, (3, 1)).astype(np.float32), boxes], 1)
        return Example(
            "MaxRoiPool",
            [node("MaxRoiPool", "x b", pooled_shape=[height, width], spatial_scale=scale)],
            {"x": (2, 2, 7, 6)},
            {"b": rows},
        )
    given = {
        "mode": _some(rng, "avg", "max"),
        "coordinate_transformation_mode": _some(rng, "half_pixel", "output_half_pixel"),
        "sampling_ratio": int(rng.integers(0, 4)),
    }
    made = node("RoiAlign", "x b n", output_height=height, output_width=width, spatial_scale=scale, **given)
    return Example("RoiAlign", [made], {"x": (2, 2, 7, 6)}, {"b": boxes, "n": rng.integers(0, 2, 3)})


def suppression(rng: np.random.Generator) -> Example:
    corners = rng.uniform(0, 3, (1, 6, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.5, 3, (1, 6, 2))], 2).astype(np.float32)
    constants = {
        "b": boxes,
        "m": ints(int(rng.integers(1, 7))),
        "o": np.float32([rng.uniform(0, 1)]),
        "l": np.float32([rng.uniform(-1, 1)]),
    }
    return Example(
        "NonMaxSuppression",
        [node("NonMaxSuppression", "b x m o l", center_point_box=int(rng.integers(2)))],
        {"x": (1, 3, 6)},
        constants,
    )


FAMILIES: Mapping[str, Draw] = {
    draw.__name__: draw
    for draw in (
        resizing, sampling, deformed, pooling, columns, putting, taking, ordering, cutting, einsums, signals, regions, suppression,
    )
}  # fmt: skip
