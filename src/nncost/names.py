"""Names as people write them: in any case, with spaces or hyphens, under another name, nearly right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_LONGEST = 100
"""Characters of a text that is compared with names, or shown as one."""
_NOTHING: Mapping[str, str] = {}


def meant(text: str, accepted: Iterable[str], also: Mapping[str, str] = _NOTHING) -> str | None:
    """The accepted name that a text means: whatever its case and separators, or ``also`` another name; None if none."""
    accepted = tuple(accepted)
    if text in accepted:
        return text
    plain = _plain(text)
    for name in (*accepted, *also):
        if _plain(name) == plain:
            return also.get(name, name)
    return None


def nearest(
    text: str, accepted: Iterable[str], also: Mapping[str, str] = _NOTHING, *, likeness: float = 0.6
) -> str | None:
    """The accepted name that a text comes close to; None if it comes close to none. A ``likeness`` of 1 is equality."""
    from difflib import get_close_matches

    names = {_plain(name): also.get(name, name) for name in (*also, *accepted)}
    text = text[:_LONGEST]
    close = get_close_matches(_plain(text), list(names), 1, cutoff=likeness)
    return names[close[0]] if close else None


def printable(text: str, kept: str = "") -> str:
    """Text of anybody as a terminal may show it: control characters, marks of direction and broken ones replaced."""
    if text.isprintable():  # Nearly always.
        return text
    return "".join(character if character.isprintable() or character in kept else "�" for character in text)


def shortened(text: str, length: int = _LONGEST) -> str:
    """The beginning of a long text, as a message shows it."""
    return text if len(text) <= length else text[:length] + "…"


def cut(name: str, room: int) -> str:
    """The name or, if it is longer, its beginning and its longer end; a path is cut between its parts where they allow."""
    if len(name) <= room:
        return name
    return _cut_path(name, room) or _cut_anywhere(name, room)


def _cut_anywhere(name: str, room: int) -> str:
    end = (room - 1) * 2 // 3
    return f"{name[: room - 1 - end]}…{name[len(name) - end :]}"


def _cut_path(name: str, room: int) -> str | None:
    """The first and the last modules of a path, a number belonging to the module before it; None if they are too long."""
    parts: list[str] = []
    for part in name.split("."):
        if part[:1].isdigit() and parts:
            parts[-1] += f".{part}"
        else:
            parts.append(part)
    first, last = 1, len(parts) - 1
    if len(parts) < 3 or len(_joined(parts, first, last)) > room:
        return None
    while len(_joined(parts, first, last - 1)) <= room:
        last -= 1
    while len(_joined(parts, first + 1, last)) <= room:
        first += 1
    return _joined(parts, first, last)


def _joined(parts: Sequence[str], first: int, last: int) -> str:
    return f"{'.'.join(parts[:first])}…{'.'.join(parts[last:])}"


def short_names(names: Sequence[str], room: int) -> list[str]:
    """The names cut in the middle to about ``room`` characters, as far as they stay different."""
    longest, whole = max(map(len, names), default=0), len(set(names))
    while True:
        short = [cut(name, room) for name in names]
        of = {each: {name for name, other in zip(names, short, strict=True) if other == each} for each in set(short)}
        short = [
            _cut_anywhere(name, room) if len(of[each]) > 1 else each for name, each in zip(names, short, strict=True)
        ]
        if len(set(short)) == whole or room > longest:
            return short
        room += 8


_ACTED_ON = re.compile(
    r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|\x1b(?!\[[0-9;]*m)"
)
"""Control characters, marks of direction and broken ones; of sequences that begin with an escape all but colours."""


def harmless(text: str) -> str:
    """A whole page without the characters that a terminal would act on, wherever a name on it came from; colours stay."""
    return _ACTED_ON.sub("�", text)


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character not in " -_")
