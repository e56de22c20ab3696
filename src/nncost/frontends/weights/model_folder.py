"""The checkpoint that a folder holds: the parts of one, or TensorFlow's. A folder with a configuration is counted as that."""

from __future__ import annotations

import re
from os import scandir
from os.path import isdir, isfile, lexists
from pathlib import Path

from nncost.frontends.weights.parts import INDEX, numbered

_MAX_SEEN = 10_000
_PARTS = re.compile(r"\.(?:safetensors|bin|gguf)\Z", re.IGNORECASE)
_VARIABLES = "variables/variables.index"
_TF_INDEX = ".index"
_NUMBER = re.compile(r"-(\d{1,18})\.index\Z")


def checkpoint_in(folder: str) -> str | None:
    """Return the file to read in a folder: an index, the first of numbered parts, TensorFlow's index; None if there is none.

    It never raises.
    """
    if not isdir(folder) or lexists(f"{folder}/config.json"):  # noqa: PTH112 - false for a spec too long to be a path
        return None
    if isfile(f"{folder}/saved_model.pb") or isfile(f"{folder}/{_VARIABLES}"):  # noqa: PTH113
        return f"{folder}/{_VARIABLES}"
    try:
        with scandir(folder) as found:
            names = sorted(entry.name for _, entry in zip(range(_MAX_SEEN), found, strict=False))
    except (OSError, ValueError):
        return None
    name = _index(names) or _first_part(names) or _tensorflow(names)
    return None if name is None else str(Path(folder) / name)


def index_of(prefix: str) -> str | None:
    """Return TensorFlow's index of a checkpoint that was named without an ending; None if there is none. It never raises."""
    return f"{prefix}{_TF_INDEX}" if not isfile(prefix) and isfile(f"{prefix}{_TF_INDEX}") else None  # noqa: PTH113


def _index(names: list[str]) -> str | None:
    """The index that is no variant's, and of safetensors before PyTorch's own."""
    indexes = [name for name in names if INDEX.search(name)]
    return min(indexes, key=lambda name: (not name.endswith(".index.json"), ".bin." in name, len(name)), default=None)


def _first_part(names: list[str]) -> str | None:
    """The first of one set of numbered files; of several sets none is meant."""
    sets = {parts[0]: name for name in reversed(names) if _PARTS.search(name) and len(parts := numbered(name)) > 1}
    return next(iter(sets.values())) if len(sets) == 1 else None


def _tensorflow(names: list[str]) -> str | None:
    """The latest of TensorFlow's checkpoints."""
    indexes = [name for name in names if name.endswith(_TF_INDEX)]
    known = {name.removesuffix(_TF_INDEX) for name in indexes}
    written = {name.partition(".data-")[0] for name in names if ".data-" in name}
    found = [f"{name}{_TF_INDEX}" for name in known & written]
    return max(found, key=lambda name: (int(match[1]) if (match := _NUMBER.search(name)) else -1, name), default=None)
