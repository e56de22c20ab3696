"""Whatever is written, a spec is counted or refused: no other error, no long wait, no heap of memory."""

from __future__ import annotations

import random
import resource
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nncost
from nncost.errors import NncostError
from nncost.frontends.spec.grammar import parse, parse_by_grammar
from nncost.frontends.spec.kinds import layer_table
from tests.trials import trials

SPECS, MEBIBYTES = trials(4_000), 600
"""How many are tried, and by how much they may raise the memory in use."""

VALID = [
    "784-16-16-10", "784-128:relu-64:relu-10:softmax", "784-h*L-10", "h0-h1-...-hl", "784-h1:relu-...-h9-10", "32x32-30-10",
    "3x32x32, conv 16 3x3 pad=1, batchnorm, relu, maxpool 2, flatten, dense 10",
    "1x96x96, conv 8 3x3 stride=2 pad=1, [conv 8 3x3 pad=1 groups=8, relu, conv 16 1x1, relu]*2, global_avgpool, dense 2",
    "8, embedding 100 16, [residual[layernorm, attention heads=4 causal kv_heads=2], residual[layernorm, dense 32, gelu, dense 16]]*L, layernorm",
    "4x9, lstm 8 bidirectional layers=2 last, dropout 0.5, dense 3, log_softmax",
    "2x7x7, conv_transpose 4 3 stride=2 pad=1 output_pad=1, adaptive_avgpool 3, groupnorm 2, lrn 3, instancenorm affine",
    "cxhxw, conv m kxk stride=2 pad=1, avgpool 2, global_maxpool, dense n bias=no",
    "4, [dense 4, [dense 3, tanh]*3, dense 4]*2, rmsnorm, softmax # a comment",
]  # fmt: skip
WORDS = [
    *layer_table(), "residual", "stride=2", "pad=same", "pad=9", "groups=3", "dilation=2", "heads=2", "causal", "last", "bias=no", "layers=3",
    "0", "1", "2", "7", "9" * 30, "9" * 1000, "9" * 1001, "10000000000", "x", "h", "h0", "hl", "...", "…", "E", "I", "pi", "lambda", "N", "1.5",
    "-", ",", "[", "]", "*", "=", ":", "#", "\n", "\x00", "٣", "½", "𝟛", "\u202e", "\ud800", "é", "*999999999", "*L", "x3", "3x", "3x3x3", "-1", ".",
]  # fmt: skip


def mutated(rng: random.Random) -> str:
    """A valid spec with a few pieces removed, doubled, exchanged or replaced."""
    text = rng.choice(VALID)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(text) + 1), rng.randint(0, 6)
        piece = text[at : at + length]
        match rng.randrange(6):
            case 0:
                text = text[:at] + text[at + length :]
            case 1:
                text = text[:at] + piece * rng.randint(2, 4) + text[at + length :]
            case 2:
                text = text[:at] + rng.choice(WORDS) + text[at + length :]
            case 3:
                text = text[:at] + rng.choice(WORDS) + text[at:]
            case 4:
                text = text[:at] + chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x110000)])) + text[at + 1 :]
            case _:
                other = rng.choice(VALID)
                text = text[:at] + other[rng.randrange(len(other)) :]
    return text


def composed(rng: random.Random) -> str:
    """Words of the language in any order."""
    glue = rng.choice([", ", " ", "-", ""])
    return glue.join(rng.choice(WORDS) for _ in range(rng.randint(1, 12)))


def plausible(rng: random.Random) -> str:
    """Layers that exist, on an input that may or may not suit them, with sizes of every magnitude."""

    def size() -> str:
        return rng.choice(
            [
                "1",
                "2",
                "3",
                "5",
                "8",
                "12",
                "97",
                "n",
                "k",
                str(10 ** rng.randint(1, 40)),
                "9" * rng.choice([20, 400, 1000]),
            ]
        )

    def layer() -> str:
        kind = layer_table()[rng.choice(list(layer_table()))]
        parts = [kind.name, *(size() for _ in kind.positional)]
        parts += [f"{option}={size()}" for option in kind.options if rng.random() < 0.15]
        parts += [flag for flag in kind.flags if rng.random() < 0.3]
        return " ".join(parts)

    def items(depth: int) -> str:
        found = []
        for _ in range(rng.randint(1, 4)):
            if depth and rng.random() < 0.3:
                name, times = rng.choice(["", "residual"]), rng.choice(["", "*2", "*3", f"*{size()}"])
                found.append(f"{name}[{items(depth - 1)}]{times}")
            else:
                found.append(layer())
        return ", ".join(found)

    return "x".join(size() for _ in range(rng.randint(1, 4))) + ", " + items(3)


def specs() -> Iterator[str]:
    rng = random.Random(20240229)
    for number in range(SPECS):
        yield (mutated, composed, composed, composed, plausible)[number % 5](rng)


def outcome(spec: str, *, written: bool = True) -> str:
    """``ok`` or the code of the error; ``written`` makes everything that an answer consists of."""
    try:
        report = nncost.count(spec)
        if written:
            report.to_dict()
    except NncostError as error:
        refused = error
    else:
        return "ok"
    assert str(refused)
    return refused.code


def test_thousands_of_hostile_specs() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes: dict[str, int] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number, spec in enumerate(specs()):
            try:
                kind = outcome(spec, written=number % 4 == 0)
            except Exception as error:
                error.add_note(f"the spec is {spec!r}")
                raise
            outcomes[kind] = outcomes.get(kind, 0) + 1
    assert sum(outcomes.values()) == SPECS
    # The attempt is fair: many specs are counted, many refused.
    assert outcomes["ok"] > SPECS // 20
    assert outcomes["spec"] > SPECS // 3
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEBIBYTES


BIG = "9" * 1000
PATHOLOGICAL = [
    "[" * 50 + "dense 3" + "]" * 50, "4, " + "[" * 39 + "dense 3" + "]*2" * 39, "4, " + "residual[" * 39 + "dense 4" + "]" * 39,
    "4, " + "[dense 4, " * 39 + "dense 4" + "]*2" * 39, "1x99999, " + "[conv 1 2, " * 12 + "conv 1 2" + "]*3" * 12,
    "1x999999, [[[conv 1 2]*99]*99]*99", "1x2, [[conv_transpose 1 2 stride=2]*999]*999", "1x2, [conv_transpose 1 2 stride=2]*499",
    "-".join(["3"] * 100_000), "-".join(["3"] * 2_000), "n" + "-n" * 400, "n" + "-n" * 100_000, "4" + ", dense 4" * 1_999, "4" + ", relu" * 100_001,
    "-".join(f"n{i}" for i in range(100)), "-".join(f"n{i}" for i in range(3000)), "h0-h1-...-h99", "h0-h1-...-h3000", "h0-h1-...-h99999999",
    ", ".join(["n0", *(f"dense n{i % 100}" for i in range(300))]), "cxhxw, " + ", ".join(["conv m 3 stride=2 pad=1"] * 30),
    "cxhxw, " + ", ".join(["conv m 3 stride=2 pad=1", "maxpool 2"] * 8), "cxhxw, [conv m 3 stride=2 pad=1]*9",
    f"4, [dense 4]*{BIG}", "5, [dense 4]*999999999", "1x99999999, [conv 1 2]*999999999", f"4-4*{BIG}", "n, [dense n]*n*n", "h*n-h*n", "h-h*h-h",
    f"3x4, lstm 3 layers={BIG}", "3x4, lstm 3 layers=64 bidirectional", f"{BIG}x2, gru {BIG} bidirectional last",
    f"1x{BIG}x3, adaptive_avgpool 2", "1x1000000007x1000000007, adaptive_maxpool 2x3", "1x20000x20000, adaptive_avgpool 49x49",
    f"1x3x3, conv 1 3 dilation={BIG} pad={BIG}", f"1x3x3, conv 1 3 stride={BIG} pad=1", f"1x3x3, conv 1 3 pad=1{'0' * 999}", f"1x3x3, lrn {BIG}",
    f"{BIG}x{BIG}x{BIG}x{BIG}, conv {BIG} {BIG} pad={BIG}, flatten, dense 3", f"{BIG}x{BIG}x{BIG}x{BIG}, conv 3 {BIG}x2x2x2", f"{BIG}x{BIG}x{BIG}x{BIG}, dense 3, residual[flatten]",
    "x".join(["3"] * 1000) + "-4", "x".join(["3"] * 30) + ", dense 3", "x".join(["3"] * 30) + ", softmax, layernorm, dropout 0.5, relu", "x" * 1000,
    "x" * 1_000_001, "n" * 100_000 + "-3", "n-" * 2000 + "n", " " * 999_999, "#" * 999_999, "\n" * 500_000 + "3-4", "3, dropout 1, dropout 0", "3, dropout 1e5",
    "3-\ud800", "\ud800\udfff-3", "3-4\x00", "\x00" * 1000, "()" * 1000, "3-{}", "%s-%d", "{0}-{1}", "3-__import__", "[[[[", "]]]]", "*", "3-4" + "*2" * 1000,
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(PATHOLOGICAL)))
def test_pathological_spec(number: int) -> None:
    """Each of these would run for hours, or fill the memory, if a limit were missing."""
    assert outcome(PATHOLOGICAL[number])


# -------------------------------------------------------------------- the grammar by itself
size = st.one_of(st.integers(1, 10**30).map(str), st.from_regex(r"[A-Za-wy-z_]{1,4}", fullmatch=True))
name = st.sampled_from([*layer_table(), "residual", "anything"])
space = st.sampled_from(["", " ", "\n", " # c\n"])


@st.composite
def layers(draw: st.DrawFn) -> str:
    words = draw(st.lists(st.one_of(size, st.tuples(size, size).map("=".join)), max_size=3))
    return " ".join([draw(name), *words])


items = st.recursive(
    layers(),
    lambda inner: st.tuples(
        st.sampled_from(["", "residual"]), st.lists(inner, min_size=1, max_size=3), st.sampled_from(["", "*2", "*n"])
    ).map(lambda parts: f"{parts[0]}[{', '.join(parts[1])}]{parts[2]}"),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(size, st.lists(items, min_size=1, max_size=4), space)
def test_every_sentence_of_the_grammar_is_parsed(first: str, parts: list[str], gap: str) -> None:
    """What the grammar derives, it reads: layers in the order written, whatever white space lies between."""
    text = f",{gap}".join([first, *parts])
    spec = parse(text)
    assert spec.shape.text == first  # type: ignore[union-attr]
    assert len(spec.items) == len(parts)  # type: ignore[union-attr]
    for item, part in zip(spec.items, parts, strict=True):  # type: ignore[union-attr]
        word = item.what.name
        start = word.position if word is not None else text.index("[")
        assert text[start:].startswith(part.split(" ")[0].split("[")[0])
    assert outcome(text) in ("ok", "spec", "shape")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(size, st.sampled_from(["", ":relu", "*2", ":tanh*3"])), min_size=2, max_size=8), space)
def test_widths_are_read_the_same_quickly_and_by_the_grammar(parts: list[tuple[str, str]], gap: str) -> None:
    text = f"{gap}-{gap}".join(width + rest for width, rest in parts)
    spec = parse(text)
    assert spec == parse_by_grammar(text)
    assert [width.size.text for width in spec.widths] == [width for width, _ in parts]  # type: ignore[union-attr]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_counted_or_refused(text: str) -> None:
    assert outcome(text) in ("ok", "spec", "shape", "source", "symbol")
