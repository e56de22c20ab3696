"""Markdown and LaTeX: escaped, balanced, and saying the same as the plain text."""

from __future__ import annotations

import re

import pytest

from nncost.documents import latex, markdown
from nncost.documents.document import Document, Equation, Heading, Line, Maths, Paragraph, Section, Table, Work
from nncost.ir.library.activations import ACTIVATIONS
from nncost.ir.training.optimizers import OPTIMIZERS
from nncost.notation.written import mathematics
from tests.explaining.explained import CNN, GPT, explained, result_of, sums

SPECS = [
    CNN,
    GPT,
    "784-h*L-10",
    "h0-h1-...-hl",
    "6x4, rnn 3, lstm 2 bidirectional, gru 2, dense 2, log_softmax",
    "4x6x6, conv 6 3 groups=2, groupnorm 2, lrn 3, conv_transpose 4 2 groups=2, instancenorm, dropout 0.5, global_maxpool",
    *(f"3, dense 4, {name}, dense 2" for name in ACTIVATIONS),
]
NASTY = r"a_b & 50% of $x$ # {y} \z ~ ^ <i> | *bold* `code` “q” é"


def nasty() -> Document:
    maths = Maths("x", "x")
    blocks = (
        Paragraph(NASTY), Heading(NASTY), Equation(maths), Work((Line(NASTY, None, None, maths),)),
        Table((NASTY, "why"), ((NASTY, maths),)),
    )  # fmt: skip
    return Document(NASTY, (Section(NASTY, blocks),))


def assert_well_formed(text: str) -> None:
    """Only ASCII, balanced braces, brackets of mathematics and environments."""
    assert text.isascii()
    assert "U+" not in text
    bare = text.replace(r"\\", "").replace(r"\{", "").replace(r"\}", "").replace(r"\$", "")
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    assert all(line.count("$") % 2 == 0 for line in bare.splitlines())
    assert bare.count(r"\[") == bare.count(r"\]")
    assert bare.count(r"\left") - bare.count(r"\leftarrow") == bare.count(r"\right") - bare.count(r"\rightarrow")
    stack: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}", bare):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack


@pytest.mark.parametrize("spec", SPECS)
def test_latex_is_well_formed(spec: str) -> None:
    assert_well_formed(latex.render(explained(spec, examples=1000, batch=8)))


def test_latex_tables_have_as_many_cells_as_columns() -> None:
    text = latex.render(explained(GPT))
    for body in re.findall(r"\\begin\{tabular\}\{@\{\}l@\{\\quad\}l@\{\}l@\{\}r@\{\}\}\n(.*?)\n\\end", text, re.DOTALL):
        for line in body.splitlines():
            cells = line.replace(r"\&", "").count("&") + 1
            spanned = sum(int(count) - 1 for count in re.findall(r"\\multicolumn\{(\d)\}", line))
            assert cells + spanned == 4


def test_latex_escapes_text() -> None:
    text = latex.escaped(NASTY)
    assert text.startswith(r"a\_b \& 50\% of \$x\$ \# \{y\} \textbackslash{}z \textasciitilde{} \textasciicircum{}")
    assert text.isascii()
    assert latex.escaped("x̂ = δ·xᵀ") == r"$\hat{x}$ = $\delta \cdot x^{\mathsf{T}}$"


def test_markdown_escapes_text() -> None:
    text = markdown.render(nasty())
    assert r"a\_b & 50% of \$x\$ \# \{y\} \\z \~ ^ \<i\> \| \*bold\* \`code\`" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)


def test_markdown_tables_are_regular() -> None:
    width = None
    for line in markdown.render(explained(GPT)).splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert width is None or cells is None or cells == width, line
        width = cells


@pytest.mark.parametrize("render", [markdown.render, latex.render])
def test_every_sum_is_there(render: object) -> None:
    explanation = explained(CNN, batch=4)
    text = render(explanation).replace("{,}", ",")  # type: ignore[operator]
    for _, work in sums(explanation):
        assert result_of(work) in text


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_optimizer_equations(optimizer: str) -> None:
    text = latex.render(explained("8-4", "update", optimizer=optimizer))
    assert_well_formed(text)
    assert "p \\leftarrow  p" in text


def test_mathematics() -> None:
    assert mathematics("m̂/(√v̂ + ε)") == r"\hat{m}/(\surd \hat{v} + \varepsilon )"
    assert mathematics("p − η·sign(β₁·m)") == r"p - \eta \cdot \operatorname{sign}(\beta _{1}\cdot m)"
