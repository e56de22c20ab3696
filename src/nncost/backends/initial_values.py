"""Values of a graph's parameters and inputs before it runs, in NumPy, so that every engine starts from the same numbers.

What a parameter does decides: weights of a contraction are uniform by their fan-in (He et al. 2015,
Delving Deep into Rectifiers, equation 10; LeCun's variance if no rectifier follows), recurrent ones
uniform by the hidden size and embeddings normal as in PyTorch, scales one, biases and means zero.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np

from nncost.dims import is_symbolic
from nncost.errors import SourceError, SymbolError
from nncost.ir import ops
from nncost.ir.graph import Graph, Item, Node, Parameter, Region, Tensor, walk
from nncost.ir.layers import BatchNorm, Recurrent
from nncost.ir.numpy_types import numpy_dtype
from nncost.ir.shapes import summed_size
from nncost.records import record, replace
from nncost.units import grouped

Array = Any
RECTIFIERS = frozenset(
    {"relu", "leaky_relu", "relu6", "elu", "gelu", "gelu_tanh", "silu", "mish", "hardswish", "prelu"}
)
"""Activations that pass about half of their input: their layers start with twice the variance."""
UNIFORM_VARIANCE = 3.0
"""A uniform number between −√3·s and √3·s has the standard deviation s."""
VARIANCE_POSITION = 4
"""Batch norm's operands: input, scale, shift, mean, variance."""
SEED_STEP = 1_000_003
"""A prime between the seeds of neighbouring parameters."""


@record
class Use:
    """The first operation that reads a parameter, the regions around it and the name of the region behind it."""

    node: Node
    position: int
    regions: tuple[Region, ...]
    followed_by: str


def initialise(graph: Graph, seed: int = 0) -> dict[Parameter, Array]:
    """Values for every parameter and buffer, in the graph's own layout; equal seeds give equal numbers.

    Those that a file holds are read from it. Raise SymbolError for a parameter whose size is a symbol, SourceError
    for values that cannot be read and for parameters that this machine cannot hold.
    """
    _check_memory(graph)
    uses, found = _uses(graph), {}
    for number, parameter in enumerate(graph.parameters):
        rng = np.random.default_rng(seed * SEED_STEP + number)
        held = _read(parameter)
        found[parameter] = _values(parameter, uses.get(parameter.tensor), rng) if held is None else held
    return found


def _read(parameter: Parameter) -> Array | None:
    """The values that a parameter's file holds, in its own type."""
    if parameter.read is None:
        return None
    values = np.asarray(parameter.read()).reshape(shape_of(parameter))
    return values.astype(numpy_dtype(parameter.tensor.dtype), copy=False)


def _check_memory(graph: Graph) -> None:
    """Raise SourceError for parameters that this machine cannot hold."""
    needed = sum(math.prod(shape_of(p)) * np.dtype(_numpy_dtype(p.tensor.dtype)).itemsize for p in graph.parameters)
    try:
        held = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Not every system tells.
        return
    if needed > held:
        raise SourceError(
            f"the parameters take {grouped(needed)} bytes, this machine has {grouped(held)} bytes of memory.",
            hint="Counting needs no memory for them:  nncost count …",
        )


def random_inputs(graph: Graph, seed: int = 0) -> dict[Tensor, Array]:
    """An array per input: normal numbers, truth values, or indices that every table they are looked up in has."""
    return {x: _random_input(graph, x, np.random.default_rng([seed, n])) for n, x in enumerate(graph.inputs)}


def _random_input(graph: Graph, tensor: Tensor, rng: np.random.Generator) -> Array:
    shape = cast("tuple[int, ...]", tensor.shape)
    if "float" in tensor.dtype:
        return rng.standard_normal(shape).astype(numpy_dtype(tensor.dtype))
    limit = 2 if tensor.dtype == "bool" else _smallest_table(graph, tensor)
    return rng.integers(0, limit, shape).astype(numpy_dtype(tensor.dtype))


def _smallest_table(graph: Graph, tensor: Tensor) -> int:
    """The rows of the smallest table that an input's values index."""
    same, rows = {tensor}, []
    for node in walk(graph.items):
        if same.intersection(node.inputs) and isinstance(node.op, (ops.Move, ops.Cast)):
            same.update(node.outputs)
        if isinstance(node.op, ops.Gather) and node.inputs[1] in same:
            rows.append(cast("int", node.inputs[0].shape[node.op.axis]))
    return min(rows, default=2)


def shape_of(parameter: Parameter) -> tuple[int, ...]:
    """A parameter's shape in numbers. Raise SymbolError if a size is a symbol."""
    for dim in parameter.tensor.shape:
        if is_symbolic(dim):
            raise SymbolError(
                f"{parameter.path} has a size {dim} without a number.", hint="Bind it, e.g. --symbol h=128."
            )
    return cast("tuple[int, ...]", tuple(parameter.tensor.shape))


def _values(parameter: Parameter, use: Use | None, rng: np.random.Generator) -> Array:
    shape, dtype = shape_of(parameter), _numpy_dtype(parameter.tensor.dtype)
    bound = None if use is None else _bound(parameter, use)
    if bound is not None:
        return rng.uniform(-bound, bound, shape).astype(dtype)
    if use is not None and isinstance(use.node.op, ops.Gather):
        return rng.standard_normal(shape).astype(dtype)
    is_one = parameter.role == "weight" or (use is not None and _is_variance(parameter, use))
    return np.full(shape, 1 if is_one else 0, dtype=dtype)


def _bound(parameter: Parameter, use: Use) -> float | None:
    """Half the width of a uniform distribution; None for what is not drawn from one."""
    recurrent = next((region for region in use.regions if isinstance(region.layer, Recurrent)), None)
    if recurrent is not None:
        return 1 / math.sqrt(cast("int", recurrent.settings(Recurrent).hidden))
    op = use.node.op
    if not isinstance(op, ops.Contract):
        return None
    gain = 2.0 if use.followed_by in RECTIFIERS else 1.0
    return math.sqrt(gain * UNIFORM_VARIANCE / cast("int", summed_size(op, use.node.inputs[0].shape)))


def _is_variance(parameter: Parameter, use: Use) -> bool:
    norm = next((region for region in use.regions if isinstance(region.layer, BatchNorm)), None)
    if norm is None:
        return parameter.tensor.name.endswith("running_var")
    return norm.inputs[VARIANCE_POSITION] in (parameter.tensor, use.node.inputs[use.position])


def _numpy_dtype(dtype: str) -> str:
    """NumPy has no bfloat16 and no floats of a byte; their values are kept in float32."""
    return dtype if dtype in ("float16", "float32", "float64") else "float32"


# ------------------------------------------------------------------- what reads a parameter
def _uses(graph: Graph) -> dict[Tensor, Use]:
    """The first use of each parameter, seen through reshapes, transposes, splits and loops."""
    roots = {parameter.tensor: parameter.tensor for parameter in graph.parameters}
    found: dict[Tensor, Use] = {}
    behind: dict[Tensor, str] = {}
    for node, regions in _placed(graph.items, ()):
        _note(node, regions, roots, found)
    for item in _regions(graph.items):
        for tensor in item.inputs:
            behind.setdefault(tensor, item.layer.name)
    return {root: replace(use, followed_by=_follower(use, behind)) for root, use in found.items()}


def _note(node: Node, regions: tuple[Region, ...], roots: dict[Tensor, Tensor], found: dict[Tensor, Use]) -> None:
    if isinstance(node.op, ops.Repeat):
        body = node.op.body
        roots.update(
            (inner, roots[outer]) for inner, outer in zip(body.inputs, node.inputs, strict=True) if outer in roots
        )
        for inner, around in _placed(body.items, regions):
            _note(inner, around, roots, found)
        return
    for position, tensor in enumerate(node.inputs):
        if tensor not in roots:
            continue
        if isinstance(node.op, (ops.Reshape, ops.Transpose, ops.Split, ops.Broadcast, ops.Cast)):
            roots.update((output, roots[tensor]) for output in node.outputs)
        else:
            found.setdefault(roots[tensor], Use(node, position, regions, ""))


def _follower(use: Use, behind: dict[Tensor, str]) -> str:
    """The name of the region that reads what the outermost region around a use gives."""
    outputs: Sequence[Tensor] = use.regions[0].outputs if use.regions else use.node.outputs
    return behind.get(outputs[0], "") if outputs else ""


def _placed(items: Sequence[Item], regions: tuple[Region, ...]) -> Iterator[tuple[Node, tuple[Region, ...]]]:
    for item in items:
        if isinstance(item, Region):
            yield from _placed(item.items, (*regions, item))
        else:
            yield item, regions


def _regions(items: Sequence[Item]) -> Iterator[Region]:
    """Every region, also those in bodies of Repeat."""
    for item in items:
        if isinstance(item, Region):
            yield item
            yield from _regions(item.items)
        elif isinstance(item.op, ops.Repeat):
            yield from _regions(item.op.body.items)
