"""Headers of Keras checkpoints: ``.weights.h5`` of Keras 3, and the ``.h5`` files of earlier versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import ceil, prod
from typing import Any

from nncost.errors import MissingExtraError
from nncost.frontends.weights.contents import Contents, Entry
from nncost.frontends.weights.files import HDF5, damaged, opened
from nncost.frontends.weights.quantized.keras import with_quantization
from nncost.frontends.weights.training import as_state
from nncost.ir.graph import Role
from nncost.records import replace
from nncost.units import counted, noun

_MAX_OBJECTS, _MAX_DEPTH = 1_000_000, 64
_STRUCTURE = frozenset({"layers", "_layer_checkpoint_dependencies", "model_weights", "vars"})
"""Groups that hold layers and are none themselves."""
_STATE = ("optimizer", "optimizer_weights")
_NORMALIZATION, _SEED, _POSITION = "batch_normalization", "seed_generator", "position"
_STATISTICS = 2


def read(path: str) -> Contents:
    """Return the variables of the layers. Raise SourceError, or MissingExtraError without the package ``h5py``."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("reading an .h5 file", "h5py", "weights") from None
    with opened(path, HDF5) as (_, size):
        try:
            with h5py.File(path, "r", locking=False) as file:
                return contents_of(file, size, {})
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, OverflowError) as error:
            raise damaged(path, HDF5, error) from None


def contents_of(file: Any, size: int, modes: Mapping[str, str]) -> Contents:
    """Return the variables in an open HDF5 file of that size.

    ``modes`` say how the layers of those names are quantized, where a configuration does. Raise ValueError for what is
    damaged, and what ``h5py`` raises.
    """
    stored = _datasets(file, size)
    kept = [entry for entry in stored if entry.name.split("/")[0] not in _STATE]
    if stored and not kept:
        return as_state(Contents(tuple(_named(stored, {}))))
    out = len(stored) - len(kept)
    left = sum(entry.bytes for entry in stored) - sum(entry.bytes for entry in kept)
    note = f"{counted(out, 'tensor')} of the optimizer {noun(out, 'is', 'are')} left out ({counted(left, 'byte')})."
    named = {group: modes[name] for group, name in _layer_names(file, kept) if name in modes} if modes else {}
    return Contents(tuple(_named(kept, named)), (note,) if out else ())


def _layer_names(file: Any, entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """The groups of variables with the names of their layers, which Keras keeps beside them."""
    for group in dict.fromkeys(entry.name.rpartition("/")[0] for entry in entries):
        name = file[group].attrs.get("name") if group else None
        if isinstance(name, str):
            yield group, name


def _datasets(file: Any, size: int) -> list[Entry]:
    """All arrays, found without following links out of the file."""
    found: list[Entry] = []
    objects = 0

    def visit(name: object, item: Any) -> None:
        nonlocal objects
        objects += 1
        if not isinstance(name, str):
            raise TypeError(f"the name {name!r} is no UTF-8")
        if objects > _MAX_OBJECTS:
            raise ValueError(f"it holds more than {_MAX_OBJECTS:,} objects")
        if name.count("/") > _MAX_DEPTH:
            raise ValueError(f"its groups lie more than {_MAX_DEPTH} deep inside each other")
        if hasattr(item, "shape"):
            found.append(_entry(name, item, size))

    file.visititems(visit)
    return found


def _entry(name: str, item: Any, size: int) -> Entry:
    if item.shape is None or item.dtype.hasobject:
        return Entry(name, (), "text", 0, "buffer")
    entry = Entry(name, tuple(int(dim) for dim in item.shape), item.dtype.name, item.nbytes)
    if item.is_virtual or item.external:
        raise ValueError(f"the numbers of {name!r} are in another file")
    if item.chunks is not None:
        chunks = prod(ceil(dim / chunk) for dim, chunk in zip(entry.shape, item.chunks, strict=True))
        if item.id.get_num_chunks() != chunks:
            raise ValueError(f"{name!r} should have {chunks:,} chunks")
    elif item.id.get_storage_size() != entry.bytes or entry.bytes > size:
        raise ValueError(f"{name!r} claims {entry.bytes:,} bytes, {item.id.get_storage_size():,} are stored")
    return entry


def _named(entries: Sequence[Entry], modes: Mapping[str, str]) -> list[Entry]:
    """Each variable under its layer's path, with the role that its place among the layer's variables tells."""
    result: list[Entry] = []
    for group, members in groupby(entries, key=lambda entry: entry.name.rpartition("/")[0]):
        variables = list(members)
        path = _layer_path(group)
        if group.endswith("vars"):
            variables = with_quantization(variables, modes.get(group, ""))
        for number, entry in enumerate(variables):
            last = entry.name.rpartition("/")[2].removesuffix(":0")
            role = entry.role or (_role(path, number, variables) if group.endswith("vars") else None)
            result.append(replace(entry, name=f"{path}.{last}" if path else last, role=role))
    return result


def _layer_path(group: str) -> str:
    """``layers/dense/vars`` as ``dense``; Keras 2 repeats names, as in ``dense/dense``."""
    parts = [part for part in group.split("/") if part not in _STRUCTURE]
    return ".".join(name for name, _ in groupby(parts))


def _role(path: str, number: int, variables: Sequence[Entry]) -> Role:
    """Kernels come before biases; of two lists of one length the second is the shift of a norm."""
    layer = path.rpartition(".")[2]
    entry, most = variables[number], max(len(each.shape) for each in variables)
    if layer.startswith(_SEED) or layer == "normalization":
        return "buffer"
    if layer.startswith(_NORMALIZATION) and number >= len(variables) - _STATISTICS:
        return "buffer"
    if _POSITION in layer:
        return "other"
    is_recurrent_bias = number == 2 and variables[0].shape[-1:] == entry.shape[-1:]
    return "bias" if number and (len(entry.shape) < most or most == 1 or is_recurrent_bias) else "weight"
