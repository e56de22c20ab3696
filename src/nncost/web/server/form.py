"""A file out of a form, written as it comes: nothing of it is held in memory, and nothing is written twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from nncost.errors import OptionError
from nncost.web.server.uploads import Receiving, Upload, Uploads

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD = "file"
_ACCEPTED = f"An upload is a form, multipart/form-data, with one file in the field {FIELD!r}."


async def received_file(content_type: str, chunks: AsyncIterator[bytes], uploads: Uploads) -> Upload:
    """Return the one file of a form. Raise OptionError for what is no such form, and whatever ``uploads`` refuses."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise OptionError("this is not a form with a file.", hint=_ACCEPTED)
    with ExitStack() as stack:
        parts = _Parts(uploads, stack)
        try:
            parser = MultipartParser(options[b"boundary"], parts.callbacks())
            async for chunk in chunks:
                parser.write(chunk)
        except (FormParserError, UnicodeError) as error:
            raise OptionError(f"this form cannot be read: {error}.", hint=_ACCEPTED) from None
        if not parts.is_complete or parts.receiving is None:
            raise OptionError("there is no whole file in this form.", hint=_ACCEPTED)
    return parts.receiving.upload


class _Parts:
    """What the parser of a form calls: headers are gathered, the content of the one file is handed on."""

    def __init__(self, uploads: Uploads, stack: ExitStack) -> None:
        self._uploads, self._stack = uploads, stack
        self._name, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self.receiving: Receiving | None = None
        self.is_complete = False

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._on_name,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_content,
            "on_end": self._on_end,
        }

    def _on_name(self, text: bytes, start: int, end: int) -> None:
        self._name += text[start:end]

    def _on_value(self, text: bytes, start: int, end: int) -> None:
        self._value += text[start:end]

    def _on_header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"filename")
        if options.get(b"name") != FIELD.encode() or name is None or self.receiving is not None:
            raise OptionError("this form has other fields than one file.", hint=_ACCEPTED)
        self.receiving = self._stack.enter_context(self._uploads.receiving(name.decode("utf-8", "replace")))

    def _on_content(self, content: bytes, start: int, end: int) -> None:
        assert self.receiving is not None
        self.receiving.write(content[start:end])

    def _on_end(self) -> None:
        self.is_complete = True
