"""Counts of n-grams of whole numbers; text itself is unknown."""

from __future__ import annotations

import numpy as np

from nncost.dims import is_symbolic
from nncost.errors import SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.ml_attributes import constant, float_type
from nncost.frontends.onnx.values import Unlowered
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library.ngrams import Grams, gram_counts


@lowers("TfIdfVectorizer", since=9)
def _tf_idf(call: Call) -> Tensor:
    """How often each n-gram stands in each row (TF), whether it does (IDF: 1 cmp), weighted (1 mul)."""
    b, x, a = call.builder, call.ranked(0, 1, 2), call.attributes
    grams, mode, dtype = _grams(call), a.text("mode", ""), float_type(call)
    if mode not in ("TF", "IDF", "TFIDF"):
        raise SourceError(f"the attribute 'mode' is TF, IDF or TFIDF, received {mode!r}.")
    rows = x if x.rank == 2 else b.unsqueeze(x, 0)
    if is_symbolic(rows.shape[1]):
        raise Unlowered("rows whose length is a symbol")
    y = gram_counts(b, rows, grams, dtype)
    if mode == "IDF":
        y = b.emit(ops.Cast(dtype), b.map("greater", y, 0.0))
    weights = a.numbers("weights")
    if weights and mode != "TF":
        y = b.map("mul", y, constant(call, np.asarray(weights), dtype))
    return y if x.rank == 2 else b.reshape(y, y.shape[1:])


def _grams(call: Call) -> Grams:
    """The pool holds all single numbers, then all pairs, and so on; ``ngram_counts`` says where each kind begins."""
    a = call.attributes
    pool, starts, columns = (a.integers(name) or [] for name in ("pool_int64s", "ngram_counts", "ngram_indexes"))
    if not pool:
        raise Unlowered("its pool is text")
    found: dict[tuple[int, ...], int] = {}
    for length, (start, end) in enumerate(zip(starts, [*starts[1:], len(pool)], strict=True), start=1):
        for first in range(start, end, length):
            found[tuple(pool[first : first + length])] = columns[len(found)]
    least, most = a.integer("min_gram_length", 1), a.integer("max_gram_length", 1)
    return Grams(found, max(columns, default=-1) + 1, least, most, a.integer("max_skip_count", 0))
