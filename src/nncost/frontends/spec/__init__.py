"""Read a network written as a spec, or the path of a file with one."""

from __future__ import annotations

import re
from typing import ClassVar

from nncost.frontends.front_end import FrontEnd
from nncost.frontends.model import LoadOptions, Model

_LOOKS_LIKE_FILE = re.compile(r"(^|[/\\])[^/\\,\s]+\.[A-Za-z][A-Za-z0-9]*$")


class SourceFrontEnd(FrontEnd):
    """Builds the network of a spec such as ``784-16-16-10``, written out or in a file ``net.nncost``."""

    kind: ClassVar[str] = "spec"
    endings: ClassVar[tuple[str, ...]] = (".nncost",)
    trains_by_default: ClassVar[bool] = True
    shaped_by_inputs: ClassVar[bool] = False

    def matches(self, source: object) -> bool:
        """Return whether it is any text but the path of another kind of file."""
        return isinstance(source, str) and (super().matches(source) or not _LOOKS_LIKE_FILE.search(source))

    def load(self, source: str, options: LoadOptions) -> Model:
        """Build the network."""
        if super().matches(source):
            from nncost.frontends.spec.file import load as load_file

            return load_file(source, options)
        from nncost.frontends.spec.text import load

        return load(source, options)
