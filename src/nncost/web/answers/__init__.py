"""Answers to questions from a browser: from JSON-able requests to JSON-able answers, without a server.

The HTTP API and the Python that runs in a browser both ask here, so nothing but the core of nncost is needed. A request has
a ``source`` and the keywords of the function that answers it; an answer to another question is one more file and one more
row of ``ANSWERS`` and of ``settings.SETTINGS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from nncost.errors import NncostError, OptionError, SpecError
from nncost.names import nearest, printable, shortened

Answer = Callable[[Mapping[str, Any]], dict[str, Any]]
ANSWERS: Mapping[str, str] = {
    "count": "nncost.web.answers.count:count",
    "explain": "nncost.web.answers.explain:explain",
    "formula": "nncost.web.answers.formula:formula",
    "predict": "nncost.web.answers.predict:predict",
    "plot": "nncost.web.answers.plot:plot",
    "calculator": "nncost.web.answers.calculator:calculator",
    "devices": "nncost.web.answers.devices:devices",
}
"""The place of each answer, a function of a request whose settings are checked and whose source is one for nncost."""
_NO_FILES: Mapping[str, str] = {}


def answer(name: str, request: Mapping[str, Any], uploads: Mapping[str, str] = _NO_FILES) -> dict[str, Any]:
    """Return the answer of that name to a request.

    ``uploads`` are the paths of files that may be named as ``upload:TOKEN``, by their tokens. Raise an NncostError for
    whatever does not fit: OptionError for a setting, SourceError for a source that is neither a spec nor an upload.
    """
    from nncost.web.answers.settings import checked
    from nncost.web.answers.sources import readable

    if name not in ANSWERS:
        close = nearest(str(name), ANSWERS)
        raise OptionError(
            f"there is no answer {shortened(str(name))!r}.",
            hint=f"{'' if close is None else f'Did you mean {close!r}? '}There are: {', '.join(ANSWERS)}.",
        )
    settings = checked(name, request)
    with readable(settings, uploads) as found:
        return _function(name)(found)


def told(error: NncostError) -> dict[str, Any]:
    """Return an error as JSON holds it: ``code`` and ``message``, and where there are, ``hint``, place and correction.

    ``position`` and ``length`` say which characters of the source are at fault, ``instead`` is what may be meant; options of the
    command line are not.
    """
    found: dict[str, Any] = {"code": error.code, "message": printable(error.message, "\n")}
    if error.hint:
        found["hint"] = printable(error.hint, "\n")
    if isinstance(error, SpecError):
        found |= {"position": error.position, "length": error.length}
    if error.instead is not None and error.instead.accepted and not error.instead.accepted.startswith("-"):
        found["instead"] = error.instead.accepted
    return {"error": found}


def _function(name: str) -> Answer:
    module, _, attribute = ANSWERS[name].partition(":")
    return getattr(import_module(module), attribute)  # type: ignore[no-any-return]
