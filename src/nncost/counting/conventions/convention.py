"""What a convention is: weights over the ledger, a rule on parameters, or what another tool makes of what it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from nncost.counting.quantities import Quantity
from nncost.ir.graph import Phase
from nncost.records import field, record

if TYPE_CHECKING:
    from nncost.ir.call_log import CallLog, FunctionCall, Instrumentation


FunctionRule = Callable[["FunctionCall"], int]
Rules = Mapping[str, tuple[FunctionRule, str]]
"""By the full name of a function or operator: what a tool counts for one call, and the reason."""


@record
class Counted:
    """What a tool makes of one call: an amount, and in words what it counted or left out."""

    path: str
    operation: str
    amount: int
    reason: str = ""
    phase: Phase = "forward"


class CannotCount(Exception):  # noqa: N818 - a fact about the tool, not our failure
    """The tool itself fails on this network."""


@record
class Tool:
    """Another tool: how it looks at a network and what it makes of what it sees."""

    version: str
    unit: str
    instrumentation: Instrumentation
    count: Callable[[CallLog], Iterator[Counted]]


@record
class Convention:
    """A name, one sentence and where ``flops`` comes from.

    ``weights`` say how much of each quantity makes up ``flops``; ``per_parameter`` how many there are
    for each parameter and token, by phase; ``tool`` replaces both wherever a network can be observed.
    """

    name: str
    summary: str
    weights: Mapping[Quantity, int] = field(default_factory=dict)
    per_parameter: Mapping[Phase, int] = field(default_factory=dict)
    tool: Tool | None = None

    @property
    def anywhere(self) -> bool:
        """Whether it applies to every source, also to one that cannot be observed."""
        return bool(self.weights or self.per_parameter)


def by_operator(rules: Rules) -> Callable[[CallLog], Iterator[Counted]]:
    """Return the count of a tool that has a rule and its reason per operator, and takes every other one for zero."""

    def count(log: CallLog) -> Iterator[Counted]:
        for call in log.function_calls():
            rule, reason = rules.get(call.name, (lambda _: 0, "not in its table: 0"))
            yield Counted(call.path, call.name.removeprefix("aten::"), rule(call), reason)

    return count
