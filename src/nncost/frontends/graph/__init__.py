"""Graphs of nncost's own, as built with ``nncost.ir.builder.Builder``."""
