"""How a front end treats the operators of its framework: plain data, without the framework."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from nncost.records import field, record

COUNTED, DECOMPOSED, FREE, BOUNDED, UNKNOWN = "counted", "decomposed", "free", "bounded", "unknown"
TREATMENTS = {
    COUNTED: "counted by a rule of its own",
    DECOMPOSED: "counted as the operators the framework says it is made of",
    FREE: "no arithmetic: a view, or a question such as a size",
    UNKNOWN: "a model that runs it is reported as incomplete",
}


@record
class Operator:
    """One overload of an operator, as ``aten::add`` and ``Tensor``, and how it is treated.

    An operator of ONNX names its ``domain``, the opset it exists ``since`` and the first one it is counted in;
    ``reason`` says why it is unknown.
    """

    name: str
    overload: str
    treatment: str
    domain: str = ""
    since: int | None = None
    counted_since: int | None = None
    reason: str = ""

    @property
    def namespace(self) -> str:
        """The domain, or what stands before the colons."""
        return self.domain or self.name.partition("::")[0]


@record
class Coverage:
    """All operators of a framework's version, and what each of its treatments means."""

    framework: str
    version: str
    operators: tuple[Operator, ...]
    treatments: Mapping[str, str] = field(default_factory=lambda: TREATMENTS)
    overloaded: bool = True

    def amounts(self, namespace: str | None = None) -> dict[str, int]:
        """How many overloads are treated in each way."""
        counted = Counter(o.treatment for o in self.operators if namespace in (None, o.namespace))
        return {treatment: counted[treatment] for treatment in self.treatments}

    def names(self, treatment: str, namespace: str | None = None) -> list[str]:
        """The operators that have an overload treated so, in alphabetical order."""
        return sorted({o.name for o in self.operators if o.treatment == treatment and namespace in (None, o.namespace)})

    @property
    def namespaces(self) -> Sequence[str]:
        """The namespaces, the largest first."""
        sizes = Counter(o.namespace for o in self.operators)
        return [name for name, _ in sizes.most_common()]
