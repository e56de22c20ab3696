"""Closed forms in every symbol of the source, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def formula(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``formulas`` of a quantity, or of the main ones, each as text, LaTeX, MathML and Python."""
    from nncost.api import count as counted
    from nncost.views.formula import formulas_of

    settings = dict(request)
    quantity, at = settings.pop("quantity", None), settings.pop("at", {})
    report = counted(**settings)
    formulas = formulas_of(report, quantity, at)
    return {
        "complete": report.complete,
        "formulas": [
            {**each.to_dict(), "latex": each.latex(), "mathml": each.mathml(), "python": each.python()}
            for each in formulas
        ],
        "notes": list(report.notes),
    }
