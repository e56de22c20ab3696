"""What a text that cannot be read may mean: each guess is tried before it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from nncost.frontends.spec.calls import without_calls

MAX_LENGTH = 400
"""Characters of a text that is guessed at."""

_WORD = r"[A-Za-z_]\w*"
_Rewrite = Callable[[str], str]


def guesses(text: str) -> Iterator[str]:
    """Texts that may be meant: every rewriting by itself, then all of them one after another."""
    if len(text) > MAX_LENGTH:
        return
    seen, together = {text}, text
    for rewrite in _REWRITES:
        alone, together = rewrite(text), rewrite(together)
        for guess in (alone, together):
            if guess.strip() and guess not in seen:
                seen.add(guess)
                yield guess


def _sizes(found: re.Match[str]) -> str:
    return "x".join(size for size in found.groups() if size)


def _sub(pattern: str, replacement: str | Callable[[re.Match[str]], str]) -> _Rewrite:
    compiled = re.compile(pattern)
    return lambda text: compiled.sub(replacement, text)


def _only_numbers(text: str) -> str:
    """Numbers between whatever signs are widths."""
    numbers = re.findall(r"\d+", text)
    return (
        "-".join(numbers)
        if len(numbers) > 1 and not re.search(r"[^\W_]", re.sub(r"\d+|\b(?:to|by|x)\b", "", text))
        else text
    )


def _family(text: str) -> str:
    """``h0..hl`` and ``h0-...-hl`` with the member that says which step it takes."""
    found = re.search(rf"\b({_WORD}?)(\d+)[\s-]*(?:\.{{2,}}|…)[\s-]*\1(\w+)", text)
    if found is None:
        return text
    base, first, last = found.groups()
    before = re.search(rf"{base}{int(first) - 1}[\s-]*\Z", text[: found.start()]) if int(first) else None
    members = f"{base}{first}-...-{base}{last}" if before else f"{base}{first}-{base}{int(first) + 1}-...-{base}{last}"
    return f"{text[: found.start()]}{members}{text[found.end() :]}"


def _balanced(text: str) -> str:
    """As many closing brackets as opening ones."""
    missing = text.count("[") - text.count("]")
    return text + "]" * missing if missing > 0 else text.rstrip("]" * -missing) if missing < 0 else text


_REWRITES: tuple[_Rewrite, ...] = (
    lambda text: text.strip().strip("\"'`“”‘’").strip(),
    _sub(r"(?<!\w)[(\[]\s*(\d+)\s*,\s*(\d+)\s*(?:,\s*(\d+)\s*)?[)\]]", _sizes),
    without_calls,
    _sub(r"\bnn\.|\btorch\.", ""),
    _sub(r"(?<=\d),(?=\d{3}\b)", ""),
    _sub(r"\^|\*\*", "*"),
    _sub(r"(?<=-)\[\s*(\w+)\s*\]\s*\*", r"\1*"),
    _only_numbers,
    _family,
    _sub(r"\s*(?:-+\s*>?|[;|>→])\s*(?=[A-Za-z])", ", "),
    lambda text: "-".join(text.split()) if "," not in text else text,
    lambda text: text.strip(" -,;:|").removeprefix("[").removesuffix("]") if "," not in text else text.strip(" -,;:|"),
    _sub(r"-\s*-+", "-"),
    _sub(r",\s*(?:,\s*)+", ", "),
    _sub(r"(?<=\d)\s*[x×X*]\s*(?=\d)", "x"),
    _sub(r"(?<![\w.])\.(?=\d)", "0."),
    lambda text: re.sub(r"\b(\d{1,2})\s*%", lambda found: f"{int(found[1]) / 100:g}", text),
    _sub(rf"\b(\d+|{_WORD})\s*[*x]\s*((?:{_WORD})?\[[^\[\]]*\])", r"\2*\1"),
    _sub(r"(\])\s*(?:\^|\*\*|[x×])?\s*(\d+)", r"\1*\2"),
    _sub(rf"(\d)\s*[(\[/.=]\s*({_WORD})\s*[)\]]?", r"\1:\2"),
    _sub(rf"(\d)\s+({_WORD})(?=\s*(?:-|\Z))", r"\1:\2"),
    _sub(r"\s*(?:-+\s*>?|[;|>→])\s*(?=[A-Za-z])", ", "),
    _sub(r"\s+-\s+|-(?=\s)|[;|]", ", "),
    _sub(rf"\b({_WORD})\s*[-:=]\s*(?=\d)", r"\1 "),
    _sub(rf"\s*:\s*({_WORD})", r", \1"),
    _sub(r"(?i)\binputs?\s*[:=]?\s*(?=\d)", ""),
    _sub(r"\(([^()]*)\)", r"[\1]"),
    _sub(r"\[([^\[\]]*)\]", r" \1"),
    _balanced,
    lambda text: f"784, {text}",
    lambda text: f"3x32x32, {text}",
    lambda text: f"8x16, {text}",
    _sub(r"[^\w\s,\-*:=.\[\]…]", " "),
)
"""The kinds of mistakes, roughly in the order in which they are undone."""
