"""Composites written in core operations, one file per family.

Each function takes a builder and tensors, emits one named region and returns its output.
Parameters are made by the caller, so specs, files and modules share the same composites.
"""
