"""The same network with a rule for the operator and one for its gradient."""

import nncost
from own_operator import build  # noqa: F401


@nncost.lowers("example::scale_shift")
def scale_shift(call):
    """One multiplication and one addition for each element."""
    b = call.builder
    return b.map("add", b.map("mul", call["x"], call["scale"]), call["shift"])


@nncost.lowers("example::scale_shift_backward")
def scale_shift_backward(call):
    """Two multiplications, and a sum over the examples."""
    b = call.builder
    return b.map("mul", call["g"], call["scale"]), b.reduce("sum", b.map("mul", call["g"], call["x"]), (0,))
