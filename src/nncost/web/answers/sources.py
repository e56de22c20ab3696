"""The sources that a stranger may name: a spec, or a file that was handed over. Both are data; nothing else is a source.

What is read is decided by this list, not by looking at what there is: a text is a spec, whatever files of that name there
are, and an upload is read by the front end of its ending, which must be listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path, PurePath
from typing import Any

from nncost.errors import SourceError
from nncost.frontends.spec_text import SpecText
from nncost.names import shortened
from nncost.web.answers.settings import SOURCE

UPLOADED = "upload:"
"""What stands before the token of a file."""
CONFIGURATION = "config.json"
ENDINGS: Mapping[str, str] = {
    ".onnx": "an ONNX file",
    ".safetensors": "a checkpoint in safetensors",
    ".gguf": "a checkpoint in GGUF",
    ".json": "a Hugging Face configuration",
}
"""The endings of files that are read. All are data: formats that can hold code (pickles, NumPy's objects, Keras' Lambda) and
Python files are not among them, nor are formats that name other files."""
_SAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_NAME = 80
_NAMES_A_FILE = re.compile(
    r"[^,\s]*[/\\][^,\s]*|.*\.(?:py|pt|pth|bin|ckpt|pkl|npz|npy|h5|hdf5|keras|onnx|safetensors|gguf|json|nncost)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_NAMES_CODE = re.compile(r"\s*[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\s*")


def accepted() -> str:
    """Return the endings that are read, as a message lists them."""
    return ", ".join(ENDINGS)


def safe_name(name: str) -> str:
    """Return the name under which an uploaded file is kept: harmless characters and the ending that says who reads it.

    Raise SourceError for an ending that is not read.
    """
    path = PurePath(name.replace("\\", "/"))
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise SourceError(
            f"{shortened(path.name)!r} is of a kind that is not read here.",
            hint=f"Accepted: {accepted()}. Files that can hold code, such as pickles and Python files, are never opened.",
        )
    if ending == ".json":
        return CONFIGURATION
    return (_SAFE.sub("_", path.stem).strip("_-")[:_LONGEST_NAME] or "model") + ending


@contextmanager
def readable(settings: Mapping[str, Any], uploads: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Give the settings with a source that nncost reads; an upload is read in its own folder, by its name alone.

    Raise SourceError for a text that is no spec but the name of a file or of code, and for an upload that is not there.
    """
    source = settings.get(SOURCE)
    if source is None:
        yield dict(settings)
    elif not source.startswith(UPLOADED):
        yield {**settings, SOURCE: _spec(source)}
    else:
        path = _upload(source.removeprefix(UPLOADED), uploads)
        with chdir(path.parent):
            yield {**settings, SOURCE: path.name}


def _spec(text: str) -> SpecText:
    """The text as a spec. What looks like something else would be no spec either, but its fault would not be understood."""
    code = _NAMES_CODE.fullmatch(text)
    if code is not None or _NAMES_A_FILE.fullmatch(_without_comments(text).strip()):
        what = "the name of Python code" if code is not None else "the path of a file"
        raise SourceError(
            f"{shortened(text)!r} looks like {what}; only specs and uploaded files are read here.",
            hint=f"Type a spec such as 784-16-10, or upload a file: {accepted()}.",
        )
    return SpecText(text)


def _without_comments(text: str) -> str:
    return re.sub(r"#[^\n]*", "", text)


def _upload(token: str, uploads: Mapping[str, str]) -> Path:
    if token not in uploads:
        raise SourceError(
            "there is no such upload, or it has been removed.",
            hint="Upload the file again; uploads are kept for a while.",
        )
    path = Path(uploads[token])
    if path.suffix.lower() not in ENDINGS:
        raise SourceError(f"{path.name!r} is of a kind that is not read here.", hint=f"Accepted: {accepted()}.")
    return path
