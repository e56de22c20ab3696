"""The folders of a server: gone when it ends, and those of one that was killed when the next one starts."""

from __future__ import annotations

import os
import re
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp

_NAME = re.compile(r"nncost-web-(\d+)-")


def own_folder() -> Path:
    """Return a new folder, readable for this user only, whose name says which process it belongs to."""
    return Path(mkdtemp(prefix=f"nncost-web-{os.getpid()}-"))


def remove_abandoned() -> None:
    """Remove the folders that processes of this user left, which are no more."""
    if sys.platform == "win32":  # There is no way to ask for a process that does not end it.
        return
    for path in Path(gettempdir()).glob("nncost-web-*"):
        found = _NAME.match(path.name)
        with suppress(OSError):
            if found and path.lstat().st_uid == os.getuid() and path.is_dir() and not _is_alive(int(found[1])):
                shutil.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
