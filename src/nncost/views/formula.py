"""Closed forms as a document."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.documents.document import Block, Cell, Document, Facts, Heading, Note, Paragraph, Section
from nncost.notation.formula import Formula
from nncost.notation.written import written
from nncost.units import exact


def formula_document(formulas: Sequence[Formula], notes: Sequence[Note] = ()) -> Document:
    """Return each formula expanded, factored if that is shorter, its leading term and its value at given sizes."""
    blocks = [block for formula in formulas for block in _blocks(formula)]
    return Document("", (Section("", (*blocks, *notes)),))


def one_formula_document(formula: Formula) -> Document:
    """Return one formula."""
    return formula_document([formula])


def _blocks(formula: Formula) -> list[Block]:
    facts: list[tuple[str, Cell]] = [("formula", written(formula.expanded))]
    if not formula.symbols:
        hint = "A number: no symbol is in it. Write a name for a size, e.g. 784-h-10, or --batch B."
        return [Heading(formula.quantity), Facts(tuple(facts)), Paragraph(hint)]
    if str(formula.factored) != str(formula.expanded):
        facts.append(("factored", written(formula.factored)))
    facts.append(("leading term", written(formula.leading)))
    if formula.at:
        sizes = ", ".join(f"{name}={exact(value)}" for name, value in formula.at.items())
        facts.append((f"at {sizes}", "" if formula.value is None else formula.value))
    return [Heading(formula.quantity), Facts(tuple(facts))]
