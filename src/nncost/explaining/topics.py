"""What can be explained: whole topics, or one quantity by its path in the report."""

from __future__ import annotations

from nncost.counting.quantities import ALL
from nncost.errors import Instead, QuantityError
from nncost.ir.graph import PHASES
from nncost.names import nearest
from nncost.records import record
from nncost.report import ParameterCounts

PARAMETERS, NEURONS, STEP, RUN, TIME = "parameters", "neurons", "step", "run", "time"
TOPICS = (PARAMETERS, "forward", "loss", "backward", "update", STEP, RUN)
"""The topics in the order of a whole explanation; ``run`` is there when examples are given.

``neurons`` and ``time`` are explained only if they are asked for; ``time`` depends on the machine.
"""

_ALSO = {
    "weights": f"{PARAMETERS}.weights", "biases": f"{PARAMETERS}.biases", "gradients": "backward", "derivatives": "backward.derivatives",
    "training": STEP, "inference": "forward", "optimizer": "update", "seconds": TIME, "multiplications": "forward.mul",
    "additions": "forward.add", "epochs": RUN, "units": NEURONS,
}  # fmt: skip
"""What else people ask for; only for suggestions."""
_COUNTS = (*ALL, "flops")


@record
class Topic:
    """A head such as ``forward`` and the name of a quantity if only one is asked for; ``phase`` is that of a run."""

    head: str
    quantity: str | None = None
    phase: str = STEP

    @property
    def path(self) -> str:
        """The quantity's path in the report."""
        middle = f".{self.phase}" if self.head == RUN else ""
        return self.head if self.quantity is None else f"{self.head}{middle}.{self.quantity}"


def parse(topic: str) -> Topic:
    """Return a topic read from text. Raise QuantityError, which says what is accepted."""
    head, _, rest = topic.removeprefix("totals.").partition(".")
    head = {"params": PARAMETERS}.get(head, head)
    if not rest and (head in TOPICS or head in (NEURONS, TIME)):
        return Topic(head)
    if head == PARAMETERS and rest in ParameterCounts.__match_args__:
        return Topic(head, rest)
    if head in (*PHASES, STEP) and rest in _COUNTS:
        return Topic(head, rest)
    phase, _, quantity = rest.removeprefix("totals.").partition(".")
    if head == RUN and phase in (*PHASES, STEP) and quantity in _COUNTS:
        return Topic(head, quantity, phase)
    close = nearest(topic, _accepted(), _ALSO)
    raise QuantityError(
        f"cannot explain {topic[:60]!r}: there is no such topic or quantity.",
        hint=_hint(close),
        instead=None if close is None else Instead(topic, close),
    )


def _accepted() -> list[str]:
    paths = [f"{PARAMETERS}.{name}" for name in ParameterCounts.__match_args__]
    paths += [f"{phase}.{name}" for phase in (*PHASES, STEP) for name in _COUNTS]
    return [*TOPICS, NEURONS, TIME, *paths]


def _hint(close: str | None) -> str:
    phases = ", ".join((*PHASES, STEP))
    return (
        (f"Did you mean {close!r}? " if close else "")
        + f"Topics: {', '.join((*TOPICS, NEURONS, TIME))}. "
        + f"Quantities: {PARAMETERS}.NAME with NAME one of {', '.join(ParameterCounts.__match_args__)}; "
        + f"PHASE.NAME with PHASE one of {phases} (or run.PHASE) and NAME one of {', '.join(_COUNTS)}."
    )
