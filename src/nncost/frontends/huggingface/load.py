"""Load a Hugging Face configuration: the network it describes, traced without weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from nncost.frontends import registry
from nncost.frontends.huggingface.build import build_with_notes
from nncost.frontends.huggingface.errors import one_error
from nncost.frontends.huggingface.experts import active_parameters
from nncost.frontends.huggingface.quiet import undisturbed
from nncost.frontends.model import LoadOptions, Model


@contextmanager
def made(source: str, options: LoadOptions, *, real: bool) -> Iterator[tuple[Any, LoadOptions]]:
    """The network of a configuration, and the options with its inputs; ``real``: with memory and random weights."""
    module, inputs, _ = build_with_notes(source, options, real=real)
    with undisturbed():
        yield module, replace(options, given=inputs, inputs={}, symbols={}, batch=None)


def load(source: str, options: LoadOptions) -> Model:
    """The model of the configuration at ``source``: a JSON file, or a folder that holds ``config.json``.

    ``options.inputs`` are shapes by the model's own names of its inputs or short ones such as
    ``ids``; a documented default stands for each one that is missing. Nothing is downloaded and no
    code but that of transformers is run. Raises SourceError, OptionError, SymbolError or ShapeError
    for what does not fit, MissingExtraError without torch or transformers.
    """
    module, inputs, notes = build_with_notes(source, options)
    with undisturbed(), one_error("run", source):
        model = registry.load_object(module, replace(options, given=inputs, inputs={}, symbols={}, batch=None))
    return replace(
        model,
        kind="huggingface",
        name=source,
        notes=(*notes, *model.notes),
        active_parameters=active_parameters(module, module.config),
    )
