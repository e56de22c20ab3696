"""PyTorch checkpoints: ``.pt``, ``.pth``, ``.bin`` and ``.ckpt``, of zip archives and of the format before PyTorch 1.6.

Their pickles are described (see ``pickle_values``), never executed, and PyTorch is not imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, ZipFile

from nncost.errors import SourceError
from nncost.frontends.weights.archive import archive, beginning
from nncost.frontends.weights.contents import Contents
from nncost.frontends.weights.described import StorageRecord
from nncost.frontends.weights.files import HEAD_BYTES, PICKLE, ZIP, damaged, kind_of, opened
from nncost.frontends.weights.pickle_values import PickleBytes, RefusedError, described_value
from nncost.frontends.weights.state_dict import contents_of

_MAX_PICKLE = 64 * 2**20
_MAX_START = 2**20
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
"""The first pickle of a file before PyTorch 1.6 (``torch.serialization.MAGIC_NUMBER``)."""
_PROTOCOL_VERSION = 1001
_LENGTH_BYTES = 8
"""Each storage begins with its number of elements."""


def read(path: str) -> Contents:
    """Return the tensors of one file. Raise SourceError, also for a pickle that asks for code to be run."""
    with opened(path, ZIP, PICKLE) as (file, size):
        is_zip = kind_of(file.read(HEAD_BYTES)) == ZIP
        file.seek(0)
        try:
            return _from_zip(file, size) if is_zip else _from_pickles(file, size)
        except RefusedError as error:
            raise SourceError(
                f"{path!r} is refused: {error}, and a checkpoint of tensors needs no code. Nothing was run.",
                hint='Save the tensors alone, with torch.save(model.state_dict(), "model.pt") or as .safetensors.',
            ) from None
        except ValueError as error:
            raise damaged(path, "PyTorch", error) from None


def _from_zip(file: BinaryIO, size: int) -> Contents:
    with archive(file, size) as content:
        members = {member.filename: member for member in content.infolist()}
        pickles = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise ValueError("it has no data.pkl, or several")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}constants.pkl" in members:
            raise RefusedError("a TorchScript program")
        if members[pickles[0]].file_size > _MAX_PICKLE:
            raise ValueError(f"its data.pkl has {members[pickles[0]].file_size:,} bytes, {_MAX_PICKLE:,} are accepted")
        value = described_value(PickleBytes(beginning(content, members[pickles[0]], _MAX_PICKLE)))
        return contents_of(value, _zip_check(content, folder), partial(_zip_bytes, content, folder))


def _zip_bytes(content: ZipFile, folder: str, storage: StorageRecord, start: int, length: int) -> bytes:
    """Some bytes from near the beginning of a storage."""
    if start > _MAX_START:
        return b""
    return beginning(content, content.getinfo(f"{folder}data/{storage.key}"), start + length)[start:]


def _zip_check(content: ZipFile, folder: str) -> Callable[[StorageRecord], None]:
    members: Mapping[str, Any] = {member.filename: member for member in content.infolist()}

    def check(storage: StorageRecord) -> None:
        """The archive has a member of that many bytes."""
        member = members.get(f"{folder}data/{storage.key}")
        claimed = storage.elements * storage.item_bytes
        if member is None or member.compress_type != ZIP_STORED or member.file_size < claimed:
            held = "is missing" if member is None else f"has {member.file_size:,} bytes"
            raise ValueError(f"the storage {storage.key[:60]!r} should have {claimed:,} bytes and {held}")

    return check


def _from_pickles(file: BinaryIO, size: int) -> Contents:
    """Five pickles (magic number, version, machine, value, storage keys), then the storages one by one."""
    stream = PickleBytes(file.read(_MAX_PICKLE))
    magic = described_value(stream)
    if magic != _MAGIC_NUMBER or described_value(stream) != _PROTOCOL_VERSION:
        raise RefusedError("a bare pickle")
    described_value(stream)
    value, keys = described_value(stream), described_value(stream)
    known = {key for key in keys if isinstance(key, str)} if isinstance(keys, list) else set()
    left = size - stream.tell() - _LENGTH_BYTES * len(known)

    def check(storage: StorageRecord) -> None:
        """All storages together fit into what is left of the file."""
        nonlocal left
        left -= storage.elements * storage.item_bytes
        if storage.key not in known or left < 0:
            raise ValueError(f"the storage {storage.key[:60]!r} is missing or ends behind the file")

    return contents_of(value, check, lambda storage, start, length: b"")
