"""Ensembles of trees: the general one of version 5, and those for regression and for classes before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from nncost.errors import SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.lowerings.ml_features import DOMAIN
from nncost.frontends.onnx.lowerings.ml_linear import class_count, labels, winner
from nncost.frontends.onnx.ml_attributes import float_type, floats_of, transform, values_of
from nncost.frontends.onnx.values import Absent, Unlowered, Value
from nncost.ir.graph import Tensor
from nncost.ir.library.casts import in_type
from nncost.ir.library.post_transforms import NAMES, post_transform
from nncost.ir.library.trees import LEAF, MEMBER, Forest, tree_scores

MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF")
"""In the order of the library's."""
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
_BOUND = "Trees are counted to their deepest leaf, an upper bound: data decide which leaf is reached."


def _examples(call: Call, dtype: str) -> Tensor:
    x = in_type(call.builder, call.ranked(0, 1, 2), dtype)
    call.note(_BOUND)
    return x if x.rank == 2 else call.builder.unsqueeze(x, 0)


def _integers(call: Call, name: str) -> Any:
    return np.asarray(call.attributes.integers(name) or [], dtype=np.int64)


# ------------------------------------------------------------------- trees by number, before version 5
def _forest(call: Call, kind: str, targets: int) -> Forest:
    """Nodes are named by tree and number; the values of leaves name them, too."""
    trees, numbers = _integers(call, "nodes_treeids"), _integers(call, "nodes_nodeids")
    place = {key: n for n, key in enumerate(zip(trees.tolist(), numbers.tolist(), strict=True))}
    count = len(trees)
    modes = np.asarray([MODES.index(name) for name in call.attributes.texts("nodes_modes") or []], dtype=np.int64)
    leaves: dict[int, list[tuple[int, float]]] = defaultdict(list)
    owners = zip(_integers(call, f"{kind}_treeids").tolist(), _integers(call, f"{kind}_nodeids").tolist(), strict=True)
    pairs = zip(_integers(call, f"{kind}_ids").tolist(), floats_of(call, f"{kind}_weights").tolist(), strict=True)
    for owner, pair in zip(owners, pairs, strict=True):
        leaves[place[owner]].append(pair)
    if len(modes) != count or len(place) != count:
        raise SourceError("its nodes have not one mode and one number each.")
    after = [
        np.asarray([place.get((tree, n), 0) for tree, n in zip(trees.tolist(), ids.tolist(), strict=True)])
        for ids in (_integers(call, "nodes_truenodeids"), _integers(call, "nodes_falsenodeids"))
    ]
    missing = _integers(call, "nodes_missing_value_tracks_true")
    roots = {tree: n for n, tree in reversed(list(enumerate(trees.tolist())))}
    return Forest(
        modes, _integers(call, "nodes_featureids"), floats_of(call, "nodes_values"), after[0], after[1],
        missing if len(missing) else np.zeros(count, dtype=np.int64), np.asarray([roots[tree] for tree in sorted(roots)]),
        [leaves[n] for n in range(count)], targets, [frozenset()] * count,
    )  # fmt: skip


@lowers("TreeEnsembleRegressor", domain=DOMAIN)
def _regressor(call: Call) -> Tensor:
    b, targets = call.builder, call.attributes.integer("n_targets", 1)
    name = call.attributes.text("aggregate_function", "SUM")
    if name not in AGGREGATES:
        raise SourceError(f"the attribute 'aggregate_function' is one of {', '.join(AGGREGATES)}, received {name!r}.")
    dtype = _type(call)
    forest, base = _forest(call, "target", targets), floats_of(call, "base_values").tolist()
    y = tree_scores(b, _examples(call, dtype), forest, aggregate=name, base=base, dtype=dtype)
    return in_type(b, post_transform(b, y, transform(call)), float_type(call))


def _type(call: Call) -> str:
    """Trees of doubles compare doubles, all others single floats."""
    return "float64" if call.value(0).dtype == "float64" else float_type(call)


@lowers("TreeEnsembleClassifier", domain=DOMAIN)
def _classifier(call: Call) -> Lowered:
    """Each example's class, and the scores of all; leaves that speak for one of two classes speak against the other."""
    b = call.builder
    count, names = class_count(call, "classlabels_int64s", "classlabels_strings"), labels(call, "classlabels_int64s")
    if count < 2:
        raise Unlowered("a single class")
    dtype, name = _type(call), transform(call)
    base = floats_of(call, "base_values").tolist()
    if count == 2 and not _integers(call, "class_ids").any():
        return _of_two(call, names, base, dtype)
    scores = tree_scores(
        b, _examples(call, dtype), _forest(call, "class", count), aggregate="SUM", base=base, dtype=dtype
    )
    return winner(call, scores, names), in_type(b, post_transform(b, scores, name), float_type(call))


def _of_two(call: Call, names: Sequence[int] | None, base: list[float], dtype: str) -> Lowered:
    """One score that decides between two classes: the second one's probability if no weight is negative, else its margin."""
    b, name = call.builder, transform(call)
    if name not in ("NONE", "LOGISTIC") or len(base) > 1:
        raise Unlowered(f"one score for two classes, and {name} of it")
    score = tree_scores(b, _examples(call, dtype), _forest(call, "class", 1), aggregate="SUM", base=base, dtype=dtype)
    positive = bool((floats_of(call, "class_weights") >= 0).all())
    label: Tensor | Value = Absent("its labels are text")
    if names is not None:
        yes, no = (b.full((), number, "int64") for number in (names[1], names[0]))
        chosen = b.map("select", b.map("greater", score, 0.5 if positive else 0.0), yes, no)
        label = b.reshape(chosen, score.shape[:1])
    other = b.map("sub", 1.0, score) if positive and name == "NONE" else b.map("neg", score)
    return label, in_type(b, post_transform(b, b.concat([other, score], 1), name), float_type(call))


# ------------------------------------------------------------------- trees by position, from version 5 on
@lowers("TreeEnsemble", domain=DOMAIN)
def _ensemble(call: Call) -> Tensor:
    a, b = call.attributes, call.builder
    aggregate, after = a.integer("aggregate_function", 1), a.integer("post_transform", 0)
    if not 0 <= aggregate < len(AGGREGATES) or not 0 <= after < len(NAMES):
        raise SourceError("the attributes 'aggregate_function' and 'post_transform' name nothing.")
    dtype = call.value(0).dtype
    y = tree_scores(b, _examples(call, dtype), _positional(call), aggregate=AGGREGATES[aggregate], base=[], dtype=dtype)
    return post_transform(b, y, ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")[after])


def _positional(call: Call) -> Forest:
    """Inner nodes come first, their leaves behind them."""
    a = call.attributes
    splits = np.asarray(values_of(call, a.tensor("nodes_splits"))).reshape(-1)
    weights = np.asarray(values_of(call, a.tensor("leaf_weights"))).reshape(-1)
    inner, leaves = len(splits), len(weights)
    modes = np.asarray(values_of(call, a.tensor("nodes_modes"))).reshape(-1).astype(np.int64)
    after = []
    for side in ("true", "false"):
        is_leaf = _integers(call, f"nodes_{side}leafs").astype(bool)
        after.append(np.where(is_leaf, inner, 0) + _integers(call, f"nodes_{side}nodeids"))
    missing = _integers(call, "nodes_missing_value_tracks_true")
    none = np.zeros(leaves, dtype=np.int64)
    said: list[list[tuple[int, float]]] = [[] for _ in range(inner)]
    said += [[pair] for pair in zip(_integers(call, "leaf_targetids").tolist(), weights.tolist(), strict=True)]
    return Forest(
        np.concatenate([modes, none + LEAF]), np.concatenate([_integers(call, "nodes_featureids"), none]),
        np.concatenate([splits.astype(np.float64), none]), np.concatenate([after[0], none]),
        np.concatenate([after[1], none]), np.concatenate([missing if len(missing) else np.zeros(inner, np.int64), none]),
        _integers(call, "tree_roots"), said, a.integer("n_targets", 1), _sets(call, modes, leaves),
    )  # fmt: skip


def _sets(call: Call, modes: Any, leaves: int) -> list[frozenset[float]]:
    """The members that each node asks for, one list after the other, with NaN behind each."""
    proto = call.attributes.tensor("membership_values")
    numbers = iter(() if proto is None else np.asarray(values_of(call, proto)).reshape(-1).tolist())
    found: list[frozenset[float]] = []
    for mode in modes.tolist():
        members: list[float] = []
        if mode == MEMBER:
            for number in numbers:
                if number != number:
                    break
                members.append(number)
        found.append(frozenset(members))
    return found + [frozenset()] * leaves
