"""Connectionist temporal classification: a recursion over all alignments (Graves et al. 2006).

Of T steps and labels of length S there are T·(2S+1) states. Each adds three logarithms of
probabilities (2 cmp, 5 add, 3 exp, 1 log, with the largest taken out) and the step's own (1 add). Lengths
that are data are taken to be the longest; which states can be reached is not looked at: *estimated*.
"""

from __future__ import annotations

from typing import Any

from nncost.dims import Dim
from nncost.frontends.torch.lowerings.operands import algorithm, scaled_counts
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.graph import Tensor

ESTIMATED = "estimated"
_STATE = {"cmp": 2, "add": 7, "exp": 3, "log": 1}


def _states(call: Call) -> Dim:
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
def _forward(call: Call) -> Lowered:
    return algorithm(call, scaled_counts(_STATE, _states(call)), note=ESTIMATED)


@lowers("aten::_ctc_loss_backward")
def _backward(call: Call) -> Lowered:
    """The recursion from the end, each state added to its class, and for each class e^y − e^(…) times the gradient."""
    counts = scaled_counts({**_STATE, "add": 9, "exp": 5, "log": 2}, _states(call))
    classes = call.tensor("log_probs").elements
    for quantity, each in (("exp", 2), ("add", 3), ("mul", 1)):
        counts[quantity] = counts.get(quantity, 0) + each * classes
    return algorithm(call, counts, note=ESTIMATED)[0]
