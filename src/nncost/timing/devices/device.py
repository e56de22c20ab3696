"""An accelerator as its vendor and others describe it: peaks, bandwidth, memory, power, each with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

from nncost.errors import OptionError
from nncost.records import field, record
from nncost.timing.kernels.constants import KernelConstants

Kind = Literal["gpu", "tpu", "accelerator", "cpu"]
Reliability = str
"""How far to trust a row, in the words of whoever collected it: ``two sources``, ``recalled``, …"""
VECTOR = "float32"
"""The type whose peak is that of the vector units, which do all arithmetic outside contractions."""


@record
class MeasuredMatmul:
    """The fastest matrix product anyone published, beside the theory that figure was compared with."""

    dtype: str
    flops_per_second: float
    theory_flops_per_second: float
    source: str

    @property
    def share(self) -> float:
        """The part of the theory that was reached."""
        return self.flops_per_second / self.theory_flops_per_second


@record
class Device:
    """One accelerator. Peaks are dense flops a second by dtype; a product and its sum are two flops.

    ``kernels`` are constants that were fitted to times of its user's.
    """

    name: str
    title: str
    vendor: str
    kind: Kind
    memory_bytes: int
    bandwidth_bytes_per_second: float
    peaks: Mapping[str, float]
    reliability: Reliability
    source: str
    date: date
    aliases: Sequence[str] = ()
    tdp_watts: float | None = None
    link_bytes_per_second: float | None = None
    measured_matmul: Sequence[MeasuredMatmul] = field(default_factory=tuple)
    note: str = ""
    kernels: KernelConstants | None = None

    def peak(self, dtype: str) -> float:
        """Flops a second of contractions of that type. Raise OptionError if nobody published them."""
        if dtype not in self.peaks:
            known = ", ".join(name for name in self.peaks if "float" in name) or "none"
            raise OptionError(
                f"no rate of {dtype} contractions is known for {self.name} ({self.title}).",
                hint=f"Known for it: {known}. Choose one with --dtype.",
            )
        return self.peaks[dtype]

    @property
    def vector_peak(self) -> float | None:
        """Flops a second outside contractions; None where nobody published them."""
        return self.peaks.get(VECTOR)

    def to_dict(self) -> dict[str, Any]:
        """As ``nncost devices --json`` prints it."""
        return {
            "name": self.name, "aliases": list(self.aliases), "title": self.title, "vendor": self.vendor,
            "kind": self.kind, "memory_bytes": self.memory_bytes,
            "bandwidth_bytes_per_second": self.bandwidth_bytes_per_second, "peaks": dict(self.peaks),
            "tdp_watts": self.tdp_watts, "link_bytes_per_second": self.link_bytes_per_second,
            "measured_matmul": [
                {
                    "dtype": m.dtype, "flops_per_second": m.flops_per_second,
                    "theory_flops_per_second": m.theory_flops_per_second, "source": m.source,
                }
                for m in self.measured_matmul
            ],
            "reliability": self.reliability, "note": self.note, "source": self.source, "date": self.date.isoformat(),
        }  # fmt: skip
