"""Every error nncost raises on purpose, drawn as a tree.

::

    NncostError                 code              exit 2
    ├── SpecError               "spec"            a malformed network spec, with a caret
    ├── SourceError             "source"          a file that is missing, unreadable or malformed
    ├── ShapeError              "shape"           tensors that do not fit together
    ├── OptionError             "option"          an unknown or contradictory setting
    ├── SymbolError             "symbol"          an unbound, unknown or misused symbol
    ├── QuantityError           "quantity"        a quantity that does not exist
    ├── TrainingError           "training"        a training that cannot go on, or files it cannot go on from
    └── MissingExtraError       "missing-extra"   an optional dependency that is not installed

A message says what was received, what is accepted and, where there is one, the next command.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nncost.names import printable


class Instead(NamedTuple):
    """What was received, whole, and what would be accepted in its place.

    An option that should not be there has nothing in its place, and one that is missing has nothing received.
    """

    received: str
    accepted: str


class NncostError(Exception):
    """Base of all errors; ``code`` is stable and may be relied on by programs.

    ``instead`` is what would work in the place of the value that was received; the command line shows the whole command.
    """

    code = "error"

    def __init__(self, message: str, *, hint: str | None = None, instead: Instead | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.instead = instead

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class SpecError(NncostError):
    """A spec that cannot be read; ``position`` is the zero-based column of the fault, ``corrected`` a spec that may be meant.

    ``is_unreadable`` is a text that is no sentence of the language.
    """

    code = "spec"
    _LINE_WIDTH = 76

    def __init__(
        self,
        message: str,
        spec: str,
        position: int,
        *,
        length: int = 1,
        hint: str | None = None,
        corrected: str | None = None,
        is_unreadable: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.spec = spec
        self.corrected, self.is_unreadable = corrected, is_unreadable
        self.position = max(0, min(position, len(spec)))
        self.length = max(1, length)

    def __str__(self) -> str:
        line, column = self.excerpt(self._LINE_WIDTH)
        caret = " " * column + "^" * max(1, min(self.length, len(line) - column))
        lines = [self.message, f"  {line}", f"  {caret}"]
        if self.hint is not None:
            lines.append(self.hint)
        return "\n".join(lines)

    def excerpt(self, width: int) -> tuple[str, int]:
        """Return at most ``width`` characters of the line that the fault is on, and its column in them."""
        start = self.spec.rfind("\n", 0, self.position) + 1
        end = self.spec.find("\n", start)
        line = self.spec[start : len(self.spec) if end < 0 else end]
        line = printable(line)
        column = self.position - start
        first = max(0, min(column - width // 2, len(line) - width))
        return line[first : first + width], column - first


class SourceError(NncostError):
    """A source that cannot be opened or understood."""

    code = "source"


class ShapeError(NncostError):
    """Tensors whose shapes do not fit the operation; ``sizes`` are two that should be equal, where that is the fault."""

    code = "shape"
    sizes: tuple[Any, Any] | None = None

    @classmethod
    def of_sizes(cls, message: str, left: Any, right: Any) -> ShapeError:
        """Return the error that two sizes differ."""
        error = cls(message)
        error.sizes = left, right
        return error


class OptionError(NncostError):
    """A setting that does not exist or contradicts another."""

    code = "option"


class SymbolError(NncostError):
    """A symbol that is unknown, or a size that had to be a number and is not."""

    code = "symbol"


class QuantityError(NncostError):
    """A quantity path that the report does not have."""

    code = "quantity"


class TrainingError(NncostError):
    """A training that cannot go on: a loss that is no number, files of another one, a disk that is full."""

    code = "training"


class MissingExtraError(NncostError):
    """An optional dependency that this source needs and that is not installed."""

    code = "missing-extra"

    def __init__(self, purpose: str, package: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed.",
            hint=f'Install it with:  pip install "nncost[{extra}]"',
        )
