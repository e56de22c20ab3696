"""Dropout: nothing in inference, a random choice in training."""

from __future__ import annotations

from nncost.errors import SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.ir.builder import Operand
from nncost.ir.graph import Tensor
from nncost.ir.library import sequence
from nncost.ir.library.conversions import in_type

RATIO, TRAINING = 1, 2
"""Positions of the operands, which are attributes before opset 12."""


@lowers("Dropout")
def _dropout(call: Call) -> Lowered:
    """Training is what the file or the caller says. In inference the input itself, and a mask of ones."""
    b, x = call.builder, call.tensor(0)
    if not (b.training or _is_training(call)):
        kept = b.full(x.shape, 1, _mask_type(call, x)) if call.wants(1) else None
        return call.like(call.value(0), x), kept
    ratio = _ratio(call)
    if not isinstance(ratio, Tensor) and not call.wants(1):
        return sequence.training_dropout(b, x, ratio)
    y, mask = sequence.dropout_and_mask(b, x, ratio)
    return y, in_type(b, mask, _mask_type(call, x)) if call.wants(1) else None


def _is_training(call: Call) -> bool:
    if call.opset >= 12:
        return bool(call.only(TRAINING, False))
    return "is_test" in call.attributes and not call.attributes.flag("is_test", False)


def _mask_type(call: Call, x: Tensor) -> str:
    return "bool" if call.opset >= 10 else x.dtype


def _ratio(call: Call) -> Operand:
    """The share that is set to zero: a number, or a tensor where only a run tells it."""
    ratio: float | None = 0.5
    if call.opset < 12:
        ratio = call.attributes.number("ratio", 0.5)
    elif call.has(RATIO):
        ratio = call.scalar(RATIO)
    if ratio is None:
        return call.builder.reshape(_single(call), ())
    if not 0 <= ratio <= 1:
        raise SourceError(f"the share that dropout zeroes lies between 0 and 1, received {ratio}.")
    return ratio


def _single(call: Call) -> Tensor:
    if any(dim != 1 for dim in call.value(RATIO).shape):
        raise Unlowered("a share that dropout zeroes of more than one element")
    return call.constant(RATIO)
