"""What belongs to the folder of a model: nothing outside it is opened, also not behind a link."""

from __future__ import annotations

from pathlib import Path


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a file lies in the folder itself, also after links are followed. It need not be there."""
    try:
        return path.resolve().parent in _own_folders(folder)
    except (OSError, RuntimeError):
        return False


def is_below(path: Path, folder: Path) -> bool:
    """Whether a file lies in the folder or in one inside it, also after links are followed. It need not be there."""
    try:
        real = path.resolve()
        return real.is_relative_to(folder.resolve()) or real.parent in _own_folders(folder)
    except (OSError, RuntimeError):
        return False


def _own_folders(folder: Path) -> tuple[Path, ...]:
    """The folder; in the Hugging Face cache, ``snapshots/<revision>`` links to the ``blobs`` of the same model."""
    own = folder.resolve()
    return (own, own.parent.parent / "blobs") if own.parent.name == "snapshots" else (own,)
