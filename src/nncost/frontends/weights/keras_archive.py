"""Models of Keras 3: a ``.keras`` archive with a configuration and, in it, the ``.weights.h5`` of the variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import SEEK_CUR, SEEK_END, SEEK_SET, BytesIO, RawIOBase
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from nncost.errors import MissingExtraError, SourceError
from nncost.frontends.weights.archive import archive, beginning
from nncost.frontends.weights.contents import Contents
from nncost.frontends.weights.files import ZIP, damaged, opened, unique_json
from nncost.frontends.weights.keras_h5 import contents_of

_WEIGHTS, _CONFIG = "model.weights.h5", "config.json"
_MAX_CONFIG = 64 * 2**20
_MAX_EXPANDED = 256 * 2**20
_LOCAL_HEADER, _LENGTHS = 30, 26
_MAX_DEPTH = 64


def read(path: str) -> Contents:
    """Return the variables of the model. Raise SourceError, or MissingExtraError without the package ``h5py``."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("reading a .keras file", "h5py", "weights") from None
    with opened(path, ZIP) as (file, size):
        try:
            with archive(file, size) as content:
                members = {member.filename: member for member in content.infolist()}
                weights = members[_WEIGHTS]
                with h5py.File(_inner(path, file, content, weights), "r") as inner:
                    return contents_of(inner, weights.file_size, dict(_modes(content, members.get(_CONFIG))))
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, OverflowError) as error:
            raise damaged(path, ".keras", error) from None


def _inner(path: str, file: BinaryIO, content: ZipFile, member: ZipInfo) -> BinaryIO | RawIOBase:
    """The file in the archive: a part of it as it stands there, or what a small one expands to."""
    if member.compress_type == ZIP_STORED:
        file.seek(member.header_offset + _LENGTHS)
        name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
        return _Part(file, member.header_offset + _LOCAL_HEADER + name + extra, member.file_size)
    if member.file_size > _MAX_EXPANDED:
        raise SourceError(
            f"{path!r} holds {member.file_size:,} compressed bytes.", hint=f"Unpack it, and count the {_WEIGHTS} in it."
        )
    return BytesIO(beginning(content, member, _MAX_EXPANDED))


class _Part(RawIOBase):
    """Some bytes of an open file, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size, self._place = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        self._place = max(0, offset + {SEEK_SET: 0, SEEK_CUR: self._place, SEEK_END: self._size}[whence])
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        self._file.seek(self._start + self._place)
        content = self._file.read(max(0, min(len(buffer), self._size - self._place)))
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)


def _modes(content: ZipFile, member: ZipInfo | None) -> Iterator[tuple[str, str]]:
    """How each layer of a name is quantized, as the configuration says; nothing where it cannot be read."""
    if member is None or member.file_size > _MAX_CONFIG:
        return
    try:
        waiting = [(unique_json(beginning(content, member, _MAX_CONFIG)), 0)]
    except ValueError:
        return
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict):
            yield from _mode(value)
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if depth < _MAX_DEPTH:
            waiting += [(child, depth + 1) for child in children]


def _mode(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    dtype = value.get("dtype")
    policy = dtype.get("config") if isinstance(dtype, dict) else None
    if isinstance(policy, dict) and isinstance(policy.get("mode"), str) and isinstance(value.get("name"), str):
        yield value["name"], policy["mode"]
