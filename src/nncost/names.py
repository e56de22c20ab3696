"""Names as people write them: in any case, with spaces or hyphens, under another name, nearly right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_NOTHING: Mapping[str, str] = {}


def meant(text: str, accepted: Iterable[str], also: Mapping[str, str] = _NOTHING) -> str | None:
    """The accepted name that a text means: whatever its case and separators, or ``also`` another name; None if none."""
    plain = _plain(text)
    for name in accepted:
        if text == name:
            return name
    for name in (*accepted, *also):
        if _plain(name) == plain:
            return also.get(name, name)
    return None


def nearest(text: str, accepted: Iterable[str], also: Mapping[str, str] = _NOTHING) -> str | None:
    """The accepted name that a text comes close to; None if it comes close to none."""
    from difflib import get_close_matches

    names = {_plain(name): also.get(name, name) for name in (*also, *accepted)}
    close = get_close_matches(_plain(text), list(names), 1, cutoff=0.5)
    return names[close[0]] if close else None


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character not in " -_")
