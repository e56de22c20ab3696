"""From a ``torch.nn.Module`` to a model: run on fake tensors, traced, lowered."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

from nncost.dims import substitute
from nncost.errors import OptionError, SourceError, SymbolError
from nncost.frontends.model import Inputs, LoadOptions, Model, TensorShape
from nncost.frontends.torch.allocation.timeline import timeline_of
from nncost.frontends.torch.inputs import (
    batch_of,
    check_names,
    described,
    floating_dtype,
    takes_nothing,
    tensors_of,
)
from nncost.frontends.torch.parameters import packed_bytes, packed_parameters, role_of, stored_shape
from nncost.frontends.torch.step.distributed import communication, held_as, is_tensor_parallel, sharded_parameters
from nncost.frontends.torch.step.loss import primary, wants_backward
from nncost.frontends.torch.step.named_losses import output_tensors
from nncost.frontends.torch.step.optimizer import optimizer_name
from nncost.frontends.torch.step.packing import packed_bits
from nncost.frontends.torch.step.signals import Branched
from nncost.frontends.torch.step.state.guard import kept_around
from nncost.frontends.torch.step.symbolic_sizes import symbol_names
from nncost.frontends.torch.step.threads import ONE_STEP
from nncost.frontends.torch.tracing.connected_graph import Connection
from nncost.frontends.torch.tracing.equal_blocks.templates import BlockRecord
from nncost.frontends.torch.tracing.log import Log
from nncost.frontends.torch.tracing.lower import dtype_name, kernel_of
from nncost.frontends.torch.tracing.trace import MERGED, Traced, trace_module, trace_sparse_update, trace_update
from nncost.ir.graph import Graph, Item, Parameter, Region, Tensor
from nncost.ir.trace import Block, BlockCall, KernelCall, Trace, TraceItem, joined
from nncost.ir.training.losses import NO_LOSS
from nncost.records import replace


def load_module(module: nn.Module, options: LoadOptions) -> Model:
    """Count a module as it runs. Raise an NncostError for what does not fit, and what the module raises."""
    given = options.given
    if given is None and takes_nothing(module):
        given = Inputs()
    if given is None:
        raise SourceError(
            f"counting a {type(module).__name__} needs its inputs.",
            hint="For example: --input 1x3x224x224, or in Python inputs=(1, 3, 224, 224).",
        )
    check_names(given, module)
    _check_options(module, options)
    _check_bindings(given, options)
    given = _bound(given, options.symbols)
    if options.steps.backward == "derived" and wants_backward(options):
        _check_numbers(given, module, options)
        return derived_model(module, given, options)
    try:
        return _model(module, given, options, trace_module(module, given, options))
    except Branched as branched:
        return _counted_with_numbers(module, given, options, branched)


def _counted_with_numbers(module: nn.Module, given: Inputs, options: LoadOptions, branched: Branched) -> Model:
    """The model counted at numbers in the place of its symbols, and a note that says why."""
    numbers = branched.numbers
    batch = options.batch if options.batch is None else numbers.get(str(options.batch), options.batch)
    chosen = ", ".join(f"{name}={number}" for name, number in numbers.items())
    conditions = "; ".join(branched.conditions) or "a size was fixed"
    note = f"{type(module).__name__} branches on a size ({conditions}), so there is no formula. Counted at {chosen}; --symbol gives others."
    model = load_module(module, replace(options, given=_bound(given, numbers), batch=batch, symbols={}))
    return replace(model, notes=(*model.notes, note))


def _check_options(module: nn.Module, options: LoadOptions) -> None:
    """Raise OptionError for options that a module has its own say in."""
    own = dtype_name(floating_dtype(module))
    if options.dtype not in (own, LoadOptions().dtype):
        raise OptionError(
            f"the module computes in {own}, received dtype {options.dtype}.",
            hint=f"Convert it: module.to(torch.{options.dtype})",
        )


def _check_bindings(given: Inputs, options: LoadOptions) -> None:
    """Raise SymbolError for a binding without a symbol."""
    leaves = [leaf for leaf in tree_leaves((given.args, dict(given.kwargs))) if isinstance(leaf, TensorShape)]
    used = {str(free) for leaf in leaves for dim in leaf.shape for free in getattr(dim, "free_symbols", ())}
    for name in options.symbols:
        if name not in used and name not in options.named_elsewhere:
            known = ", ".join(sorted(used)) or "none"
            raise SymbolError(
                f"--symbol {name}=…: the inputs have no symbol {name!r}.", hint=f"Their symbols: {known}."
            )


def _check_numbers(given: Inputs, module: nn.Module, options: LoadOptions) -> None:
    """Raise SymbolError for a symbol among the sizes of the inputs."""
    names = sorted(symbol_names(described(given, module, options.batch)))
    if names:
        raise SymbolError(
            f"the derived backward pass of a module needs sizes in numbers, received {', '.join(names)}.",
            hint=f"For example: --symbol {names[0]}=32; or PyTorch's own backward pass, without --backward.",
        )


def _bound(given: Inputs, symbols: Mapping[str, int]) -> Inputs:
    """The inputs with the symbols that have a number."""

    def bound(value: Any) -> Any:
        if not isinstance(value, TensorShape):
            return value
        return replace(value, shape=tuple(symbols.get(str(dim), dim) for dim in value.shape))

    return Inputs(*tree_map(bound, (given.args, dict(given.kwargs)))) if symbols else given


def derived_model(module: nn.Module, given: Inputs, options: LoadOptions) -> Model:
    """The connected forward graph, whose backward pass and update nncost derives itself."""
    log: Log = []
    traced = trace_module(module, given, replace(options, reuse=False), log)
    parameters = _parameters(traced)
    both = {name: (traced.step.tensors[name].fake, parameter) for name, parameter in parameters.items()}
    leaves = output_tensors(traced.step.output) if options.steps.loss == "sum" else []
    summed = [leaf for leaf in leaves if leaf.requires_grad]
    outputs = summed or [primary(traced.step.output)]
    connection = Connection(both, tensors_of(traced.step.inputs), traced.tracer.sizes)
    graph = connection.graph(log, outputs, list(parameters.values()))
    apart = recurrent_neurons(traced.step.names)
    graph = replace(graph, items=_without_neurons(graph.items, apart))
    shapes = described(given, module, options.batch)
    return Model(
        "torch", type(module).__name__, graph, batch_of(shapes), shapes, "squared_error", "none",
        layers=_layers(traced.step.names), layer_outputs=traced.tracer.layer_outputs,
        recurrent_neurons=sum(apart.values()), batch_neurons=True,
    )  # fmt: skip


def _without_neurons(items: Sequence[Item], paths: Container[str]) -> tuple[Item, ...]:
    """The items without the neurons of the layers at these paths, which are counted apart."""
    return tuple(
        replace(item, neurons=0, items=_without_neurons(item.items, paths))
        if isinstance(item, Region) and item.path in paths
        else item
        for item in items
    )


def _model(module: nn.Module, given: Inputs, options: LoadOptions, traced: Traced) -> Model:
    parameters = {**_parameters(traced), **_packed(traced.step.names)}
    trained = tuple(parameters[name] for name in traced.trained)
    layers = _layers(traced.step.names)
    apart = recurrent_neurons(traced.step.names)
    items = list(_calls(traced.tracer.records, layers, apart))
    optimizer = options.steps.optimizer
    if optimizer is None or traced.step.loss == NO_LOSS:
        optimizer = "none"
    if optimizer != "none":
        with ONE_STEP, kept_around(optimizer):
            items += _updates(optimizer, traced, parameters)
    shapes = described(given, module, options.batch)
    graph = Graph((), tuple(parameters.values()), (), ())
    timeline, state_bytes, input_bytes = timeline_of(module, given, options, traced)
    meaning = {} if traced.settings.sizes is None else traced.settings.sizes.meaning
    return Model(
        "torch", type(module).__name__, graph, batch_of(shapes), shapes, _named(traced.step.loss),
        optimizer_name(optimizer), trace=Trace(tuple(items), meaning), trained=trained, layers=layers,
        layer_outputs={path: tuple(substitute(dim, meaning) for dim in shape) for path, shape in traced.tracer.layer_outputs.items()},
        notes=(*traced.notes, *communication(traced.step.names), *([MERGED] if traced.step.sparse and optimizer != "none" else [])), recurrent_neurons=sum(apart.values()), batch_neurons=True, timeline=timeline,
        state_bytes=state_bytes, input_bytes=input_bytes,
    )  # fmt: skip


def _layers(names: Mapping[nn.Module, str]) -> dict[str, str]:
    return {name: type(layer).__name__ for layer, name in names.items()}


def _named(loss: Any) -> str:
    return loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)


def recurrent_neurons(names: Mapping[nn.Module, str]) -> dict[str, int]:
    """The neurons of layers whose products do not tell them: H for each recurrent layer and direction."""
    found: dict[str, int] = {}
    for layer, name in names.items():
        if isinstance(layer, nn.RNNBase):
            directions = 2 if layer.bidirectional else 1
            found[name] = layer.num_layers * directions * (layer.proj_size or layer.hidden_size)
        elif isinstance(layer, nn.RNNCellBase):
            found[name] = layer.hidden_size
        elif isinstance(layer, nn.Bilinear):
            found[name] = layer.out_features
    return found


def _calls(
    records: Sequence[Any], layers: Mapping[str, str], apart: Container[str] = (), above: str = ""
) -> Iterator[TraceItem]:
    """Calls whose rows are named by the kind of layer, as ``Linear``; a block's calls are made once."""
    blocks: dict[int, Block] = {}
    for record in records:
        if isinstance(record, BlockRecord):
            block = blocks.get(id(record.calls))
            if block is None:
                block = blocks[id(record.calls)] = Block(tuple(_calls(record.calls, layers, apart, record.path)))
            yield BlockCall(block, record.path)
            continue
        signature, path, phase = record
        kernel = kernel_of(signature)
        if kernel.graph.items:
            full = joined(above, path)
            yield KernelCall(kernel, path, phase, layers.get(full, ""), full not in apart)


def _updates(optimizer: Any, traced: Traced, parameters: dict[str, Parameter]) -> list[TraceItem]:
    """The update of every trained parameter; those of one shape and group share their operations."""
    items: list[TraceItem] = []
    known: dict[Any, list[KernelCall]] = {}
    name = optimizer_name(optimizer)
    if traced.trained and all(_group_of(optimizer, traced.step.tensors[name].original) < 0 for name in traced.trained):
        raise OptionError(
            f"the {name} optimizer holds none of the parameters that are trained.", hint="Is it another model's?"
        )
    for trained in traced.trained:
        original = traced.step.tensors[trained].original
        rows = traced.step.sparse.get(trained)
        key = (original.shape, original.dtype, _group_of(optimizer, original), rows)
        if key not in known:
            records = (
                trace_update(optimizer, original) if rows is None else trace_sparse_update(optimizer, original, rows)
            )
            calls = () if records is None else _calls(records, {"": name})
            known[key] = [call for call in calls if isinstance(call, KernelCall)]
        path = parameters[trained].path
        items += [replace(call, path=path) for call in known[key]]
    return items


def _group_of(optimizer: Any, original: torch.Tensor) -> int:
    if not isinstance(optimizer, torch.optim.Optimizer):
        return 0
    groups = [
        i for i, group in enumerate(optimizer.param_groups) if any(p is held_as(original) for p in group["params"])
    ]
    return groups[0] if groups else -1


def _parameters(traced: Traced) -> dict[str, Parameter]:
    uses: dict[str, list[tuple[str, str]]] = {}
    for name, operator, argument in traced.tracer.uses:
        uses.setdefault(name, []).append((operator, argument))
    found: dict[str, Parameter] = {}
    whole = sharded_parameters(traced.step.names)
    for name, stored in traced.step.tensors.items():
        path, _, leaf = name.rpartition(".")
        original = stored.original
        tensor = Tensor(stored_shape(original), dtype_name(original.dtype), leaf, packed_bits(original))
        role = role_of(name, tensor.shape, uses.get(name, ())) if stored.is_parameter else "buffer"
        packed = None if id(original) in whole else packed_bytes(original)
        trainable = stored.is_parameter and original.requires_grad
        found[name] = Parameter(
            tensor, role, path, trainable, packed_bytes=packed,
            own_gradient_bytes=packed if is_tensor_parallel(type(original)) else _gradient_bytes(original, traced.step.sparse.get(name)),
        )  # fmt: skip
    return found


def _gradient_bytes(original: torch.Tensor, rows: int | None) -> int | None:
    """The bytes of a sparse gradient with so many rows: a position and the values of each."""
    if rows is None:
        return None
    taken: int = rows * (torch.int64.itemsize + original[0].numel() * original.element_size())
    return taken


def _packed(names: Mapping[nn.Module, str]) -> dict[str, Parameter]:
    """What quantized layers keep out of sight; it is not trained."""
    found: dict[str, Parameter] = {}
    for name, value, role in packed_parameters(names):
        path, _, leaf = name.rpartition(".")
        found[name] = Parameter(Tensor(tuple(value.shape), dtype_name(value.dtype), leaf), role, path, trainable=False)
    return found
