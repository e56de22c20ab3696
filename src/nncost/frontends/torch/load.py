"""From a ``torch.nn.Module`` to a model: staged, run on shapes alone, lowered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from nncost.dims import Dim, Shape
from nncost.errors import SourceError
from nncost.frontends.model import Inputs, LoadOptions, Model, matches
from nncost.frontends.torch.arguments import batch_of, check_names, concrete, converted, described, has_values
from nncost.frontends.torch.blocks import BlockRecord, Blocks, NotAlike, find_candidates
from nncost.frontends.torch.connected import Connection
from nncost.frontends.torch.kernels import dtype_name, kernel_of
from nncost.frontends.torch.roles import role_of
from nncost.frontends.torch.staging import Stage, Stored, raised
from nncost.frontends.torch.light import LightFakes
from nncost.frontends.torch.log import Log
from nncost.frontends.torch.marks import DATA, LEARNED, STORED, data_mark, set_mark, stored_values
from nncost.frontends.torch.packed import packed_parameters, stored_shape
from nncost.frontends.torch.step import own_loss, primary, run_backward
from nncost.frontends.torch.tracer import Tracer
from nncost.frontends.torch.update import optimizer_name, trace_update
from nncost.ir.graph import Graph, Parameter, Tensor
from nncost.ir.trace import Block, BlockCall, Call, Trace, TraceItem, joined

NO_LOSS = "none"


@dataclass(slots=True)
class Traced:
    """What one run left: the tracer, the tensors and layers by name, which parameters got a gradient."""

    tracer: Tracer
    tensors: Mapping[str, Stored]
    names: Mapping[nn.Module, str]
    trained: list[str]
    loss: Any
    output: Any
    inputs: Inputs


def load_module(module: nn.Module, options: LoadOptions) -> Model:
    """Count a module as it runs. Raises an NncostError for what does not fit, and what the module raises."""
    given = options.given
    if given is None:
        raise SourceError(
            f"counting a {type(module).__name__} needs its inputs.",
            hint="For example: --input 1x3x224x224, or nncost.count(module, (1, 3, 224, 224)).",
        )
    check_names(given, module)
    if options.steps.backward == "derived" and _wants_backward(options):
        return derived_model(module, given, options)
    return _model(module, given, options, trace_module(module, given, options))


def derived_model(module: nn.Module, given: Inputs, options: LoadOptions) -> Model:
    """The connected forward graph, whose backward pass and update nncost derives itself."""
    log = Log()
    traced = trace_module(module, given, replace(options, reuse=False), log)
    parameters = _parameters(traced)
    both = {name: (traced.tensors[name].stand_in, parameter) for name, parameter in parameters.items()}
    inputs = [t for t in tree_leaves((traced.inputs.args, dict(traced.inputs.kwargs))) if isinstance(t, torch.Tensor)]
    graph = Connection(both, inputs).graph(log, [primary(traced.output)], list(parameters.values()))
    shapes = _batched(described(given, module), options.batch)
    return Model(
        "torch", type(module).__name__, graph, batch_of(shapes), shapes, "squared_error", "none", layers=_layers(traced.names)
    )


def trace_module(module: nn.Module, given: Inputs, options: LoadOptions, log: Log | None = None) -> Traced:
    """Run the module on stand-ins; with its real inputs where its course depends on their values."""
    from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException

    excluded: set[nn.Module] | None = set() if options.reuse else None
    while True:
        try:
            return _run(module, given, options, excluded, log, real=False)
        except NotAlike as found:
            assert excluded is not None
            excluded.add(found.layer)
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            if not has_values(given):
                raise SourceError(
                    f"the course of {type(module).__name__} depends on the values of its inputs ({error.func}).",
                    hint="Give real tensors instead of shapes: nncost.count(module, tensors).",
                ) from error
            return _run(module, given, options, None, log, real=True)


def _run(
    module: nn.Module,
    given: Inputs,
    options: LoadOptions,
    excluded: set[nn.Module] | None,
    log: Log | None,
    *,
    real: bool,
) -> Traced:
    mode = None if real else FakeTensorMode(allow_non_fake_inputs=True)
    wants_backward = _wants_backward(options)
    stand_ins = StandIns(mode, options, wants_backward)
    tracer = Tracer(stand_ins.light, None if mode is None else stand_ins.of_stray, log=log)
    candidates = {} if excluded is None or mode is None else find_candidates(module, excluded)
    layer_forward = LayerForward(tracer)
    stage = Stage(module, stand_ins.of_tensor, _flag(module, options), layer_forward.wrap)
    stand_ins.stage = stage
    if candidates:
        layer_forward.reuse(candidates, stand_ins, stage)
    with raised(stage, candidates):
        arguments = converted(given, module, options.batch, stand_ins.of_shape, stand_ins.of_input)
        trained: list[str] = []
        with _modes(mode), tracer, torch.set_grad_enabled(wants_backward):
            output = module(*arguments.args, **arguments.kwargs)
            loss = _loss_of(output, options)
            if wants_backward and log is None:
                trained = run_backward(tracer, output, loss, _wanted(stage, layer_forward.blocks))
    if layer_forward.blocks is not None:
        both = {*trained, *layer_forward.blocks.trained}
        trained = [name for name in stage.tensors if name in both]
    return Traced(tracer, stage.tensors, stage.names, trained, loss, output, arguments)


def _wanted(stage: Stage, blocks: Blocks | None) -> dict[str, torch.Tensor]:
    """The stand-ins whose gradients are asked for, and what makes autograd come to every alike block."""
    wanted = {
        name: stored.stand_in
        for name, stored in stage.tensors.items()
        if stored.stand_in is not None and stored.stand_in.requires_grad
    }
    return wanted if blocks is None else {**wanted, "": blocks.anchor}


def _wants_backward(options: LoadOptions) -> bool:
    return options.steps.loss not in (None, NO_LOSS) or options.steps.optimizer not in (None, "none")


def _loss_of(output: Any, options: LoadOptions) -> Any:
    """The loss that was asked for, or the one that goes with an optimizer alone."""
    loss, optimizer = options.steps.loss, options.steps.optimizer
    if loss is not None:
        return loss
    if optimizer in (None, "none"):
        return NO_LOSS
    return "own" if own_loss(output) is not None else "squared_error"


@contextmanager
def _modes(mode: Any) -> Iterator[None]:
    if mode is None:
        yield
        return
    with mode:
        yield


def _flag(module: nn.Module, options: LoadOptions) -> bool | None:
    """The training flag for all layers; None leaves a model in training with the layers its owner set apart."""
    if not options.training:
        return False
    return None if module.training else True


class LayerForward:
    """Each layer's forward, telling the tracer which layer runs; alike blocks are replayed."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self.blocks: Blocks | None = None
        self._candidates: Mapping[nn.Module, Any] = {}

    def reuse(self, candidates: Mapping[nn.Module, int], stand_ins: StandIns, stage: Stage) -> None:
        """Let blocks that are alike be analysed once."""
        assert stand_ins.light is not None
        self._candidates = candidates
        anchor = set_mark(stand_ins.light.make((), (), torch.float32, requires_grad=True), (STORED, ""))
        self.blocks = Blocks(self.tracer, stand_ins.light, candidates, anchor, stage.prepare)

    def wrap(self, layer: nn.Module, name: str, forward: Any) -> Any:
        """The function that runs in place of a layer's forward."""
        places = self.tracer.places

        def run(*args: Any, **kwargs: Any) -> Any:
            outer, places.path = places.path, name
            places.inside += 1
            try:
                if layer in self._candidates and self.blocks is not None:
                    return self.blocks.run(layer, name, forward, args, kwargs)
                return forward(*args, **kwargs)
            except NotAlike:
                raise
            except Exception as error:
                _explain(error, layer, name, args)
                raise
            finally:
                places.path = outer
                places.inside -= 1

        return run


def _explain(error: Exception, layer: nn.Module, name: str, args: Sequence[Any]) -> None:
    """Say once in which layer an exception arose and what it received."""
    if getattr(error, "__nncost__", None) is None:
        shapes = ", ".join("x".join(map(str, a.shape)) or "()" for a in args if isinstance(a, torch.Tensor))
        where = f"in layer {name!r}" if name else "in the model's own forward"
        note = f"{where} ({type(layer).__name__}), which received {shapes or 'no tensor'}"
        try:
            error.__nncost__ = note  # type: ignore[attr-defined]
        except AttributeError:
            return
        error.add_note(f"nncost: {note}")


class StandIns:
    """Makes stand-ins: shapes without storage, or copies where values are needed."""

    def __init__(self, mode: FakeTensorMode | None, options: LoadOptions, gradients: bool) -> None:
        self._mode, self._options, self._gradients = mode, options, gradients
        self.stage: Stage | None = None
        self.light = None if mode is None else LightFakes(mode)
        self._strays: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def of_tensor(self, tensor: torch.Tensor, name: str, learned: bool) -> torch.Tensor:
        """A parameter's or a buffer's."""
        made = self._like(tensor)
        layer, _, leaf = name.rpartition(".")
        if learned:
            made._is_param = True  # type: ignore[attr-defined]
            frozen = any(matches(pattern, layer, leaf) for pattern in self._options.steps.freeze)
            if self._gradients and tensor.requires_grad and not frozen:
                made.requires_grad_()
        return set_mark(made, (LEARNED, name) if learned else (STORED, ""))

    def of_stray(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor that is no parameter and no buffer."""
        if self.stage is not None and self.stage.is_deferred(tensor):
            raise NotAlike(self.stage.owner(tensor))
        found = self._strays.get(id(tensor))
        if found is None:
            found = self._strays[id(tensor)] = (tensor, self._like(tensor))
        return found[1]

    def of_shape(self, shape: Shape, dtype: torch.dtype) -> torch.Tensor:
        """An input of that shape."""
        if self.light is None:
            return data_mark(torch.empty(concrete(shape), dtype=dtype))
        return data_mark(self.light.make(concrete(shape), contiguous_strides(concrete(shape)), dtype))

    def of_input(self, tensor: torch.Tensor) -> torch.Tensor:
        """An input given as a tensor."""
        return set_mark(self._like(tensor), (DATA, ""))

    def _like(self, tensor: torch.Tensor) -> torch.Tensor:
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            raise SourceError(
                "the module has lazy parameters without a shape.", hint="Call it once on real data first."
            )
        if self._mode is None:
            return tensor.detach().clone()
        if (
            tensor.layout is not torch.strided
            or tensor.is_quantized
            or type(tensor) not in (torch.Tensor, nn.Parameter, nn.Buffer)
        ):
            made = self._mode.from_tensor(tensor.detach())
            if tensor.layout is not torch.strided:
                made._nncost_stored = stored_values(tensor)  # type: ignore[attr-defined]
            return made
        assert self.light is not None
        return self.light.make(tensor.shape, tensor.stride(), tensor.dtype)


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a tensor in row-major order."""
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * max(size, 1))
    return tuple(reversed(strides)) if shape else ()


def _model(module: nn.Module, given: Inputs, options: LoadOptions, traced: Traced) -> Model:
    parameters = {**_parameters(traced), **_packed(module)}
    trained = tuple(parameters[name] for name in traced.trained)
    layers = _layers(traced.names)
    items = list(_calls(traced.tracer.records, layers))
    optimizer = options.steps.optimizer
    if optimizer is None or traced.loss == NO_LOSS:
        optimizer = "none"
    if optimizer != "none":
        items += _updates(optimizer, traced, parameters)
    shapes = _batched(described(given, module), options.batch)
    batch: Dim = batch_of(shapes)
    graph = Graph((), tuple(parameters.values()), (), ())
    return Model(
        "torch", type(module).__name__, graph, batch, shapes, _named(traced.loss), optimizer_name(optimizer),
        trace=Trace(tuple(items)), trained=trained, layers=layers,
    )  # fmt: skip


def _layers(names: Mapping[nn.Module, str]) -> dict[str, str]:
    return {name: type(layer).__name__ for layer, name in names.items()}


def _batched(shapes: Mapping[str, Shape], batch: Dim | None) -> dict[str, Shape]:
    """The shapes with another number of examples."""
    return {name: (batch, *shape[1:]) if batch is not None and shape else shape for name, shape in shapes.items()}


def _named(loss: Any) -> str:
    return loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)


def _calls(records: Sequence[Any], layers: Mapping[str, str], above: str = "") -> Iterator[TraceItem]:
    """Calls whose rows are named by the kind of layer, as ``Linear``; a block's calls are made once."""
    blocks: dict[int, Block] = {}
    for record in records:
        if isinstance(record, BlockRecord):
            block = blocks.get(id(record.calls))
            if block is None:
                block = blocks[id(record.calls)] = Block(tuple(_calls(record.calls, layers, record.path)))
            yield BlockCall(block, record.path)
            continue
        signature, path, phase = record
        kernel = kernel_of(signature)
        if kernel.graph.items:
            yield Call(kernel, path, phase, layers.get(joined(above, path), ""))


def _updates(optimizer: Any, traced: Traced, parameters: dict[str, Parameter]) -> list[TraceItem]:
    """The update of every trained parameter; those of one shape and group share their operations."""
    items: list[TraceItem] = []
    known: dict[Any, list[Call]] = {}
    name = optimizer_name(optimizer)
    for trained in traced.trained:
        original = traced.tensors[trained].original
        key = (original.shape, original.dtype, _group_of(optimizer, original))
        if key not in known:
            records = trace_update(optimizer, original)
            calls = () if records is None else _calls(records, {"": name})
            known[key] = [call for call in calls if isinstance(call, Call)]
        path = parameters[trained].path
        items += [replace(call, path=path) for call in known[key]]
    return items


def _group_of(optimizer: Any, original: torch.Tensor) -> int:
    if not isinstance(optimizer, torch.optim.Optimizer):
        return 0
    groups = [i for i, group in enumerate(optimizer.param_groups) if any(p is original for p in group["params"])]
    return groups[0] if groups else -1


def _parameters(traced: Traced) -> dict[str, Parameter]:
    uses: dict[str, list[tuple[str, str]]] = {}
    for name, operator, argument in traced.tracer.uses:
        uses.setdefault(name, []).append((operator, argument))
    found: dict[str, Parameter] = {}
    for name, stored in traced.tensors.items():
        path, _, leaf = name.rpartition(".")
        original = stored.original
        tensor = Tensor(stored_shape(original), dtype_name(original.dtype), leaf)
        role = role_of(name, tensor.shape, uses.get(name, ())) if stored.learned else "buffer"
        found[name] = Parameter(tensor, role, path, stored.learned and original.requires_grad)
    return found


def _packed(module: nn.Module) -> dict[str, Parameter]:
    """What quantized layers keep out of sight; it is not trained."""
    found: dict[str, Parameter] = {}
    for name, value, role in packed_parameters(module):
        path, _, leaf = name.rpartition(".")
        found[name] = Parameter(Tensor(tuple(value.shape), dtype_name(value.dtype), leaf), role, path, trainable=False)
    return found
