r"""Text and Unicode mathematics in TeX's own commands, in plain ASCII: ``5.3·10⁶`` is ``$5.3\cdot 10^{6}$``."""

from __future__ import annotations

import re
import unicodedata

_TEXT = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "“": "``", "”": "''", "„": ",,", "«": "``", "»": "''", "‘": "`", "’": "'", "–": "--", "—": "---",
    "‐": "-", "‑": "-", "‒": "--", "―": "---", "…": r"\dots{}", "•": r"\textbullet{}", "§": r"\S{}", "©": r"\copyright{}",
    "°": r"$^\circ$", "µ": r"$\mu$", "◄": r"$\triangleleft$", "►": r"$\triangleright$", "─": "--", "═": "=", "\u00a0": "~", "\u202f": r"\,",
    "\u200b": "", "\ufeff": "", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "€": "EUR", "\ufffd": "?",
}  # fmt: skip
"""What stands in running text."""
_SIGNS = {
    "·": r"\cdot ", "⋅": r"\cdot ", "×": r"\times ", "−": "-", "→": r"\to ", "←": r"\leftarrow ", "↔": r"\leftrightarrow ",
    "⇒": r"\Rightarrow ", "≈": r"\approx ", "≠": r"\ne ", "≥": r"\ge ", "≤": r"\le ", "≡": r"\equiv ", "≪": r"\ll ", "≫": r"\gg ",
    "±": r"\pm ", "∝": r"\propto ", "∞": r"\infty ", "∂": r"\partial ", "∇": r"\nabla ", "Σ": r"\sum ", "∑": r"\sum ", "∏": r"\prod ",
    "Π": r"\prod ", "∫": r"\int ", "√": r"\surd ", "½": r"\tfrac{1}{2}", "¼": r"\tfrac{1}{4}", "¾": r"\tfrac{3}{4}", "⊙": r"\odot ",
    "∘": r"\circ ", "∗": "*", "⌈": r"\lceil ", "⌉": r"\rceil ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⟨": r"\langle ", "⟩": r"\rangle ",
    "‖": r"\Vert ", "∈": r"\in ", "∉": r"\notin ", "∅": r"\emptyset ", "ℓ": r"\ell ", "ℝ": r"\mathbb{R}", "ℕ": r"\mathbb{N}",
    "÷": r"\div ", "′": r"{}^{\prime}", "″": r"{}^{\prime\prime}", "⊤": r"\top ", "∧": r"\wedge ", "∨": r"\vee ",
}  # fmt: skip
"""What stands in mathematics."""
_GREEK = {
    **{name: name for name in ["alpha", "beta", "gamma", "delta", "zeta", "eta", "theta", "iota", "kappa", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "chi", "psi"]},
    **{name: name for name in ["Gamma", "Delta", "Theta", "Xi", "Phi", "Psi", "Omega", "omega"]}, "lamda": "lambda", "Lamda": "Lambda",
    "epsilon": "varepsilon", "phi": "varphi",
}  # fmt: skip
_IN_MATHS = {
    "\\": r"\backslash ", "~": r"\sim ", "^": r"\wedge ", "'": r"\text{'}", '"': r"\text{''}", "…": r"\dots ", "µ": r"\mu ", "<": "<",
    ">": ">", "|": "|", "`": r"\text{`}", " ": r"\ ", ",": "{,}",
}  # fmt: skip
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".", "\u0308": '"', "\u030a": "r",
    "\u030b": "H", "\u030c": "v", "\u0323": "d", "\u0327": "c",
}  # fmt: skip
_MATHS_ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "bar"}
_HAT = "\u0302"

_SUPER, _SUB = "²³¹\u2070-\u207f\u1d2c-\u1d61\u1d78", "\u2080-\u209c\u1d62-\u1d6a"
_SUPERS, _SUBS = re.compile(f"[{_SUPER}]+"), re.compile(f"[{_SUB}]+")
_WORDS = r"[A-Za-z0-9_]"
_PIECES = re.compile(
    rf"[{_SUPER}]+|[{_SUB}]+|.[\u0300-\u036f]+|(?<!{_WORDS})[A-Za-z][0-9]+(?!{_WORDS})|(?<!{_WORDS})[0-9]+(?=[A-Za-z](?!{_WORDS}))"
    rf"|{_WORDS}*[A-Za-z_]{_WORDS}*|.",
    re.DOTALL,
)
"""Exponents, indices, a letter with a number, a number before a letter, words, and single characters with their marks."""
_WORD = re.compile(r"\S+")
_EDGE = "\"'“”‘’„,.;:!?…"


def escaped(text: str) -> str:
    """Return text with every special character as a command and every formula in mathematics."""
    return _WORD.sub(lambda match: _word(match[0]), unicodedata.normalize("NFC", text))


def in_maths(text: str) -> str:
    """Return Unicode mathematics as TeX writes it, without dollar signs."""
    result, scripts = "", ""
    for match in _PIECES.finditer(unicodedata.normalize("NFC", text)):
        kind = "^" if _SUPERS.fullmatch(match[0]) else "_" if _SUBS.fullmatch(match[0]) else ""
        apart = bool(kind) and kind in scripts  # TeX takes one exponent and one index of a letter
        scripts = kind if apart or not kind else scripts + kind
        result += ("{}" if apart else "") + (f"{kind}{{{_small(match[0])}}}" if kind else _piece(match[0]))
    return result.strip()


def in_ascii(latex: str) -> str:
    """Return mathematics that is TeX already, with the signs that are left in it as commands."""
    return latex if latex.isascii() else re.sub(r"[^\x00-\x7f]+", lambda match: in_maths(match[0]) + " ", latex)


def _word(word: str) -> str:
    """A word as text or, if it has a sign or a letter of mathematics, as a formula between its punctuation."""
    if word.isascii() or not any(_is_maths(place, word) for place in range(len(word))):
        return "".join(map(_character, word))
    first, after = 0, len(word)
    while first < after and (word[first] in _EDGE or (word[first] == "(" and word.count("(") > word.count(")"))):
        first += 1
    while after > first and (
        word[after - 1] in _EDGE or (word[after - 1] == ")" and word.count(")") > word.count("("))
    ):
        after -= 1
    before, core, behind = word[:first], word[first:after], word[after:]
    return f"{''.join(map(_character, before))}${in_maths(core)}${''.join(map(_character, behind))}"


def _is_maths(place: int, word: str) -> bool:
    """Whether the character is a sign or a letter of mathematics; a hat is an accent inside a word."""
    character = word[place]
    if character in _SIGNS or _SUPERS.match(character) or _SUBS.match(character) or _greek(character):
        return True
    hat = unicodedata.normalize("NFD", character)[1:] == _HAT
    beside = word[max(0, place - 1) : place] + word[place + 1 : place + 2]
    return character == _HAT or (hat and not beside.isalpha())


def _greek(character: str) -> str:
    """The command of a Greek letter; nothing for others."""
    alphabet, _, letter = unicodedata.name(character, "").partition(" LETTER ")
    spelled = {"GREEK SMALL": letter.lower(), "GREEK CAPITAL": letter.capitalize()}.get(alphabet, "")
    return f"\\{_GREEK[spelled]} " if spelled in _GREEK else ""


def _piece(piece: str) -> str:
    """One piece of a formula that is no exponent and no index."""
    if len(piece) > 1 and piece.isascii() and not piece.isdigit():
        name = piece.replace("_", r"\_")
        return f"{piece[0]}_{{{piece[1:]}}}" if piece[0] != "_" and piece[1:].isdigit() else rf"\mathrm{{{name}}}"
    letter, *marks = list(unicodedata.normalize("NFD", piece))
    if marks:
        accent = _MATHS_ACCENTS.get(marks[0])
        return _piece(letter) if accent is None else rf"\{accent}{{{_piece(letter)}}}"
    sign = _IN_MATHS.get(piece) or _SIGNS.get(piece) or _greek(piece)
    if sign:
        return sign
    return _TEXT.get(piece, piece) if piece.isascii() else rf"\text{{{_character(piece)}}}"


def _small(piece: str) -> str:
    """What stands in an exponent or an index; a transpose is upright."""
    plain = unicodedata.normalize("NFKD", piece)
    return plain.replace("T", r"\mathsf{T}").replace("−", "-")


def _character(character: str) -> str:
    """One character of running text."""
    if character in _TEXT:
        return _TEXT[character]
    if character.isascii():
        return character if character.isprintable() else " "
    sign = _SIGNS.get(character) or _greek(character)
    if sign:
        return f"${sign.strip()}$"
    letter, *marks = list(unicodedata.normalize("NFD", character))
    if marks and marks[0] in _ACCENTS and letter.isascii():
        return f"\\{_ACCENTS[marks[0]]}{{{letter if letter not in 'ij' else chr(92) + letter}}}"
    plain = unicodedata.normalize("NFKD", character)
    if plain.isascii() and plain:
        return "".join(map(_character, plain))
    return "" if unicodedata.combining(character) else f"{{[U+{ord(character):04X}]}}"
