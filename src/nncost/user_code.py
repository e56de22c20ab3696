"""Where in the user's own code an exception arose."""

from __future__ import annotations

import traceback
from pathlib import Path
from traceback import FrameSummary, extract_tb

LAST_LINES, MAX_LINE = 2, 100
_OTHERS = (str(Path(__file__).parent), str(Path(traceback.__file__).parent))


def last_lines(error: BaseException) -> str | None:
    """The last lines of the user's own code that ran, and how to see more; None if none did."""
    lines = [f"  {_place(frame)}  {(frame.line or '')[:MAX_LINE]}" for frame in _frames(error)[-LAST_LINES:]]
    return "\n".join([*lines, "The whole traceback: --verbose"]) if lines else None


def last_place(error: BaseException) -> str | None:
    """The file and the number of the last line of the user's own code that ran; None if none did."""
    frames = _frames(error)
    return _place(frames[-1]) if frames else None


def _frames(error: BaseException) -> list[FrameSummary]:
    return [frame for frame in extract_tb(error.__traceback__) if frame.line and not _is_of_others(frame.filename)]


def _place(frame: FrameSummary) -> str:
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _is_of_others(file: str) -> bool:
    """Whether a file is of Python's library, of an installed package, or of nncost."""
    return file.startswith(("<", *_OTHERS)) or "site-packages" in file or "dist-packages" in file
