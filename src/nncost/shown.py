"""Results that print as their command shows them.

A result knows nothing of views, which stand above it: the package enters the view of each kind of result here, by its
place, as ``nncost.documents.FORMATS`` holds renderers. It is imported when a result is first shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

_VIEWS: dict[str, str] = {}
"""The function, as ``module:function``, that makes a document of a result of the class with that name."""


class Page(Protocol):
    """What a view makes of a result: a document."""

    def render(self, form: str = ..., width: int | None = ...) -> str:
        """Return it as text in a format."""

    def _repr_mimebundle_(self, include: object = ..., exclude: object = ...) -> dict[str, str]:
        """Return what a notebook shows of it."""


def show_by(views: Mapping[str, str]) -> None:
    """Enter the views of results, each by the name of its class."""
    _VIEWS.update(views)


def document_of(result: object, **choices: Any) -> Page:
    """Return the document that the result's view makes of it under some choices, such as ``by``."""
    module, _, name = _VIEWS[type(result).__name__].partition(":")
    page: Page = getattr(import_module(module), name)(result, **choices)
    return page


class Shown:
    """A result: ``print`` shows what its command prints, and so does a notebook."""

    __slots__ = ()

    def __str__(self) -> str:
        return str(document_of(self))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Text, and HTML without scripts: a notebook takes the one that it can show."""
        return document_of(self)._repr_mimebundle_()
