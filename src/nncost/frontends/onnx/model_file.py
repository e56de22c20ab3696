"""The model in an ONNX file, read without its weights."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

from nncost.errors import SourceError
from nncost.frontends.files import check_file, read_bytes
from nncost.frontends.onnx.light_copy import LARGE, TOO_DEEP, DamagedError, TooManyPartsError, light_copy

MAX_BYTES = 64 * 2**30
"""The largest file that is mapped."""
MAX_HEADERS = 2**31 - 1
"""Protocol buffers themselves end at 2 GiB."""
_TOO_DEEP = "MaxDepth"
"""What protocol buffers say of messages too deep inside each other."""
FIRST_VERSION_WITH_OPSETS = 3
"""Of the file format; files before it use opset 1."""


def read_model(source: str) -> Any:
    """The model in the file. Raise SourceError for anything else."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    content = _content(source)
    if not content:
        raise SourceError(f"{source!r} is empty.")
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError, TypeError) as error:
        if _TOO_DEEP in str(error):
            raise SourceError(f"{source!r} {TOO_DEEP}.") from None
        raise SourceError(f"{source!r} is not an ONNX file, or is cut short: {error}.") from None
    if not model.graph.output:
        raise SourceError(f"the graph in {source!r} has no output.")
    return model


def _content(source: str) -> bytes:
    """The file without the numbers of its large tensors; as it is if it is small, or damaged."""
    if check_file(source, MAX_BYTES) < LARGE:
        return read_bytes(source, LARGE)
    with Path(source).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        with memoryview(mapped) as content:
            try:
                copied = light_copy(content)
            except DamagedError as error:
                raise SourceError(f"{source!r} is not an ONNX file, or is cut short: {error}.") from None
            except TooManyPartsError as error:
                raise SourceError(f"{source!r} {error}.") from None
        if len(copied) > MAX_HEADERS:
            raise SourceError(f"{source!r} has {len(copied):,} bytes besides its weights, more than a file can have.")
        return copied


def opsets_of(model: Any, source: str) -> dict[str, int]:
    """The opset of each domain. Raise SourceError for one that the installed package does not know."""
    from onnx import defs

    opsets: dict[str, int] = {} if model.ir_version >= FIRST_VERSION_WITH_OPSETS else {"": 1}
    for entry in model.opset_import:
        opsets["" if entry.domain == "ai.onnx" else entry.domain] = entry.version
    newest = defs.onnx_opset_version()
    if not 1 <= opsets.get("", 1) <= newest:
        raise SourceError(
            f"{source!r} uses opset {opsets['']}; the installed onnx package knows 1 to {newest}.",
            hint="A newer onnx package may know it:  pip install --upgrade onnx",
        )
    return opsets
