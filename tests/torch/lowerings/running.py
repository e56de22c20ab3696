"""One call of a PyTorch operator: run by PyTorch, and lowered, executed and counted by nncost."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from nncost.counting.ledger import count_graph
from nncost.frontends.torch.step.dispatch_table import operator_info
from nncost.frontends.torch.step.vision_kernels import vision_kernel
from nncost.frontends.torch.tracing.call_signature import CallSignature
from nncost.frontends.torch.tracing.lower import dtype_name, emit
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Tensor, walk
from tests.proof.selfcount import Counted, Tally, counted_array, ledger_counts

TOLERANCE = {torch.float32: 1e-5}
"""Of results that PyTorch rounds; of all others 1e-9."""
SINGLE_CONSTANTS = {"aten::hardsigmoid_backward": 1e-7}
"""Operators whose constants PyTorch holds in single precision."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Arguments of one call. ``results`` are the outputs compared (all that are lowered by default).

    ``counted`` is false where flags are added up, which do not count themselves.
    """

    operator: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    results: tuple[int, ...] | None = None
    counted: bool = True

    def __str__(self) -> str:
        return self.operator.partition("::")[2]

    @property
    def has_floats(self) -> bool:
        """Whether there are real numbers only, which can count themselves."""
        types = [x.dtype for x in outputs_of([*self.args, *self.kwargs.values()]) if x is not None]
        return any(t.is_floating_point for t in types) and not any(t.is_complex for t in types)


def operator_named(name: str) -> Any:
    """``aten::add.Tensor`` as PyTorch's object; without an overload the first there is."""
    namespace, _, rest = name.partition("::")
    base, _, overload = rest.partition(".")
    packet = getattr(getattr(torch.ops, namespace), base)
    names = packet.overloads()
    chosen = overload or ("default" if "default" in names else names[0])
    return getattr(packet, chosen)


def outputs_of(result: Any) -> list[torch.Tensor | None]:
    """The results in a row; absent ones and numbers are None."""
    if isinstance(result, (tuple, list)):
        return [output for item in result for output in (outputs_of(item) or [None])]
    return [result] if isinstance(result, torch.Tensor) else []


@dataclass(frozen=True, eq=False)
class Lowered:
    """A sample as a graph, its inputs' values and PyTorch's own results."""

    graph: Graph
    feeds: dict[Tensor, np.ndarray]
    tensors: list[Tensor | None]
    expected: list[torch.Tensor | None]

    @property
    def opaque(self) -> bool:
        return any(isinstance(node.op, ops.Opaque) for node in walk(self.graph.items))

    @property
    def algorithms(self) -> list[str]:
        return [node.op.name for node in walk(self.graph.items) if isinstance(node.op, ops.Algorithm)]

    @property
    def has(self) -> set[type]:
        return {type(node.op) for node in walk(self.graph.items)}


def lower(sample: Sample) -> Lowered:
    """The sample's graph, every item of it, with what PyTorch says its results are."""
    operator = operator_named(sample.operator)
    run = vision_kernel(operator, sample.args) or operator
    expected = outputs_of(run(*_copied(sample.args), **_copied(sample.kwargs)))
    builder, feeds, known, stored = Builder(), {}, {}, {}

    def convert(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if id(value) not in known:
                tensor = known[id(value)] = builder.input(tuple(value.shape), dtype=dtype_name(value.dtype))
                if value.layout is torch.strided:
                    feeds[tensor] = _array(value)
                else:
                    stored[tensor] = int(value._nnz())
            return known[id(value)]
        if isinstance(value, (list, tuple)):
            return tuple(convert(item) for item in value)
        return value

    info = operator_info(operator)
    given = [*zip(info.names, sample.args, strict=False), *sample.kwargs.items()]
    arguments = {name: convert(value) for name, value in given}
    outputs = tuple(None if y is None else (tuple(y.shape), y.dtype) for y in expected)
    signature = CallSignature(operator, info, (), outputs)
    tensors = emit(builder, signature, arguments, frozenset(), stored)
    made = [tensor for tensor in tensors if tensor is not None]
    return Lowered(builder.graph(*made), feeds, list(tensors), expected)


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item) for item in value)
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return value


def _array(value: torch.Tensor) -> np.ndarray:
    if value.is_quantized:
        value = value.int_repr()
    if value.dtype is torch.bfloat16:
        value = value.float()
    return value.detach().resolve_conj().resolve_neg().numpy()


def compared(sample: Sample, lowered: Lowered) -> list[int]:
    """The places of the results that are compared."""
    places = range(len(lowered.tensors)) if sample.results is None else sample.results
    return [place for place in places if lowered.tensors[place] is not None and lowered.expected[place] is not None]


def assert_same_types(sample: Sample, lowered: Lowered) -> None:
    """Shapes and types as PyTorch's."""
    for place in compared(sample, lowered):
        ours, theirs = lowered.tensors[place], lowered.expected[place]
        assert ours is not None
        assert theirs is not None
        assert ours.shape == tuple(theirs.shape), (place, ours.shape, theirs.shape)
        assert ours.dtype == dtype_name(theirs.dtype), (place, ours.dtype, theirs.dtype)


def assert_same_numbers(sample: Sample, lowered: Lowered) -> None:
    """Values as PyTorch's, to 1e-9."""
    values = execute(lowered.graph, lowered.feeds)
    places = compared(sample, lowered)
    assert places
    for place in places:
        ours, theirs = values[lowered.tensors[place]], _array(lowered.expected[place])
        tolerance = TOLERANCE.get(lowered.expected[place].dtype, SINGLE_CONSTANTS.get(sample.operator, 1e-9))
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=f"result {place}")


def assert_self_counted(lowered: Lowered) -> None:
    """The ledger says exactly what numbers that count themselves do, unit by unit.

    They are positive, so that no bound below takes the place of a number that counts.
    """
    tally = Tally()
    feeds = {t: counted_array(np.abs(x), tally) if x.dtype.kind == "f" else x for t, x in lowered.feeds.items()}

    def lift(values: np.ndarray) -> np.ndarray:
        lifted = np.frompyfunc(lambda x: x if isinstance(x, Counted) else Counted(x, tally), 1, 1)(np.asarray(values))
        return np.asarray(lifted, dtype=object)

    def random(shape: tuple[int, ...]) -> np.ndarray:
        tally.record("random", math.prod(shape))
        return counted_array(np.random.default_rng(0).random(shape), tally)

    execute(lowered.graph, feeds, random=random, observe=tally.enter, lift=lift)
    done = Counter({key: amount for key, amount in tally.counts.items() if amount})
    said = ledger_counts(count_graph(lowered.graph))
    assert said == done, {key: (said[key], done[key]) for key in said.keys() | done.keys() if said[key] != done[key]}


def is_backward(lowered: Lowered) -> bool:
    return any(item.phase == "backward" for item in lowered.graph.items)
