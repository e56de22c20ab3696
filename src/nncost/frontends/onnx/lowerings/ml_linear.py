"""Linear models and support vector machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.lowerings.ml_features import DOMAIN
from nncost.frontends.onnx.ml_attributes import constant, features, learned, transform
from nncost.frontends.onnx.values import Absent, Unlowered, Value
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library.dense import dense
from nncost.ir.library.kernel_machines import KERNELS, kernel, pairwise_scores, votes
from nncost.ir.library.post_transforms import post_transform


def _weights(call: Call, rows: int, features_: Any, name: str = "coefficients") -> Tensor:
    numbers = np.asarray(call.attributes.numbers(name), dtype=np.float32)
    if rows < 1 or numbers.size != rows * features_:
        raise ShapeError(f"{numbers.size} {name} are not {rows} rows of {features_}.")
    return learned(call, name, numbers.reshape(rows, -1), "weight")


def _linear(call: Call, x: Tensor, rows: int) -> Tensor:
    """X·Wᵀ + the intercepts, if there are any."""
    intercepts = call.attributes.numbers("intercepts")
    bias = learned(call, "intercepts", np.asarray(intercepts, dtype=np.float32), "bias") if intercepts else None
    return dense(call.builder, x, _weights(call, rows, x.shape[1]), bias)


@lowers("LinearRegressor", domain=DOMAIN)
def _linear_regressor(call: Call) -> Tensor:
    y = _linear(call, features(call), call.attributes.integer("targets", 1))
    return post_transform(call.builder, y, transform(call))


# ------------------------------------------------------------------- classes
def labels(call: Call, name: str) -> Sequence[int] | None:
    """The whole numbers that classes are named by; None for text."""
    return call.attributes.integers(name)


def class_count(call: Call, numbers: str, texts: str) -> int:
    """How many classes are named."""
    return len(call.attributes.integers(numbers) or call.attributes.texts(texts) or [])


def winner(call: Call, scores: Tensor, names: Sequence[int] | None) -> Tensor | Value:
    """The name of the class with the highest score: n−1 cmp for each row; text is no tensor of numbers."""
    if names is None:
        return Absent("its labels are text")
    place = call.builder.emit_many(ops.ArgReduce("max", 1), scores)[1]
    return call.builder.emit(ops.Gather(0), constant(call, np.asarray(names, dtype=np.int64), "int64"), place)


def with_other_class(call: Call, score: Tensor) -> Tensor:
    """One score as those of two classes: what speaks for the second one speaks against the first."""
    return call.builder.concat([call.builder.map("neg", score), score], 1)


@lowers("LinearClassifier", domain=DOMAIN)
def _linear_classifier(call: Call) -> Lowered:
    """Each example's class, and the scores of all of them."""
    b, x, names = call.builder, features(call), labels(call, "classlabels_ints")
    count, numbers = (
        class_count(call, "classlabels_ints", "classlabels_strings"),
        call.attributes.numbers("coefficients"),
    )
    rows = len(numbers) // int(x.shape[1])
    scores = _linear(call, x, rows)
    if rows == 1 and count == 2:
        scores = with_other_class(call, scores)
    elif rows != count or rows < 2:
        raise Unlowered("a score for each class but for their number")
    return winner(call, scores, names), post_transform(b, scores, transform(call))


# ------------------------------------------------------------------- support vector machines
def _kernels(call: Call, x: Tensor, count: int) -> Tensor:
    name, parameters = call.attributes.text("kernel_type", "LINEAR"), call.attributes.numbers("kernel_params")
    if name not in KERNELS:
        raise SourceError(f"the attribute 'kernel_type' is one of {', '.join(KERNELS)}, received {name!r}.")
    gamma, offset, degree = parameters if len(parameters) == 3 else (0.0, 0.0, 0.0)
    return kernel(call.builder, x, _weights(call, count, x.shape[1], "support_vectors"), name, gamma, offset, degree)


@lowers("SVMRegressor", domain=DOMAIN)
def _svm_regressor(call: Call) -> Tensor:
    """Σ αᵢ·k(x, vᵢ) + ρ, or its sign for a single class: 2 cmp."""
    b, a, x = call.builder, call.attributes, features(call)
    count = a.integer("n_supports", 0)
    inner = _kernels(call, x, count) if count else x
    offset = learned(call, "rho", np.asarray(a.numbers("rho")[:1], dtype=np.float32), "bias")
    y = dense(b, inner, _weights(call, 1, inner.shape[1]), offset)
    if a.flag("one_class", False):
        one, other = (b.broadcast(b.constant(number), y.shape) for number in (1.0, -1.0))
        y = b.map("where_positive", y, one, other)
    return post_transform(b, y, transform(call))


@lowers("SVMClassifier", domain=DOMAIN)
def _svm_classifier(call: Call) -> Lowered:
    """A duel for each pair of classes, won by the sign of its score; the class that wins most."""
    b, a, x = call.builder, call.attributes, features(call)
    counts = a.integers("vectors_per_class") or []
    if a.numbers("prob_a") or len(counts) < 2 or transform(call) != "NONE":
        raise Unlowered("probabilities that are found by iteration, or a linear machine")
    total = sum(counts)
    alphas = np.asarray(a.numbers("coefficients"), dtype=np.float32)
    if alphas.size != (len(counts) - 1) * total:
        raise ShapeError(f"{alphas.size} coefficients are not {len(counts) - 1} rows of {total}.")
    rows = b.chunk(learned(call, "coefficients", alphas.reshape(-1, total), "weight"), len(counts) - 1, 0)
    offsets = learned(call, "rho", np.asarray(a.numbers("rho"), dtype=np.float32), "bias")
    flat = [b.reshape(row, (total,)) for row in rows]
    scores = pairwise_scores(b, _kernels(call, x, total), flat, offsets, counts)
    label = winner(call, votes(b, scores, len(counts)), labels(call, "classlabels_ints"))
    return label, with_other_class(call, scores) if len(counts) == 2 else scores
