"""A generator that a model holds: it cannot be copied, and running it would use it up."""

from __future__ import annotations

from typing import Any

from nncost.errors import SourceError


class Unrepeatable:
    """Stands for a generator while a step runs."""

    def __init__(self, generator: Any) -> None:
        self._name = getattr(generator, "__qualname__", "generator")

    def __iter__(self) -> Unrepeatable:
        return self

    def __next__(self) -> Any:
        """Raise SourceError: counting would use the generator up."""
        raise SourceError(
            f"the model takes values from the generator {self._name!r}, which counting would use up.",
            hint="Hold a list, or make the generator where it is used.",
        )

    def send(self, value: Any) -> Any:
        """Raise SourceError, as for the next value."""
        return next(self)
