"""Branches and loops: what is known before any run is followed, the rest is counted as a bound or by a symbol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from nncost.dims import Dim, is_symbolic, same_shape
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.bodies import emitted_apart, heaviest, roles_of_slices, trips_symbol
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.constants import known_array
from nncost.frontends.onnx.lowering import Lowered, follows_bodies
from nncost.frontends.onnx.scope import used_names
from nncost.frontends.onnx.tensors import Tensors
from nncost.frontends.onnx.values import Computed, Derived, Nothing, Stored, TensorList, Unlowered, Value
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.evaluate import NoValueError
from nncost.ir.graph import Role, Tensor
from nncost.names import printable

MAX_UNROLLED = 64
"""Iterations that are written out one by one; more of them are one loop of the graph, whose shapes may not change."""
MAX_FOLLOWED = 1024
"""Iterations that are written out of a loop and of those inside it, also of one whose body or caller's arrays tell its end."""


# ------------------------------------------------------------------- branches
@follows_bodies("If")
def _if(call: Call) -> Lowered:
    """The branch that runs, if that is known; else the costlier one, as a bound, and the parameters of both."""
    branches = {name: call.attributes.graph(name) for name in ("then_branch", "else_branch")}
    try:
        chosen = "then_branch" if call.only(0, None) else "else_branch"
    except Unlowered:
        return _either(call, branches)
    return tuple(call.walk.run_graph(branches[chosen], [], chosen))


def _either(call: Call, branches: dict[str, Any]) -> Lowered:
    emitted, failed = {}, {}
    for name, graph in branches.items():
        try:
            emitted[name] = emitted_apart(call, graph, name)
        except ShapeError as error:
            failed[name] = error
    if not emitted:
        raise next(iter(failed.values()))
    chosen = heaviest({name: items for name, (items, _) in emitted.items()})
    items, outputs = emitted[chosen]
    call.builder.items.extend(items)
    if failed or any(items for items, _ in emitted.values()):
        why = "which alone can run at these sizes" if failed else "the costlier one"
        call.note(
            f"Data decide which branch of {printable(call.node.name or 'an If')!r} runs: {chosen}, {why}, "
            "is counted, so that totals are upper bounds."
        )
    return tuple(outputs)


# ------------------------------------------------------------------- Loop
@follows_bodies("Loop")
def _loop(call: Call) -> Lowered:
    """The body as often as it runs: written out where it is short, as one loop of the graph where it is long."""
    walk = call.walk
    if walk.written is not None:
        return _followed(call)
    walk.written = 0
    try:
        return _followed(call)
    finally:
        walk.written = None


def _followed(call: Call) -> Lowered:
    """A loop, or one inside it; all of them share what may be written out."""
    body, carried = call.attributes.graph("body"), [_given(value) for value in call.values[2:]]
    if len(body.input) != 2 + len(carried):
        raise SourceError(f"its body has {len(body.input)} inputs, for {2 + len(carried)} values.")
    times, goes_on = _trips(call), _condition(call)
    if times == 0 or goes_on is False:
        return _written_out(call, body, carried, 0)
    in_all = times * call.walk.iterations if isinstance(times, int) else None
    if in_all is not None and in_all <= MAX_UNROLLED:
        try:
            return _tried(call, body, carried, times)
        except Unlowered:
            if (call.walk.written or 0) <= MAX_FOLLOWED:
                raise
    if goes_on is not None and not _always(call, body):
        try:
            return _tried(call, body, carried, times)
        except Unlowered:
            pass
    try:
        return _repeated(call, body, carried, _named_trips(call, times, body))
    except Unlowered:
        if in_all is None or in_all > MAX_FOLLOWED:
            raise
    return _tried(call, body, carried, times)


def _tried(call: Call, body: Any, carried: list[Value], times: Dim | None) -> Lowered:
    """The loop written out; nothing of it stays if that fails."""
    before = len(call.builder.items)
    try:
        return _written_out(call, body, carried, times if isinstance(times, int) else None)
    except Unlowered:
        call.walk.take_back(before)
        raise


def _given(value: Value | None) -> Value:
    return Nothing() if value is None else value


def _trips(call: Call) -> Dim | None:
    """The number of iterations; None if data decide."""
    if not call.has(0):
        return None
    try:
        (times,) = call.integers(0)
    except Unlowered:
        return None
    return times if is_symbolic(times) else max(0, int(times))


def _condition(call: Call) -> bool | None:
    """Whether the first iteration runs; None if data decide."""
    try:
        return bool(call.only(1, True))
    except Unlowered:
        return None


def _always(call: Call, body: Any) -> bool:
    """Whether the body hands its own condition on, which is true from the start."""
    name = body.output[0].name
    for node in body.node:
        if name in node.output:
            return node.op_type == "Identity" and list(node.input) == [body.input[1].name]
    return bool(name == body.input[1].name)


def _named_trips(call: Call, times: Dim | None, body: Any) -> Dim:
    if times is None or not _always(call, body):
        bound = "" if times is None else f", which is at most {times}"
        named = times if times is not None else trips_symbol(call)
        what = f"as {named}" if times is None else "at its largest"
        call.note(f"Data decide how often the loop {printable(call.builder.path)!r} runs: it is counted {what}{bound}.")
        return named
    return times


def _written_out(call: Call, body: Any, carried: list[Value], times: Dim | None) -> Lowered:
    """One iteration after the other, as long as the condition holds. Raise Unlowered if its end is not known."""
    stacks: list[list[Value]] = [[] for _ in body.output[1 + len(carried) :]]
    outside, number, goes_on = call.walk.iterations, 0, True
    in_all = outside * times if isinstance(times, int) else None
    try:
        while goes_on and number != times:
            number += 1
            call.walk.iterations = in_all if in_all is not None and in_all <= MAX_UNROLLED else outside * number
            call.walk.written = (call.walk.written or 0) + 1
            if max(call.walk.iterations, call.walk.written) > MAX_FOLLOWED:
                raise Unlowered(f"a loop of more than {MAX_FOLLOWED} iterations")
            counter, true = known_array(_number(number - 1), "int64"), known_array(_number(1).astype(bool), "bool")
            condition, *outputs = call.walk.run_graph(body, [counter, true, *carried], "body")
            carried, made = outputs[: len(carried)], outputs[len(carried) :]
            for stack, value in zip(stacks, made, strict=True):
                stack.append(value)
            goes_on = _holds(call, condition, bounded=times is not None)
    finally:
        call.walk.iterations = outside
    return (*carried, *(_stacked(call, stack, body, 1 + len(carried) + n) for n, stack in enumerate(stacks)))


def _number(value: int) -> Any:
    return np.asarray(value, dtype=np.int64)


def _holds(call: Call, condition: Value, *, bounded: bool) -> bool:
    try:
        return bool(call.walk.known_values(condition).reshape(-1)[0])
    except NoValueError:
        if not bounded:
            raise Unlowered("data decide when its loop ends") from None
        call.note(
            f"Data decide how often the loop {printable(call.builder.path)!r} runs: it is counted at its largest."
        )
        return True


def _stacked(call: Call, values: list[Value], body: Any, output: int) -> Value | Tensor:
    """The values of all iterations under each other."""
    b, tensors = call.builder, call.walk.tensors
    if not values:
        described = body.output[output].type.tensor_type
        dims = [int(dim.dim_value) for dim in described.shape.dim]
        return b.full((0, *dims), 0, call.walk.types.coded(described.elem_type) or "float32")
    made = [tensors.of(value, None) for value in values]
    if not all(same_shape(tensor.shape, made[0].shape) for tensor in made):
        raise Unlowered("what its iterations give has different shapes")
    return b.concat([b.unsqueeze(tensor, 0) for tensor in made], 0)


def _repeated(call: Call, body: Any, carried: list[Value], times: Dim) -> Lowered:
    """One loop of the graph. Raise Unlowered for a body whose shapes change."""
    if any(isinstance(value, (TensorList, Nothing)) for value in carried):
        raise Unlowered("a loop that carries a sequence, whose end data decide")
    b, tensors = call.builder, call.walk.tensors
    counts = body.input[0].name in used_names(body.node)
    scanned = [b.emit(ops.Constant("iota", (times,), "int64"))] if counts else []

    def step(inner: Builder, states: list[Tensor], slices: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        with call.walk.emitting(Tensors(inner, tensors)):
            counter = Computed(slices[0], activation=False) if counts else known_array(_number(0), "int64")
            condition = known_array(_number(1).astype(bool), "bool")
            given = [counter, condition, *map(Computed, states)]
            made = [call.walk.tensors.of(value, None) for value in call.walk.run_graph(body, given, "body")[1:]]
        return made[: len(states)], made[len(states) :]

    initial = [tensors.of(value, None) for value in carried]
    return _checked_repeat(call, times, initial, step, scanned)


def _checked_repeat(call: Call, times: Dim, initial: Sequence[Tensor], step: Any, scanned: Sequence[Tensor]) -> Lowered:
    def checked(inner: Builder, states: list[Tensor], slices: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        finals, made = step(inner, states, slices)
        for before, after in zip(states, finals, strict=True):
            if before.dtype != after.dtype or not same_shape(before.shape, after.shape):
                raise Unlowered("a state whose shape changes from one iteration to the next")
        return finals, made

    finals, stacks = call.builder.repeat(times, initial, checked, scanned=scanned)
    return (*finals, *stacks)


# ------------------------------------------------------------------- Scan
@follows_bodies("Scan", since=9)
def _scan(call: Call) -> Lowered:
    """The body over slices of the last operands: states are carried, the other outputs stacked."""
    count = call.attributes.integer("num_scan_inputs", 0)
    if not 0 < count <= len(call.values):
        raise SourceError(f"num_scan_inputs must be between 1 and {len(call.values)}, received {count}.")
    values = [call.value(position) for position in range(len(call.values))]
    roles = _roles(call, values, count) if any(isinstance(each, (Stored, Derived)) for each in values[-count:]) else {}
    tensors = [call.tensor(position, roles.get(position)) for position in range(len(values))]
    return _scanned(call, tensors[:-count], tensors[-count:])


def _roles(call: Call, values: list[Value], count: int) -> dict[int, Role]:
    """What stacked constants are used for, slice by slice."""
    axes = call.attributes.integers("scan_input_axes", [0] * count) or []
    first = len(values) - count
    if len(axes) != count or any(not value.shape for value in values[first:]):
        return {}
    scanned = {
        first + n: (values[first + n], call.axis(axis, len(values[first + n].shape))) for n, axis in enumerate(axes)
    }
    return roles_of_slices(call, call.attributes.graph("body"), values[:first], scanned)


def _scanned(call: Call, initial: Sequence[Tensor], given: Sequence[Tensor]) -> Lowered:
    b, a, body = call.builder, call.attributes, call.attributes.graph("body")
    axes = a.integers("scan_input_axes", [0] * len(given)) or []
    backwards = a.integers("scan_input_directions", a.integers("directions", [0] * len(given))) or []
    if len(axes) != len(given) or len(backwards) != len(given):
        raise SourceError(f"axes {axes} and directions {backwards} do not fit {len(given)} inputs.")
    slices = [
        _turned(b, _first(b, x, call.axis(axis, x.rank)), way)
        for x, axis, way in zip(given, axes, backwards, strict=True)
    ]
    if not all(same_shape(x.shape[:1], slices[0].shape[:1]) for x in slices):
        raise ShapeError("its inputs have different lengths along their scanned axes.")
    outer = call.walk.tensors

    def step(inner: Builder, states: list[Tensor], pieces: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        with call.walk.emitting(Tensors(inner, outer)):
            values = call.walk.run_graph(body, list(map(Computed, (*states, *pieces))), "body")
            made = [call.walk.tensors.of(value, None) for value in values]
        return made[: len(states)], made[len(states) :]

    outputs = _checked_repeat(call, slices[0].shape[0], initial, step, slices)
    assert isinstance(outputs, tuple)
    finals, stacks = outputs[: len(initial)], outputs[len(initial) :]
    places = a.integers("scan_output_axes", [0] * len(stacks)) or []
    ways = a.integers("scan_output_directions", [0] * len(stacks)) or []
    moved = [
        _last(b, _turned(b, x, way), call.axis(axis, x.rank))
        for x, axis, way in zip(stacks, places, ways, strict=True)
        if isinstance(x, Tensor)
    ]
    return (*finals, *moved)


def _first(b: Builder, x: Tensor, axis: int) -> Tensor:
    """An axis before all others."""
    return x if axis == 0 else b.transpose(x, (axis, *(n for n in range(x.rank) if n != axis)))


def _last(b: Builder, x: Tensor, axis: int) -> Tensor:
    """The first axis at another place."""
    if axis == 0:
        return x
    order = list(range(1, x.rank))
    order.insert(axis, 0)
    return b.transpose(x, order)


def _turned(b: Builder, x: Tensor, backwards: int) -> Tensor:
    return b.emit(ops.Flip((0,)), x) if backwards else x


@follows_bodies("Scan")
def _scan_of_examples(call: Call) -> Lowered:
    """Opset 8: each example of a batch is scanned by itself, over its second axis."""
    if call.has(0):
        raise Unlowered("a scan over sequences of different lengths")
    count = call.attributes.integer("num_scan_inputs", 0)
    tensors = [call.tensor(position) for position in range(1, len(call.values))]
    batch = tensors[0].shape[0] if tensors else 0
    if is_symbolic(batch) or not 0 < count <= len(tensors):
        raise Unlowered("a scan over a batch whose size is a symbol")
    if cast("int", batch) > MAX_FOLLOWED:
        raise Unlowered(f"a scan over more than {MAX_FOLLOWED} examples")
    b, results = call.builder, []
    for example in zip(*(b.chunk(x, int(batch), 0) for x in tensors), strict=True):
        alone = [b.reshape(x, x.shape[1:]) for x in example]
        results.append(_scanned(call, alone[:-count], alone[-count:]))
    return tuple(
        b.concat([b.unsqueeze(x, 0) for x in each if isinstance(x, Tensor)], 0)
        for each in zip(*(result for result in results if isinstance(result, tuple)), strict=True)
    )
