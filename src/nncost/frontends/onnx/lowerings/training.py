"""Updates of parameters as operations of a file: R, the learning rate, T, the number of the step, then lists of tensors."""

from __future__ import annotations

from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Operand
from nncost.ir.graph import Tensor
from nncost.ir.library import training_steps

DOMAIN = "ai.onnx.preview.training"
EPSILON = 1e-6


def _rows(call: Call, lists: int) -> list[list[Tensor]]:
    """For each parameter the tensor itself, its gradient and its states."""
    count, rest = divmod(len(call.values) - 2, lists)
    if rest or count < 1:
        raise ShapeError(f"{len(call.values) - 2} tensors are no {lists} lists of one length.")
    return [[call.tensor(2 + n + count * part) for part in range(lists)] for n in range(count)]


def _columns(made: list[tuple[Tensor, ...]]) -> Lowered:
    """The results of all parameters, list by list."""
    return tuple(tensor for column in zip(*made, strict=True) for tensor in column)


def _scalar(call: Call, position: int, dtype: str) -> Tensor:
    b, x = call.builder, call.constant(position)
    single = b.reshape(x, ())
    return single if x.dtype == dtype else b.emit(ops.Cast(dtype), single)


def _later(call: Call, later: Operand, first: Operand) -> Operand:
    """One number after the first step, another in it; 2 cmp where only a run tells which step it is."""
    step = call.scalar(1)
    if step is not None:
        return later if step > 0 else first
    b, count = call.builder, call.constant(1)
    is_later = b.map("greater", b.reshape(count, ()), b.full((), 0, count.dtype))
    return b.map("select", is_later, later, first)


@lowers("Adagrad", domain=DOMAIN)
def _adagrad(call: Call) -> Lowered:
    b, rows, a = call.builder, _rows(call, 3), call.attributes
    rate, decay = _scalar(call, 0, rows[0][0].dtype), a.number("decay_factor", 0.0)
    if decay:
        rate = b.map("div", rate, b.map("add", 1.0, b.map("mul", _scalar(call, 1, rate.dtype), decay)))
    norm, epsilon = a.number("norm_coefficient", 0.0), a.number("epsilon", EPSILON)
    made = (training_steps.adagrad_step(b, rate, x, g, h, decay=norm, epsilon=epsilon) for x, g, h in rows)
    return _columns(list(made))


@lowers("Adam", domain=DOMAIN)
def _adam(call: Call) -> Lowered:
    """The rate is corrected by √(1 − βᵗ)/(1 − αᵗ): 2 pow, 2 add, 1 sqrt, 1 mul, 1 div for the whole step."""
    b, rows, a = call.builder, _rows(call, 4), call.attributes
    alpha, beta = a.number("alpha", 0.9), a.number("beta", 0.999)
    rate = _scalar(call, 0, rows[0][0].dtype)
    if call.scalar(1) != 0:
        step = _scalar(call, 1, rate.dtype)
        second = b.map("sqrt", b.map("sub", 1.0, b.map("pow", beta, step)))
        first = b.map("sub", 1.0, b.map("pow", alpha, step))
        corrected = _later(call, b.map("div", b.map("mul", rate, second), first), rate)
        assert isinstance(corrected, Tensor)
        rate = corrected
    decay, decay_after = a.number("norm_coefficient", 0.0), a.number("norm_coefficient_post", 0.0)
    epsilon = a.number("epsilon", EPSILON)
    return _columns([
        training_steps.adam_step(
            b, rate, x, g, v, h, decay=decay, decay_after=decay_after, alpha=alpha, beta=beta, epsilon=epsilon
        )
        for x, g, v, h in rows
    ])  # fmt: skip


@lowers("Momentum", domain=DOMAIN)
def _momentum(call: Call) -> Lowered:
    """The first step takes the gradient whole."""
    b, rows, a = call.builder, _rows(call, 3), call.attributes
    mode = a.text("mode", "")
    if mode not in ("standard", "nesterov"):
        raise SourceError(f"the attribute 'mode' is standard or nesterov, received {mode!r}.")
    rate, share = _scalar(call, 0, rows[0][0].dtype), _later(call, a.number("beta", 1.0), 1.0)
    return _columns([
        training_steps.momentum_step(
            b, rate, *row, decay=a.number("norm_coefficient", 0.0), alpha=a.number("alpha", 0.0), share=share,
            nesterov=mode == "nesterov",
        )
        for row in rows
    ])  # fmt: skip
