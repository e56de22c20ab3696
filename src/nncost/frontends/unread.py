"""What is said about a text that no front end reads: a folder, another kind of file, an address, a model's name."""

from __future__ import annotations

import re
from collections.abc import Collection
from os.path import exists, isdir, isfile
from pathlib import Path

from nncost.errors import Instead, SourceError
from nncost.frontends.nearby import models_in, nearest_file

_ADDRESS = re.compile(r"[a-z]{2,6}://|(?:www\.|huggingface\.co/|hf\.co/|github\.com/)\S", re.IGNORECASE)
_HUB = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+(?:/[\w.-]+)?)", re.IGNORECASE)
_OWNER_AND_NAME = re.compile(r"[A-Za-z][\w.-]*/[A-Za-z0-9][\w.-]*\Z")
_NAME = r"[A-Za-z_]\w*(?:\.\w+)*"
_MODEL_NAME = re.compile(r"([A-Za-z]+)[\w.-]*\Z")
_ENDING = re.compile(r"[^/\\.]\.[A-Za-z][A-Za-z0-9]*\Z")
_MAX_NAME = 200
_ON_THE_HUB = frozenset(
    ("albert", "bart", "bert", "bloom", "camembert", "chatglm", "clip", "codellama", "codet", "deberta", "deepseek", "deit",
     "distilbert", "distilgpt", "electra", "falcon", "flan", "gemma", "glm", "gpt", "granite", "llama", "longformer", "marian", "mbart",
     "mistral", "mixtral", "mpnet", "mpt", "olmo", "opt", "phi", "pythia", "qwen", "roberta", "smollm", "stablelm", "starcoder", "t",
     "tinyllama", "vicuna", "vit", "wav", "whisper", "xlm", "xlnet", "yi", "zephyr")
)  # fmt: skip
_IN_TORCHVISION = frozenset(
    ("alexnet", "convnext", "densenet", "efficientnet", "googlenet", "inception", "mnasnet", "mobilenet", "regnet", "resnet", "resnext",
     "shufflenet", "squeezenet", "swin", "vgg")
)  # fmt: skip
"""Families of published models, by the letters that their names begin with."""
_TOO_SHORT = frozenset({"t", "opt", "phi", "yi", "vit", "clip", "glm", "mpt", "wav", "flan", "codet", "bart"})
"""Those that may as well be symbols of widths: ``phi-3``."""
_ADVICE = {
    ("ipynb",): "Count the module that the notebook makes, in a cell of it:  nncost.count(module, inputs)\n"
        "Or as a file of Python:  jupyter nbconvert --to script FILE",
    ("zip", "tar", "gz", "tgz", "bz2", "xz", "7z", "rar", "zst"): "Unpack it, and name the file of the model in it.",
    ("png", "jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff", "svg", "pdf"):
        "An image is an input, not a network. Its size is what counts:  nncost count net.py:build --input 1x3x224x224",
    ("csv", "tsv", "parquet", "xls", "xlsx", "feather", "arrow"):
        "A table is what a network learns from:  nncost train 64-64:relu-10 --data FILE --target COLUMN",
    ("txt", "md", "rst", "yaml", "yml", "toml", "cfg", "ini", "prototxt"):
        "A file with a spec in it ends in .nncost; any other one is read from standard input:  nncost count - < FILE",
    ("pb",): "Of a SavedModel, name its folder; export another graph of TensorFlow as ONNX:  nncost count model.onnx",
    ("ggml", "ggjt"): "Convert it with convert_llama_ggml_to_gguf.py of llama.cpp, and count the .gguf file.",
    ("mlmodel", "mlpackage", "caffemodel", "pdmodel", "mar", "engine", "trt", "ort", "torchscript", "ptl"): "Export the model as ONNX, where its framework can:  nncost count model.onnx",
    ("pkl", "pickle", "joblib", "dill"):
        "A pickle is code that runs when it is opened. Name what makes the module:  nncost count net.py:build --input 1x3x224x224",
}  # fmt: skip
"""What to do with files of other kinds, by their endings."""
EXAMPLE = "A spec looks like 784-16-10."


def unread(source: str, endings: Collection[str]) -> SourceError | None:
    """Return why a text is no source, if it is the name of something else; None for a text that may be meant as a spec."""
    text = source.strip()
    if "\n" in text or len(text) > _MAX_NAME or not text:
        return None
    if _ADDRESS.match(text):
        return _address(text)
    if isdir(text):  # noqa: PTH112 - these never raise, whatever a text is
        return _folder(text, endings)
    if isfile(text):  # noqa: PTH113
        return _of_unknown_kind(text, endings)
    if re.search(r"[,\s]", text):
        return None
    if "..." in text:
        return None
    if _ENDING.search(text) and ".." not in text.removeprefix("../"):
        return _of_unknown_kind(text, endings)
    if _published(text) or re.fullmatch(_NAME, text) or re.match(r"[.~]?/|[A-Za-z][\w.-]*[/\\]", text):
        return _name(text, endings)
    return None


def model_name(text: str) -> SourceError | None:
    """Return what to do with the name of a published model that could be read as widths: ``bert-base-uncased``."""
    letters = _MODEL_NAME.match(text)
    if letters is None or letters[1].lower() in _TOO_SHORT or not _published(text):
        return None
    return _published_model(text)


def _address(text: str) -> SourceError:
    hub = _HUB.match(text)
    if hub is not None:
        return _from_hub(hub[1])
    if not text.lower().startswith(("http://", "https://", "ftp://")):
        text = f"https://{text}"
    name = text.split("?")[0].rstrip("/").rpartition("/")[2] or "model.onnx"
    return SourceError(
        f"{text[:_MAX_NAME]!r} is an address; nothing is downloaded.",
        hint=f"Fetch it first:  curl -L -o {name} {text}\nThen count it:  nncost count {name}",
    )


def _folder(text: str, endings: Collection[str]) -> SourceError:
    found = models_in(text, endings)
    if not found:
        return SourceError(
            f"{text!r} is a folder without a model in it.",
            hint=f"Name a file: {', '.join(sorted(endings))}; or a folder with a config.json. {EXAMPLE}",
        )
    return SourceError(
        f"{text!r} is a folder.", hint=f"Name a model in it: {', '.join(found)}.", instead=Instead(text, found[0])
    )


def _of_unknown_kind(text: str, endings: Collection[str]) -> SourceError:
    known = f"Accepted: {', '.join(sorted(endings))}, or a spec such as 784-16-10."
    ending = Path(text).suffix.lstrip(".").lower()
    advice = next((said for known_endings, said in _ADVICE.items() if ending in known_endings), None)
    if not exists(text):  # noqa: PTH110
        close = nearest_file(text, [each for each in endings if each != ".py"])
        hint = known if close is None else f"Did you mean {close!r}? {known}"
        hint = hint if advice is None else f"{advice}\n{hint}".replace("FILE", text)
        instead = None if close is None else Instead(text, close)
        return SourceError(f"{text!r} looks like a file of an unknown kind, and there is no such file.", hint=hint, instead=instead)  # fmt: skip
    return SourceError(
        f"{text!r} is a file of a kind that is not read.",
        hint=known if advice is None else f"{advice}\n{known}".replace("FILE", text),
    )


def _name(text: str, endings: Collection[str]) -> SourceError:
    if _published(text):
        return _published_model(text)
    close = nearest_file(text, endings)
    if _OWNER_AND_NAME.match(text) and close is None:
        return _from_hub(text)
    said = "" if close is None else f"Did you mean {close!r}? "
    return SourceError(
        f"there is no file or folder {text!r}, and a spec has at least two widths.",
        hint=f"{said}Accepted: {', '.join(sorted(endings))}, or a spec such as 784-16-10.",
        instead=None if close is None else Instead(text, close),
    )


def _published(text: str) -> bool:
    letters = _MODEL_NAME.match(text)
    return letters is not None and letters[1].lower() in _ON_THE_HUB | _IN_TORCHVISION


def _published_model(text: str) -> SourceError:
    letters = re.match(r"[A-Za-z]+", text)
    assert letters is not None
    family = letters[0].lower()
    if family not in _IN_TORCHVISION:
        return _from_hub(text)
    name = text.lower().replace("-", "" if family in ("resnet", "vgg") else "_")
    return SourceError(
        f"{text!r} looks like the name of a published model; a spec has widths such as 784-16-10.",
        hint=f"With torchvision installed:  nncost count torchvision.models:{name} --input 1x3x224x224",
    )


def _from_hub(name: str) -> SourceError:
    return SourceError(
        f"{name!r} looks like the name of a published model; nothing is downloaded.",
        hint="Its configuration is enough, without weights:  "
        f"curl -L -o config.json https://huggingface.co/{name}/raw/main/config.json\nThen count it:  nncost count config.json",
    )
