"""Which steps of a layer are needed, and behind which of them a value is used no more."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.backends.torch.layer import Operand, Step


def needed(steps: Sequence[Step], kept: Sequence[Operand]) -> list[Step]:
    """The steps that an output depends on."""
    wanted = {operand for operand in kept if isinstance(operand, int)}
    found: list[Step] = []
    for step in reversed(steps):
        if wanted.intersection(step.outputs):
            found.append(step)
            wanted.update(operand for operand in step.operands if isinstance(operand, int))
    return found[::-1]


def free(steps: Sequence[Step], kept: Sequence[Operand]) -> None:
    """Note behind which step each value is used no more."""
    seen = {operand for operand in kept if isinstance(operand, int)}
    for step in reversed(steps):
        touched = {o for o in (*step.operands, *step.outputs) if isinstance(o, int)} - seen
        step.dead = tuple(sorted(touched))
        seen |= touched
