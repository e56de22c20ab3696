"""Weights that a configuration keeps in fewer bits: which ones, in how many bytes."""
