"""Fused optimizers: the arithmetic of the loop over single tensors that PyTorch documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nncost.frontends.torch.lowerings.operands import tensor_as
from nncost.frontends.torch.lowerings.registry import Call, Lowered, Lowering, lowers
from nncost.ir.graph import Tensor

Rule = Callable[[Call, list[Any]], list[Tensor]]
"""``rule(call, this parameter's share of each list) → the new values of the lists, as far as they change``."""


def _do(call: Call, name: str, x: Tensor, **arguments: Any) -> Tensor:
    return tensor_as(call, name, {"self": x, **arguments}, [(x.shape, x.dtype)])


def _of_the_step(call: Call, name: str) -> Tensor:
    """A number of each step, such as a correction of the moments or what the learning rate scales: free itself."""
    return call.builder.constant(1.0, name)


def _prepared(call: Call, parameter: Tensor, gradient: Tensor, *, decay: bool = True) -> Tensor:
    """The gradient, unscaled if a scale is given, with the weight decay added."""
    if call.get("grad_scale") is not None:
        gradient = _do(call, "div", gradient, other=call["grad_scale"])
    if call.get("maximize", False):
        gradient = _do(call, "neg", gradient)
    if decay and call.get("weight_decay", 0) != 0:
        gradient = _do(call, "add", gradient, other=parameter, alpha=call["weight_decay"])
    return gradient


def _adam(call: Call, lists: list[Any]) -> list[Tensor]:
    """Moments, then θ − s·m/(√v/c + ε); the corrections s and c are numbers per step."""
    parameter, gradient, first, second, largest, *_ = lists
    decoupled = call.name == "aten::_fused_adamw"
    gradient = _prepared(call, parameter, gradient, decay=not decoupled)
    if decoupled and call.get("weight_decay", 0) != 0:
        parameter = _do(call, "mul", parameter, other=_of_the_step(call, "1 - learning_rate * weight_decay"))
    first = _do(call, "lerp", first, end=gradient, weight=1 - call["beta1"])
    second = _do(call, "mul", second, other=call["beta2"])
    second = _do(call, "addcmul", second, tensor1=gradient, tensor2=gradient, value=1 - call["beta2"])
    spread = second
    if call.get("amsgrad", False) and largest is not None:
        spread = largest = _do(call, "maximum", largest, other=second)
    root = _do(call, "div", _do(call, "sqrt", spread), other=_of_the_step(call, "second_correction"))
    denominator = _do(call, "add", root, other=call["eps"])
    size = _of_the_step(call, "step_size")
    parameter = _do(call, "addcdiv", parameter, tensor1=first, tensor2=denominator, value=size)
    return [parameter, gradient, first, second, *([largest] if largest is not None else [])]


def _sgd(call: Call, lists: list[Any]) -> list[Tensor]:
    """θ − η·g, with momentum g is the running sum of gradients."""
    parameter, gradient, *buffers = lists
    gradient = step = _prepared(call, parameter, gradient)
    momentum = call.get("momentum", 0)
    buffer = buffers[0] if buffers else None
    if momentum != 0 and buffer is not None:
        if call.get("is_first_step", False):
            buffer = _do(call, "clone", gradient)
        else:
            old = _do(call, "mul", buffer, other=momentum)
            buffer = _do(call, "add", old, other=gradient, alpha=1 - call.get("dampening", 0))
        step = _do(call, "add", gradient, other=buffer, alpha=momentum) if call.get("nesterov", False) else buffer
    rate = call["lr"]
    size = _of_the_step(call, "step_size") if isinstance(rate, Tensor) else -rate
    parameter = _do(call, "add", parameter, other=step, alpha=size)
    return [parameter, gradient, *([buffer] if buffer is not None else [])]


def _adagrad(call: Call, lists: list[Any]) -> list[Tensor]:
    """θ − η·g/(√Σg² + ε)."""
    parameter, gradient, total, *_ = lists
    gradient = _prepared(call, parameter, gradient)
    total = _do(call, "addcmul", total, tensor1=gradient, tensor2=gradient, value=1)
    root = _do(call, "add", _do(call, "sqrt", total), other=call["eps"])
    size = _of_the_step(call, "step_size")
    return [_do(call, "addcdiv", parameter, tensor1=gradient, tensor2=root, value=size), gradient, total]


def _listed(rule: Rule, lists: tuple[str, ...]) -> Lowering:
    def lower(call: Call) -> Lowered:
        count = len(call["self"])
        columns = [call.get(name, ()) for name in lists]
        rows = [rule(call, [column[i] if len(column) == count else None for column in columns]) for i in range(count)]
        flat: list[Tensor | None] = [row[position] for position in range(len(rows[0]) if rows else 0) for row in rows]
        return flat + [None] * (len(call.outputs) - len(flat))

    return lower


_MOMENTS = ("self", "grads", "exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs")
lowers("aten::_fused_adam", "aten::_fused_adamw")(_listed(_adam, _MOMENTS))
lowers("aten::_fused_sgd")(_listed(_sgd, ("self", "grads", "momentum_buffer_list")))
lowers("aten::_fused_adagrad")(_listed(_adagrad, ("self", "grads", "state_sums")))
