"""Names, defaults and types of inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from nncost.dims import symbol
from nncost.errors import NncostError, OptionError, SymbolError
from nncost.frontends.huggingface.load import build
from nncost.frontends.model import Inputs, LoadOptions, TensorShape
from tests.huggingface.architectures import CASES


def arguments(name: str, folder: Path, options: LoadOptions | None = None, **changed: Any) -> dict[str, TensorShape]:
    path = folder / "config.json"
    path.write_text(json.dumps(CASES[name].values | changed))
    inputs = build(str(path), options or LoadOptions())[1]
    assert inputs.kwargs.get("use_cache") is not True
    return {name: leaf for name, leaf in inputs.kwargs.items() if isinstance(leaf, TensorShape)}


def shapes(name: str, folder: Path, options: LoadOptions | None = None, **changed: Any) -> dict[str, Any]:
    return {key: leaf.shape for key, leaf in arguments(name, folder, options, **changed).items()}


@pytest.mark.parametrize(
    ("name", "changed", "expected"),
    [
        ("gpt2", {}, {"input_ids": (1, 16)}),
        ("llama", {"max_position_embeddings": 100_000}, {"input_ids": (1, 2_048)}),
        ("mamba", {}, {"input_ids": (1, 2_048)}),
        ("roberta", {}, {"input_ids": (1, 14)}),
        ("bart", {}, {"input_ids": (1, 16), "decoder_input_ids": (1, 16)}),
        ("vit", {}, {"pixel_values": (1, 3, 32, 32)}),
        ("vit", {"image_size": [16, 32], "num_channels": 1}, {"pixel_values": (1, 1, 16, 32)}),
        ("detr", {}, {"pixel_values": (1, 3, 224, 224)}),
        ("clip", {}, {"input_ids": (1, 9), "pixel_values": (1, 3, 32, 32)}),
        ("whisper", {}, {"input_features": (1, 8, 20), "decoder_input_ids": (1, 1)}),
        ("wav2vec2", {}, {"input_values": (1, 16_000)}),
    ],
)
def test_defaults(name: str, changed: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    assert shapes(name, tmp_path, **changed) == expected
    batched = {key: (5, *shape[1:]) for key, shape in expected.items()}
    assert shapes(name, tmp_path, LoadOptions(batch=5), **changed) == batched


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("bert", {"": (2, 5)}, {"input_ids": (2, 5)}),
        ("bert", {"ids": (2, 5), "mask": (2, 5)}, {"input_ids": (2, 5), "attention_mask": (2, 5)}),
        ("bert", {"embeddings": (2, 5, 24)}, {"inputs_embeds": (2, 5, 24)}),
        ("t5", {"ids": (4, 5), "decoder_ids": (4, 2)}, {"input_ids": (4, 5), "decoder_input_ids": (4, 2)}),
        ("bart", {"ids": (4, 5)}, {"input_ids": (4, 5), "decoder_input_ids": (4, 16)}),
        ("bart", {"ids": (4, 5), "labels": (4, 2)}, {"input_ids": (4, 5), "labels": (4, 2)}),
        ("vit", {"image": (1, 3, 32, 32)}, {"pixel_values": (1, 3, 32, 32)}),
        ("vit", {"pixels": (1, 3, 32, 32)}, {"pixel_values": (1, 3, 32, 32)}),
        ("whisper", {"audio": (2, 8, 20)}, {"input_features": (2, 8, 20), "decoder_input_ids": (2, 1)}),
        ("wav2vec2", {"audio": (2, 500)}, {"input_values": (2, 500)}),
        ("clip", {"image": (6, 3, 32, 32)}, {"input_ids": (6, 9), "pixel_values": (6, 3, 32, 32)}),
    ],
)
def test_names(name: str, given: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    assert shapes(name, tmp_path, LoadOptions(inputs=given)) == expected
    unnamed = tuple(TensorShape(shape) for key, shape in given.items() if not key)
    named = {key: TensorShape(shape) for key, shape in given.items() if key}
    assert shapes(name, tmp_path, LoadOptions(given=Inputs(unnamed, named))) == expected


def test_types(tmp_path: Path) -> None:
    def types(name: str, **inputs: Any) -> dict[str, str | None]:
        return {key: leaf.dtype for key, leaf in arguments(name, tmp_path, LoadOptions(**inputs)).items()}

    assert types("clip") == {"input_ids": "int64", "pixel_values": "float32"}
    assert types("vit", dtype="bfloat16") == {"pixel_values": "bfloat16"}
    assert types("bert", inputs={"embeddings": (1, 2, 24), "mask": (1, 2)}) == {
        "attention_mask": "int64", "inputs_embeds": "float32",
    }  # fmt: skip
    given = Inputs(kwargs={"ids": TensorShape((1, 2), "int32"), "output_attentions": True})
    assert types("bert", given=given) == {"input_ids": "int32"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"": (1, 3, 224)},
            "the input input_ids has 2 sizes, received 1x3x224.\nFor example:  --input input_ids=1x512",
        ),
        ({"": (224,)}, "the input input_ids has 2 sizes, received 224."),
        ({"idz": (1, 3)}, "the model has no input 'idz'.\nDid you mean 'ids'? Its inputs: input_ids, attention_mask"),
        ({"image": (1, 3)}, "the model has no input 'image'."),
        ({"ids": (1, 3), "input_ids": (1, 3)}, "the input input_ids is given twice."),
        ({"ids": (1, 0)}, "sizes are at least 1, received 1x0."),
    ],
)
def test_wrong_inputs(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        shapes("bert", tmp_path, LoadOptions(inputs=given))
    assert str(caught.value).startswith(message)


def test_symbols(tmp_path: Path) -> None:
    bound = LoadOptions(inputs={"ids": (2, symbol("T"))}, symbols={"T": 5})
    assert shapes("bert", tmp_path, bound) == {"input_ids": (2, 5)}
    with pytest.raises(SymbolError, match="no symbol 'Q'"):
        shapes("bert", tmp_path, LoadOptions(symbols={"Q": 5}))


def test_inputs_nobody_knows(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "patchtst"}))
    with pytest.raises(NncostError, match="does not say what shape the input past_values"):
        build(str(path), LoadOptions())
    build(str(path), LoadOptions(inputs={"past_values": (1, 32, 1)}))


def test_more_tokens_than_positions(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CASES["llama"].values))
    notes = build(str(path), LoadOptions(inputs={"": (1, 40)}))[2]
    assert "40 tokens are more than the 16 of the configuration." in notes
