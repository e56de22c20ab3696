"""What an operator takes from the allocator besides its results: learned by running it alone.

An operator may reorder its operands, hold partial sums or turn a number into a tensor, and none of it
is seen from outside. Its allocations are the same each time it meets the same shapes, strides, types
and options, so one run under PyTorch's profiler tells them, in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from nncost.frontends.torch.allocation.call_record import Called, Operand, Plain, results_in
from nncost.frontends.torch.allocation.workspace_rules import PREPARED

_ALLOCATION = "memory_alloc"


@dataclass(frozen=True, slots=True)
class Lesson:
    """The allocations of one call, in order: ``n`` ≥ 0 takes n bytes, ``-k`` gives back what the k-th took (from 1).

    ``results`` tell for each tensor among the call's results which taking it keeps; 0 for none of its own.
    """

    steps: tuple[int, ...]
    results: tuple[int, ...]


def lesson_of(called: Called) -> Lesson | None:
    """Run a call on real tensors and note its allocations; None where it cannot be run alone, or its results lie otherwise."""
    try:
        with torch.inference_mode(mode=False), torch.set_grad_enabled(called.grads), _alone():
            made: dict[int, torch.Tensor] = {}
            args = tuple([_real(value, made) for value in called.args])
            kwargs = {name: _real(value, made) for name, value in called.kwargs}
            args = with_workspace(called.operator, args)
            called.operator(*args, **kwargs)  # the first run of a kernel may build what later ones use
            sizes, result = allocations(lambda: called.operator(*args, **kwargs))
            if not _lies_as_expected(result, called.outputs):
                forms = [None if t is None else (t.shape, t.stride(), t.dtype) for t in results_in(result)]
                called.truth = (called.outputs[0], tuple(forms))
                return None
            before = {tensor.untyped_storage()._cdata for tensor in made.values()}
            return _lesson(sizes, _memory_of(result, before))
    except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
        return None


def allocations(run: Any) -> tuple[list[int], Any]:
    """Bytes that calling a function takes (positive) and gives back (negative), in order, and its result."""
    from torch._C._autograd import _disable_profiler_legacy, _enable_profiler_legacy
    from torch._C._profiler import ProfilerConfig, ProfilerState, _ExperimentalConfig

    none, memory = False, True
    _enable_profiler_legacy(ProfilerConfig(ProfilerState.CPU, none, memory, none, none, none, _ExperimentalConfig()))
    try:
        result = run()
    finally:
        threads = _disable_profiler_legacy()
    events: list[Any] = [event for events in threads for event in events]
    return [event.cpu_memory_usage() for event in events if event.kind() == _ALLOCATION], result


@contextmanager
def _alone() -> Iterator[None]:
    """The random state as before; no mode, default device or conversion of the caller's in the way."""
    state = torch.random.get_rng_state()
    try:
        with (
            torch.utils._python_dispatch._disable_current_modes(),
            torch._C.DisableTorchFunction(),
            torch.autocast("cpu", enabled=False),
        ):
            yield
    finally:
        torch.random.set_rng_state(state)


def with_workspace(operator: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """A recurrent layer's gradient reads what its forward pass has left in memory of its own, which has to be real."""
    if operator not in PREPARED:
        return args
    named = dict(zip((argument.name for argument in operator._schema.arguments), args, strict=True))
    renamed = {f"weight{i}": named[f"weight{i + 1}"] for i in range(4)} | {"cx_": named["cx_tmp"]}
    forward = torch.ops.aten.mkldnn_rnn_layer.default
    wanted = [argument.name for argument in forward._schema.arguments]
    with torch.enable_grad():
        workspace = forward(*[renamed[name] if name in renamed else named[name] for name in wanted])[-1]
    return (*args[:-1], workspace)


def _real(value: Any, made: dict[int, torch.Tensor]) -> Any:
    """An argument of a real call for a described one: tensors of ones, or of zeros where they may be indices."""
    if isinstance(value, Operand):
        if value.same not in made:
            made[value.same] = _tensor(value)
        return made[value.same]
    if isinstance(value, Plain):
        return value.value
    if type(value) is tuple:
        return [_real(item, made) for item in value]
    return value


def _tensor(operand: Operand) -> torch.Tensor:
    last = sum((size - 1) * stride for size, stride in zip(operand.shape, operand.stride, strict=True))
    elements = 0 if 0 in operand.shape else last + 1
    fill = torch.ones if operand.dtype.is_floating_point or operand.dtype is torch.bool else torch.zeros
    return torch.as_strided(fill(elements, dtype=operand.dtype, device="cpu"), operand.shape, operand.stride)


def _lies_as_expected(result: Any, outputs: Any) -> bool:
    """Whether results lie in memory as their stand-ins do: what follows was told from these."""
    if outputs is None or outputs[0] is None:
        return True
    pairs = zip(results_in(result), outputs[1], strict=False)
    return all(
        tensor is None or expected is None or 0 in expected[0] or tensor.stride() == tuple(expected[1])
        for tensor, expected in pairs
    )


def _memory_of(result: Any, before: set[int]) -> list[tuple[int, int]]:
    """The address and the bytes of the new memory of each tensor among a call's results; no bytes for none."""
    found: list[tuple[int, int]] = []
    for place, tensor in enumerate(results_in(result)):
        if tensor is None:
            found.append((-1 - place, 0))
            continue
        storage = tensor.untyped_storage()
        found.append((storage._cdata, 0 if storage._cdata in before else storage.nbytes()))
    return found


def _lesson(sizes: Sequence[int], results: Sequence[tuple[int, int]]) -> Lesson | None:
    """Frees matched with what they free (equal sizes are alike), results with what is left."""
    steps: list[int] = []
    left: list[tuple[int, int]] = []
    taken = 0
    for size in sizes:
        if size >= 0:
            taken += 1
            left.append((taken, size))
            steps.append(size)
            continue
        found = next((entry for entry in reversed(left) if entry[1] == -size), None)
        if found is not None:  # else memory that something held before the call
            left.remove(found)
            steps.append(-found[0])
    places: dict[int, int] = {}
    for address, size in results:
        found = next((entry for entry in left if entry[1] == size), None)
        if address in places or not size:
            places.setdefault(address, 0)
            continue
        if found is None:
            return None
        left.remove(found)
        places[address] = found[0]
    steps += [-place for place, _ in left]
    return Lesson(tuple(steps), tuple(places[address] for address, _ in results))
