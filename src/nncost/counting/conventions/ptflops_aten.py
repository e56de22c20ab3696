"""ptflops' other back end, ``backend="aten"``: a short table of operators, with biases, for the whole batch."""

from __future__ import annotations

from math import prod

from nncost.counting.conventions.convention import CannotCount, Convention, Rules, Tool, by_operator
from nncost.ir.call_log import FunctionCall, Instrumentation, sizes


def _matmul(call: FunctionCall) -> int:
    if len(call.inputs) != 2:
        raise CannotCount("a product with options")
    return call.elements(0) * call.shape(1)[-1]


def _addmm(call: FunctionCall) -> int:
    """The products, and one for each output as if the added matrix were a bias."""
    (rows, inner), (_, columns) = call.shape(1), call.shape(2)
    return rows * inner * columns + rows * columns


def _convolution(call: FunctionCall) -> int:
    x, weight, out = call.shape(0), call.shape(1), sizes(call.output)
    places = (x if call.inputs[6] else out)[2:]
    return x[0] * prod(weight) * prod(places) + (prod((x[0], *out[1:])) if call.inputs[2] is not None else 0)


RULES: Rules = {
    "aten::mm": (_matmul, "the products"),
    "aten::bmm": (_matmul, "the products"),
    "aten::addmm": (_addmm, "the products, and the biases"),
    "aten::convolution": (_convolution, "the products, and the biases"),
    "aten::_convolution": (_convolution, "the products, and the biases"),
}


PTFLOPS_ATEN = Convention(
    "ptflops-aten",
    "the MACs that ptflops 0.7.5 says with backend='aten': matrix products and convolutions with their biases",
    tool=Tool("ptflops 0.7.5 (aten)", "macs", Instrumentation(evaluates=True, hooked=False), by_operator(RULES)),
)
