"""One teacher's card for each kind of layer."""

from __future__ import annotations

from collections.abc import Mapping

from nncost.explaining.cards import activation, conv, dense, loss, norm, pool, recurrent, sequence
from nncost.explaining.cards.card import Reader, Reading
from nncost.ir import layers
from nncost.ir.graph import Item, Region

READERS: Mapping[type, Reader] = {
    layers.Activation: activation.read_activation,
    layers.Attention: sequence.read_attention,
    layers.BatchNorm: norm.read_batch_norm,
    layers.Conv: conv.read_conv,
    layers.ConvTranspose: conv.read_conv_transpose,
    layers.Dense: dense.read_dense,
    layers.Dropout: activation.read_dropout,
    layers.Embedding: sequence.read_embedding,
    layers.GlobalPool: pool.read_global,
    layers.GroupNorm: norm.read_group_norm,
    layers.LayerNorm: norm.read_layer_norm,
    layers.LocalResponseNorm: norm.read_lrn,
    layers.Loss: loss.read_loss,
    layers.MatMul: dense.read_matmul,
    layers.Operation: dense.read_residual,
    layers.Pool: pool.read_window,
    layers.RMSNorm: norm.read_rms_norm,
    layers.Recurrent: recurrent.read_recurrent,
    layers.Softmax: activation.read_softmax,
}


def readings(region: Item) -> tuple[Reading, ...]:
    """Return the cards that may explain a region, with its sizes; an empty tuple if no card fits."""
    reader = READERS.get(type(region.layer)) if isinstance(region, Region) else None
    if not isinstance(region, Region) or reader is None:
        return ()
    try:
        return reader(region)
    except (ArithmeticError, AssertionError, LookupError, StopIteration, ValueError):
        return ()  # Another form of the layer than the card's: the ledger's numbers are shown without a formula.
