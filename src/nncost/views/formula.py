"""Closed forms as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nncost.documents.document import Block, Cell, Document, Facts, Heading, Note, Paragraph, Section
from nncost.errors import Instead, SymbolError
from nncost.notation.formula import Formula, formula_of
from nncost.notation.written import written
from nncost.report import Report
from nncost.units import exact

MAIN = (
    "parameters.total", "forward.mul", "forward.add", "forward.activations", "forward.flops",
    "backward.mul", "backward.add", "update.flops", "step.flops",
)  # fmt: skip
"""The quantities that are shown if none is named, where they are not zero."""


def formulas_of(report: Report, quantity: str | None, at: Mapping[str, int]) -> list[Formula]:
    """Return the formula of a quantity, or of each main one, with its value ``at`` the sizes that it has.

    Raise QuantityError for a quantity there is none of, SymbolError for a size that no formula has.
    """
    formulas = []
    for path in [quantity] if quantity else [path for path in MAIN if report.quantity(path) != 0]:
        amount = report.quantity(path)
        names = set(map(str, getattr(amount, "free_symbols", ())))
        wanted = at if quantity else {name: value for name, value in at.items() if name in names}
        formulas.append(formula_of(path, amount, wanted))
    if unused := [name for name in at if not any(name in formula.symbols for formula in formulas)]:
        known = ", ".join(dict.fromkeys(name for formula in formulas for name in formula.symbols))
        raise SymbolError(
            f"--at {unused[0]}=…: no formula has the symbol {unused[0]!r}.",
            hint=f"Symbols: {known or 'none'}.",
            instead=None if known else Instead("--at", ""),
        )
    return formulas


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
