"""Load a spec from a file ``net.nncost``; lines and ``#`` comments are free."""

from __future__ import annotations

from dataclasses import replace

from nncost.errors import SourceError
from nncost.frontends.files import read_bytes
from nncost.frontends.model import LoadOptions, Model
from nncost.frontends.spec import text
from nncost.frontends.spec.grammar import MAX_LENGTH


def load(source: str, options: LoadOptions) -> Model:
    """The graph of the spec in the file at ``source``."""
    content = read_bytes(source, 4 * MAX_LENGTH)
    try:
        spec = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{source!r} is not UTF-8 text: byte {error.start} is {content[error.start]:#04x}.") from None
    return replace(text.load(spec, options), name=source)
