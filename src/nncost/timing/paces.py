"""How fast a device works: seconds of an operation's arithmetic, of its bytes and of its kernels' launches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nncost.ir.library.activations import ACTIVATIONS
from nncost.records import record
from nncost.timing.devices.device import Device
from nncost.timing.kernels.constants import KernelConstants
from nncost.timing.kernels.seconds import arithmetic_seconds
from nncost.timing.row_cost import ATTENTION, Work

NORM, ACTIVATION, ELEMENTWISE, GATHER = "norm", "activation", "elementwise", "gather"


class Pace(Protocol):
    """Seconds of the parts of an operation, which go on at once but for its launches."""

    def arithmetic(self, work: Work) -> float:
        """Seconds of its flops."""

    def memory(self, work: Work) -> float:
        """Seconds of its bytes."""

    def latency(self, work: Work) -> float:
        """Seconds that its kernels take however small they are, on the device."""

    def queue(self, work: Work) -> float:
        """Seconds until all of its kernels are launched by the host."""


@record
class PlainPace:
    """Shares of the peak, of the vector units' peak and of the bandwidth, whatever the shape of the work."""

    device: Device
    peak: float
    contraction: float
    bandwidth: float
    launch_seconds: float

    def arithmetic(self, work: Work) -> float:
        """Seconds of its flops."""
        return work.contraction_flops / (self.peak * self.contraction) + _others(work, self.device, self.contraction)

    def memory(self, work: Work) -> float:
        """Seconds of its bytes."""
        return work.bytes / (self.device.bandwidth_bytes_per_second * self.bandwidth)

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

    ``attention`` is the part of the device's peak that fused attention reaches.
    """

    device: Device
    peak: float
    kernels: KernelConstants
    products: float
    attention: float
    bandwidth: float
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
        """Seconds of its bytes, at the bandwidth of its kind of kernel."""
        share = self.kernels.products if work.contraction_flops else self.kernels.rows[kind_of(work.op)]
        return work.bytes / (self.device.bandwidth_bytes_per_second * share.bandwidth_share * self.bandwidth)

    def latency(self, work: Work) -> float:
        """Seconds that its kernels take however small they are."""
        each = self.kernels.products if work.contraction_flops else self.kernels.rows[kind_of(work.op)]
        return each.launch_seconds * work.kernels

    def queue(self, work: Work) -> float:
        """Seconds until all of its kernels are launched by the host."""
        return self.launch_seconds * work.kernels

    @property
    def _largest_share(self) -> float:
        shares: Mapping[int, float] = self.kernels.products.tile_shares
        return max(shares.values())


def kind_of(op: str) -> str:
    """The kind of kernel that an operation without products is."""
    name = op.lower()
    if "norm" in name or "softmax" in name:
        return NORM
    if "embedding" in name or name == GATHER:
        return GATHER
    return ACTIVATION if name in ACTIVATIONS else ELEMENTWISE


def _others(work: Work, device: Device, share: float) -> float:
    """Seconds outside contractions at a share of the vector units' peak; none where nobody published it."""
    return 0.0 if device.vector_peak is None else work.other_flops / (device.vector_peak * share)
