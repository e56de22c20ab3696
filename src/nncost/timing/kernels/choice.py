"""Which constants of kernels a device has: its own, those fitted to published times, or those of a device near it."""

from __future__ import annotations

from nncost.timing.devices.catalogue import shipped as shipped_devices
from nncost.timing.devices.device import Device
from nncost.timing.kernels.constants import KernelConstants, shipped
from nncost.timing.kernels.generations import borrowed_for, lender_of


def constants_of(device: Device, dtype: str) -> KernelConstants | None:
    """The constants of a device at a type; None where nobody published times of kernels on it or on one near it."""
    if device.kernels is not None:
        return device.kernels if dtype in device.kernels.dtypes else None
    found = (each for each in shipped().values() if device.name in each.devices and dtype in each.dtypes)
    return next(found, None) or _borrowed(device, dtype)


def _borrowed(device: Device, dtype: str) -> KernelConstants | None:
    name = lender_of(device)
    like = next((each for each in shipped_devices() if each.name == name), None)
    return None if like is None else borrowed_for(device, dtype, like)
