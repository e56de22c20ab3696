"""How operators are treated that are not counted by a rule of their own as what they are in every call.

``tests/onnx/test_coverage.py`` holds these names against what examples count and say.
"""

from __future__ import annotations

from collections.abc import Mapping

FREE = frozenset(
    """
    Abs And BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil CenterCropPad Concat
    ConcatFromSequence Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten Floor Gather GatherElements GatherND
    Identity MaxUnpool MelWeightMatrix Neg Not OneHot Optional OptionalGetElement OptionalHasElement Or Range Reshape
    ReverseSequence Round Scatter SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength
    Shape Sign Size Slice SpaceToDepth Split SplitToSequence Squeeze TensorScatter Tile Transpose Unsqueeze Xor
    ai.onnx.ml.ArrayFeatureExtractor ai.onnx.ml.FeatureVectorizer
    com.microsoft.ExpandDims com.microsoft.GatherND com.microsoft.Range
    """.split()  # noqa: SIM905 - names as in the documents
)
"""Operators whose lowerings count no arithmetic: they move, cut and view, change bits, or are known before a run."""

BOUNDED = frozenset(
    """
    Compress If Loop NonMaxSuppression NonZero Unique com.microsoft.Unique
    ai.onnx.ml.TreeEnsemble ai.onnx.ml.TreeEnsembleClassifier ai.onnx.ml.TreeEnsembleRegressor
    """.split()  # noqa: SIM905 - names as in the documents
)
"""Operators of which data decide how much they compute or give, unless that is known; the report names the bound."""

WITH_BODIES = frozenset({"Scan", "SequenceMap"})
"""Operators that run a graph of the file's as often as their operands say."""

_TEXT, _MAPS = "it works on text", "it reads a map, which is no tensor"
REFUSED: Mapping[str, str] = {
    "RegexFullMatch": _TEXT, "StringConcat": _TEXT, "StringNormalizer": _TEXT, "StringSplit": _TEXT,
    "ai.onnx.ml.CategoryMapper": _TEXT, "ai.onnx.ml.CastMap": _MAPS, "ai.onnx.ml.DictVectorizer": _MAPS,
    "ai.onnx.ml.ZipMap": "it makes a sequence of maps",
    "ImageDecoder": "the bytes of a compressed image say how large it is",
    "ai.onnx.preview.training.Gradient": "a gradient is no operator here; --loss derives one",
}  # fmt: skip
"""Operators that are unknown, with the reason that a report gives."""
