"""Worked arithmetic: how every number of a report comes about, layer by layer, as a teacher writes it."""

from nncost.documents import latex, markdown, plain
from nncost.documents.document import Explanation
from nncost.explaining.explain import explain_source
from nncost.explaining.why import explain_why

__all__ = ["Explanation", "explain_source", "explain_why", "latex", "markdown", "plain"]
