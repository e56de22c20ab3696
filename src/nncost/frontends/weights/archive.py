"""Zip archives that may lie: the directory is bounded and checked, and members are read up to a limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

_MAX_DIRECTORY = 16 * 2**20
"""Some 200,000 members."""
_END_BYTES, _MAX_COMMENT = 22, 65_535
_MAX_RATIO = 1_032
"""Deflate cannot shrink further (https://zlib.net/zlib_tech.html)."""
_SLACK = 64


@contextmanager
def archive(file: BinaryIO, size: int) -> Iterator[ZipFile]:
    """Return the archive in an open file. Raise ValueError for anything that is damaged or lies about its sizes."""
    try:
        _check_directory(file, size)
        with ZipFile(file) as content:
            _check_members(content.infolist(), size)
            yield content
    except (BadZipFile, NotImplementedError, RuntimeError, EOFError, OverflowError, zlib.error) as error:
        raise ValueError(str(error) or type(error).__name__) from None


def beginning(content: ZipFile, member: ZipInfo, limit: int) -> bytes:
    """At most ``limit`` bytes of a member, however many it expands to."""
    with content.open(member) as stream:
        return stream.read(limit)


def _check_directory(file: BinaryIO, size: int) -> None:
    """The list of members is read as a whole, so its claimed length is looked at before."""
    file.seek(max(0, size - _END_BYTES - _MAX_COMMENT))
    tail = file.read(_END_BYTES + _MAX_COMMENT)
    start = tail.rfind(b"PK\x05\x06")
    wide = tail.rfind(b"PK\x06\x06")
    if start < 0:
        raise ValueError("the list of its members is missing")
    length = int.from_bytes(tail[start + 12 : start + 16], "little")
    if wide >= 0:
        length = max(length if length < 0xFFFFFFFF else 0, int.from_bytes(tail[wide + 40 : wide + 48], "little"))
    if length > min(size, _MAX_DIRECTORY):
        raise ValueError(f"the list of its members claims {length:,} bytes")
    file.seek(0)


def _check_members(members: list[ZipInfo], size: int) -> None:
    names: set[str] = set()
    end = 0
    for member in sorted(members, key=lambda each: each.header_offset):
        if member.filename in names:
            raise ValueError(f"the member {member.filename[:200]!r} stands there twice")
        names.add(member.filename)
        if member.header_offset < end or member.header_offset + member.compress_size > size:
            raise ValueError(f"the member {member.filename[:200]!r} overlaps another or ends behind the file")
        end = member.header_offset + member.compress_size
        if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise ValueError(f"the member {member.filename[:200]!r} is compressed in a way that is not accepted")
        most = member.compress_size * (_MAX_RATIO if member.compress_type == ZIP_DEFLATED else 1) + _SLACK
        if member.file_size > most:
            raise ValueError(f"the member {member.filename[:200]!r} claims {member.file_size:,} bytes")
