"""Quantized weights: which tensors of a layer belong together, and how many weights they are.

A family is a small file's row or two: the ending of the packed weights' name, the endings of what belongs to them, and a
function that gives the shape of the weights in the network, or None where the tensors do not fit. ``table`` lists the
families; ``recognize`` asks them.
"""
