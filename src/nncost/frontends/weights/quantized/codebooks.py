"""Code books and trellises: AQLM, QuIP#, EXL2 and EXL3. What stands beside the codes tells the layer's sizes."""

from __future__ import annotations

from nncost.frontends.weights.quantized.family import Family, Layer, Shape

_BOOK_AXES = 4
_TILE = 16


def _aqlm(layer: Layer) -> Shape | None:
    """Codes of out/g × in/h × books; a book has entries of g × h."""
    codes, books = layer.weight.shape, layer.shape("codebooks")
    if books is None or len(books) != _BOOK_AXES or len(codes) != _BOOK_AXES - 1 or books[0] != codes[2]:
        return None
    return codes[0] * books[2], codes[1] * books[3]


def _quip(layer: Layer) -> Shape | None:
    """Signs of each input (SU) and output (SV)."""
    inputs, outputs = layer.shape("SU"), layer.shape("SV")
    return (outputs[0], inputs[0]) if inputs and outputs and len(inputs) == len(outputs) == 1 else None


def _exl2(layer: Layer) -> Shape | None:
    """Words down the inputs, of bits that change on the way; the order of the inputs tells their number."""
    order = layer.shape("q_invperm") or layer.shape("q_perm")
    return (layer.weight.shape[-1], order[0]) if order and len(layer.weight.shape) == 2 and len(order) == 1 else None


def _exl3(layer: Layer) -> Shape | None:
    """Tiles of 16 × 16 weights."""
    shape = layer.weight.shape
    return (
        (_TILE * shape[1], _TILE * shape[0]) if layer.weight.dtype == "int16" and len(shape) == _BOOK_AXES - 1 else None
    )


FAMILIES = (
    Family("AQLM", "codes", ("codebooks", "scales"), _aqlm),
    Family("QuIP#", "Qidxs", ("SU", "SV", "Wscale", "codebook_id", "fuse_scales"), _quip),
    Family("EXL2", "q_weight", ("q_scale", "q_scale_max", "q_groups", "q_invperm", "q_perm", "q_group_map"), _exl2),
    Family("EXL3", "trellis", ("suh", "svh", "su", "sv", "mcg", "mul1"), _exl3),
)
