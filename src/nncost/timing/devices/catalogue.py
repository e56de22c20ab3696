"""The catalogue of accelerators: those that come with nncost, and a user's own beside or over them."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path

from nncost.cache import FOLDER_VARIABLE, cache_folder
from nncost.errors import Instead, OptionError, SourceError
from nncost.timing.devices.checked import FILE, devices_in
from nncost.timing.devices.device import Device
from nncost.timing.devices.files import read_devices, read_shipped

_CLOSE = 3
_SOCKET = re.compile(r"^(sxm)\d$")


def catalogue() -> tuple[Device, ...]:
    """Every device; a user's own replaces the shipped one of its name. Raise SourceError for a file at fault."""
    devices = {device.name: device for device in shipped()}
    for folder in device_folders():
        devices |= {device.name: device for path in sorted(folder.glob("*.toml")) for device in read_devices(path)}
    _check_names(tuple(devices.values()))
    return tuple(devices.values())


def device_named(name: str) -> Device:
    """The device of a name or an alias, in any case. Raise OptionError with the nearest names."""
    if not isinstance(name, str):
        raise OptionError(f"a device is a name such as 'h100', received {name!r}")
    devices = catalogue()
    wanted = _plain(name)
    for device in devices:
        if wanted in {_plain(device.name), _plain(device.title), *map(_plain, device.aliases)}:
            return device
    known = [each for device in devices for each in (device.name, *device.aliases)]
    close = get_close_matches(name.lower(), known, _CLOSE)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    raise OptionError(
        f"unknown device {name[:60]!r}",
        hint=f"{hint}All devices:  nncost devices",
        instead=Instead(name, close[0]) if close else None,
    )


def device_called(text: str) -> Device | None:
    """The device of what a driver calls it, such as ``NVIDIA A100-SXM4-80GB``: the one that shares most words; None for none.

    A name of the catalogue must be in it with all its words.
    """
    words = set(_words(text))
    named = [(set(_words(name)), device) for device in catalogue() for name in (device.name, *device.aliases)]
    fitting = [(len(own), device) for own, device in named if own and own <= words]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _words(text: str) -> list[str]:
    """The parts of a name, without the number of a socket's generation."""
    return [_SOCKET.sub(r"\1", word) for word in re.findall(r"[a-z0-9]+", text.lower())]


def device_folders() -> tuple[Path, ...]:
    """Where a user's own device files lie; the folders need not exist."""
    own = cache_folder() / "devices"
    if os.environ.get(FOLDER_VARIABLE):
        return (own,)
    from platformdirs import user_config_path

    return (own, user_config_path("nncost", appauthor=False) / "devices")


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "-").replace("_", "-")


@cache
def shipped() -> tuple[Device, ...]:
    """The devices that come with nncost."""
    folder = Path(str(files("nncost.timing.devices") / "data"))
    if (folder / FILE).is_file():
        return devices_in((folder / FILE).read_text("utf-8"))
    return tuple(device for path in sorted(folder.glob("*.toml")) for device in read_shipped(path))


def _check_names(devices: tuple[Device, ...]) -> None:
    """One name, one device: an alias of two would answer for the wrong one."""
    owner: dict[str, str] = {}
    for device in devices:
        for name in (device.name, *device.aliases):
            other = owner.setdefault(name, device.name)
            if other != device.name:
                raise SourceError(f"the device name {name!r} belongs to both {other} and {device.name}.")
