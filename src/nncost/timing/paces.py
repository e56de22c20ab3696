"""How fast a device works: seconds of an operation's arithmetic, of its bytes and of its kernels' launches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nncost.ir.library.activations import ACTIVATIONS
from nncost.records import record
from nncost.timing.devices.device import Device
from nncost.timing.kernels.constants import KernelConstants, RowConstants
from nncost.timing.kernels.seconds import arithmetic_seconds, row_seconds, together
from nncost.timing.row_cost import ATTENTION, Work

NORM, ACTIVATION, ROTARY, ELEMENTWISE, GATHER = "norm", "activation", "rotary", "elementwise", "gather"


class Pace(Protocol):
    """Seconds of the parts of an operation, which go on at once but for its launches."""

    def arithmetic(self, work: Work) -> float:
        """Seconds of its flops."""

    def memory(self, work: Work) -> float:
        """Seconds of its bytes."""

    def both(self, work: Work) -> float:
        """Seconds of its flops and its bytes, which go on at once."""

    def latency(self, work: Work) -> float:
        """Seconds that its kernels take however small they are, on the device."""

    def queue(self, work: Work) -> float:
        """Seconds until all of its kernels are launched by the host."""


@record
class PlainPace:
    """Shares of the peak, of the vector units' peak and of the bandwidth, whatever the shape of the work.

    ``reading`` is the share of the bandwidth at which products read what they multiply.
    """

    device: Device
    peak: float
    contraction: float
    bandwidth: float
    reading: float
    launch_seconds: float

    def arithmetic(self, work: Work) -> float:
        """Seconds of its flops."""
        return work.contraction_flops / (self.peak * self.contraction) + _others(work, self.device, self.contraction)

    def memory(self, work: Work) -> float:
        """Seconds of its bytes."""
        share = self.reading if work.contraction_flops else self.bandwidth
        return work.bytes / (self.device.bandwidth_bytes_per_second * share)

    def both(self, work: Work) -> float:
        """Seconds of the slower of its flops and its bytes."""
        return max(self.arithmetic(work), self.memory(work))

    def latency(self, work: Work) -> float:
        """None is known."""
        del work
        return 0.0

    def queue(self, work: Work) -> float:
        """Seconds until all of its kernels are launched by the host."""
        return self.launch_seconds * work.kernels


@record
class KernelPace:
    """By the shape of the work: what kernels take alone, over the part of that speed which they reach in a network.

    ``products``, ``bandwidth`` and ``reading`` are parts for the arithmetic of products, the bytes of other kernels and the
    bytes of products. ``attention`` is the part of the device's peak that fused attention reaches.
    """

    device: Device
    peak: float
    kernels: KernelConstants
    products: float
    attention: float
    bandwidth: float
    reading: float
    launch_seconds: float

    def arithmetic(self, work: Work) -> float:
        """Seconds of its flops: products in tiles and waves."""
        others = _others(work, self.device, 1.0)
        if work.op == ATTENTION:
            return (work.contraction_flops / self.peak + others) / self.attention
        if not work.products:
            return (work.contraction_flops / (self.peak * self._largest_share) + others) / self.products
        constants, units = self.kernels.products, self.kernels.units
        alone: float = sum(
            runs * arithmetic_seconds(each, constants, units, self.peak) for each, runs in work.products.items()
        )
        return (alone + others) / self.products

    def memory(self, work: Work) -> float:
        """Seconds of its bytes, at the bandwidth of its kind of kernel, from the cache where they fit it."""
        bandwidth = self.device.bandwidth_bytes_per_second
        if work.contraction_flops:
            return work.bytes / (bandwidth * self.kernels.products.bandwidth_share * self.reading)
        kernels, rows = max(1, work.kernels), self._rows(work)
        each = row_seconds(work.rows, work.columns, work.bytes / kernels, rows, self.kernels.cache_bytes, bandwidth)
        return float(kernels * (each - rows.launch_seconds) / self.bandwidth)

    def both(self, work: Work) -> float:
        """Seconds of its flops and its bytes; a product whose both take about as long takes longer than either."""
        arithmetic, memory = self.arithmetic(work), self.memory(work)
        return float(together(arithmetic, memory)) if work.products else max(arithmetic, memory)

    def latency(self, work: Work) -> float:
        """Seconds that its kernels take however small they are."""
        each = self.kernels.products if work.contraction_flops else self._rows(work)
        return each.launch_seconds * work.kernels

    def queue(self, work: Work) -> float:
        """Seconds until all of its kernels are launched by the host."""
        return self.launch_seconds * work.kernels

    def _rows(self, work: Work) -> RowConstants:
        return self.kernels.rows[kind_of(work.part or work.op)]

    @property
    def _largest_share(self) -> float:
        shares: Mapping[int, float] = self.kernels.products.tile_shares
        return max(shares.values())


def kind_of(op: str) -> str:
    """The kind of kernel that an operation without products is."""
    name = op.lower()
    if "norm" in name or "softmax" in name:
        return NORM
    if ROTARY in name:
        return ROTARY
    if "embedding" in name or name == GATHER:
        return GATHER
    return ACTIVATION if name in ACTIVATIONS else ELEMENTWISE


def _others(work: Work, device: Device, share: float) -> float:
    """Seconds outside contractions at a share of the vector units' peak; none where nobody published it."""
    return 0.0 if device.vector_peak is None else work.other_flops / (device.vector_peak * share)
