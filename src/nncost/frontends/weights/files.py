"""Files that nobody vouches for: opened once, their kind told from their first bytes, their faults in one sentence."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

from nncost.errors import SourceError

SAFETENSORS, GGUF, ZIP, HDF5, PICKLE, NUMPY = "safetensors", "GGUF", "zip", "HDF5", "pickle", "NumPy"
GGML, TFLITE = "ggml, the form of llama.cpp before GGUF", "TensorFlow Lite"
HEAD_BYTES = 16
_MAGIC = {b"GGUF": GGUF, b"FUGG": GGUF, b"PK\x03\x04": ZIP, b"PK\x05\x06": ZIP, b"\x89HDF\r\n\x1a\n": HDF5,
    b"\x93NUMPY": NUMPY, **dict.fromkeys((b"lmgg", b"fmgg", b"tjgg", b"algg"), GGML),
}  # fmt: skip
_LENGTH_BYTES = 8
_SAFETENSORS = b"\0\0\0\0{"
"""The upper half of a header's length, and its first character."""
_TFLITE = b"TFL3"
_ADVICE = {
    GGML: "Convert it with convert_llama_ggml_to_gguf.py of llama.cpp, and count the .gguf file.",
}
_ENDINGS = {
    SAFETENSORS: ".safetensors", GGUF: ".gguf", ZIP: ".npz (NumPy) or .pt (PyTorch)", HDF5: ".h5", PICKLE: ".pt", NUMPY: ".npy",
    TFLITE: ".tflite",
}  # fmt: skip


@contextmanager
def opened(path: str, *kinds: str) -> Iterator[tuple[BinaryIO, int]]:
    """Return the file and its size. Raise SourceError for what is missing, unreadable, empty or of no kind of ``kinds``."""
    try:
        status = Path(path).stat()
        if not S_ISREG(status.st_mode):
            raise SourceError(f"{path!r} is not a regular file.")
        with Path(path).open("rb") as file:
            _expect(path, file.read(HEAD_BYTES), kinds)
            file.seek(0)
            yield file, status.st_size
    except FileNotFoundError:
        raise SourceError(
            f"there is no file {path!r}.", hint="Check the path and that all of it was downloaded."
        ) from None
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}.") from None


def damaged(path: str, form: str, reason: object) -> SourceError:
    """The error for a file that is not what its ending says, or not all of it."""
    return SourceError(
        f"{path!r} is not a {form} file, or is cut short or damaged: {str(reason).rstrip('.')[:300]}.",
        hint="Download or save it again; nothing was counted.",
    )


def kind_of(head: bytes) -> str:
    """What a file is by its first bytes; empty where they tell nothing."""
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if head[_LENGTH_BYTES // 2 :].startswith(_SAFETENSORS):
        return SAFETENSORS
    if head[4:8] == _TFLITE:
        return TFLITE
    return PICKLE if len(head) > 1 and head[0] == ord("\x80") and head[1] <= pickle.HIGHEST_PROTOCOL else ""


def _expect(path: str, head: bytes, kinds: Sequence[str]) -> None:
    if not head:
        raise SourceError(f"{path!r} is empty.", hint="Download or save it again.")
    kind = kind_of(head)
    if kind and kinds and kind not in kinds:
        raise SourceError(
            f"the ending of {path!r} promises {' or '.join(kinds)}, but it starts like {kind}.",
            hint=_ADVICE.get(kind) or f"If it is {kind}, rename it to end in {_ENDINGS[kind]}.",
        )


def unique_json(content: bytes) -> Any:
    """Return JSON whose objects have no key twice. Raise ValueError for anything else."""
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(n for n in names if names.count(n) > 1)!r} stands there twice")
    return result
