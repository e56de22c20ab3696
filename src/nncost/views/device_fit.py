"""A fit of a device's constants as a document: errors before, after and left out, and the constants."""

from __future__ import annotations

from pathlib import Path

from nncost.documents.document import Block, Document, Note, Number, Section, Shell, Table
from nncost.timing.fitting.fitted_device import Errors, FittedDevice, constants_by_name
from nncost.units import counted, seconds_text

_PERCENT = 100
_WORDS = {
    "launch_seconds": "launch", "bandwidth_share": "share of the bandwidth", "wave_seconds": "wave", "split_seconds": "split sums",
    "tile_share_4096": "tile of 4,096, share of the peak", "tile_share_16384": "tile of 16,384, share of the peak",
    "tile_share_32768": "tile of 32,768, share of the peak",
}  # fmt: skip


def device_fit_document(fitted: FittedDevice, path: Path) -> Document:
    """Return errors and constants of a fit that was written to ``path``."""
    left_out = "left out one by one" if fitted.parts == fitted.rows else f"left out in {fitted.parts} parts"
    errors = Table(
        ("error of the rows", "median", "9 of 10 within"),
        (
            _errors(f"constants of {fitted.like}", fitted.before),
            _errors("fitted", fitted.after),
            _errors(f"fitted, rows {left_out}", fitted.left_out),
        ),
    )
    pairs = constants_by_name(fitted.start, fitted.constants)
    constants = Table(
        ("constant of products", fitted.like, fitted.device.name),
        tuple((_WORDS[name], *(_constant(name, value) for value in pair)) for name, pair in pairs.items()),
    )
    blocks: list[Block] = [errors, constants]
    if fitted.left_out.median >= fitted.before.median:
        blocks.append(
            Note(f"Note: on rows left out this is no better than {fitted.like} as it is; more shapes would help.")
        )
    assert fitted.device.kernels is not None
    following = ("predict", "784-512-512-10", "--on", fitted.device.name, "--dtype", fitted.device.kernels.dtypes[0])
    blocks += [Note(f"Kept in {path}"), Shell("Next:", ("nncost", *following))]
    title = f"{fitted.device.name}: fitted to {counted(fitted.rows, 'timed product')}, from {fitted.like}"
    return Document(title, (Section("", tuple(blocks)),), main=errors)


def _errors(name: str, errors: Errors) -> tuple[str | Number, ...]:
    return name, *(Number(value, f"{_PERCENT * value:.1f} %") for value in (errors.median, errors.ninetieth))


def _constant(name: str, value: float) -> Number:
    return Number(value, seconds_text(value) if name.endswith("seconds") else f"{value:.3f}")
