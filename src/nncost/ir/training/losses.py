"""The table of losses: each one's value and gradient at the network's output, both in phase ``loss``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from nncost.errors import ShapeError
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Graph, Region, Tensor, walk
from nncost.ir.layers import Loss, Softmax
from nncost.records import record

Seed = tuple[Tensor, Tensor]
"""A tensor of the forward graph and the gradient that arrives there."""


def emit_loss(b: Builder, name: str, graph: Graph, accumulate: int) -> tuple[Tensor, list[Seed]]:
    """The scalar loss and where the backward pass starts: the first output or, for ``sum``, every one.

    The mean over ``accumulate`` micro-batches is part of the constant factor of each gradient.
    """
    output = graph.outputs[0]
    if LOSSES[name].target == "classes" and not output.rank:
        _raise_without_classes(name, graph)
    with b.at("loss", "loss"), b.region(Loss(name), output) as region:
        value, seed = LOSSES[name].emit(b, graph, output, accumulate)
        region.returns(value)
    seeds = [seed]
    if name == "sum":
        with b.at("loss", "loss"):
            seeds += [_sum(b, graph, other, accumulate)[1] for other in graph.outputs[1:] if "float" in other.dtype]
    return value, seeds


def _raise_without_classes(name: str, graph: Graph) -> None:
    unknown = any(isinstance(node.op, ops.Opaque) for node in walk(graph.items))
    raise ShapeError(
        f"the loss {name} needs an axis of classes, the network's output "
        + ("is of unknown shape." if unknown else "is a single number."),
        hint="Say what the unknown operations compute: nncost docs own-operators." if unknown else "",
    )


def final_softmax(graph: Graph) -> Region | None:
    """Return the softmax layer that gives the graph's first output, or None if another layer does."""
    last = graph.items[-1] if graph.items else None
    if not isinstance(last, Region) or not isinstance(last.layer, Softmax) or last.layer.logarithm:
        return None
    return last if last.outputs == graph.outputs[:1] else None


def _squared_error(b: Builder, graph: Graph, y: Tensor, accumulate: int) -> tuple[Tensor, Seed]:
    """Mean (y−t)²; gradient (2/n)·(y−t). For n outputs: n add, n mul, n−1 add, 1 div, then n mul."""
    target = b.input(y.shape, name="target")
    difference = b.map("sub", y, target)
    value = b.mean(b.map("square", difference), range(y.rank))
    factor = b.size_constant((*y.shape, accumulate), 2.0, inverse=True)
    return value, (y, b.map("mul", difference, factor))


def _cross_entropy(b: Builder, graph: Graph, y: Tensor, accumulate: int) -> tuple[Tensor, Seed]:
    """−mean log p[t] over the classes; gradient (p−t)/B at the logits, the softmax included.

    A network that ends in a softmax layer has its p already: the loss reuses it, and its axis.
    """
    ending = final_softmax(graph)
    if ending is not None:
        axis = ending.settings(Softmax).axis
        labels = _labels(b, y, axis)
        logits, probabilities = ending.inputs[0], y
        chosen = b.map("log", _picked(b, y, labels, axis))
    else:
        logits, axis = y, y.rank - 1
        labels = _labels(b, y, axis)
        shifted = b.map("sub", y, b.reduce("max", y, [axis], keep=True))
        powers = b.map("exp", shifted)
        total = b.reduce("sum", powers, [axis])
        chosen = b.map("sub", _picked(b, shifted, labels, axis), b.map("log", total))
        probabilities = b.map("div", powers, b.unsqueeze(total, axis))
    value = b.map("neg", b.mean(chosen, range(chosen.rank)))
    table = b.emit(ops.Constant("identity", (y.shape[axis], y.shape[axis]), b.dtype))
    wanted = _last_to(b, b.emit(ops.Gather(0), table, labels), axis)
    gradient = b.map("div", b.map("sub", probabilities, wanted), b.size_constant((*labels.shape, accumulate)))
    return value, (logits, gradient)


def _labels(b: Builder, y: Tensor, axis: int) -> Tensor:
    """The right class of each row: an input without the class axis."""
    return b.input((*y.shape[:axis], *y.shape[axis + 1 :]), dtype="int64", name="target")


def _picked(b: Builder, x: Tensor, labels: Tensor, axis: int) -> Tensor:
    """The element of the class axis that each label names."""
    return b.reshape(b.emit(ops.Gather(axis, along=True), x, b.unsqueeze(labels, axis)), labels.shape)


def _last_to(b: Builder, x: Tensor, axis: int) -> Tensor:
    """``x`` with its last axis moved to ``axis``."""
    last = x.rank - 1
    return x if axis == last else b.transpose(x, [*range(axis), last, *range(axis, last)])


def _binary_cross_entropy(b: Builder, graph: Graph, p: Tensor, accumulate: int) -> tuple[Tensor, Seed]:
    """−mean (t·log p + (1−t)·log(1−p)) of probabilities; gradient (p−t)/(p·(1−p))/n."""
    target = b.input(p.shape, name="target")
    rest, other = b.map("sub", 1.0, p), b.map("sub", 1.0, target)
    terms = b.map("add", b.map("mul", target, b.map("log", p)), b.map("mul", other, b.map("log", rest)))
    value = b.map("neg", b.mean(terms, range(p.rank)))
    slope = b.map("div", b.map("sub", p, target), b.map("mul", p, rest))
    return value, (p, b.map("div", slope, b.size_constant((*p.shape, accumulate))))


def _binary_cross_entropy_with_logits(b: Builder, graph: Graph, x: Tensor, accumulate: int) -> tuple[Tensor, Seed]:
    """mean(max(x, 0) − x·t + log(1 + e^−|x|)), which overflows for no x; gradient (σ(x) − t)/n.

    Miniature: x = 0, t = 1, n = 1: the value is log 2, the gradient ½ − 1 = −½.
    """
    target = b.input(x.shape, name="target")
    line = b.map("sub", b.map("relu", x), b.map("mul", x, target))
    bend = b.map("log", b.map("add", 1.0, b.map("exp", b.map("neg", b.map("abs", x)))))
    value = b.mean(b.map("add", line, bend), range(x.rank))
    slope = b.map("sub", b.map("sigmoid", x), target)
    return value, (x, b.map("div", slope, b.size_constant((*x.shape, accumulate))))


def _sum(b: Builder, graph: Graph, y: Tensor, accumulate: int) -> tuple[Tensor, Seed]:
    """Σ y; its gradient is the incoming one, broadcast, and free."""
    value = b.reduce("sum", y, range(y.rank))
    return value, (y, b.broadcast(b.input((), name="loss_gradient"), y.shape))


@record
class LossFunction:
    """A loss: ``emit`` gives its value and where the backward pass starts.

    ``target`` says what it is compared with: ``numbers``, one per output, ``classes``, a class number per row, or
    nothing. ``torch`` is its name in ``torch.nn.functional``, or empty if PyTorch has none. ``value`` and ``gradient``
    are its equations, each in plain text and in LaTeX; ``why`` says which operations make up each quantity.
    """

    emit: Callable[[Builder, Graph, Tensor, int], tuple[Tensor, Seed]]
    target: Literal["numbers", "classes", "nothing"]
    torch: str
    value: tuple[str, str]
    gradient: tuple[str, str]
    why: Mapping[str, str]


LOSSES: Mapping[str, LossFunction] = {
    "squared_error": LossFunction(
        _squared_error,
        "numbers",
        "mse_loss",
        ("L = Σ (y − t)²/n    with n = B·M", r"L = \frac{1}{n} \sum (y - t)^2, \qquad n = B M"),
        ("∂L/∂y = (2/n)·(y − t)", r"\frac{\partial L}{\partial y} = \frac{2}{n}\,(y - t)"),
        {
            "mul": "n squares, and n products with the constant 2/n",
            "add": "n differences y − t, and the sum of n squares: n − 1 additions",
            "div": "the mean",
        },
    ),
    "cross_entropy": LossFunction(
        _cross_entropy,
        "classes",
        "cross_entropy",
        ("L = −mean log p_t    with p = softmax(z)", r"L = -\overline{\log p_t}, \qquad p = \operatorname{softmax}(z)"),
        ("∂L/∂z = (p − t)/rows", r"\frac{\partial L}{\partial z} = \frac{p - t}{\text{rows}}"),
        {
            "add": "the softmax, p − t, the sum over the rows",
            "cmp": "the maximum of each row",
            "exp": "the softmax",
            "log": "one per row",
            "div": "the softmax, the gradient's mean and the loss's mean",
        },
    ),
    "binary_cross_entropy": LossFunction(
        _binary_cross_entropy,
        "numbers",
        "binary_cross_entropy",
        ("L = −mean(t·log p + (1 − t)·log(1 − p))", r"L = -\overline{t \log p + (1 - t) \log(1 - p)}"),
        ("∂L/∂p = (p − t)/(p·(1 − p))/n", r"\frac{\partial L}{\partial p} = \frac{p - t}{n\,p\,(1 - p)}"),
        {
            "mul": "t·log p, (1 − t)·log(1 − p) and p·(1 − p)",
            "add": "1 − p, 1 − t, p − t, the sum of both terms and the sum over all",
            "log": "two per output",
            "div": "two per output, and the mean",
        },
    ),
    "binary_cross_entropy_with_logits": LossFunction(
        _binary_cross_entropy_with_logits,
        "numbers",
        "binary_cross_entropy_with_logits",
        (
            "L = mean(max(x, 0) − x·t + log(1 + e^−|x|))",
            r"L = \overline{\max(x, 0) - x t + \log\left(1 + e^{-\lvert x \rvert}\right)}",
        ),
        ("∂L/∂x = (σ(x) − t)/n", r"\frac{\partial L}{\partial x} = \frac{\sigma(x) - t}{n}"),
        {
            "mul": "x·t",
            "add": "max(x, 0) − x·t, 1 + e^−|x|, the sum of both terms, the sum over all and σ(x) − t",
            "div": "the gradient's mean and the loss's mean",
            "cmp": "max(x, 0)",
            "exp": "e^−|x|",
            "log": "one per output",
            "sigmoid": "σ(x)",
        },
    ),
    "sum": LossFunction(
        _sum,
        "nothing",
        "",
        ("L = Σ y", r"L = \sum y"),
        ("∂L/∂y = 1", r"\frac{\partial L}{\partial y} = 1"),
        {"add": "the sum of all outputs"},
    ),
}
NO_LOSS = "none"
"""The name that leaves the loss out: only the forward pass is counted."""
