"""Counts that are formulas: symbols in specs, ONNX files and PyTorch modules."""

from __future__ import annotations

from typing import Any

from onnx import TensorProto
from torch import nn

from tests.golden.cases.case import Case, spec
from tests.golden.cases.models import Classifier, Language
from tests.golden.cases.onnx_model import light, ones, saved_model

BLOCKS = "TxD, [residual[layernorm, attention heads=2 causal], residual[layernorm, dense F, gelu, dense D]]*L, dense V bias=no"


def _matrix(*shape: int | str) -> Any:
    return lambda: saved_model([("MatMul", "x w", "y", {})], {"x": shape}, {"w": ones(3, 4)})


def _tokens() -> str:
    nodes: list[Any] = [("Gather", "t ids", "e", {}), ("MatMul", "e w", "h", {}), ("Softmax", "h", "y", {})]
    return saved_model(nodes, {"ids": ("n", "t")}, {"t": ones(9, 6), "w": ones(6, 5)}, types={"ids": TensorProto.INT64})


CASES: tuple[Case, ...] = (
    spec("784-16-16-10", batch="B", optimizer="adam"),
    spec("784-h-h-10", batch="B"),
    spec("784-h*L-10", batch="B", optimizer="momentum"),
    spec("h0-h1-h2-h3", batch="B"),
    spec("h0-h1-...-hl", batch="B"),
    spec("784-h1-...-hn-10", batch="B", loss="none"),
    spec("3x32x32-h1:relu-...-hn:tanh-10:softmax", loss="cross_entropy", optimizer="adam"),
    spec("h0-h1-...-hl-c", batch="B", symbols={"c": 10}),
    spec("CxN, conv M K", batch="B"),
    spec("cxhxw, conv m kxk stride=2 pad=1, avgpool 2, global_maxpool, dense n bias=no", batch="B"),
    spec("CxHxW, conv 4 3 pad=1, batchnorm, relu, maxpool 2, global_avgpool, dense K", batch="B", loss="cross_entropy"),
    spec("TxF, lstm H", batch="B"),
    spec("Tx4, gru 3 bidirectional last", batch=2),
    spec(BLOCKS, batch="B"),
    spec(BLOCKS, batch="B", symbols={"D": 8, "F": 16, "V": 11}, optimizer="adamw"),
    spec("T, embedding V D, dense C, log_softmax", batch="B"),
    spec("784-16-16-10", batch="B", examples="N", epochs=3),
    spec("784-16-16-10", batch="B", accumulate=3),
    Case("onnx, named sizes", _matrix("n", "t", 3)),
    Case("onnx, named sizes bound", _matrix("n", "t", 3), settings={"symbols": {"n": 2}, "loss": "sum"}),
    Case("onnx, batch", _matrix(2, 3), settings={"batch": "B", "loss": "squared_error", "optimizer": "adam"}),
    Case("onnx, tokens", _tokens, settings={"loss": "cross_entropy", "optimizer": "sgd"}),
    Case("onnx, resnet50", lambda: light("resnet50"), settings={"batch": "B"}),
    Case("torch, batch of an MLP", lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)), ("B", 6),
         {"loss": "cross_entropy", "optimizer": "adam", "learn": False}),
    Case("torch, --batch", lambda: nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8)), (1, 6), {"batch": "B", "learn": False}),
    Case("torch, images", Classifier, ("B", 3, "H", "W"), {"learn": False}),
    Case("torch, images in training", Classifier, ("B", 3, 32, 32), {"loss": "sum", "learn": False}),
    Case("torch, tokens in training", Language, {"ids": "BxS:int64"}, {"loss": "sum", "optimizer": "adam", "learn": False}),
)  # fmt: skip
