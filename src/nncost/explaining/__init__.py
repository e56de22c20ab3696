"""Worked arithmetic: how every number of a report comes about, layer by layer, as a teacher writes it."""

from nncost.explaining.explain import explain_source
from nncost.explaining.why import explain_why

__all__ = ["explain_source", "explain_why"]
