"""Loss functions that PyTorch runs as one operator, CTC included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nncost.dims import Dim, product
from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.operands import algorithm, elementwise, scaled_counts
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

NONE, MEAN = 0, 1
"""PyTorch's numbers for ``reduction``."""


def _reduced(call: Call, x: Tensor) -> Tensor:
    b, reduction = call.builder, call.get("reduction", MEAN)
    if reduction == NONE:
        return x
    return b.mean(x, range(x.rank)) if reduction == MEAN else b.reduce("sum", x, range(x.rank))


def _seed(call: Call, like: Tensor) -> Tensor:
    """The incoming gradient for each element: divided by their number where the loss is a mean."""
    b, g = call.builder, call.tensor("grad_output")
    if call.get("reduction", MEAN) == MEAN:
        g = b.map("mul", g, b.size_constant(like.shape, inverse=True))
    return g


@lowers("aten::mse_loss")
def _mse(call: Call) -> Tensor:
    """The mean of (x − t)²."""
    return _reduced(call, elementwise(call, "square", elementwise(call, "sub", call["self"], call["target"])))


@lowers("aten::mse_loss_backward")
def _mse_backward(call: Call) -> Tensor:
    """(2/n)·(x − t)·g: the factor is a constant."""
    b = call.builder
    difference = elementwise(call, "sub", call["self"], call["target"])
    sizes = call.tensor("self").shape if call.get("reduction", MEAN) == MEAN else ()
    scaled = b.map("mul", difference, b.size_constant(sizes, 2.0, inverse=True))
    return b.map("mul", scaled, b.broadcast(call.tensor("grad_output"), difference.shape))


@lowers("aten::nll_loss_forward", "aten::nll_loss2d_forward")
def _nll(call: Call) -> Lowered:
    """The chosen log-probabilities, averaged; weights by class take 1 mul each, and the mean their sum."""
    b, x, target = call.builder, call.tensor("self"), call.tensor("target")
    axis = x.rank - 1 if x.rank < 3 else 1
    place = b.reshape(target, (*target.shape[:axis], 1, *target.shape[axis:]) if x.rank > 1 else (1,))
    chosen = b.map("neg", b.reshape(b.emit(ops.Gather(axis, along=True), x, place), target.shape))
    weight = call.get("weight")
    if weight is None:
        return _reduced(call, chosen), b.size_constant(target.shape)
    own = b.emit(ops.Gather(0), weight, target)
    chosen = b.map("mul", chosen, own)
    total = b.reduce("sum", own, range(own.rank))
    if call.get("reduction", MEAN) != MEAN:
        return _reduced(call, chosen), total
    return b.map("div", b.reduce("sum", chosen, range(chosen.rank)), total), total


@lowers("aten::nll_loss_backward", "aten::nll_loss2d_backward")
def _nll_backward(call: Call) -> Tensor:
    """−g/n at each target (1 div), times its weight (1 mul each), zero elsewhere: values are put, not added."""
    target = call.tensor("target")
    counts = {"div": 1} if call.get("reduction", MEAN) == MEAN else {}
    if call.get("weight") is not None:
        counts["mul"] = target.elements
    return algorithm(call, counts, reads=[call.tensor("grad_output"), target])[0]


@lowers("aten::binary_cross_entropy")
def _bce(call: Call) -> Tensor:
    """−(t·log x + (1−t)·log(1−x))."""
    x, t = call["self"], call["target"]
    first = elementwise(call, "mul", t, elementwise(call, "log", x))
    rest = elementwise(call, "log", elementwise(call, "sub", 1.0, x))
    second = elementwise(call, "mul", elementwise(call, "sub", 1.0, t), rest)
    total = call.builder.map("neg", call.builder.map("add", first, second))
    weight = call.get("weight")
    return _reduced(call, total if weight is None else elementwise(call, "mul", total, weight))


@lowers("aten::binary_cross_entropy_backward")
def _bce_backward(call: Call) -> Tensor:
    """g/n·(x − t)/(x·(1−x))."""
    x, t = call["self"], call["target"]
    below = elementwise(call, "mul", x, elementwise(call, "sub", 1.0, x))
    slope = elementwise(call, "div", elementwise(call, "sub", x, t), below)
    if call.get("weight") is not None:
        slope = elementwise(call, "mul", slope, call["weight"])
    return elementwise(call, "mul", slope, _seed(call, call.tensor("self")))


def _difference(call: Call) -> Tensor:
    return elementwise(call, "sub", call["self"], call["target"])


@lowers("aten::smooth_l1_loss", "aten::huber_loss")
def _smooth(call: Call) -> Tensor:
    """½d²/β near zero, |d| − β/2 further away (Huber's: β times that): 2 cmp, and both sides are computed."""
    b, huber = call.builder, call.name == "aten::huber_loss"
    width = float(call.get("delta" if huber else "beta", 1.0))
    difference = _difference(call)
    size = b.map("abs", difference)
    if width == 0:
        return _reduced(call, size)
    near = b.map("mul", b.map("square", difference), 0.5 if huber else 0.5 / width)
    far = b.map("sub", size, width / 2)
    far = b.map("mul", far, width) if huber else far
    return _reduced(call, b.map("select", b.map("greater", width, size), near, far))


@lowers("aten::smooth_l1_loss_backward", "aten::huber_loss_backward")
def _smooth_backward(call: Call) -> Tensor:
    """d/β clipped to ±1 (Huber's: d clipped to ±δ), times g/n."""
    b, huber = call.builder, "huber" in call.name
    width = float(call.get("delta" if huber else "beta", 1.0))
    difference = _difference(call)
    if width == 0:
        slope = b.map("sign", difference)
    elif huber:
        slope = b.map("clip", difference, -width, width)
    else:
        slope = b.map("clip", b.map("mul", difference, 1 / width), -1.0, 1.0)
    return elementwise(call, "mul", slope, _seed(call, call.tensor("self")))


@lowers("aten::soft_margin_loss")
def _soft_margin(call: Call) -> Tensor:
    """Log(1 + e^(−t·x))."""
    b = call.builder
    power = b.map("exp", b.map("neg", elementwise(call, "mul", call["self"], call["target"])))
    return _reduced(call, b.map("log", b.map("add", power, 1.0)))


@lowers("aten::soft_margin_loss_backward")
def _soft_margin_backward(call: Call) -> Tensor:
    """−t·z/(1 + z)·g/n with z = e^(−t·x)."""
    b, target = call.builder, call["target"]
    power = b.map("exp", b.map("neg", elementwise(call, "mul", call["self"], target)))
    share = b.map("div", power, b.map("add", power, 1.0))
    slope = b.map("neg", elementwise(call, "mul", target, share))
    return elementwise(call, "mul", slope, _seed(call, call.tensor("self")))


@lowers("aten::multi_margin_loss")
def _multi_margin(call: Call) -> Tensor:
    return _multi_margin_of(call)(call.builder, call.tensor("self"))


def _multi_margin_of(call: Call) -> Callable[[Builder, Tensor], Tensor]:
    """Σᵢ max(0, m − x_t + xᵢ)^p / n over the other classes: the class itself gives m^p, which is taken off."""
    power, margin = call.get("p", 1), float(call.get("margin", 1))
    target, weight = call.tensor("target"), call.get("weight")

    def apply(b: Builder, x: Tensor) -> Tensor:
        rows = x if x.rank == 2 else b.reshape(x, (1, *x.shape))
        place = b.reshape(target, (rows.shape[0], 1))
        own = b.emit(ops.Gather(1, along=True), rows, place)
        excess = b.map("relu", b.map("add", rows, b.map("sub", margin, own)))
        excess = b.map("square", excess) if power == 2 else excess
        each = b.map("sub", b.reduce("sum", excess, [1]), margin**power)
        if weight is not None:
            each = b.map("mul", each, b.reshape(b.emit(ops.Gather(0), weight, target), each.shape))
        each = b.map("div", each, b.size_constant([rows.shape[1]]))
        if call.get("reduction", MEAN) == NONE:
            return b.reshape(each, x.shape[:-1])
        return b.mean(each, [0]) if call.get("reduction", MEAN) == MEAN else b.reduce("sum", each, [0])

    return apply


@lowers("aten::multi_margin_loss_backward")
def _multi_margin_backward(call: Call) -> Lowered:
    return gradient(call.builder, _multi_margin_of(call), (call.tensor("self"),), call.tensor("grad_output"), (True,))[
        0
    ]


@lowers("aten::multilabel_margin_loss_forward")
def _multilabel_margin(call: Call) -> Lowered:
    """Every pair of a target and another class (as if half were targets): 2 add, 1 cmp, and the sum."""
    x = call.tensor("self")
    pairs = x.elements * x.shape[-1] // 4
    return algorithm(call, {"add": 3 * pairs, "cmp": pairs, "div": product(x.shape[:-1])}, note="estimated")


@lowers("aten::multilabel_margin_loss_backward")
def _multilabel_margin_backward(call: Call) -> Tensor:
    x = call.tensor("self")
    pairs = x.elements * x.shape[-1] // 4
    return algorithm(call, {"add": 4 * pairs, "cmp": pairs, "mul": x.elements}, note="estimated")[0]


ESTIMATED = "estimated"
_CTC_STATE = {"cmp": 2, "add": 7, "exp": 3, "log": 1}


def _ctc_states(call: Call) -> Dim:
    """Σ T·(2S+1) over the batch."""
    probabilities, targets = call.tensor("log_probs"), call.tensor("targets")
    batch = probabilities.shape[1] if probabilities.rank == 3 else 1
    steps, labels = _lengths(call["input_lengths"]), _lengths(call["target_lengths"])
    if steps is not None and labels is not None:
        return sum(t * (2 * s + 1) for t, s in zip(steps, labels, strict=True))
    longest: Dim = targets.shape[1] if targets.rank == 2 else targets.shape[0] // batch
    return probabilities.shape[0] * batch * (2 * longest + 1)


def _lengths(value: Any) -> tuple[int, ...] | None:
    return None if isinstance(value, Tensor) else tuple(value)


@lowers("aten::_ctc_loss", "aten::_cudnn_ctc_loss", "aten::miopen_ctc_loss")
def _ctc(call: Call) -> Lowered:
    return algorithm(call, scaled_counts(_CTC_STATE, _ctc_states(call)), note=ESTIMATED)


@lowers("aten::_ctc_loss_backward")
def _ctc_backward(call: Call) -> Lowered:
    """The recursion from the end, each state added to its class, and for each class e^y − e^(…) times the gradient."""
    counts = scaled_counts({**_CTC_STATE, "add": 9, "exp": 5, "log": 2}, _ctc_states(call))
    classes = call.tensor("log_probs").elements
    for quantity, each in (("exp", 2), ("add", 3), ("mul", 1)):
        counts[quantity] = counts.get(quantity, 0) + each * classes
    return algorithm(call, counts, note=ESTIMATED)[0]
