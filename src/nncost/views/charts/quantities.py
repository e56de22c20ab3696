"""What a chart of layers measures: a quantity in each phase, bytes of traffic, or parameters."""

from __future__ import annotations

from collections.abc import Mapping

from nncost.counting.quantities import ALL, TRAFFIC
from nncost.dims import Dim, add_all
from nncost.errors import Instead, QuantityError
from nncost.ir.graph import PHASES
from nncost.names import meant, nearest, shortened
from nncost.records import record
from nncost.report import Report
from nncost.views.layers import Line, layer_flops

FLOPS, BYTES, PARAMETERS = "flops", "bytes", "parameters"
ROLES = ("weights", "biases", "other")
_ALSO = {
    "params": PARAMETERS, "multiplications": "mul", "additions": "add", "divisions": "div", "mac": "macs", "flop": FLOPS,
    "traffic": BYTES, "memory": BYTES, "parameters.total": PARAMETERS, "operations": FLOPS,
}  # fmt: skip


@record
class Measure:
    """A quantity of layers: ``name`` in these ``phases``, none of which parameters have."""

    name: str
    phases: tuple[str, ...]
    weights: Mapping[str, int]

    @property
    def title(self) -> str:
        """What an axis calls it."""
        words = {BYTES: "bytes read and written", "read_bytes": "bytes read", "write_bytes": "bytes written"}
        return words.get(self.name, self.name.removeprefix(f"{PARAMETERS}."))

    @property
    def is_bytes(self) -> bool:
        """Whether its amounts are bytes."""
        return self.name == BYTES or self.name in TRAFFIC

    def of(self, line: Line, phase: str) -> Dim:
        """Return what a layer has of it in a phase; of parameters, whatever the phase."""
        if not self.phases:
            roles = ROLES if self.name == PARAMETERS else (self.name.rpartition(".")[2],)
            return add_all(part for role in roles for part in getattr(line, role))
        if self.name == BYTES:
            return add_all(line.amount(phase, name) for name in TRAFFIC)
        if self.weights:
            return add_all(weight * line.amount(phase, name) for name, weight in self.weights.items())
        return line.amount(phase, self.name)


def measure_of(report: Report, quantity: str | None) -> Measure:
    """Return the quantity by its name, ``flops``, or its path, ``backward.mul``. Raise QuantityError for another one.

    None stands for flops or, of a checkpoint, which has none, for parameters.
    """
    if quantity is None:
        quantity = FLOPS if report.storage is None else PARAMETERS
    if not isinstance(quantity, str):
        raise QuantityError(f"a quantity of layers is a name, received {shortened(repr(quantity), 60)}.")
    phase, _, rest = quantity.partition(".")
    if phase in (*PHASES, "step") and rest:
        measure = measure_of(report, rest)
        if measure.phases:
            return Measure(measure.name, PHASES if phase == "step" else (phase,), measure.weights)
    name = meant(quantity, accepted(), _ALSO)
    if name is None:
        close = nearest(quantity, accepted(), _ALSO)
        raise QuantityError(
            f"layers have no quantity {shortened(quantity, 60)!r}.",
            hint=f"Quantities: {', '.join(accepted())}; with a phase as forward.mul.",
            instead=None if close is None else Instead(quantity, close),
        )
    if name.startswith(PARAMETERS):
        return Measure(name, (), {})
    return Measure(name, PHASES, _weights(report) if name == FLOPS else {})


def _weights(report: Report) -> Mapping[str, int]:
    """What a flop is made of. Raise QuantityError for a convention that has a number for the whole network only."""
    weights = layer_flops(report)
    if not weights and report.step.flops != 0:
        raise QuantityError(
            f"flops by the convention {report.settings['convention']} are those of the whole network, not of its layers.",
            hint="Of layers there are macs, mul, add …", instead=Instead("", "--quantity macs"),
        )  # fmt: skip
    return weights


def accepted() -> tuple[str, ...]:
    """Return the names of quantities that layers have."""
    return (FLOPS, PARAMETERS, *(f"{PARAMETERS}.{role}" for role in ROLES), BYTES, *ALL)
