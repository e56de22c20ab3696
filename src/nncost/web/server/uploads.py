"""Uploaded files: kept in a folder of this server's own under random names, for a while, in limited number and size."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from secrets import token_hex

from nncost.records import record
from nncost.web.answers.sources import UPLOADED, safe_name
from nncost.web.server.folders import own_folder
from nncost.web.server.limits import Limits

_TOKEN_BYTES = 16
_MAX_NAME = 200


class TooManyUploadsError(Exception):
    """As many uploads are under way as may be."""


class UploadTooLargeError(Exception):
    """A file has more bytes than one may have."""


@record
class Upload:
    """A file that is kept: its token, what it was called (anybody's text), where it lies, its size and its age."""

    token: str
    name: str
    path: Path
    size: int
    since: float

    @property
    def source(self) -> str:
        """What a request names it by."""
        return UPLOADED + self.token


class Receiving:
    """A file that is being received; more than is allowed is refused before it is written. Then it is an ``upload``."""

    upload: Upload

    def __init__(self, file: BufferedWriter, limit: int) -> None:
        self._file, self._limit = file, limit
        self.size = 0

    def write(self, content: bytes) -> None:
        """Add to the file. Raise UploadTooLargeError if it becomes too large."""
        self.size += len(content)
        if self.size > self._limit:
            raise UploadTooLargeError
        self._file.write(content)


class Uploads:
    """The files of one run of a server."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._folder = own_folder()
        self._kept: dict[str, Upload] = {}
        self._under_way = 0

    @contextmanager
    def receiving(self, name: str) -> Iterator[Receiving]:
        """Give a file to write to; it is kept when all is written, and removed otherwise.

        Raise SourceError for a kind of file that is not read, TooManyUploadsError if there are enough already.
        """
        path = self._folder / token_hex(_TOKEN_BYTES) / safe_name(name)
        if self._under_way >= self._limits.uploads_at_once:
            raise TooManyUploadsError
        self._under_way += 1
        try:
            path.parent.mkdir(mode=0o700)
            with path.open("xb") as file:
                receiving = Receiving(file, self._limits.upload_bytes)
                yield receiving
            upload = Upload(path.parent.name, name[:_MAX_NAME], path, receiving.size, time.monotonic())
            receiving.upload = upload
            self._keep(upload)
        except BaseException:
            shutil.rmtree(path.parent, ignore_errors=True)
            raise
        finally:
            self._under_way -= 1

    @staticmethod
    def is_named(source: object) -> bool:
        """Return whether a source is an upload, kept or not."""
        return isinstance(source, str) and source.startswith(UPLOADED)

    def paths(self, source: object) -> Mapping[str, str]:
        """Return the file that a source names, by its token; nothing where it names none that is kept."""
        if not self.is_named(source):
            return {}
        self.remove_old()
        upload = self._kept.get(str(source).removeprefix(UPLOADED))
        return {} if upload is None else {upload.token: str(upload.path)}

    def remove_old(self) -> None:
        """Remove what has been kept long enough."""
        oldest = time.monotonic() - self._limits.upload_age_seconds
        for upload in [each for each in self._kept.values() if each.since < oldest]:
            self._remove(upload)

    def remove_all(self) -> None:
        """Remove every file and the folder."""
        self._kept.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._kept)

    def _keep(self, upload: Upload) -> None:
        self._kept[upload.token] = upload
        while len(self._kept) > self._limits.uploads or self._size() > self._limits.uploads_bytes:
            self._remove(next(iter(self._kept.values())))

    def _size(self) -> int:
        return sum(upload.size for upload in self._kept.values())

    def _remove(self, upload: Upload) -> None:
        del self._kept[upload.token]
        shutil.rmtree(upload.path.parent, ignore_errors=True)
