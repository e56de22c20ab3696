"""The worked arithmetic, as a part of a page or as text to copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nncost.errors import OptionError
from nncost.explaining.topics import TIME, parse
from nncost.pipeline.choices import check_choice

if TYPE_CHECKING:
    from nncost.documents.document import Document

HTML = "html"
FORMS = (HTML, "markdown", "latex", "plain")
_LEVEL = 2
"""Of the headings in HTML: the page that it becomes a part of has the first."""


def explain(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return an explanation: its ``title``, and its ``text`` in the ``form`` that was asked for; HTML has no scripts."""
    from nncost.api import explain as explained

    settings = dict(request)
    form = settings.pop("form", HTML)
    check_choice("form", form, FORMS, {})
    if "topic" in settings and parse(settings["topic"])[0].head == TIME:
        raise OptionError(
            "where time goes is measured on the machine that runs nncost, and not for others.",
            hint="On the command line:  nncost explain 784-16-16-10 time",
        )
    document = explained(**settings)
    return {"form": form, "title": document.title, "text": _text(document, form)}


def _text(document: Document, form: str) -> str:
    if form != HTML:
        return document.render(form)
    from nncost.documents.html import body

    return body(document, level=_LEVEL)
