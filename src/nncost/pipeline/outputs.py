"""``nncost.run``: the outputs of the very graph that is counted, computed by NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from nncost.backends.initial_values import initialise, random_inputs
from nncost.dims import is_symbolic, shape_text
from nncost.errors import OptionError, ShapeError, SourceError, SymbolError
from nncost.frontends import registry
from nncost.frontends.arguments import flattened, shapes_of
from nncost.frontends.front_end import Runnable
from nncost.frontends.model import Inputs, LoadOptions, Model, TensorShape
from nncost.ir import ops
from nncost.ir.execute import prepare
from nncost.ir.graph import Graph, Item, Tensor, walk
from nncost.ir.numpy_types import numpy_dtype
from nncost.pipeline.choices import INFERENCE
from nncost.pipeline.settings import Settings, check, load_options
from nncost.records import replace
from nncost.units import counted

Array = Any
DTYPES = ("float64", "float32", "float16")
RANDOM_STREAM = 1
"""Which of a seed's streams of random numbers a graph in training mode draws from."""
OUTPUT = "y"
TOO_LARGE = ("array is too big", "Maximum allowed dimension", "too large", "negative dimensions")
"""What NumPy says to sizes that no array has."""
ACCEPTED = 'Accepted: a spec such as "784-16-10", an ONNX file, a Graph.'


def run_source(source: Any, settings: Settings, seed: int) -> dict[str, Array]:
    """The outputs by name; see ``nncost.run``."""
    chosen = settings if settings.mode is not None else replace(settings, mode=INFERENCE)
    check(chosen)
    if chosen.load.dtype not in DTYPES:
        raise OptionError(f"nncost.run computes in {', '.join(DTYPES)}, received {chosen.load.dtype}.")
    graph, names, nested = _loaded(source, chosen)
    _check_graph(graph)
    try:
        feeds = random_inputs(graph, seed)
        feeds |= _given(graph, chosen.load.given or Inputs())
        feeds |= {parameter.tensor: values for parameter, values in initialise(graph, seed).items()}
        random = np.random.default_rng([seed, len(graph.inputs), RANDOM_STREAM]).random
        with np.errstate(all="ignore"):
            floats = chosen.load.dtype if chosen.load.dtype_given else None
            values = prepare(graph, random, dtype=floats).run(feeds)
    except IndexError as error:
        raise SourceError(f"the network cannot run on these inputs: {error}.") from None
    except (MemoryError, OverflowError, ValueError) as error:
        if isinstance(error, ValueError) and not any(text in str(error) for text in TOO_LARGE):
            raise
        raise SourceError(f"this machine has too little memory to run the network: {str(error).rstrip('.')}.") from None
    found = {name: _declared(values[tensor], tensor) for name, tensor in zip(names, graph.outputs, strict=True)}
    for name, parts in nested.items():
        found[name] = None if parts is None else [found.pop(part) for part in parts]
    return found


def _declared(value: Array, tensor: Tensor) -> Array:
    """An output of its own, in the type that the graph declares."""
    return np.array(value, dtype=value.dtype if "float" in tensor.dtype else numpy_dtype(tensor.dtype))


# ------------------------------------------------------------------- the graph
def _loaded(source: Any, settings: Settings) -> tuple[Graph, Sequence[str], Mapping[str, tuple[str, ...] | None]]:
    """The graph at the shapes of the inputs, the names of its outputs, and those that are sequences of them."""
    front_end = registry.front_end_for(source)
    if isinstance(front_end, Runnable):
        what = repr(source) if isinstance(source, str) else f"a {type(source).__module__}.{type(source).__qualname__}"
        raise SourceError(f"cannot run {what}: {front_end.kind} models run in their own framework.", hint=ACCEPTED)
    model = _model_at(source, settings) if front_end.shaped_by_inputs else _own_model(source, settings)
    if not model.graph.outputs and not model.nested_outputs:
        raise SourceError(f"{source!r} is of the kind {model.kind}, which holds no graph to run.", hint=ACCEPTED)
    return model.graph, model.outputs or _output_names(model.graph), model.nested_outputs


def _own_model(source: Any, settings: Settings) -> Model:
    """A source that states its shapes, at the batch of the array it is given unless a batch is named."""
    given = settings.load.given
    own = LoadOptions().dtype if isinstance(source, Graph) else settings.load.dtype  # a graph has its types already
    bare = replace(settings, load=replace(settings.load, given=None, inputs={}, dtype=own))
    model = registry.load(source, load_options(source, bare))
    leaves = [] if given is None else [*given.args, *given.kwargs.values()]
    if bare.load.batch is None and len(leaves) == 1:
        shape = _shape(leaves[0])
        if len(shape) == model.graph.inputs[0].rank and shape[0] != model.graph.inputs[0].shape[0]:
            bare = replace(bare, load=replace(bare.load, batch=shape[0]))
            model = registry.load(source, load_options(source, bare))
    return model


def _model_at(source: Any, settings: Settings) -> Model:
    """The model at the shapes of the inputs. Raise ShapeError with the file's own shapes where they do not fit."""
    load = replace(settings.load, inputs=shapes_of(settings.load.given))
    try:
        return registry.load(source, load_options(source, replace(settings, load=load)))
    except ShapeError as error:
        if settings.load.given is None:
            raise
        bare = replace(settings, load=replace(settings.load, given=None, inputs={}))
        own = registry.load(source, load_options(source, bare)).inputs
        given = settings.load.given
        if len(given.args) + len(given.kwargs) < len(own):
            missing = list(own)[len(given.args) :]
            names = ", ".join(name for name in missing if name not in given.kwargs)
            raise OptionError(f"no array for {names}.", hint="A shape stands for random numbers.") from error
        shapes = ", ".join(f"{name} {shape_text(shape)}" for name, shape in own.items())
        raise ShapeError(
            f"the inputs do not fit the network: {error.message}", hint=f"The file's own shapes: {shapes}."
        ) from error


def _output_names(graph: Graph) -> list[str]:
    """The outputs' own names; ``y``, or ``y.1``, ``y.2`` … for those that have none."""
    if len(graph.outputs) == 1:
        return [graph.outputs[0].name or OUTPUT]
    named = [tensor.name for tensor in graph.outputs]
    return named if all(named) and len(set(named)) == len(named) else [f"{OUTPUT}.{n + 1}" for n in range(len(named))]


def _check_graph(graph: Graph) -> None:
    """Raise SymbolError for a size that is a symbol, SourceError for an operation that can only be counted."""
    for tensor in (*graph.inputs, *(parameter.tensor for parameter in graph.parameters), *graph.outputs):
        for dim in tensor.shape:
            if is_symbolic(dim):
                hint = f"Bind it: nncost.run(…, symbols={{'{dim}': 8}}), or give an array."
                if "[" in str(dim):
                    hint = "A family has any number of widths; write some out, as in 784-16-16-10."
                raise SymbolError(f"cannot run a network whose size {dim} is a symbol.", hint=hint)
    _check_operations(graph.items)


def _check_operations(items: Sequence[Item]) -> None:
    for node in walk(items):
        if isinstance(node.op, ops.Opaque):
            why = f" ({node.op.reason})" if node.op.reason else ""
            raise SourceError(f"{node.path}: {node.op.name} is unknown{why}, so it is neither counted nor run.")
        if isinstance(node.op, ops.Algorithm) and node.op.run is None:
            raise SourceError(f"{node.path}: {node.op.name} can be counted but not run.")
        if isinstance(node.op, ops.Repeat):
            _check_operations(node.op.body.items)


# ------------------------------------------------------------------- its inputs
def _given(graph: Graph, given: Inputs) -> dict[Tensor, Array]:
    """The arrays that were given, by tensor; a shape stands for random numbers of that shape."""
    known = {tensor.name or f"input.{number}": tensor for number, tensor in enumerate(graph.inputs)}
    accepted = f"Its inputs: {', '.join(f'{name} {shape_text(x.shape)}' for name, x in known.items()) or 'none'}."
    if len(given.args) > len(known):
        raise OptionError(f"{counted(len(given.args), 'input')} for a network that takes {len(known)}.", hint=accepted)
    by_name: dict[str, Any] = dict(zip(known, given.args, strict=False))
    for name, value in flattened(given.kwargs).items():
        if name not in known:
            raise OptionError(f"the network has no input {name!r}.", hint=accepted)
        if name in by_name:
            raise OptionError(f"the input {name!r} is given twice, by its place and by its name.")
        by_name[name] = value
    if by_name and len(by_name) < len(known):
        missing = next(name for name in known if name not in by_name)
        raise OptionError(f"no array for the input {missing!r}.", hint=f"{accepted} A shape stands for random numbers.")
    found: dict[Tensor, Array] = {}
    for name, value in by_name.items():
        _check_shape(name, known[name], _shape(value))
        if not isinstance(value, TensorShape):
            found[known[name]] = _array(name, known[name], value)
    return found


def _shape(value: Any) -> tuple[Any, ...]:
    """The shape of an input. Raise OptionError for what is neither an array nor a shape."""
    if not hasattr(value, "shape"):
        raise OptionError(f"an input is an array or a shape such as '1x784', received {str(value)[:60]}.")
    return tuple(value.shape)


def _check_shape(name: str, tensor: Tensor, shape: tuple[Any, ...]) -> None:
    if shape != tuple(tensor.shape):
        raise ShapeError(
            f"the input {name!r} takes {shape_text(tensor.shape) or 'a single number'}, "
            f"received {shape_text(shape) or 'a single number'}.",
            hint="The first axis is the batch." if len(shape) == tensor.rank - 1 else None,
        )


def _array(name: str, tensor: Tensor, value: Any) -> Array:
    """An array in the type that the input has. Raise OptionError for numbers that this would change."""
    try:
        array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor without values, or of a type NumPy does not have
        raise OptionError(f"the input {name!r} is no array of numbers: {error}.") from None
    kinds: Mapping[str, str] = {"f": "biufV", "i": "biu", "u": "biu", "b": "b"}
    wanted = numpy_dtype(tensor.dtype)
    if array.dtype != wanted and array.dtype.kind not in kinds.get(wanted.kind, "biufV"):
        raise OptionError(f"the input {name!r} takes {tensor.dtype}, received {array.dtype}.")
    return cast("Array", array.astype(wanted))
