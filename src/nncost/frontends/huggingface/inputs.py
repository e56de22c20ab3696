"""The arguments a model is called with: those given, and a default for each that it cannot do without."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nncost.dims import Dim, is_symbolic, shape_text
from nncost.errors import SourceError
from nncost.frontends.huggingface.default_inputs import context_length, default_sizes
from nncost.frontends.huggingface.given import bound, given_inputs
from nncost.frontends.huggingface.names import accepted_inputs, dtype_of
from nncost.frontends.model import Inputs, LoadOptions, TensorShape

REPLACES = {"input_ids": ("inputs_embeds",), "decoder_input_ids": ("decoder_inputs_embeds", "labels")}
"""An input of the right makes the one of the left unnecessary."""


def inputs_of(module: Any, options: LoadOptions) -> tuple[Inputs, tuple[str, ...]]:
    """The arguments and notes on them.

    ``options.given`` or ``options.inputs`` name inputs by the model's names or short ones, or leave
    the name of the main one out; ``options.batch`` replaces the first axis of each. Raises
    OptionError for an input that does not fit, SourceError where a shape must be given.
    """
    accepted, main = accepted_inputs(module), _main_input(module)
    if main not in accepted:
        raise _unknown_shape(main, module, accepted)
    defaults = {name: _default(name, module, main) for name in _needed(module, main, accepted)}
    ranks = {name: len(sizes) + 1 for name, sizes in defaults.items() if sizes}
    found = given_inputs(module, options, main, accepted, ranks)
    notes = list(_remarks(found, module))
    batch = _batch(found, options)
    for name, sizes in defaults.items():
        if name in found or any(other in found for other in REPLACES.get(name, ())):
            continue
        if sizes is None:
            raise _unknown_shape(name, module, accepted)
        found[name] = TensorShape((batch, *sizes), dtype_of(name, options.dtype))
        notes.append(f"Input {name}: {shape_text(found[name].shape)} by default; --input {name}=… gives another.")
    if "use_cache" in inspect.signature(module.forward).parameters:
        found.setdefault("use_cache", False)  # one pass over whole sequences leaves no keys and values behind
    order = [name for name in accepted if name in found]
    return Inputs(kwargs={name: found[name] for name in dict.fromkeys([*order, *found])}), tuple(notes)


def _main_input(module: Any) -> str:
    main = module.main_input_name
    return str(main[0] if isinstance(main, (list, tuple)) else main)


def _needed(module: Any, main: str, accepted: Iterable[str]) -> list[str]:
    """The main input, those without a default value, a decoder's, and both sides of a contrastive model."""
    parameters = inspect.signature(module.forward).parameters
    contrastive = any(name.startswith("logit_scale") for name, _ in module.named_parameters(recurse=False))
    sides = ("input_ids", "pixel_values", "input_features") if contrastive else ()
    decoder = ("decoder_input_ids",) if module.config.is_encoder_decoder else ()
    return [
        name
        for name in accepted
        if name == main or name in (*sides, *decoder) or parameters[name].default is inspect.Parameter.empty
    ]


def _default(name: str, module: Any, main: str) -> tuple[int, ...] | None:
    from transformers.models.auto import modeling_auto

    videos = getattr(modeling_auto, "MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES", {})
    config = module.config
    sizes = default_sizes(name, config, video=config.model_type in videos, generates=main != "input_ids")
    if sizes is not None and name == "input_ids":
        return (min(sizes[0], (context_length(config) or sizes[0]) - _unused_positions(module)),)
    return sizes


def _unused_positions(module: Any) -> int:
    """Rows of the position table that no token has: RoBERTa's family begins behind the padding token."""
    import torch

    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, torch.nn.Embedding) and part.padding_idx:
            return int(part.padding_idx) + 1
    return 0


def _batch(found: Mapping[str, Any], options: LoadOptions) -> Dim:
    """The batch asked for, or that of the inputs given."""
    if options.batch is not None:
        return bound(options.batch, options.symbols)
    return next((leaf.shape[0] for leaf in found.values() if len(getattr(leaf, "shape", ()))), 1)


def _remarks(found: Mapping[str, Any], module: Any) -> Iterator[str]:
    longest = context_length(module.config)
    tokens = getattr(found.get("input_ids"), "shape", (1,))[-1]
    if longest is not None and not is_symbolic(tokens) and tokens > longest:
        yield f"{tokens:,} tokens are more than the {longest:,} of the configuration."


def _unknown_shape(name: str, module: Any, accepted: Iterable[str]) -> SourceError:
    return SourceError(
        f"the configuration does not say what shape the input {name} of {type(module).__name__} has.",
        hint=f"Give it:  --input {name}=1x…   Its inputs: {', '.join(accepted)}.",
    )
