"""Dropout: nothing in inference, a random choice in training."""

from __future__ import annotations

from nncost.errors import SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.ir.builder import Operand
from nncost.ir.graph import Tensor
from nncost.ir.library import sequence
from nncost.ir.library.casts import in_type

RATIO, TRAINING = 1, 2
"""Positions of the operands, which are attributes before opset 12."""


@lowers("Dropout")
def _dropout(call: Call) -> Lowered:
    """Training is what the file or the caller says. In inference the input itself, and a mask of ones."""
    if not call.builder.training and not _is_training(call):
        x = call.tensor(0)
        return call.like(call.value(0), x), _ones(call, x)
    return in_training(call, call.tensor(0), _ratio(call) if call.opset < 12 else ratio_of(call, RATIO))


@lowers("BiasDropout", domain="com.microsoft")
def _bias_dropout(call: Call) -> Lowered:
    """Dropout of data + bias, and a residual added to it."""
    b = call.builder
    x = b.map("add", call.tensor(0), call.tensor(1, "bias"))
    mask = _ones(call, x)
    if b.training or bool(call.only(4, False)):
        x, mask = in_training(call, x, ratio_of(call, 3))
    return b.map("add", x, call.tensor(2)) if call.has(2) else x, mask


def _ones(call: Call, x: Tensor) -> Tensor | None:
    return call.builder.full(x.shape, 1, _mask_type(call, x)) if call.wants(1) else None


def in_training(call: Call, x: Tensor, ratio: Operand) -> tuple[Tensor, Tensor | None]:
    """Dropout as in training, and its mask if it is asked for."""
    b = call.builder
    seed = call.attributes.integer("seed", 0) if "seed" in call.attributes else None
    if not isinstance(ratio, Tensor) and not call.wants(1):
        return sequence.training_dropout(b, x, ratio, seed), None
    y, mask = sequence.dropout_and_mask(b, x, ratio, seed)
    return y, in_type(b, mask, _mask_type(call, x)) if call.wants(1) else None


def _is_training(call: Call) -> bool:
    if call.opset >= 12:
        return bool(call.only(TRAINING, False))
    return "is_test" in call.attributes and not call.attributes.flag("is_test", False)


def _mask_type(call: Call, x: Tensor) -> str:
    return "bool" if call.opset >= 10 or call.node.domain else x.dtype


def _ratio(call: Call) -> float:
    return _checked(call.attributes.number("ratio", 0.5))


def ratio_of(call: Call, position: int) -> Operand:
    """The share that is set to zero: a number, or a tensor where only a run tells it."""
    if not call.has(position):
        return 0.5
    ratio = call.scalar(position)
    if ratio is not None:
        return _checked(ratio)
    if any(dim != 1 for dim in call.value(position).shape):
        raise Unlowered("a share that dropout zeroes of more than one element")
    return call.builder.reshape(call.constant(position), ())


def _checked(ratio: float) -> float:
    if not 0 <= ratio <= 1:
        raise SourceError(f"the share that dropout zeroes lies between 0 and 1, received {ratio}.")
    return ratio
