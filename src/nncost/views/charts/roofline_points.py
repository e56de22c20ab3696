"""What stands under a roofline: layers as points by their flops, bytes and predicted seconds, and the roof itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from nncost.layer_paths import pattern_of, ranged
from nncost.records import record
from nncost.report import Report
from nncost.timing.devices.device import Device
from nncost.timing.roofline import predict_on
from nncost.timing.row_cost import work_of


@record
class Point:
    """A layer in one phase, or equal ones together: flops for each byte, flops a second, and what it takes."""

    path: str
    phase: str
    flops: int
    bytes: int
    seconds: float
    op: str = ""
    """Where the layer has several operations in the phase, which of them it is."""

    @property
    def name(self) -> str:
        """The layer, and the operation if it has several."""
        return f"{self.path} {self.op}".strip()

    @property
    def label(self) -> str:
        """The name and the phase."""
        return self.path if self.name == self.phase else f"{self.name} {self.phase}"

    @property
    def intensity(self) -> float:
        """Flops for each byte of traffic."""
        return self.flops / self.bytes

    @property
    def rate(self) -> float:
        """Flops a second."""
        return self.flops / self.seconds


@record
class Roof:
    """What a device can do: ``peak`` flops a second, and what its memory feeds."""

    device: Device
    peak: float
    bandwidth: float

    @property
    def ridge(self) -> float:
        """The flops for each byte from which on arithmetic is the limit."""
        return self.peak / self.bandwidth

    def at(self, intensity: float) -> float:
        """Flops a second that are attainable."""
        return min(self.peak, self.bandwidth * intensity)


def points_of(report: Report, device: Device) -> Iterator[Point]:
    """Yield a point for each operation that has flops and bytes."""
    works = work_of(report, accelerator=True)
    rows = [
        (row, traffic)
        for row, parts in zip(predict_on(report, device).rows, works, strict=True)
        if row.flops and row.seconds.value and (traffic := sum(part.bytes for part in parts))
    ]
    several = Counter((row.path, row.phase) for row, _ in rows)
    before: Counter[tuple[str, str, str]] = Counter()
    for row, traffic in rows:
        assert row.flops
        before[row.path, row.phase, row.op] += 1
        again = before[row.path, row.phase, row.op]
        op = row.op if row.path and several[row.path, row.phase] > 1 else ""
        numbered = f"{op} ({again})" if again > 1 else op
        yield Point(row.path or row.op, row.phase, row.flops, traffic, row.seconds.value, numbered.strip())


def together(points: Iterable[Point]) -> list[Point]:
    """Return points of layers whose names differ in numbers only, and which lie on each other, as one."""
    groups: dict[object, list[Point]] = {}
    for point in points:
        key = (pattern_of(point.path), point.op, point.phase, point.flops, point.bytes, f"{point.seconds:.6g}")
        groups.setdefault(key, []).append(point)
    return [
        Point(ranged(each.path for each in same), same[0].phase, len(same) * same[0].flops, len(same) * same[0].bytes,
              len(same) * same[0].seconds, same[0].op)
        for same in groups.values()
    ]  # fmt: skip
