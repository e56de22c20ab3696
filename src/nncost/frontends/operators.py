"""How a front end treats the operators of its framework: plain data, without the framework."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nncost.records import record

COUNTED, DECOMPOSED, FREE, UNKNOWN = "counted", "decomposed", "free", "unknown"
TREATMENTS = {
    COUNTED: "counted by a rule of its own",
    DECOMPOSED: "counted as the operators the framework says it is made of",
    FREE: "no arithmetic: a view, or a question such as a size",
    UNKNOWN: "a model that runs it is reported as incomplete",
}


@record
class Operator:
    """One overload of an operator, as ``aten::add`` and ``Tensor``, and how it is treated."""

    name: str
    overload: str
    treatment: str

    @property
    def namespace(self) -> str:
        """What stands before the colons."""
        return self.name.partition("::")[0]


@record
class Coverage:
    """All operators of a framework's version."""

    framework: str
    version: str
    operators: tuple[Operator, ...]

    def amounts(self, namespace: str | None = None) -> dict[str, int]:
        """How many overloads are treated in each way."""
        counted = Counter(o.treatment for o in self.operators if namespace in (None, o.namespace))
        return {treatment: counted[treatment] for treatment in TREATMENTS}

    def names(self, treatment: str, namespace: str | None = None) -> list[str]:
        """The operators that have an overload treated so, in alphabetical order."""
        return sorted({o.name for o in self.operators if o.treatment == treatment and namespace in (None, o.namespace)})

    @property
    def namespaces(self) -> Sequence[str]:
        """The namespaces, the largest first."""
        sizes = Counter(o.namespace for o in self.operators)
        return [name for name, _ in sizes.most_common()]
