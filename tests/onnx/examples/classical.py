"""Examples of classical models: features, linear models, support vector machines, trees, n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper

from tests.onnx.examples.example import Example, ints
from tests.onnx.models import node

ML, X = "ai.onnx.ml", (4, 3)
RNG = np.random.default_rng(3)
INT64 = {"x": TensorProto.INT64}


def numbers(*shape: int) -> list[float]:
    """Numbers of both signs, as an attribute holds them."""
    return [float(number) for number in RNG.normal(size=shape).astype(np.float32).reshape(-1)]


def classical(op: str, inputs: str = "x", outputs: str = "y", constants: Any = None, *, shapes: Any = None, types: Any = None, compute: Any = None, domain: str = ML, label: str = "", **attributes: Any) -> Example:  # fmt: skip
    made = node(op, inputs, outputs, domain=domain, **attributes)
    return Example(f"{op}({label})", [made], shapes or {"x": X}, constants or {}, 21, tuple(outputs.split()), types or {}, compute=compute)  # fmt: skip


FEATURES = [
    classical("Scaler", offset=numbers(3), scale=numbers(3)), classical("Scaler", types=INT64, offset=[0.5], scale=[2.0]),
    *(classical("Normalizer", norm=norm, label=norm) for norm in ("L1", "L2")),
    classical("Normalizer", norm="MAX", compute=lambda x: [x / np.abs(x).max(1, keepdims=True)], label="MAX"),
    classical("Binarizer", threshold=0.2), classical("Imputer", imputed_value_floats=[0.5], replaced_value_float=0.0),
    classical("Imputer", types=INT64, imputed_value_int64s=[5, 6, 7], replaced_value_int64=1),
    classical("ArrayFeatureExtractor", "x i", constants={"i": ints(2, 0)}),
    classical("FeatureVectorizer", "x z", shapes={"x": X, "z": (4, 2)}, inputdimensions=[3, 2]),
    classical("OneHotEncoder", shapes={"x": (4, 1)}, types=INT64, cats_int64s=[0, 1, 5]),
    classical("LabelEncoder", types=INT64, keys_int64s=[1, 7], values_floats=[0.5, 1.5], default_float=9.0),
    classical("LabelEncoder", types=INT64, keys_tensor=helper.make_tensor("", TensorProto.INT64, [2], [0, 4]),
              values_tensor=helper.make_tensor("", TensorProto.FLOAT, [2], [1.5, 2.5]), default_tensor=helper.make_tensor("", TensorProto.FLOAT, [1], [-1.0])),
]  # fmt: skip
LINEAR = [
    classical("LinearRegressor", coefficients=numbers(2, 3), intercepts=numbers(2), targets=2), classical("LinearRegressor", coefficients=numbers(3)),
    *(classical("LinearClassifier", outputs="y z", coefficients=numbers(3, 3), intercepts=numbers(3), classlabels_ints=[5, 6, 7], post_transform=name)
      for name in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")),
    classical("LinearClassifier", outputs="y z", coefficients=numbers(3), intercepts=numbers(1), classlabels_ints=[0, 1], post_transform="LOGISTIC", multi_class=0),
]  # fmt: skip
KERNELS: list[dict[str, Any]] = [
    {"kernel_type": name, "kernel_params": [0.5, 0.2, 2.0]} for name in ("LINEAR", "POLY", "RBF", "SIGMOID")
]
MACHINES = [
    *(classical("SVMRegressor", coefficients=numbers(5), rho=[0.3], support_vectors=numbers(5, 3), n_supports=5, **kernel) for kernel in KERNELS),
    classical("SVMRegressor", coefficients=[0.5, 1.0, 2.0], rho=[0.3], compute=lambda x: [x @ np.float32([[0.5], [1], [2]]) + np.float32(0.3)]), classical("SVMRegressor", coefficients=numbers(5), rho=[0.3], support_vectors=numbers(5, 3), n_supports=5, one_class=1, **KERNELS[2]),
    *(classical("SVMClassifier", outputs="y z", coefficients=numbers(2, 6), rho=numbers(3), support_vectors=numbers(6, 3), vectors_per_class=[1, 3, 2],
                classlabels_ints=[4, 5, 6], **kernel) for kernel in KERNELS[1:3]),
    classical("SVMClassifier", outputs="y z", coefficients=numbers(1, 4), rho=numbers(1), support_vectors=numbers(4, 3), vectors_per_class=[2, 2], classlabels_ints=[0, 1], **KERNELS[2]),
]  # fmt: skip
# Two trees: the first asks twice on its longest way, the second once.
NODES: dict[str, Any] = {
    "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1], "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2], "nodes_featureids": [0, 2, 0, 0, 0, 1, 0, 0],
    "nodes_modes": ["BRANCH_LEQ", "BRANCH_GT", "LEAF", "LEAF", "LEAF", "BRANCH_LT", "LEAF", "LEAF"],
    "nodes_values": [0.1, -0.2, 0.0, 0.0, 0.0, 0.3, 0.0, 0.0], "nodes_truenodeids": [1, 3, 0, 0, 0, 1, 0, 0],
    "nodes_falsenodeids": [2, 4, 0, 0, 0, 2, 0, 0],
}  # fmt: skip
LEAVES = {"treeids": [0, 0, 0, 1, 1], "nodeids": [2, 3, 4, 1, 2], "weights": [0.7, -0.4, 0.2, 0.5, -0.6]}


def trees(op: str, ids: list[int], outputs: str = "y", **attributes: Any) -> Example:
    kind = "target" if op.endswith("Regressor") else "class"
    values = {f"{kind}_{name}": listed for name, listed in LEAVES.items()} | {f"{kind}_ids": ids}
    label = ",".join(f"{key}={value}" for key, value in attributes.items())
    made = helper.make_node(op, ["x"], outputs.split(), domain=ML, **NODES, **values, **attributes)
    return Example(f"{op}({label})", [made], {"x": X}, {}, 21, tuple(outputs.split()))


TREES = [
    *(trees("TreeEnsembleRegressor", [0, 1, 0, 1, 0], n_targets=2, aggregate_function=name) for name in ("SUM", "AVERAGE")),
    *(trees("TreeEnsembleRegressor", [0] * 5, n_targets=1, aggregate_function=name, base_values=[0.5]) for name in ("SUM", "MIN", "MAX")),
    *(trees("TreeEnsembleClassifier", [0, 1, 2, 1, 0], "y z", classlabels_int64s=[3, 4, 5], post_transform=name) for name in ("NONE", "SOFTMAX", "LOGISTIC")),
    *(trees("TreeEnsembleClassifier", [0] * 5, "y z", classlabels_int64s=[0, 1], post_transform=name) for name in ("NONE", "LOGISTIC")),
]  # fmt: skip


def tensor(code: int, *values: float) -> Any:
    return helper.make_tensor("", code, [len(values)], values)


TREES.append(classical(
    "TreeEnsemble", n_targets=2, aggregate_function=1, post_transform=0, tree_roots=[0, 2], nodes_featureids=[0, 2, 1],
    nodes_splits=tensor(1, 0.1, -0.2, 0.3), nodes_modes=tensor(TensorProto.UINT8, 0, 3, 1), nodes_truenodeids=[1, 1, 3], nodes_trueleafs=[0, 1, 1],
    nodes_falsenodeids=[0, 2, 4], nodes_falseleafs=[1, 1, 1], leaf_targetids=[0, 1, 0, 1, 0], leaf_weights=tensor(1, 0.7, -0.4, 0.2, 0.5, -0.6),
))  # fmt: skip
GRAMS: dict[str, Any] = {
    "min_gram_length": 1, "max_gram_length": 2, "max_skip_count": 1, "ngram_counts": [0, 2], "ngram_indexes": [0, 1, 2, 3],
    "pool_int64s": [0, 1, 0, 1, 1, 1], "domain": "",
}  # fmt: skip
TEXT = [
    classical("TfIdfVectorizer", shapes={"x": (3, 5)}, types=INT64, mode=mode, weights=[0.5, 1.5, 2.0, 3.0], **GRAMS) for mode in ("TF", "IDF", "TFIDF")
]  # fmt: skip
STEP = {"r": np.float32(0.1), "t": np.int64(2)}


def update(op: str, inputs: str, outputs: str, **attributes: Any) -> Example:
    """One step; ``s`` is the square of ``h``, which has no negative numbers."""
    made = node(op, f"r t {inputs}", outputs, domain="ai.onnx.preview.training", norm_coefficient=0.01, **attributes)
    shapes = dict.fromkeys(inputs.replace("s", "h").split(), (2, 3))
    return Example(
        f"{op}({attributes})", [node("Mul", "h h", "s"), made] if "s" in inputs else [made], shapes, STEP, 21,
        tuple(outputs.split()), reference="onnx",
    )  # fmt: skip


UPDATES = [
    update("Adagrad", "x g s", "y z", decay_factor=0.1, epsilon=1e-3), update("Adagrad", "x g s", "y z"),
    update("Adam", "x x g g v v s s", "a b c d e f", alpha=0.8, beta=0.9, epsilon=1e-2, norm_coefficient_post=0.1),
    update("Momentum", "x g v", "y z", alpha=0.9, beta=0.8, mode="standard"), update("Momentum", "x g v", "y z", alpha=0.9, beta=0.8, mode="nesterov"),
]  # fmt: skip
EXAMPLES = [*FEATURES, *LINEAR, *MACHINES, *TREES, *TEXT, *UPDATES]
