"""The open registry of front ends: which one reads a source, found without importing any framework."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from nncost.errors import SourceError
from nncost.frontends.model import LoadOptions, Model

Load = Callable[[str, LoadOptions], Model]


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """A kind of source, the file endings it reads and the module whose ``load`` reads it."""

    kind: str
    endings: tuple[str, ...]
    module: str

    def load(self, source: str, options: LoadOptions) -> Model:
        """Read the source. Raises an NncostError for anything that cannot be read."""
        return cast("Load", import_module(self.module).load)(source, options)


SPEC_TEXT = FrontEnd("spec", (), "nncost.frontends.spec.text")
FRONT_ENDS: list[FrontEnd] = [
    FrontEnd("spec", (".nncost",), "nncost.frontends.spec.file"),
    FrontEnd("onnx", (".onnx",), "nncost.frontends.onnx.load"),
]
_LOOKS_LIKE_FILE = re.compile(r"(^|[/\\])[^/\\,\s]+\.[A-Za-z][A-Za-z0-9]*$")


def front_end_for(source: str) -> FrontEnd:
    """The front end of a path by its ending, or the spec language for any other text."""
    for front_end in FRONT_ENDS:
        if source.lower().endswith(front_end.endings):
            return front_end
    if _LOOKS_LIKE_FILE.search(source):
        known = ", ".join(ending for front_end in FRONT_ENDS for ending in front_end.endings)
        raise SourceError(
            f"{source!r} looks like a file of an unknown kind.", hint=f"Accepted: {known}, or a spec such as 784-16-10."
        )
    return SPEC_TEXT


def load(source: str, options: LoadOptions) -> Model:
    """Read any source: a spec, or the path of a file."""
    return front_end_for(source).load(source, options)


def read_bytes(path: str, limit: int) -> bytes:
    """A file's content. Raises SourceError where it is missing, not a file, unreadable or larger than ``limit``."""
    try:
        size = Path(path).stat().st_size
        if not Path(path).is_file():
            raise SourceError(f"{path!r} is not a regular file.")
        if size > limit:
            raise SourceError(f"{path!r} has {size:,} bytes, more than the {limit:,} this format allows.")
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise SourceError(f"there is no file {path!r}.", hint="Check the path; a spec looks like 784-16-10.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot read {path!r}: {reason}.") from None
