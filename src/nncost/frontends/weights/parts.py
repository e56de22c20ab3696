"""A checkpoint in several files: which others belong to the one that was named, and what is said where some are not there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from os import scandir
from pathlib import Path

from nncost.errors import SourceError
from nncost.frontends.weights.contents import Contents, Entry
from nncost.frontends.weights.files import damaged
from nncost.frontends.weights.folders import is_inside
from nncost.records import replace
from nncost.units import counted, noun

INDEX = re.compile(r"\.(safetensors|bin)\.index(?:\.\w+)?\.json\Z", re.IGNORECASE)
"""``model.safetensors.index.json``, ``pytorch_model.bin.index.json``, also of a variant: ``….index.fp16.json``."""
_NUMBERED = re.compile(r"(?<=[-_.])(\d{4,6})([-_]of[-_])(\d{4,6})(?=\.\w+\Z)", re.IGNORECASE)
_MAX_PARTS = 10_000
_MAX_SEEN = 10_000
Read = Callable[[str], Contents]


def completed(path: str, read: Read) -> Contents:
    """Return what all parts of a numbered file hold, or the file alone. A note says which parts are not there.

    Raise SourceError for a part that is a link out of the folder, or for a tensor that two of them hold.
    """
    names = numbered(path)
    if len(names) < 2:
        return read(path)
    folder = Path(path).absolute().parent
    there = [name for name in names if name == path or Path(name).exists()]
    for name in there:
        if name != path and not is_inside(Path(name), folder):
            raise SourceError(f"the part {name!r} is a link out of its folder.", hint="Put all parts into one folder.")
    return replace(joined(there, read), notes=(_note(names, there),))


def joined(paths: Sequence[str], read: Read) -> Contents:
    """Return the tensors of several files together. Raise SourceError for one that two of them hold."""
    entries: dict[str, Entry] = {}
    metadata: dict[str, str] = {}
    for path in paths:
        contents = read(path)
        metadata |= contents.metadata
        for entry in contents.entries:
            if entry.name in entries:
                raise damaged(path, "checkpoint", f"the tensor {entry.name[:200]!r} stands in another part, too")
            entries[entry.name] = entry
    return Contents(tuple(entries.values()), metadata=metadata)


def numbered(path: str) -> list[str]:
    """Return the names of all parts of a file whose name says ``-00001-of-00003``; its own alone for any other."""
    match = _NUMBERED.search(path)
    if match is None or not 1 < int(match[3]) <= _MAX_PARTS:
        return [path]
    before, behind, width = path[: match.start()], f"{match[2]}{match[3]}{path[match.end() :]}", len(match[1])
    first = 0 if int(match[1]) == 0 else 1
    names = [f"{before}{number:0{width}}{behind}" for number in range(first, int(match[3]) + first)]
    return names if path in names else [path]


def index_naming(path: str, names_it: Callable[[str, str], bool]) -> str | None:
    """Return an index in the folder of a file that names it among others; None if there is none."""
    folder, name = Path(path).parent, Path(path).name
    try:
        with scandir(folder) as found:
            indexes = sorted(entry.name for _, entry in zip(range(_MAX_SEEN), found, strict=False) if INDEX.search(entry.name))  # fmt: skip
    except OSError:
        return None
    own = (str(folder / index) for index in indexes if is_inside(folder / index, folder))
    return next((index for index in own if names_it(index, name)), None)


def _note(names: Sequence[str], there: Sequence[str]) -> str:
    missing = len(names) - len(there)
    if not missing:
        return f"Counted from all {len(names)} parts of the checkpoint."
    first = next(name for name in names if name not in there)
    return (
        f"This is a part of a checkpoint: {counted(missing, 'part')} of {len(names)} {noun(missing, 'is', 'are')} not there "
        f"({Path(first).name}{' …' if missing > 1 else ''}), so the network has more parameters than these."
    )
