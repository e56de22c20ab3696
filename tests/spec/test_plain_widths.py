"""Plain widths are read by a regular expression; the grammar must read them in the same way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nncost.errors import SpecError
from nncost.frontends.spec.grammar import parse, parse_by_grammar

WORDS = st.sampled_from(
    ["784", "h", "h*L", "16:relu", "8:tanh*3", "3x3", "0.5", "h1", "1.", ".", "", "x:", "*", "a b", "..."]
)


@given(st.lists(WORDS, min_size=1, max_size=5).map("-".join))
def test_both_readers_agree(text: str) -> None:
    def outcome(read: object) -> str:
        try:
            return repr(read(text))  # type: ignore[operator]
        except SpecError as error:
            return f"error at {error.position}"

    assert outcome(parse) == outcome(parse_by_grammar) or not text.strip()
