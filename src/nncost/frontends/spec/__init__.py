"""Read a network written as a spec, or the path of a file with one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from nncost.frontends.front_end import TRACED_ONLY, FrontEnd
from nncost.frontends.model import LoadOptions, Model
from nncost.frontends.spec_text import SpecText

_LOOKS_LIKE_FILE = re.compile(r"(^|[/\\])[^/\\,\s]*[^/\\,\s.]\.[A-Za-z][A-Za-z0-9]*$")


class SourceFrontEnd(FrontEnd):
    """Builds the network of a spec such as ``784-16-16-10``, written out or in a file ``net.nncost``."""

    kind: ClassVar[str] = "spec"
    title: ClassVar[str] = "a spec"
    endings: ClassVar[tuple[str, ...]] = (".nncost",)
    trains_by_default: ClassVar[bool] = True
    shaped_by_inputs: ClassVar[bool] = False

    def unused(self) -> Mapping[str, str]:
        """Return what only modules have a use for; how a spec is written decides about ``bias`` and ``activation``."""
        return TRACED_ONLY

    def matches(self, source: object) -> bool:
        """Return whether it is any text but the path of another kind of file."""
        return isinstance(source, str) and (super().matches(source) or not _LOOKS_LIKE_FILE.search(source))

    def load(self, source: str, options: LoadOptions) -> Model:
        """Build the network."""
        if super().matches(source) and not isinstance(source, SpecText):
            from nncost.frontends.spec.file import load as load_file

            return load_file(source, options)
        from nncost.frontends.spec.text import load

        return load(source, options)
