"""The folder where what was learned about this machine is kept, and files written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "NNCOST_CACHE"
"""An environment variable that names another folder."""


def cache_folder() -> Path:
    """The folder; it need not exist. ``NNCOST_CACHE``, else the platform's place for caches."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("nncost", appauthor=False)


def read_json(path: Path) -> Any:
    """A file's content; None where there is no file or it is not whole JSON: a cache may always be empty."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def write_json(path: Path, content: Any) -> None:
    """Write a file at once: a reader sees the old content or the new. Raise OSError if it cannot be written."""
    write_bytes(path, json.dumps(content, indent=1).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """As :func:`write_json`, for any content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
