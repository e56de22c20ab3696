"""Malformed specs: what is said and where the caret stands."""

from __future__ import annotations

import pytest

import nncost
from nncost.errors import SpecError

MALFORMED = [
    ("3--4", 2, "cannot read the spec: received '-'"),
    ("3-", 2, "cannot read the spec: the spec ends here"),
    ("-3", 0, "cannot read the spec: received '-'"),
    ("3", 1, "cannot read the spec: the spec ends here"),
    (",", 0, "cannot read the spec: received ','"),
    ("3,", 2, "cannot read the spec: the spec ends here"),
    ("", 0, "the spec is empty"),
    ("# nothing", 9, "cannot read the spec: the spec ends here"),
    ("3-4 5", 4, "cannot read the spec: received '5'"),
    ("3, dense 4;", 10, "cannot read the spec: received ';'"),
    ("3/b-3", 1, "cannot read the spec: received '/'"),
    ("٣-٤", 0, "cannot read the spec: received '٣'"),
    ("3\x00-4", 1, "cannot read the spec: received '\\x00'"),
    ("3, [dense 3", 11, "cannot read the spec: the spec ends here"),
    ("3, dense 3]", 10, "cannot read the spec: received ']'"),
    ("3, []", 4, "cannot read the spec: received ']'"),
    ("3, dense =4", 9, "cannot read the spec: received '='"),
    ("n, [dense m, dense m2]*n*2", 24, "cannot read the spec: received '*'"),
    ("3, dense", 3, "dense needs N"),
    ("3, dense 0", 9, "N must be at least 1, received 0"),
    ("3, dense 3 3", 11, "dense does not take '3'"),
    ("3, dens 4", 3, "unknown layer 'dens'"),
    ("3, dense 4, rlu", 12, "unknown layer 'rlu'"),
    ("3, dense n=4 n=5", 13, "'n' is given twice"),
    ("3, dense 4 bias=maybe", 16, "bias is yes or no, received 'maybe'"),
    ("3, foo[dense 3]", 3, "unknown block 'foo'"),
    ("3, residual[dense 4]", 3, "residual adds its input 3 to 4"),
    ("3-4:relo", 4, "unknown activation 'relo'"),
    ("3-0-4", 2, "a width must be at least 1, received 0"),
    ("0-3", 0, "the input shape must be at least 1, received 0"),
    ("3-4*0", 4, "the number of layers must be at least 1, received 0"),
    ("3-4.5", 2, "a width must be a whole number or a name, received '4.5'"),
    ("3:relu-4", 0, "the first item is the input, which has no activation and no count"),
    ("3*2-4", 0, "the first item is the input, which has no activation and no count"),
    ("3, conv 1 1", 3, "conv needs an input of the form CxL, CxHxW or CxDxHxW, received 3"),
    ("1x3x3, conv 1 4", 7, "a window that reaches over 4 elements does not fit into 3"),
    ("1x3x3, conv 4 3x3x3", 14, "the kernel has 3 sizes for 2 spatial axes"),
    ("1x3x3, conv 4 3 stride=0", 23, "stride must be at least 1, received 0"),
    ("1x3x3, conv 4 3 strid=2", 16, "conv does not take 'strid'"),
    ("1x3x3, conv 4 3 pad=-1", 20, "cannot read the spec: received '-'"),
    ("1x3x3, conv 4 3 pad=x", 20, "pad must be a whole number, received 'x'"),
    ("3x3x3, conv 4 3 groups=2", 23, "groups=2 does not divide 3 channels"),
    ("1xhxw, conv 4 3 stride=2 pad=same", 29, "pad=same with a symbolic size and a stride above 1 has no closed form"),
    ("1xhxw, maxpool k", 7, "a symbolic kernel needs stride="),
    ("3x3, attention heads=2", 21, "heads=2 does not divide the width 3"),
    ("3x4, attention heads=2 kv_heads=3", 32, "kv_heads=3 does not divide heads=2"),
    ("3x4, attention", 5, "attention needs HEADS"),
    ("3x4, lstm 3 biases=3", 19, "biases is 1 or 2"),
    ("3x4, lstm 3 layers=999", 19, "layers is at most 64"),
    ("3, dropout 1.5", 11, "a probability lies between 0 and 1, received '1.5'"),
    ("3, dropout nan", 11, "a probability lies between 0 and 1, received 'nan'"),
    ("3, dense 3, embedding 5 5", 12, "embedding takes indices, so it must be the first layer"),
    ("3x3x3, groupnorm 2", 7, "groupnorm 2 does not divide 3 channels"),
    ("1xn, [conv 1 2]*L", 16, "the block changes its shape every time, so it cannot be repeated by a symbol"),
    ("...-h1", 0, "a network cannot start with ..."),
    ("h0-...", 3, "... stands once, between members of one family of widths"),
    ("h0-...-...-h2", 3, "... stands once, between members of one family of widths"),
    ("h1-...-h1", 7, "the last member must lie above h1 and below h2000"),
    ("h0-h1-...-x", 10, "... leads from h1 to a width of the same name, such as hl"),
    ("3, " + "[" * 41 + "dense 3" + "]" * 41, 43, "brackets are nested more than 40 deep"),
    ("3" + "-3" * 10_001, 20_001, "a spec may have 10,000 items"),
    ("3" + "-3" * 2_001, 0, "a spec may write out 2,000 layers"),
    ("3" + ", relu" * 2_001, 3 + 6 * 2_000, "a spec may write out 2,000 layers"),
    ("n" + "-n" * 401, 0, "a spec may write out 400 layers of symbolic sizes"),
    ("-".join(f"n{i}" for i in range(120)), 390, "a spec may have 100 symbols without a number"),
    ("n" * 101 + "-3", 0, "a name may have 100 characters, received 101"),
    ("1x9999999, [conv 1 2]*5000", 22, "the block changes its shape every time, so it cannot be repeated more than 500 times"),
]  # fmt: skip


def shortened(spec: str) -> str:
    return spec if len(spec) < 40 else f"{spec[:30]}… of {len(spec)}"


@pytest.mark.parametrize(("spec", "column", "message"), MALFORMED, ids=[shortened(spec) for spec, *_ in MALFORMED])
def test_message_and_caret(spec: str, column: int, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        nncost.count(spec)
    assert caught.value.message == message
    assert caught.value.position == column
    lines = str(caught.value).split("\n")
    assert lines[0] == message
    caret = lines[2].index("^") - 2
    if spec and column < len(spec):
        shown = lines[1][2:]
        character = spec[column] if spec[column].isprintable() else "\N{REPLACEMENT CHARACTER}"
        assert shown[caret] == character


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("3, dens 4", "Did you mean 'dense'?"),
        ("1x3x3, conv 4 3 strid=2", "Did you mean 'stride'?"),
        ("3, dense", "For example:  dense 10"),
        ("1x3x3, conv 1 4", "Make the kernel smaller, or add padding (pad=…)."),
        ("3-", "Accepted here:"),
        ("", "784-16-16-10"),
    ],
)
def test_hint_names_the_next_step(spec: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        nncost.count(spec)
    assert hint in str(caught.value)


def test_the_line_of_the_fault_is_shown() -> None:
    with pytest.raises(SpecError) as caught:
        nncost.count("3x32x32,\n  conv 16 3x3,\n  relo, # oops\n  dense 10")
    _, line, caret, *_ = str(caught.value).split("\n")
    assert line == "    relo, # oops"
    assert caret == "    ^^^^"


def test_a_long_line_is_cut_around_the_fault() -> None:
    spec = "3" + ", dense 3" * 100 + ", dnese 3" + ", dense 3" * 100
    with pytest.raises(SpecError) as caught:
        nncost.count(spec)
    _, line, caret, *_ = str(caught.value).split("\n")
    assert len(line) <= 80
    assert line[caret.index("^") :].startswith("dnese")
