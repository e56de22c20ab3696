"""No attribute of an operator is dropped in silence: it is read, or stands here with the reason why it need not be."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import pytest

from nncost.errors import NncostError
from nncost.frontends import registry
from nncost.frontends.lowering import ONNX
from nncost.frontends.model import LoadOptions
from nncost.frontends.onnx import lowerings  # noqa: F401 - registers the lowerings
from nncost.frontends.onnx.attributes import Attributes
from nncost.frontends.onnx.lowering import full_name
from tests.onnx.examples import EXAMPLES
from tests.onnx.models import make_model, node, saved
from tests.onnx.official import node_cases

Names = dict[str, set[str]]

OF_ANY = {
    "consumed_inputs": "memory may be shared, before opset 6",
    "seed": "which numbers are drawn",
    "broadcast": "shapes say it, before opset 7",
    "is_test": "the caller says whether it is a training",
    "output_sequence": "the outputs that have a name are made, before opset 7",
}
_WORDS = "text, which is unknown"
OF_ONE: Mapping[str, Mapping[str, str]] = {
    "DeformConv": {"kernel_shape": "the weights have it"},
    "LinearAttention": {"chunk_size": "how a kernel goes about it"},
    "Optional": {"type": "the type of what is not there"}, "Range": {"stash_type": "the type of a sum inside"},
    "Split": {"num_outputs": "the node has them"}, "TopK": {"sorted": "an order that nobody may rely on"},
    "TfIdfVectorizer": {"pool_strings": _WORDS},
    "ai.onnx.ml.LabelEncoder": dict.fromkeys(("classes_strings", "default_string", "keys_strings", "values_strings"), _WORDS),
    "ai.onnx.ml.LinearClassifier": {"multi_class": "a note on how it was trained"},
    "ai.onnx.ml.OneHotEncoder": {"cats_strings": _WORDS, "zeros": "whether a category that is missing is an error"},
    "ai.onnx.ml.SVMClassifier": {"classlabels_strings": _WORDS, "prob_b": "prob_a is refused, which stands with it"},
    "ai.onnx.ml.TreeEnsemble": {"nodes_hitrates": "how often a node was met"},
    **{f"ai.onnx.ml.TreeEnsemble{kind}": dict.fromkeys(("nodes_hitrates", "nodes_hitrates_as_tensor"), "how often a node was met")
       for kind in ("Classifier", "Regressor")},
    "com.microsoft.Attention": {"rotary_embedding_dim": "rotary positions inside are refused"},
    "com.microsoft.BiasSoftmax": {"is_inner_broadcast": "shapes say it"},
    "com.microsoft.EmbedLayerNormalization": {"mask_index_type": "the type of an output"},
    "com.microsoft.GroupQueryAttention": {"kv_cache_bit_width": "a quantized cache is refused"},
    **{f"com.microsoft.{name}": dict.fromkeys(("normalized", "onesided"), "onnxruntime has one value") for name in ("Rfft", "Irfft")},
    "com.microsoft.MatMulBnb4": {"training_mode": "for a gradient that is derived here"},
    "com.microsoft.MaxpoolWithMask": {"storage_order": "the order of an output that it does not have"},
}  # fmt: skip
"""Attributes that no lowering reads, with the reasons."""


def test_every_attribute_is_read_or_has_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read = _read_by_rule(_observed(monkeypatch, tmp_path))
    shown = {full_name(node.domain, node.op_type) for example in EXAMPLES for node in example.nodes}
    unread = {
        full: names - set(OF_ANY) - read[full] - _in_source(full, names)
        for full, names in _all_attributes().items()
        if full in shown
    }
    assert {full: names for full, names in unread.items() if names} == {full: set(OF_ONE[full]) for full in OF_ONE}


def _all_attributes() -> Names:
    """Those of all versions of every operator that has a rule, by the standard and by onnxruntime."""
    from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime

    found: Names = defaultdict(set)
    theirs = (each for each in onnxruntime.get_all_operator_schema() if each.domain == "com.microsoft")
    for schema in (*onnx.defs.get_all_schemas_with_history(), *theirs):
        if (full := full_name(schema.domain, schema.name)) in ONNX.ours:
            found[full] |= set(schema.attributes)
    return found


def _observed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Names:
    """The names that are asked for while the examples and ONNX's own cases are read."""
    read: Names = defaultdict(set)
    made, contains, found = Attributes.__init__, Attributes.__contains__, Attributes._of
    kinds: dict[int, str] = {}

    def note(attributes: Attributes, name: str) -> None:
        read[kinds[id(attributes)]].add(name)

    def init(attributes: Attributes, node: Any) -> None:
        kinds[id(attributes)] = full_name("" if node.domain == "ai.onnx" else node.domain, node.op_type)
        made(attributes, node)

    monkeypatch.setattr(Attributes, "__init__", init)
    monkeypatch.setattr(Attributes, "__contains__", lambda a, name: (note(a, name), contains(a, name))[1])
    monkeypatch.setattr(Attributes, "_of", lambda a, name, kind: (note(a, name), found(a, name, kind))[1])
    for model in _models():
        try:
            registry.load(saved(model, folder), LoadOptions(training=model.graph.node[0].op_type == "Dropout"))
        except NncostError:
            continue
    return read


FORMS = (
    *((node(op, "a b", axis=0, broadcast=1), {"a": (2, 3), "b": (2,)}, 6) for op in ("Add", "Div", "Equal", "Pow")),
    (node("Dropout", "a", ratio=0.25), {"a": (2, 3)}, 7),
    (node("Upsample", "a", height_scale=2.0, width_scale=2.0), {"a": (1, 2, 3, 4)}, 1),
    (node("ReduceL1", "a", axes=[0]), {"a": (2, 3)}, 11),
    (node("LabelEncoder", "a", domain="ai.onnx.ml", keys_floats=[1.0], values_floats=[2.0]), {"a": (2, 3)}, 18),
)
"""Forms that no example has, most of them of early opsets."""


def _models() -> Iterator[Any]:
    yield from (make_model([each], inputs, opset=opset) for each, inputs, opset in FORMS)
    yield from (example.model() for example in EXAMPLES)
    yield from (case.model for case in node_cases())


def _read_by_rule(read: Names) -> Names:
    """Operators of one rule read the same."""
    by_code: dict[Any, set[str]] = defaultdict(set)
    codes = {full: [_plain(rule).__code__ for rule in rules.values()] for full, rules in ONNX.ours.items()}
    for full, each in codes.items():
        for code in each:
            by_code[code] |= read[full]
    return {full: set().union(*(by_code[code] for code in each)) for full, each in codes.items()}


def _plain(rule: Any) -> Any:
    return _plain(rule.func) if isinstance(rule, partial) else rule


def _in_source(full: str, names: set[str]) -> set[str]:
    """The names that an operator's rules, or what they call, have in quotes."""
    reached: dict[Any, str] = {}
    for rule in ONNX.ours[full].values():
        _reach(_plain(rule), reached)
    return {name for name in names if any(f'"{name}"' in text for text in reached.values())}


def _reach(function: Any, reached: dict[Any, str]) -> None:
    """Note the source of a function and of those of the front end that it names."""
    if function in reached or not function.__module__.startswith("nncost.frontends.onnx"):
        return
    reached[function] = inspect.getsource(function)
    for name in function.__code__.co_names:
        if inspect.isfunction(other := function.__globals__.get(name)):
            _reach(other, reached)
