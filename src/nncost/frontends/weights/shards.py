"""Checkpoints in several files, named by ``model.safetensors.index.json`` or ``pytorch_model.bin.index.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nncost.errors import SourceError
from nncost.frontends.weights import pytorch, safetensors_file
from nncost.frontends.weights.contents import Contents, Entry
from nncost.frontends.weights.files import damaged, opened, unique_json
from nncost.frontends.weights.folders import is_inside
from nncost.frontends.weights.parts import INDEX, Read, completed, index_naming
from nncost.frontends.weights.safetensors_file import natural
from nncost.names import shortened
from nncost.records import replace
from nncost.units import counted, noun

_MAX_INDEX = 64 * 2**20
_MAX_NAME = 255
"""Bytes of a file's name."""
_HINT = 'An index is {"weight_map": {"tensor name": "file in the same folder", …}}.'


def read(path: str) -> Contents:
    """Return the tensors the index names, from the shards next to it. Raise SourceError for what does not fit."""
    places = _weight_map(path)
    read_shard = _shard_reader(path)
    shards = list(dict.fromkeys(places.values()))
    found: dict[str, Entry] = {}
    unnamed = 0
    metadata: dict[str, str] = {}
    for shard in shards:
        contents = read_shard(_shard_path(path, shard))
        metadata |= contents.metadata
        for entry in contents.entries:
            if places.get(entry.name) == shard:
                found[entry.name] = entry
            else:
                unnamed += 1
    missing = [name for name in places if name not in found]
    if missing:
        raise SourceError(
            f"{path!r} says that {places[missing[0]]!r} holds the tensor {missing[0]!r}, but it does not "
            f"({counted(len(missing), 'such tensor')}).",
            hint="Index and shards must belong together: download all of them again.",
        )
    notes = [f"Counted from {counted(len(shards), 'file')} that the index names."]
    if unnamed:
        notes.append(
            f"{counted(unnamed, 'tensor')} in these files {noun(unnamed, 'is', 'are')} not in the index and not counted."
        )
    return Contents(tuple(found[name] for name in sorted(found, key=natural)), tuple(notes), metadata)


def read_part(path: str, read_one: Read) -> Contents:
    """Return what a file holds and, if its name or an index says that it is one of several, what the others hold."""
    contents = completed(path, read_one)
    if contents.entries and len(contents.notes) == 0 and (index := index_naming(path, _names)) is not None:
        shards = set(_weight_map(index).values())
        if all(not _is_too_long(shard) and (Path(path).parent / shard).exists() for shard in shards):
            return read(index)
        note = f"This is one of {len(shards)} files that {Path(index).name} names, and not all are there: the network has more parameters than these."
        return replace(contents, notes=(note,))
    return contents


def _names(index: str, name: str) -> bool:
    """Whether an index names a file and others; one that cannot be read names none."""
    try:
        shards = set(_weight_map(index).values())
    except SourceError:
        return False
    return name in shards and len(shards) > 1


def _weight_map(path: str) -> dict[str, str]:
    with opened(path) as (file, size):
        if size > _MAX_INDEX:
            raise SourceError(f"{path!r} has {size:,} bytes; an index has at most {_MAX_INDEX:,}.")
        content = file.read(_MAX_INDEX)
    try:
        index: Any = unique_json(content)
    except ValueError as error:
        raise damaged(path, "JSON index", error) from None
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places or not all(isinstance(file, str) for file in places.values()):
        raise SourceError(f"{path!r} has no weight_map from names to files.", hint=_HINT)
    return places


def _shard_reader(path: str) -> Read:
    form = INDEX.search(path)
    return safetensors_file.read if form is not None and form[1].lower() == "safetensors" else pytorch.read


def _is_too_long(name: str) -> bool:
    return len(name.encode("utf-8", "replace")) > _MAX_NAME


def _shard_path(index: str, name: str) -> str:
    """Where a shard lies: a plain name, in the folder of the index, also after links are followed."""
    folder = Path(index).absolute().parent
    if not name.isprintable() or name in ("", ".", "..") or any(sign in name for sign in "/\\:"):
        raise SourceError(
            f"{index!r} names the file {name[:200]!r}, which is not a plain name in its own folder.", hint=_HINT
        )
    if _is_too_long(name):
        raise SourceError(
            f"{index!r} names the file {shortened(name)!r}, a longer name than a file can have.", hint=_HINT
        )
    shard = folder / name
    if not shard.exists():
        raise SourceError(f"the shard {name!r} of {index!r} is not there.", hint=f"Download it into {str(folder)!r}.")
    if not is_inside(shard, folder):
        raise SourceError(f"the shard {name!r} of {index!r} is a link out of its folder.", hint=_HINT)
    return str(Path(index).parent / name)
