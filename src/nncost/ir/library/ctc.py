"""Connectionist temporal classification: a recursion over all alignments (Graves et al. 2006).

T steps and labels of length S have T·(2S+1) states. Each adds three logarithms of probabilities
(2 cmp, 5 add, 3 exp, 1 log, with the largest taken out) and the step's own (1 add). Which states can be
reached is not looked at: *estimated*.
"""

from __future__ import annotations

from collections.abc import Mapping

from nncost.dims import Dim
from nncost.ir.library.counts import added, scaled

STATE: Mapping[str, Dim] = {"cmp": 2, "add": 7, "exp": 3, "log": 1}
STATE_BACKWARD: Mapping[str, Dim] = {"cmp": 2, "add": 9, "exp": 5, "log": 2}
CLASS_BACKWARD: Mapping[str, Dim] = {"exp": 2, "add": 3, "mul": 1}


def states(steps: Dim, labels: Dim) -> Dim:
    """T·(2S+1): a blank stands before, between and behind the labels."""
    return steps * (2 * labels + 1)


def ctc(count: Dim) -> dict[str, Dim]:
    """The recursion over ``count`` states."""
    return scaled(STATE, count)


def ctc_gradient(count: Dim, classes: Dim) -> dict[str, Dim]:
    """The recursion from the end, each state added to its class, and per class e^y − e^(…) times the gradient."""
    return added(scaled(STATE_BACKWARD, count), scaled(CLASS_BACKWARD, classes))
