"""One teacher's card per kind of layer, found by the name of its region."""

from __future__ import annotations

from collections.abc import Mapping

from nncost.explaining.cards import activation, conv, dense, loss, norm, pool, recurrent, sequence
from nncost.explaining.cards.card import Reader, Reading
from nncost.ir.graph import Item, Region

READERS: Mapping[str, Reader] = {
    "dense": dense.read_dense,
    "residual": dense.read_residual,
    "conv": conv.read_conv,
    "conv_transpose": conv.read_conv_transpose,
    "maxpool": pool.read_window,
    "avgpool": pool.read_window,
    "global_avgpool": pool.read_global,
    "global_maxpool": pool.read_global,
    "batchnorm": norm.read_batch_norm,
    "layernorm": norm.read_layer_norm,
    "rmsnorm": norm.read_rms_norm,
    "groupnorm": norm.read_group_norm,
    "instancenorm": norm.read_group_norm,
    "lrn": norm.read_lrn,
    "embedding": sequence.read_embedding,
    "attention": sequence.read_attention,
    **dict.fromkeys(("rnn", "lstm", "gru"), recurrent.read_recurrent),
    **activation.READERS,
}


def readings(region: Item) -> tuple[Reading, ...]:
    """Return the cards that may explain a region, with its sizes; an empty tuple if no card fits."""
    if not isinstance(region, Region):
        return ()
    reader = loss.READERS.get(region.name) if region.phase == "loss" else READERS.get(region.name)
    if reader is None:
        return ()
    try:
        return reader(region)
    except (ArithmeticError, AssertionError, LookupError, StopIteration, ValueError):
        return ()  # Another form of the layer than the card's: the ledger's numbers are shown without a formula.
