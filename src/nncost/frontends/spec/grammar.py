"""The spec language's grammar: text to a small syntax tree whose words know their place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Union

from nncost.errors import SpecError
from nncost.records import record

if TYPE_CHECKING:
    from lark import Lark

_SIZES = re.compile(r"\s*[0-9]+(x[0-9]+)*\s*")
MAX_SHOWN = 200
"""Characters of a spec that is shown again as it may be meant."""
MAX_LENGTH, MAX_DEPTH, MAX_ITEMS = 1_000_000, 40, 10_000
"""Characters in a spec, brackets inside brackets, items between separators; far above any real network."""

_WORD = r"[0-9A-Za-z_]+(?:\.[0-9]+)?"
_WIDTH = re.compile(rf"({_WORD})(?::({_WORD}))?(?:\*({_WORD}))?")

GRAMMAR = rf"""
start: sequence | widths
widths: width ("-" width)+
width: WORD [":" WORD] ["*" WORD]   -> width
     | ELLIPSIS                     -> ellipsis
sequence: WORD "," items
items: item ("," item)*
item: (layer | block) ["*" WORD]
block: [WORD] "[" items "]"
layer: WORD argument*
argument: [WORD "="] WORD

WORD: /{_WORD}/
ELLIPSIS: /\.\.\.|…/
SPACE: /([ \t\r\n\f]|#[^\n]*)+/
%ignore SPACE
"""


@record
class Word:
    """A word and the zero-based position of its first character."""

    text: str
    position: int


@record
class Width:
    """``128``, ``128:relu`` or ``128:relu*3`` in the widths form."""

    size: Word
    activation: Word | None
    count: Word | None


@record
class Dots:
    """``...``: all members of a family of widths between its neighbours."""

    position: int


@record
class Argument:
    """``16`` or ``stride=2`` or the flag ``causal``."""

    key: Word | None
    value: Word


@record
class Layer:
    """A layer's name and arguments."""

    name: Word
    arguments: tuple[Argument, ...]


@record(eq=False)
class Block:
    """``[…]`` or ``residual[…]``."""

    name: Word | None
    items: tuple[Item, ...]


@record(eq=False)
class Item:
    """A layer or block, perhaps ``*N`` times."""

    what: Layer | Block
    count: Word | None


@record
class CommaForm:
    """The input shape of one example and the layers after it."""

    shape: Word
    items: tuple[Item, ...]


@record
class Widths:
    """The widths form."""

    widths: tuple[Width | Dots, ...]


Spec = Union[Widths, CommaForm]


def parse(text: str) -> Spec:
    """Return the syntax tree of a spec. Raise SpecError with the place of the fault."""
    if len(text) > MAX_LENGTH:
        raise SpecError(f"a spec may have {MAX_LENGTH:,} characters, received {len(text):,}", text, MAX_LENGTH)
    if not text.strip():
        raise SpecError(
            "the spec is empty", text, 0, hint="Write layer widths:  784-16-16-10", corrected="784-16-16-10"
        )
    _check_extent(text)
    return _plain_widths(text) or parse_by_grammar(text)


def _plain_widths(text: str) -> Widths | None:
    """Widths without spaces and ellipsis: a regular language, read without loading the parser."""
    place, widths = 0, []
    while match := _WIDTH.match(text, place):
        size, activation, count = (Word(match[i], match.start(i)) if match[i] else None for i in (1, 2, 3))
        assert size is not None
        widths.append(Width(size, activation, count))
        place = match.end() + 1
        if place > len(text):
            return Widths(tuple(widths)) if len(widths) > 1 else None
        if text[place - 1] != "-":
            return None
    return None


def parse_by_grammar(text: str) -> Spec:
    """The syntax tree of any spec, by the grammar, which also knows what was expected at a fault."""
    from lark import UnexpectedInput

    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _syntax_error(text, error) from None
    return _start(tree)


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark

    return Lark(GRAMMAR, parser="lalr", lexer="basic", maybe_placeholders=True)


def _check_extent(text: str) -> None:
    depth = items = 0
    for position, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if depth > MAX_DEPTH:
            raise SpecError(f"brackets are nested more than {MAX_DEPTH} deep", text, position)
        items += character in "-,"
        if items > MAX_ITEMS:
            raise SpecError(f"a spec may have {MAX_ITEMS:,} items", text, position, hint="Repeat equal ones with *N.")


def _syntax_error(text: str, error: Any) -> SpecError:
    position = getattr(error, "pos_in_stream", None)
    token = getattr(error, "token", None)
    if position is None or position < 0 or (token is not None and token.type == "$END"):
        position = len(text.rstrip())
        received = "the spec ends here"
    else:
        length = len(token) if token is not None else 1
        received = f"received {text[position : position + min(length, 20)]!r}"
    accepted = sorted(
        _readable(name) for name in (getattr(error, "accepts", None) or getattr(error, "expected", None) or ())
    )
    hint = f"Accepted here: {', '.join(dict.fromkeys(accepted))}." if accepted else "Examples: nncost count --help"
    corrected = None
    if _SIZES.fullmatch(text) and len(text) <= MAX_SHOWN:
        widths = text.strip().replace("x", "-")
        corrected = widths if "-" in widths else f"{widths}-16-10"
        hint = f"Widths stand between hyphens:  {corrected}"
    return SpecError(
        f"cannot read the spec: {received}", text, position, hint=hint, corrected=corrected, is_unreadable=True
    )


_TERMINALS = {
    "WORD": "a name or a number", "MINUS": "'-'", "COMMA": "','", "COLON": "':'", "STAR": "'*'", "EQUAL": "'='",
    "LSQB": "'['", "RSQB": "']'", "ELLIPSIS": "'...'", "$END": "the end",
}  # fmt: skip


def _readable(terminal: str) -> str:
    return _TERMINALS.get(terminal, terminal.lower())


def _word(token: Any) -> Word | None:
    return None if token is None else Word(str(token), token.start_pos)


def _required(token: Any) -> Word:
    return Word(str(token), token.start_pos)


def _start(tree: Any) -> Spec:
    inner = tree.children[0]
    if inner.data == "widths":
        return Widths(tuple(_width(child) for child in inner.children))
    shape, items = inner.children
    return CommaForm(_required(shape), _items(items))


def _width(tree: Any) -> Width | Dots:
    if tree.data == "ellipsis":
        return Dots(tree.children[0].start_pos)
    size, activation, count = tree.children
    return Width(_required(size), _word(activation), _word(count))


def _items(tree: Any) -> tuple[Item, ...]:
    return tuple(Item(_what(child.children[0]), _word(child.children[1])) for child in tree.children)


def _what(tree: Any) -> Layer | Block:
    name, *rest = tree.children
    if tree.data == "block":
        return Block(_word(name), _items(rest[0]))
    return Layer(_required(name), _arguments(rest))


def _arguments(trees: Sequence[Any]) -> tuple[Argument, ...]:
    return tuple(Argument(_word(tree.children[0]), _required(tree.children[1])) for tree in trees)
