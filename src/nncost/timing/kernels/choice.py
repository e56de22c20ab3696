"""Which constants of kernels a device has: its own, those fitted to published times, or those of a device near it."""

from __future__ import annotations

from nncost.timing.devices.catalogue import shipped as shipped_devices
from nncost.timing.devices.device import Device
from nncost.timing.kernels.constants import KernelConstants, shipped
from nncost.timing.kernels.generations import borrowed_for, lender_of


def constants_of(device: Device, dtype: str) -> KernelConstants | None:
    """The constants of a device at a type; None where nobody published times of kernels on it or on one near it.

    A device whose own constants are for other types has those of the device that it was fitted as.
    """
    own = device.kernels
    if own is not None and dtype in own.dtypes:
        return own
    name = device.name if own is None else own.like
    found = (each for each in shipped().values() if name in each.devices and dtype in each.dtypes)
    return next(found, None) or _borrowed(name, dtype)


def _borrowed(name: str, dtype: str) -> KernelConstants | None:
    devices = {device.name: device for device in shipped_devices()}
    like = devices.get(lender_of(name) or "")
    return None if like is None else borrowed_for(devices[name], dtype, like)
