"""What mkdocstrings reads in our code: docstrings as Markdown, and the fields of records."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":[a-z]+:`~?(?:[\w.]*\.)?(\w+)`")
_KIND = griffe.ParameterKind.positional_or_keyword
_EXAMPLE = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


class Nncost(griffe.Extension):
    """Rewrites docstrings, and gives records their signature."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            text = _ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = _EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", text)

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Give a record the signature that ``nncost.records`` writes for it: its fields, in their order."""
        if any(str(decorator.value).partition("(")[0] == "record" for decorator in cls.decorators):
            fields = [each for each in cls.members.values() if each.is_attribute and "property" not in each.labels]
            parameters = [
                griffe.Parameter(f.name, annotation=f.annotation, default=_default(f.value), kind=_KIND) for f in fields
            ]
            init = griffe.Function("__init__", parameters=griffe.Parameters(*parameters))
            cls.set_member("__init__", init)


def _default(value: Any) -> Any:
    """What stands for a field that is left out; of ``field(…)``, where a new object is made, only that it may be."""
    return "..." if value is not None and str(value).startswith("field(") else value
