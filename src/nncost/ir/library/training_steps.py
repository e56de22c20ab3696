"""Updates of parameters as ONNX's training operators write them, with the learning rate and the step as operands."""

from __future__ import annotations

from nncost.ir.builder import Builder, Operand
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation


def regularised(b: Builder, x: Tensor, g: Tensor, decay: float) -> Tensor:
    """g + decay·x: 1 mul, 1 add; g itself without a decay."""
    return b.map("add", b.map("mul", decay, x), g) if decay else g


def adagrad_step(
    b: Builder, rate: Operand, x: Tensor, g: Tensor, total: Tensor, *, decay: float, epsilon: float
) -> tuple[Tensor, Tensor]:
    """s ← s + g², x ← x − η·g/(√s + ε): 2 mul, 3 add, 1 div, 1 sqrt."""
    with b.region(Operation("adagrad"), x, g, total) as region:
        gradient = regularised(b, x, g, decay)
        fresh = b.map("add", total, b.map("square", gradient))
        deviation = b.map("add", b.map("sqrt", fresh), epsilon)
        region.returns(b.map("sub", x, b.map("div", b.map("mul", rate, gradient), deviation)), fresh)
    return region.outputs[0], region.outputs[1]


def adam_step(
    b: Builder, rate: Operand, x: Tensor, g: Tensor, first: Tensor, second: Tensor,
    *, decay: float, decay_after: float, alpha: float, beta: float, epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """v ← αv + (1−α)g, h ← βh + (1−β)g², x ← x − η·v/(√h + ε): 6 mul, 4 add, 1 div, 1 sqrt; 1 mul for a decay after it."""
    with b.region(Operation("adam"), x, g, first, second) as region:
        gradient = regularised(b, x, g, decay)
        v = b.map("add", b.map("mul", alpha, first), b.map("mul", 1 - alpha, gradient))
        h = b.map("add", b.map("mul", beta, second), b.map("mul", 1 - beta, b.map("square", gradient)))
        step = b.map("div", v, b.map("add", b.map("sqrt", h), epsilon))
        new = b.map("sub", x, b.map("mul", rate, step))
        region.returns(b.map("mul", 1 - decay_after, new) if decay_after else new, v, h)
    return region.outputs[0], region.outputs[1], region.outputs[2]


def momentum_step(
    b: Builder, rate: Operand, x: Tensor, g: Tensor, velocity: Tensor,
    *, decay: float, alpha: float, share: Operand, nesterov: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """v ← αv + share·g, x ← x − η·v, or ``nesterov`` x − η·(g + αv): 3 mul, 2 add; 1 mul and 1 add more."""
    with b.region(Operation("momentum"), x, g, velocity) as region:
        gradient = regularised(b, x, g, decay)
        v = b.map("add", b.map("mul", alpha, velocity), b.map("mul", share, gradient))
        direction = b.map("add", gradient, b.map("mul", alpha, v)) if nesterov else v
        region.returns(b.map("sub", x, b.map("mul", rate, direction)), v)
    return region.outputs[0], region.outputs[1]
