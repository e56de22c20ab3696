"""Plain forms of the characters that an output's encoding lacks: ``×`` as x, ``∂L/∂W`` as dL/dW, ``10⁻⁶`` as 10^-6."""

from __future__ import annotations

import codecs
import re
import unicodedata
from functools import cache

_PLAIN = {
    "×": "x", "✕": "x", "·": "*", "⋅": "*", "∙": "*", "⊙": "*", "∗": "*", "÷": "/", "−": "-", "‐": "-", "‑": "-", "‒": "-", "–": "-", "―": "-",
    "—": "-", "±": "+-", "→": "->", "←": "<-", "↔": "<->", "⇒": "=>", "⇐": "<=", "↑": "^", "↓": "v", "◄": "<", "►": ">",
    "▸": ">", "≈": "~", "≠": "!=", "≤": "<=", "≥": ">=", "≡": "==", "≪": "<<", "≫": ">>", "∝": "~", "∞": "inf", "∂": "d",
    "∇": "grad", "∑": "sum", "Σ": "sum", "∏": "prod", "Π": "prod", "∫": "integral", "√": "sqrt", "⌊": "floor(", "⌋": ")",
    "⌈": "ceil(", "⌉": ")", "⟨": "<", "⟩": ">", "‖": "||", "∈": "in", "∉": "not in", "∅": "{}", "ℝ": "R", "ℕ": "N", "ℓ": "l",
    "′": "'", "″": "''", "∘": "o", "°": " deg", "§": "section ", "µ": "u", "½": "1/2", "¼": "1/4", "¾": "3/4", "…": "...",
    "‘": "'", "’": "'", "‚": ",", "“": '"', "”": '"', "„": '"', "«": "<<", "»": ">>", "•": "*", "◦": "*", "▪": "*", "■": "#",
    "□": "[]", "●": "*", "○": "o", "✓": "yes", "✔": "yes", "✗": "no", "✘": "no", "═": "=", "━": "=", "─": "-", "│": "|",
    "║": "|", "┃": "|", "▌": "|", "▍": "|", "▎": "|", "█": "#", "▉": "#", "▏": "|", "╸": "=", "╺": "=", "╴": "-", "╶": "-",
    "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
    "ð": "d", "þ": "th", "ı": "i", "€": "EUR", "©": "(c)", "®": "(R)", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    "\u200b": "", "\u2060": "", "\ufeff": "",
}  # fmt: skip
_MARKS = {"\u0302": "^", "\u0303": "~", "\u0304": "_mean", "\u0305": "_mean"}
"""What stands behind a letter for the mark above it: x̂ is x^, as texts write it."""
_FRACTIONS = "½¼¾"
_SUPER, _SUB = "²³¹\u2070-\u207f\u1d2c-\u1d61\u1d78", "\u2080-\u209c\u1d62-\u1d6a"
_PIECES = re.compile(rf"[{_SUPER}]+|[{_SUB}]+|.[\u0300-\u036f]+|[^\x00-\x7f]", re.DOTALL)
"""Exponents and indices are replaced whole, letters with their marks."""
_BOXES = range(0x2500, 0x2580)


def plainly(text: str, encoding: str | None) -> str:
    """Return the text with a plain form of each character that the encoding lacks; with None, the text."""
    if encoding is None or text.isascii() or _has_all(encoding):
        return text
    return _PIECES.sub(lambda match: _replaced(match, encoding), text)


@cache
def error_handler(encoding: str) -> str:
    """Return the name of an error handler for streams: what no layout has replaced is replaced when it is written."""

    def replaced(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        match = _PIECES.match(error.object, error.start)
        assert match is not None, "what cannot be encoded is not ASCII"
        return _replaced(match, encoding), match.end()

    name = f"nncost.plain.{encoding}"
    codecs.register_error(name, replaced)
    return name


@cache
def _has_all(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name.startswith("utf")
    except LookupError:
        return False


@cache
def _has(piece: str, encoding: str) -> bool:
    try:
        return bool(piece.encode(encoding)) or not piece
    except (UnicodeEncodeError, LookupError):
        return False


def _replaced(match: re.Match[str], encoding: str) -> str:
    """The piece, or its plain form: words and fractions are kept apart from what stands beside them."""
    piece = match[0]
    if _has(piece, encoding):
        return piece
    plain = _plain(piece, encoding)
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    if piece in _FRACTIONS:
        return f" {plain}" if before.isdigit() else plain
    if len(plain) > 1 and plain.isalpha() and not _is_letter(piece):
        return f"{' ' if before.isalnum() else ''}{plain}{' ' if after.isalnum() and not _script(after) else ''}"
    return plain


def _is_letter(piece: str) -> bool:
    """Whether a piece is a letter of a word, as ß is, and no symbol."""
    return unicodedata.name(piece[0], "").startswith("LATIN")


def _script(character: str) -> str:
    """``^`` for an exponent, ``_`` for an index."""
    return {"<super>": "^", "<sub>": "_"}.get(unicodedata.decomposition(character).partition(" ")[0], "")


@cache
def _plain(piece: str, encoding: str) -> str:
    """The plain form of one character, of an exponent or an index, or of a letter with its marks."""
    script, base = _script(piece[0]), unicodedata.normalize("NFC", piece)
    if script:
        inner = "".join(_PLAIN.get(sign, sign) for sign in unicodedata.normalize("NFKD", piece))
        is_sum = any(sign in inner[1:] for sign in "+-") and not inner.startswith("(")
        return script + (f"({inner})" if is_sum else inner)
    if _has(base, encoding):
        return base
    if base in _PLAIN:
        return _PLAIN[base]
    return "".join(_sign(character, encoding) for character in unicodedata.normalize("NFKD", base)) or "?"


def _sign(character: str, encoding: str) -> str:
    """One character without its marks; a question mark for a script that the encoding has nothing of."""
    if character in _MARKS:
        return _MARKS[character]
    if character not in _PLAIN and unicodedata.category(character) in ("Cf", "Mn"):
        return ""
    if _has(character, encoding):
        return character
    if character in _PLAIN:
        return _PLAIN[character]
    name = unicodedata.name(character, "")
    if name.startswith("GREEK "):
        letter = name.rpartition(" LETTER ")[2].partition(" ")[0]
        return letter.capitalize() if "CAPITAL" in name else letter.lower()
    return "+" if ord(character) in _BOXES else "?"
