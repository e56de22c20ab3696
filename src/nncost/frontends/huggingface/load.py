"""Load a Hugging Face configuration: its network is built on the meta device, without weights, and traced as a module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nncost.errors import SourceError
from nncost.frontends import registry
from nncost.frontends.huggingface.config import building, number_format
from nncost.frontends.huggingface.config import read as read_config
from nncost.frontends.huggingface.even_shares import share_evenly
from nncost.frontends.huggingface.experts import active_parameters
from nncost.frontends.huggingface.inputs import inputs_of
from nncost.frontends.huggingface.model_class import configuration_class, model_class
from nncost.frontends.huggingface.quantization.apply import pack, quantization_of
from nncost.frontends.huggingface.transformers import as_source_error, quiet, transformers
from nncost.frontends.model import Inputs, LoadOptions, Model
from nncost.records import replace

if TYPE_CHECKING:
    from nncost.ir.call_log import CallLog, Instrumentation

MAX_MODULES = 500_000
"""The largest mixtures of experts have some 100,000."""
RANDOM_IN_TRAINING = {"layerdrop": 0.0, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0, "apply_spec_augment": False}
"""Layers and inputs dropped at random in training, by Python: switched off, so that every layer is counted."""


def load(source: str, options: LoadOptions) -> Model:
    """Return the model of the configuration at ``source``: a JSON file, or a folder that holds ``config.json``.

    ``options.inputs`` are shapes by the model's own names of its inputs or short ones such as
    ``ids``; a documented default stands for each one that is missing. Nothing is downloaded and no
    code but that of transformers is run. Raise SourceError, OptionError, SymbolError or ShapeError
    for what does not fit, MissingExtraError without torch or transformers.
    """
    module, inputs, notes = build(source, options)
    with quiet(), as_source_error("run", source):
        model = registry.load(module, _with_inputs(options, inputs))
    return replace(
        model,
        kind="huggingface",
        name=source,
        notes=(*notes, *model.notes),
        active_parameters=active_parameters(module, module.config),
    )


def observe(source: str, options: LoadOptions, instrumentation: Instrumentation) -> CallLog:
    """Return what a tool instrumented like that sees of the network. Raise an NncostError as loading it does."""
    module, inputs, _ = build(source, options)
    with quiet():
        observed = registry.observe(module, _with_inputs(options, inputs), instrumentation)
    assert observed is not None
    return observed


@contextmanager
def runnable(source: str, options: LoadOptions, *, real: bool) -> Iterator[tuple[Any, LoadOptions]]:
    """Give the network and the options with its inputs; ``real``: with memory and random weights."""
    module, inputs, _ = build(source, options, real=real)
    with quiet():
        yield module, _with_inputs(options, inputs)


def _with_inputs(options: LoadOptions, inputs: Inputs) -> LoadOptions:
    own = LoadOptions().dtype  # the module has its types already
    return replace(options, given=inputs, inputs={}, symbols={}, batch=None, dtype=own)


def build(source: str, options: LoadOptions, *, real: bool = False) -> tuple[Any, Inputs, tuple[str, ...]]:
    """Return the module, its arguments and what a reader should know. Raise an NncostError for what cannot be built.

    Without ``real`` it has shapes only: no memory, no weights.
    """
    values = read_config(source)
    library = transformers()
    with quiet(), as_source_error("build", source):
        quantization = quantization_of(values, options, real=real)
        options = replace(options, dtype=quantization.dtype)
        module, named = _module(source, values, options, real=real)
        _check_sizes(source, module)
        packed = pack(module, quantization)
        inputs, notes = inputs_of(module, options)
    said = (_origin(module, values, named, library.__version__), *packed, *_notes(values, options))
    return module, inputs, (*said, *notes)


def _module(source: str, values: Mapping[str, Any], options: LoadOptions, *, real: bool) -> tuple[Any, bool]:
    import torch

    wanted = building(values)
    if options.training:
        wanted |= {name: off for name, off in RANDOM_IN_TRAINING.items() if name in wanted}
    config = configuration_class(values, source).from_dict(wanted)
    if options.training:
        for name, off in RANDOM_IN_TRAINING.items():
            if hasattr(config, name):
                setattr(config, name, off)
    found, named = model_class(config, values.get("architectures"))
    with torch.device("cpu" if real else "meta"), _counted_modules():
        module = found._from_config(config, dtype=getattr(torch, options.dtype))
    if not real:
        _without_memory(module)
        share_evenly(module)
    return module.train(options.training), named


def _without_memory(module: Any) -> None:
    """Move the parameters that a layer made elsewhere in spite of all."""
    import torch

    for layer in module.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            if not parameter.is_meta:
                moved = torch.nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)
                layer._parameters[name] = moved


@contextmanager
def _counted_modules() -> Iterator[None]:
    """Stop a construction that goes on and on."""
    from torch.nn.modules.module import register_module_module_registration_hook

    made = 0

    def made_one(*_: Any) -> None:
        nonlocal made
        made += 1
        if made > MAX_MODULES:
            raise SourceError(f"the network has more than {MAX_MODULES:,} modules; nncost builds no larger one.")

    handle = register_module_module_registration_hook(made_one)
    try:
        yield
    finally:
        handle.remove()


def _check_sizes(source: str, module: Any) -> None:
    for name, parameter in module.named_parameters():
        if parameter.numel() == 0:
            raise SourceError(f"{source!r}: its parameter {name} would be empty, of shape {tuple(parameter.shape)}.")


def _origin(module: Any, values: Mapping[str, Any], named: bool, version: str) -> str:
    name = type(module).__name__
    text = f"{name}, built by transformers {version} from its configuration: no weights, nothing downloaded."
    if named:
        return text
    wanted = values.get("architectures")
    stated = f"The class it names, {str(wanted)[:60]}, is not one of its family" if wanted else "It names no class"
    return f"{text} {stated}; this is the family's plain network."


def _notes(values: Mapping[str, Any], options: LoadOptions) -> Iterator[str]:
    named = number_format(values)
    if named and named != options.dtype:
        yield f"The configuration says {named[:30]}; bytes are counted in {options.dtype}."
    if values.get("auto_map"):
        yield "auto_map is not used: the code is that of transformers."
    dropped = [name for name in RANDOM_IN_TRAINING if values.get(name)]
    if options.training and dropped:
        yield f"{', '.join(dropped)}: what is dropped at random in training is counted as kept."
