"""What can be explained: whole topics, or one quantity by its path in the report."""

from __future__ import annotations

from collections.abc import Mapping

from nncost.counting.memory.memory import AMOUNTS
from nncost.counting.quantities import ALL
from nncost.errors import Instead, QuantityError
from nncost.explaining.words import WORDS
from nncost.ir.graph import PHASES
from nncost.names import nearest
from nncost.records import record
from nncost.report import ParameterCounts

SHAPES, PARAMETERS, NEURONS, STEP, RUN, MEMORY, TIME = (
    "shapes",
    "parameters",
    "neurons",
    "step",
    "run",
    "memory",
    "time",
)
TOPICS = (SHAPES, PARAMETERS, "forward", "loss", "backward", "update", STEP, RUN, MEMORY)
"""The topics in the order of a whole explanation; ``run`` is there when examples are given.

``neurons`` and ``time`` are explained only if they are asked for; ``time`` depends on the machine.
"""
COUNTS = (*ALL, "flops")
"""The quantities of a phase."""
_HEADS = {
    "params": PARAMETERS,
    "shape": SHAPES,
    "sizes": SHAPES,
    "parameter": PARAMETERS,
    "seconds": TIME,
    "ram": MEMORY,
    "bytes": MEMORY,
}
"""Other words for topics."""
_OTHER_WORDS: Mapping[str, str] = {words.replace(" ", ""): name for name, words in WORDS.items()} | {
    "multiplies": "mul", "muls": "mul", "adds": "add", "divs": "div", "mac": "macs", "flop": "flops", "activation": "activations",
}  # fmt: skip
"""Other words for quantities."""
_KINDS = ("weights", "biases", "buffers")
"""Kinds of parameters that are asked for by their names alone."""
_ALSO = {
    "gradients": "backward", "training": STEP, "inference": "forward", "optimizer": "update", "epochs": RUN, "units": NEURONS,
}  # fmt: skip
"""What else people ask for; only for suggestions."""


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


def parse(topic: str) -> tuple[Topic, ...]:
    """Return the topics that a text names; a quantity alone is that quantity in each phase and in the step.

    Raise QuantityError, which says what is accepted.
    """
    path = topic.strip().lower().replace(" ", "")
    path = f"{PARAMETERS}.{path}" if path in _KINDS else _OTHER_WORDS.get(path, path).removeprefix("totals.")
    if path in COUNTS:
        return tuple(Topic(phase, path) for phase in (*PHASES, STEP))
    head, _, rest = path.partition(".")
    found = _topic(_HEADS.get(head, head), _OTHER_WORDS.get(rest, rest))
    if found is None:
        close = nearest(topic, _accepted(), _ALSO)
        raise QuantityError(
            f"cannot explain {topic[:60]!r}: there is no such topic or quantity.",
            hint=_hint(close),
            instead=None if close is None else Instead(topic, close),
        )
    return (found,)


def _topic(head: str, rest: str) -> Topic | None:
    if not rest:
        return Topic(head) if head in (*TOPICS, NEURONS, TIME) else None
    if (head == PARAMETERS and rest in ParameterCounts.__match_args__) or (head == MEMORY and rest in AMOUNTS):
        return Topic(head, rest)
    if head in (*PHASES, STEP) and rest in COUNTS:
        return Topic(head, rest)
    phase, _, quantity = rest.removeprefix("totals.").partition(".")
    if head == RUN and phase in (*PHASES, STEP) and quantity in COUNTS:
        return Topic(head, quantity, phase)
    return None


def _accepted() -> list[str]:
    paths = [f"{PARAMETERS}.{name}" for name in ParameterCounts.__match_args__]
    paths += [f"{phase}.{name}" for phase in (*PHASES, STEP) for name in COUNTS]
    paths += [f"{MEMORY}.{name}" for name in AMOUNTS]
    return [*TOPICS, NEURONS, TIME, *COUNTS, *paths]


def _hint(close: str | None) -> str:
    phases = ", ".join((*PHASES, STEP))
    return (
        (f"Did you mean {close!r}? " if close else "")
        + f"Topics: {', '.join((*TOPICS, NEURONS, TIME))}. "
        + f"Quantities: {', '.join(COUNTS)}, in all phases or as PHASE.NAME with PHASE one of {phases} (or run.PHASE); "
        + f"{PARAMETERS}.NAME with NAME one of {', '.join(ParameterCounts.__match_args__)}; "
        + f"{MEMORY}.NAME with NAME one of {', '.join(AMOUNTS)}."
    )
