"""A fitted device as a file of its user's: written whole or not at all, and never over what somebody wrote by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path

from nncost.cache import cache_folder, write_bytes
from nncost.errors import OptionError, SourceError
from nncost.timing.devices.catalogue import catalogue
from nncost.timing.devices.device import Device
from nncost.timing.kernels.constants import KernelConstants, RowConstants

MARK = "# Written by nncost devices fit; the next fit of this name replaces it.\n"
THIS = "this"
LONGEST_NAME = 60
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


def check_name(name: str, like: Device) -> None:
    """Raise OptionError for a name that a device file does not take, or that is another device's."""
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME or name == THIS:
        raise OptionError(
            f"a device's name is small letters, digits, dots and hyphens, at most {LONGEST_NAME}; received {name[:LONGEST_NAME]!r}"
        )
    for device in catalogue():
        taken = name in device.aliases or (name == device.name and name != like.name and not _is_fitted(place_of(name)))
        if taken and not (name in device.aliases and device.name == like.name == name):
            raise OptionError(f"{name} is the device {device.title}; choose another --name.")


def place_of(name: str) -> Path:
    """The file of a device."""
    return cache_folder() / "devices" / f"{name}.toml"


def write_device(device: Device) -> Path:
    """Write a fitted device and return its file. Raise SourceError if it cannot be written."""
    path = place_of(device.name)
    if path.exists() and not _is_fitted(path):
        raise SourceError(
            f"{path} was not written by a fit and stays as it is.", hint="Choose another name with --name."
        )
    try:
        write_bytes(path, "".join(_lines(device)).encode())
    except OSError as error:
        raise SourceError(f"{path}: cannot be written: {error.strerror}.") from None
    return path


def _is_fitted(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MARK)) == MARK.encode()
    except OSError:
        return False


def _lines(device: Device) -> Iterator[str]:
    assert device.kernels is not None
    yield MARK
    yield "[[accelerator]]\n"
    for field in fields(device):
        value = getattr(device, field.name)
        if value is not None and field.name not in ("kernels", "measured_matmul", "date"):
            yield f"{field.name} = {_value(value)}\n"
    yield f"date = {datetime.now().astimezone().date().isoformat()}\n"
    for measured in device.measured_matmul:
        yield "\n[[accelerator.measured_matmul]]\n"
        yield from (f"{field.name} = {_value(getattr(measured, field.name))}\n" for field in fields(measured))
    yield from _kernels(device.kernels)


def _kernels(kernels: KernelConstants) -> Iterator[str]:
    yield "\n[accelerator.kernels]\n"
    for field in fields(kernels):
        value = getattr(kernels, field.name)
        if value is not None and field.name not in ("products", "rows"):
            yield f"{field.name} = {_value(value)}\n"
    yield "[accelerator.kernels.products]\n"
    products = kernels.products
    yield from (f"{field.name} = {_value(getattr(products, field.name))}\n" for field in fields(products))
    for kind, rows in kernels.rows.items():
        yield f"[accelerator.kernels.rows.{kind}]\n"
        yield from (f"{field.name} = {_value(getattr(rows, field.name))}\n" for field in fields(RowConstants))


def _value(value: object) -> str:
    """A value as TOML writes it; its strings are JSON's, but for one character."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)
