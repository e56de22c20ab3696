"""Numbers that are shortened are rounded; nouns agree with their numbers, wherever a command prints one."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncost.cli.main import run
from nncost.units import compact, counted, noun

ROOT = Path(__file__).parents[1]
PREFIXES = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "Z": 21, "Y": 24}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (99_999, "99,999"), (100_000, "100.0k"), (829_440, "829.4k"), (829_449, "829.4k"), (829_450, "829.5k"),
        (999_949, "999.9k"), (999_950, "1.000M"), (4_089_618_432, "4.090G"), (1_636_543_537_152, "1.637T"),
        (-829_450, "−829.5k"), (10**27 - 1, "1.0e27"), (995 * 10**25, "1.0e28"), (94 * 10**26, "9.4e27"),
    ],
)  # fmt: skip
def test_shortened_numbers(number: int, text: str) -> None:
    assert compact(number) == text


def test_a_giant_is_shortened() -> None:
    assert compact(96 * 10**4999) == "9.6e5000"


@given(st.integers(100_000, 10**40))
def test_a_shortened_number_is_the_nearest(number: int) -> None:
    text = compact(number)
    if "e" in text:
        shown, unit = Decimal(text), Decimal(10) ** (int(text.partition("e")[2]) - 1)
    else:
        digits, prefix = text[:-1], text[-1]
        scale = Decimal(10) ** PREFIXES[prefix]
        shown, unit = Decimal(digits) * scale, scale / 10 ** len(digits.partition(".")[2])
        assert len(digits) == 5
    assert abs(shown - number) * 2 <= unit


@pytest.mark.parametrize(
    ("amount", "singular", "text"),
    [
        (1, "step", "1 step"), (2, "step", "2 steps"), (0, "weight", "0 weights"), (12_960, "weight", "12,960 weights"),
        (1, "bias", "1 bias"), (42, "bias", "42 biases"), (2, "class", "2 classes"), (3, "epoch", "3 epochs"), (3, "batch", "3 batches"),
        (2, "axis", "2 axes"), (2, "query", "2 queries"), (2, "array", "2 arrays"), (1, "axis", "1 axis"),
    ],
)  # fmt: skip
def test_nouns(amount: int, singular: str, text: str) -> None:
    assert counted(amount, singular) == text
    assert noun(amount, singular) == text.partition(" ")[2]


ONES = [
    ["count", "1-1", "--examples", "1", "--no-bias"],
    ["count", "1-1:none", "--examples", "1", "--optimizer", "adam", "--fits", "1GiB"],
    ["count", "1, dense 1", "--loss", "none", "--dtype", "float16"],
    ["count", "1x1x1, conv 1 1x1, batchnorm, flatten, dense 1", "--by", "memory"],
    ["predict", "1-1", "--on", "h100", "--examples", "1"],
    ["explain", "1-1", "parameters"],
    ["formula", "1-h-1", "--at", "h=1"],
]


@pytest.mark.parametrize("arguments", ONES, ids=" ".join)
def test_one_of_a_thing_is_no_plural(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    plurals = re.findall(r"(?<![\w.,])1 (?!bias\b|class\b|axis\b|loss\b|is\b|has\b)[a-z]+s\b", capsys.readouterr().out)
    assert plurals == []


def test_nouns_are_written_by_one_helper() -> None:
    own = re.compile(r"""['"]['"] if [^{}]* == 1 else ['"]e?s['"]""")
    for path in (ROOT / "src").rglob("*.py"):
        if "explaining" not in path.parts:
            assert not own.search(path.read_text().replace("differ{'' if name == 'examples'", "")), path
