"""The entries of TensorFlow's ``.index`` files: ``BundleEntryProto`` (tensorflow/core/protobuf/tensor_bundle.proto)."""

from __future__ import annotations

from nncost.frontends.weights.sorted_table import entries
from nncost.frontends.weights.wire import fields, messages, number_in
from nncost.records import record

_MAX_SHARDS = 100_000
_MAX_AXES = 254
_MAX_SIZE = 2**63


@record
class Bundle:
    """An entry of the index: its type by number, its shape, and where its bytes are."""

    kind: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    in_slices: bool


def bundles_in(content: memoryview) -> tuple[int, dict[str, Bundle]]:
    """Return the number of data files, and the entries by name; those of slices repeat what the whole says.

    Raise ValueError for what is no such index.
    """
    shards, bundles = 0, {}
    for key, value in entries(content):
        if not key:
            shards = number_in(value, 1)
        elif key[0]:
            bundles[key.decode("utf-8")] = _bundle(value)
    if not 0 < shards < _MAX_SHARDS:
        raise ValueError("it has no header")
    return shards, bundles


def _bundle(value: memoryview) -> Bundle:
    shape = tuple(
        number_in(axis, 1) for found in messages(value, 2) for axis in messages(found, 2)
    )  # fmt: skip
    if len(shape) > _MAX_AXES or any(size >= _MAX_SIZE for size in shape):
        raise ValueError("a shape in it is negative or too large")
    kind, shard, offset, size = (number_in(value, number) for number in (1, 3, 4, 5))
    return Bundle(kind, shape, shard, offset, size, any(True for number, _ in fields(value) if number == 7))
