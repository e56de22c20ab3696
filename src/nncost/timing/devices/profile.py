"""What was measured on a machine: rates, bandwidths and overheads, with the conditions they were measured under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nncost.records import field, record
from nncost.shown import Shown


@record
class Rate:
    """How fast one kind of work of one size went: ``size`` in bytes of a working set or operations of a kernel."""

    size: int
    per_second: float
    spread: float = 0.0


@record
class Profile(Shown):
    """One calibrated machine: what ``nncost.calibrate`` returns; ``print`` shows what the command prints.

    ``fingerprint`` says what was measured: cpu, cores, threads, memory_bytes, libraries, date. ``contraction``
    and ``convolution`` hold flops (2 a product) per second by flops of the call; ``bandwidth`` bytes (read
    and written) per second by working set. ``overheads`` are seconds an operation costs however small it is:
    ``forward``, ``backward``, ``update`` (framework operations), ``module`` (a layer's call), ``step``.
    ``page_fault`` is seconds a page of ``page_bytes``; ``cold`` the factor by which a first touch is slower.
    """

    name: str
    fingerprint: Mapping[str, Any]
    engine: str
    contraction: Sequence[Rate]
    convolution: Sequence[Rate]
    bandwidth: Sequence[Rate]
    overheads: Mapping[str, float]
    page_fault: float
    page_bytes: int
    cold: float
    spread: float
    references: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Profile of {self.name}, calibrated with {self.engine}>"

    @property
    def peak_flops_per_second(self) -> float:
        """The fastest contraction seen."""
        return max(rate.per_second for rate in self.contraction)
