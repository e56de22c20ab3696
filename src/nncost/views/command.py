"""The command that asked for a result, and the one that a view names next."""

from __future__ import annotations

from nncost.documents.document import Shell
from nncost.records import record


@record
class Command:
    """What was asked about: a ``source`` and the ``options`` that decide what is counted, as they were typed."""

    source: str
    options: tuple[str, ...] = ()

    def next(self, name: str, *options: str) -> Shell:
        """Return another command on the same source under the same options and ``options`` of its own."""
        given = (*self.options, *options)
        if self.source.startswith("-"):
            return Shell("Next:", ("nncost", name, *given, "--", self.source))
        return Shell("Next:", ("nncost", name, self.source, *given))
