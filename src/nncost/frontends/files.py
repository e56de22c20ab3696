"""The content of a source's file."""

from __future__ import annotations

from pathlib import Path

from nncost.errors import Instead, SourceError


def check_file(path: str, limit: int) -> int:
    """Return a file's size. Raise SourceError if it is missing, not a file, unreadable or larger than ``limit``."""
    try:
        size = Path(path).stat().st_size
        if not Path(path).is_file():
            raise SourceError(f"{path!r} is not a regular file.")
        if size > limit:
            raise SourceError(f"{path!r} has {size:,} bytes, more than the {limit:,} this format allows.")
        with Path(path).open("rb"):
            return size
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot read {path!r}: {reason}.") from None


def read_bytes(path: str, limit: int) -> bytes:
    """Return a file's content. Raise SourceError if it is missing, not a file, unreadable or larger than ``limit``."""
    check_file(path, limit)
    return Path(path).read_bytes()


def _missing(path: str) -> SourceError:
    """What to say of a file that is not there: the nearest one that is, or the folder that is missing."""
    from nncost.frontends.nearby import nearest_file

    close = nearest_file(path, (Path(path).suffix.lower() or path,))
    if close is not None:
        return SourceError(f"there is no file {path!r}.", hint=f"Did you mean {close!r}?", instead=Instead(path, close))
    folder = Path(path).parent
    missing = "" if folder.is_dir() else f"There is no folder {str(folder)!r} either. "
    return SourceError(f"there is no file {path!r}.", hint=f"{missing}Check the path; a spec looks like 784-16-10.")
