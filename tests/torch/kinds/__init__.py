"""Tensors of other kinds than the plain one, and what is made of them."""
