"""What is written as LaTeX is compiled by TeX; every character of our texts has a form in TeX and in ASCII."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest

import nncost
from nncost.documents import latex
from nncost.documents.characters import plainly
from nncost.documents.document import (
    Document,
    Equation,
    Facts,
    Heading,
    Line,
    Maths,
    Note,
    Paragraph,
    Section,
    Table,
    Work,
)
from nncost.documents.tex import escaped, in_ascii
from nncost.ir.training.optimizers import OPTIMIZERS
from nncost.notation.formula import formula_of
from tests.documents.test_formats import NAMES, built
from tests.documents.tex import faults
from tests.explaining.explained import explained
from tests.explaining.test_markup import SPECS, nasty

SOURCES = Path(nncost.__file__).parent
NO_TEXT = {"\x80", "\ufffd"}
"""Characters that are looked for or stand for what cannot be shown."""


def test_tex_compiles_every_result(tmp_path: Path) -> None:
    fragments = {name: built(name).render("latex") for name in NAMES}
    fragments["nasty"] = latex.render(nasty())
    assert faults(fragments, tmp_path) == []


def test_tex_compiles_every_explanation(tmp_path: Path) -> None:
    fragments = {spec: latex.render(explained(spec, examples=1000, batch=8)) for spec in SPECS}
    fragments |= {name: latex.render(explained("8-4", "update", optimizer=name)) for name in OPTIMIZERS}
    fragments["why"] = nncost.explain("784-16-10", why="torch").render("latex")
    assert faults(fragments, tmp_path) == []


def test_tex_compiles_every_formula(tmp_path: Path) -> None:
    reports = [
        nncost.count(spec, batch="B") for spec in ("784-h*L-10", "h0-h1-...-hl", "3xHxW, conv C k_w pad=1, maxpool 2")
    ]
    paths = ("parameters.total", "forward.mul", "backward.add", "step.flops", "step.read_bytes")
    formulas = [formula_of(path, report.quantity(path), {}).latex() for report in reports for path in paths]
    assert faults({text[:60]: f"\\[\n{text}\n\\]" for text in formulas}, tmp_path) == []


def test_tex_finds_a_fault(tmp_path: Path) -> None:
    assert len(faults({"good": "a", "bad": r"\[ \fraq{1}{2} \]", "worse": "x_1"}, tmp_path)) >= 2


ALPHABET = [
    *r"""\{}$&#%_^~<>|"'`*[](),.;:-+=/ ab1 N""",
    "\u0302",
    *"·×−→←∂Σ√½⊙⌈⌉⌊⌋αβΦᵀᵢ₁²⁶⁻µ◄…–—“”’′éŷêßłöñ中�",
    "h1",
    "x̂",
    "mul",
    "12,544",
]


def random_texts(number: int) -> list[str]:
    choose = random.Random(0)
    return ["".join(choose.choices(ALPHABET, k=choose.randint(1, 12))) for _ in range(number)]


def test_tex_compiles_any_text(tmp_path: Path) -> None:
    """Names of layers, files and symbols may hold anything."""
    fragments = {}
    for number, text in enumerate(random_texts(400)):
        maths = Maths(text, "x")
        rows: tuple[tuple[str, str], ...] = ((text, text), ("b", text))
        blocks = (
            Paragraph(text), Note(text), Heading(text), Facts(((text, text),)), Table((text, text), rows, align="lr"),
            Table((text, text), rows, align="ll"), Work((Line(text, maths, maths, maths),)), Equation(maths),
        )  # fmt: skip
        fragments[f"{number}: {text}"] = latex.render(Document(text, (Section(text, blocks),)))
    assert all(text.isascii() for text in fragments.values())
    assert faults(fragments, tmp_path) == []


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("5.3·10⁶ weights, 784→16.", r"$5.3\cdot 10^{6}$ weights, $784\to 16$."), ("(∂L/∂W)", r"$(\partial L/\partial W)$"),
        ("45.2 µs", r"45.2 $\mu$s"), ("×32", r"$\times 32$"), ("12,544·h1", r"$12{,}544\cdot h_{1}$"), ("x̂ ŷ", r"$\hat{x}$ $\hat{y}$"),
        ("self_attention→q", r"$\mathrm{self\_attention}\to q$"), ("3x32x32→16", r"$\mathrm{3x32x32}\to 16$"), ("Wᵀ²", r"$W^{\mathsf{T}2}$"),
        ("10⁻⁶", "$10^{-6}$"), ("forêt naïve", r'for\^{e}t na\"{\i}ve'), ("50% of $x$", r"50\% of \$x\$"), ("β₁·m", r"$\beta _{1}\cdot m$"),
    ],
)  # fmt: skip
def test_mathematics_in_text(text: str, tex: str) -> None:
    assert escaped(text) == tex


def test_signs_that_are_left_in_mathematics() -> None:
    assert in_ascii(r"\frac{∂L}{2} ≥ x") == r"\frac{\partial L}{2} \ge  x"


def spoken_characters() -> set[str]:
    """Every character outside ASCII in a string of the source code that is no docstring."""
    found: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        if path.parent.name == "documents":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose)
        found |= {sign for node in strings if isinstance(node.value, str) for sign in node.value if not sign.isascii()}
    return found - NO_TEXT


def test_every_character_has_its_forms() -> None:
    characters = spoken_characters()
    assert len(characters) > 40
    for sign in characters:
        assert "U+" not in escaped(f"x{sign}"), sign
        assert "?" not in plainly(f"x{sign}", "ascii"), sign
