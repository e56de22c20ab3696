"""Find the quantized weights of a checkpoint: their logical shapes, and what belongs to them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nncost.frontends.weights.contents import Contents, Entry
from nncost.frontends.weights.quantized.family import Family, Layer, Shape, is_plausible
from nncost.frontends.weights.quantized.settings import Settings
from nncost.frontends.weights.quantized.table import ALONE, FAMILIES
from nncost.frontends.weights.roles import role_of
from nncost.records import replace

_TYPES = ("int", "uint", "float8", "float4", "float6")
_COLUMN = 2


def recognized(contents: Contents, settings: Settings) -> Contents:
    """Return contents whose quantized weights have the shapes of the network, and whose scales and the like are apart."""
    by_name = {entry.name: entry for entry in contents.entries}
    changed: dict[str, Entry] = {}
    assumed: dict[str, None] = {}
    for entry in contents.entries:
        if not _may_be_packed(entry) or entry.name in changed:
            continue
        found = _family(entry, by_name, settings)
        if found is not None:
            family, layer, shape = found
            changed[entry.name] = _weights(entry, shape, family.title)
            changed |= {each.name: _beside(each, family.title) for each in layer.data.values()}
            if family.assumed is not None and (note := family.assumed(layer)):
                assumed[note] = None
    if changed or settings.method:
        changed |= {entry.name: _beside(entry, "") for entry in _alone(contents.entries, changed)}
    entries = tuple(changed.get(entry.name, entry) for entry in contents.entries)
    return replace(contents, entries=entries, notes=(*contents.notes, *assumed, *_unknown(changed, settings)))


def _family(entry: Entry, by_name: Mapping[str, Entry], settings: Settings) -> tuple[Family, Layer, Shape] | None:
    own = settings.of(entry.name.rpartition(".")[0])
    for family in FAMILIES:
        layer = family.layer(entry, by_name, own)
        shape = family.logical(layer) if layer is not None else None
        if layer is not None and shape is not None and is_plausible(entry, shape):
            return family, layer, shape
    return None


def _may_be_packed(entry: Entry) -> bool:
    """Whether its type is one that quantizers store; bitsandbytes stores a column of any type."""
    is_column = len(entry.shape) == _COLUMN and entry.shape[1] == 1
    return entry.role is None and bool(entry.shape) and (entry.dtype.startswith(_TYPES) or is_column)


def _weights(entry: Entry, shape: Shape, title: str) -> Entry:
    known = Entry(entry.name, shape if len(shape) > 1 else (1, *shape), "float32", entry.bytes)
    stored = entry.shape if entry.shape != shape else None
    return replace(entry, shape=shape, role=role_of(known), packed=title, stored_shape=stored)


def _beside(entry: Entry, title: str) -> Entry:
    return replace(entry, role="quantization", packed=title)


def _alone(entries: tuple[Entry, ...], known: Mapping[str, Entry]) -> Iterator[Entry]:
    for entry in entries:
        if entry.name not in known and entry.role is None and entry.name.rpartition(".")[2].lower() in ALONE:
            yield entry


def _unknown(changed: Mapping[str, Entry], settings: Settings) -> Iterator[str]:
    if settings.method and not any(entry.stored_shape or entry.packed for entry in changed.values()):
        yield (
            f"The configuration beside it says that it is quantized by {settings.method!r}, but no tensors of a known kind "
            "of that are in it: all are counted as stored."
        )
