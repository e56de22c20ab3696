"""Checkpoints of a training: ``state.npz`` holds everything that is needed to continue, and no pickles."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from nncost.cache import write_bytes
from nncost.errors import NncostError, TrainingError
from nncost.records import record
from nncost.trainer.engine import Engine
from nncost.trainer.progress import State
from nncost.trainer.tables.arrays import MAX_BYTES
from nncost.trainer.tables.table import Array

SCHEMA = "nncost.checkpoint/1"
STATE_FILE = "state.npz"
_META = "nncost"
_DAMAGED = (
    OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading a damaged file raises."""
_VALUES, _STATE, _BEST = "values/", "state/", "best/"


@record
class Checkpoint:
    """A checkpoint that was read: ``meta`` describes the training it belongs to; arrays are by name."""

    path: str
    meta: Mapping[str, Any]
    values: Mapping[str, Array]
    engine_state: Mapping[str, Array]
    state: State


def save_checkpoint(folder: Path, engine: Engine, state: State, meta: Mapping[str, Any]) -> Path:
    """Write ``state.npz`` atomically: a reader sees the old one or the new one. Raise TrainingError on failure."""
    content = {**meta, "schema": SCHEMA, "state": state.to_dict(), "wrote_with": engine.name}
    arrays = {f"{_VALUES}{name}": values for name, values in engine.values().items()}
    arrays |= {f"{_STATE}{name}": values for name, values in engine.state().items()}
    arrays |= {f"{_BEST}{name}": values for name, values in state.best_values.items()}
    packed = BytesIO()
    np.savez(packed, **{_META: np.array(json.dumps(content))}, **arrays)  # type: ignore[arg-type]
    path = folder / STATE_FILE
    write_whole(path, packed.getvalue())
    return path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file completely or keep the old one. Raise TrainingError that says what is still there."""
    try:
        write_bytes(path, content)
    except OSError as error:
        kept = f" The {path.name} of before is whole." if path.exists() else ""
        raise TrainingError(
            f"cannot write {path}: {error.strerror or error}.{kept}",
            hint="Make room or choose another folder with --save; --resume goes on from what was written.",
        ) from None


def read_checkpoint(path: str) -> Checkpoint:
    """Read a folder's ``state.npz`` or the file itself; nothing in it is run. Raise TrainingError for any other file."""
    file = Path(path)
    try:
        file = file / STATE_FILE if file.is_dir() else file
        if not file.is_file():
            raise TrainingError(
                f"there is no training to resume at {path}.", hint="--resume takes the folder of --save."
            )
        return _read(file)
    except _DAMAGED as error:
        raise TrainingError(
            f"{file} is no checkpoint of nncost train: {str(error)[:200] or type(error).__name__}.",
            hint="--resume takes the folder of --save.",
        ) from None
    except NncostError as error:
        if isinstance(error, TrainingError):
            raise
        raise TrainingError(f"{file} is no checkpoint of nncost train: {error.message}", hint=error.hint) from None


def _read(file: Path) -> Checkpoint:
    from nncost.frontends.weights.npz import read as read_headers

    headers = read_headers(str(file))  # Refuses pickles, and shapes that are not what is stored.
    if sum(entry.bytes for entry in headers.entries) > MAX_BYTES:
        raise ValueError("its arrays claim more bytes than are read")
    with np.load(file, allow_pickle=False) as content:
        arrays = {name: content[name] for name in content.files}
    meta = json.loads(str(arrays.pop(_META)))
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        raise ValueError(f"it does not say {SCHEMA}")

    def under(prefix: str) -> dict[str, Array]:
        return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

    return Checkpoint(str(file), meta, under(_VALUES), under(_STATE), State.from_dict(meta["state"], under(_BEST)))


def restore(checkpoint: Checkpoint, engine: Engine) -> State:
    """Restore an engine from a checkpoint. Raise TrainingError if its arrays do not fit the engine."""
    best = checkpoint.state.best_values
    for what, own, read in (
        ("parameters", engine.values(), checkpoint.values),
        ("optimizer state", engine.state(), checkpoint.engine_state),
        ("best parameters", engine.values() if best else {}, best),
    ):
        expected = {name: (array.shape, array.dtype) for name, array in own.items()}
        found = {name: (array.shape, array.dtype) for name, array in read.items()}
        if expected != found:
            name = min(name for name in {*expected, *found} if expected.get(name) != found.get(name))
            raise TrainingError(
                f"the {what} of {checkpoint.path} are not those of this network: {name} is "
                f"{_described(found.get(name))}, expected {_described(expected.get(name))}."
            )
    engine.restore(checkpoint.values, checkpoint.engine_state)
    return checkpoint.state


def _described(entry: tuple[tuple[int, ...], np.dtype[Any]] | None) -> str:
    return "not there" if entry is None else f"{entry[0]} {entry[1]}"
