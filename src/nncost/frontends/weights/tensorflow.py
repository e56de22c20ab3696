"""TensorFlow's checkpoints and the variables of a SavedModel: names, types and shapes from the ``.index`` file.

Its values are ``BundleEntryProto`` (tensorflow/core/protobuf/tensor_bundle.proto). The graph of objects, one of its tensors,
says what Keras calls each variable; of the data nothing else is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path

from nncost.errors import SourceError
from nncost.frontends.weights.contents import Contents, Entry
from nncost.frontends.weights.files import damaged, opened
from nncost.frontends.weights.folders import is_inside
from nncost.frontends.weights.tensorflow_bundle import Bundle, bundles_in
from nncost.frontends.weights.wire import fields, messages, varint
from nncost.records import replace
from nncost.units import counted, noun

INDEX = ".index"
_MAX_INDEX = 256 * 2**20
_MAX_GRAPH = 64 * 2**20
_TYPES = {
    1: ("float32", 4), 2: ("float64", 8), 3: ("int32", 4), 4: ("uint8", 1), 5: ("int16", 2), 6: ("int8", 1), 8: ("complex64", 8),
    9: ("int64", 8), 10: ("bool", 1), 11: ("qint8", 1), 12: ("quint8", 1), 13: ("qint32", 4), 14: ("bfloat16", 2),
    15: ("qint16", 2), 16: ("quint16", 2), 17: ("uint16", 2), 18: ("complex128", 16), 19: ("float16", 2), 22: ("uint32", 4),
    23: ("uint64", 8), 24: ("float8_e5m2", 1), 25: ("float8_e4m3fn", 1), 29: ("int4", 1), 30: ("uint4", 1),
}  # fmt: skip
"""``DataType`` (tensorflow/core/framework/types.proto): name and bytes of an element."""
_TEXT = 7
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_STATE = re.compile(r"(^|/)(_?optimizers?|\.OPTIMIZER_SLOT)(/|$)|(^|/)beta[12]_power(_\d+)?$")
_TRAINED = "/_trainable_variables/"
"""Where an optimizer names the variables of the model, which may be the shortest path to them."""
_COPIES = "_all_variables/"
"""Where an export of Keras keeps each variable once more."""
_SLOT = re.compile(
    r"(.+)/(?:Adam\w*|Momentum|RMSProp|Adagrad\w*|Adadelta|Ftrl|LAMB\w*|ExponentialMovingAverage)(_\d+)?\Z"
)


def read(path: str) -> Contents:
    """Return the variables that an index names. Raise SourceError for a damaged one, or for data that does not fit it."""
    with opened(path) as (file, size):
        if size > _MAX_INDEX:
            raise SourceError(f"{path!r} has {size:,} bytes; an index of TensorFlow has at most {_MAX_INDEX:,}.")
        content = memoryview(file.read(_MAX_INDEX))
    try:
        shards, bundles = bundles_in(content)
        missing = _check_data(path, shards, bundles)
        names = _full_names(path, shards, bundles.get(_GRAPH))
        found = [_entry(name, bundle) for name, bundle in bundles.items() if bundle.kind != _TEXT]
    except ValueError as error:
        raise damaged(path, "TensorFlow index", error) from None
    once = _without_copies(found, names)
    kept = [entry for entry in once if not _is_state(entry.name, bundles)]
    notes = (
        *_left_out("of the optimizer", once, kept),
        *_left_out("that stand there twice", found, once),
        *_missing_note(missing),
    )
    return Contents(tuple(_named(entry, names) for entry in kept), notes)


def _entry(name: str, bundle: Bundle) -> Entry:
    if bundle.kind not in _TYPES:
        raise ValueError(f"the variable {name[:200]!r} has the unknown type {bundle.kind}")
    dtype, width = _TYPES[bundle.kind]
    stored = prod(bundle.shape) * width
    if stored != bundle.size and not bundle.in_slices:
        raise ValueError(f"the variable {name[:200]!r} claims {stored:,} bytes, {bundle.size:,} are stored")
    return Entry(name, bundle.shape, dtype, stored)


def _data_file(path: str, shard: int, shards: int) -> Path:
    return Path(f"{path.removesuffix(INDEX)}.data-{shard:05}-of-{shards:05}")


def _check_data(path: str, shards: int, bundles: Mapping[str, Bundle]) -> int:
    """The number of data files that are not there; those that are hold all that the index says."""
    ends: dict[int, int] = {}
    for bundle in bundles.values():
        if bundle.shard >= shards:
            raise ValueError(f"it names the data file {bundle.shard:,} of {shards:,}")
        ends[bundle.shard] = max(ends.get(bundle.shard, 0), bundle.offset + bundle.size)
    missing = 0
    for shard, end in ends.items():
        file = _data_file(path, shard, shards)
        if not file.is_file():
            missing += 1
        elif file.stat().st_size < end:
            raise ValueError(f"{file.name} should have {end:,} bytes and has {file.stat().st_size:,}")
    return missing


def _full_names(path: str, shards: int, graph: Bundle | None) -> dict[str, str]:
    """What Keras calls the variables, by their keys, as the graph of objects says; nothing where it cannot be read."""
    if graph is None or not 0 < graph.size <= _MAX_GRAPH:
        return {}
    file = _data_file(path, graph.shard, shards)
    if not file.is_file() or not is_inside(file, Path(path).absolute().parent):
        return {}
    with file.open("rb") as data:
        data.seek(graph.offset)
        content = memoryview(data.read(graph.size))
    try:
        length, place = varint(content, 0)
        return dict(_names_in(content[place + 4 : place + 4 + length]))
    except ValueError:
        return {}


def _names_in(graph: memoryview) -> Iterator[tuple[str, str]]:
    """Key and name of each variable: ``TrackableObjectGraph`` has nodes with attributes (trackable_object_graph.proto)."""
    for node in messages(graph, 1):
        for attribute in messages(node, 2):
            parts = {
                number: bytes(value).decode("utf-8")
                for number, value in fields(attribute)
                if not isinstance(value, int)
            }
            if parts.get(2) and parts.get(3):
                yield parts[3], parts[2]


def _is_state(name: str, bundles: Mapping[str, Bundle]) -> bool:
    """Whether an optimizer keeps it: by its path, or as a slot beside a variable."""
    if _TRAINED in name:
        return False
    slot = _SLOT.match(name)
    return _STATE.search(name) is not None or (slot is not None and slot[1] in bundles)


def _named(entry: Entry, names: Mapping[str, str]) -> Entry:
    name = names.get(entry.name) or entry.name.removesuffix(_VALUE)
    return replace(entry, name=name.removesuffix(":0").replace("/", "."))


def _without_copies(found: list[Entry], names: Mapping[str, str]) -> list[Entry]:
    """The variables without those that an export keeps once more, under the same name."""
    first = {(names.get(entry.name), entry.shape, entry.dtype) for entry in found if not entry.name.startswith(_COPIES)}
    return [
        entry for entry in found
        if not entry.name.startswith(_COPIES) or (names.get(entry.name), entry.shape, entry.dtype) not in first
    ]  # fmt: skip


def _left_out(what: str, found: list[Entry], kept: list[Entry]) -> Iterator[str]:
    out = len(found) - len(kept)
    if out:
        size = sum(entry.bytes for entry in found) - sum(entry.bytes for entry in kept)
        yield f"Left out: {counted(out, 'tensor')} {what} ({counted(size, 'byte')})."


def _missing_note(missing: int) -> Iterator[str]:
    if missing:
        yield f"{counted(missing, 'data file')} that it names {noun(missing, 'is', 'are')} not there: counted is what the index says."
