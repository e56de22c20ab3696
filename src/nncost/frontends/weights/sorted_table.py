"""Tables of sorted keys, as LevelDB and TensorFlow's ``.index`` files have them.

A table is blocks of entries, a block that says where they are, and a footer that says where that is
(https://github.com/google/leveldb/blob/main/doc/table_format.md).
"""

from __future__ import annotations

from collections.abc import Iterator

from nncost.frontends.weights.wire import varint

_FOOTER = 48
_MAGIC = 0xDB4775248B80FB57
_NUMBER = 4
_MAX_ENTRIES = 2_000_000
_MAX_KEY = 65_535


def entries(table: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values in order. Raise ValueError for what is no table."""
    if len(table) < _FOOTER or int.from_bytes(table[-8:], "little") != _MAGIC:
        raise ValueError("it does not end like a table of keys")
    footer = table[-_FOOTER:]
    _, place = _handle(footer, 0)
    index, _ = _handle(footer, place)
    count, end = 0, 0
    for _, where in _block(table, *index):
        block, _ = _handle(where, 0)
        if block[0] < end:
            raise ValueError("its blocks overlap")
        end = sum(block)
        for key, value in _block(table, *block):
            count += 1
            if count > _MAX_ENTRIES:
                raise ValueError(f"it has more than {_MAX_ENTRIES:,} entries")
            yield key, value


def _handle(content: memoryview, place: int) -> tuple[tuple[int, int], int]:
    """Where a block begins and how long it is, and the place behind the two numbers."""
    start, place = varint(content, place)
    length, place = varint(content, place)
    return (start, length), place


def _block(table: memoryview, start: int, length: int) -> Iterator[tuple[bytes, memoryview]]:
    """The entries of a block; a key leaves out what it shares with the one before it."""
    if start + length >= len(table) - _FOOTER + 1 or length < _NUMBER:
        raise ValueError("a block of it ends behind the file")
    if table[start + length] != 0:
        raise ValueError("its blocks are compressed, which TensorFlow's are not")
    block = table[start : start + length]
    restarts = int.from_bytes(block[-_NUMBER:], "little")
    end = length - _NUMBER * (restarts + 1)
    if end < 0:
        raise ValueError("a block of it has no entries")
    key, place = b"", 0
    while place < end:
        shared, place = varint(block, place)
        own, place = varint(block, place)
        size, place = varint(block, place)
        if shared > len(key) or shared + own > _MAX_KEY or place + own + size > end:
            raise ValueError("an entry of it ends behind its block")
        key = key[:shared] + bytes(block[place : place + own])
        yield key, block[place + own : place + own + size]
        place += own + size
