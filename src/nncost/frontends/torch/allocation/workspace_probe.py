"""The workspace of an operator, its allocations besides its results: found by running it once by itself.

An operator may reorder its operands, hold partial sums or turn a number into a tensor, and none of it
is seen from outside. Its allocations are the same each time it meets the same shapes, strides, types
and options, so one run under PyTorch's profiler tells them, in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch

from nncost.frontends.torch.allocation.memory_call import MemoryCall, results_in
from nncost.frontends.torch.allocation.workspace_rules import PREPARED
from nncost.frontends.torch.step.control_flow import above_autograd
from nncost.frontends.torch.step.fake_tensors import Layout, Outputs
from nncost.frontends.torch.tracing.call_signature import Literal, Operand
from nncost.records import record

_ALLOCATION = "memory_alloc"


GATES = 4
"""A recurrent layer's matrix products per step, at most (LSTM)."""
_FORWARD, _BACKWARD = "aten::mkldnn_rnn_layer", "aten::mkldnn_rnn_layer_backward"
_BACKWARD_OF_FORWARD = 2


@record
class Workspace:
    """The allocations of one call, in order: ``n`` ≥ 0 takes n bytes, ``-k`` frees what the k-th took (from 1).

    ``results`` tell for each tensor among the call's results which allocation holds it; 0 for none of its own.
    """

    allocations: tuple[int, ...]
    results: tuple[int, ...]


def probe_workspace(call: MemoryCall) -> Workspace | None:
    """Run a call on real tensors and note its allocations; None if it cannot run by itself.

    Also None, and ``call.actual`` set, if its results do not have the layouts that its fake run gave them.
    """
    try:
        with torch.inference_mode(mode=False), torch.set_grad_enabled(call.grads), _by_itself():
            made: dict[int, torch.Tensor] = {}
            args = tuple([_real(value, made) for value in call.args])
            kwargs = {name: _real(value, made) for name, value in call.kwargs}
            args = with_workspace(call.operator, args)
            call.operator(*args, **kwargs)  # the first run of a kernel may build what later ones use
            sizes, result = allocations(lambda: call.operator(*args, **kwargs))
            if call.outputs is not None and not _as_expected(result, call.outputs):
                layouts = [None if t is None else Layout(t.shape, t.stride(), t.dtype) for t in results_in(result)]
                call.actual = call.outputs._replace(layouts=tuple(layouts))
                return None
            before = {tensor.untyped_storage()._cdata for tensor in made.values()}
            return _workspace(sizes, _memory_of(result, before))
    except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
        return None


def macs_of(operator: Any, args: Any, kwargs: Any, result: Any) -> int:
    """Multiplications of a contraction, by PyTorch's own table; zero for what reads its operands once or so."""
    from torch.utils.flop_counter import flop_registry

    name = operator._schema.name
    if name in (_FORWARD, _BACKWARD):
        steps, hidden = args[0].shape[:2], args[2].shape[1]
        macs = prod(steps) * GATES * hidden * (args[0].shape[-1] + hidden)
        return int(macs if name == _FORWARD else _BACKWARD_OF_FORWARD * macs)
    count = flop_registry.get(operator._overloadpacket)
    if count is None:
        return 0
    with torch._C._DisableTorchDispatch():
        return int(count(*args, **kwargs, out_val=result)) // 2


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
def _by_itself() -> Iterator[None]:
    """The random state as before; no mode, default device, conversion or running autograd node in the way."""
    state = torch.default_generator.get_state()
    try:
        with (
            torch.utils._python_dispatch._disable_current_modes(),
            torch._C.DisableTorchFunction(),
            torch.autocast("cpu", enabled=False),
            above_autograd(),
        ):
            yield
    finally:
        torch.default_generator.set_state(state)


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
    if isinstance(value, Literal):
        return value.value
    if type(value) is tuple:
        return [_real(item, made) for item in value]
    return value


def _tensor(operand: Operand) -> torch.Tensor:
    fill = torch.ones if operand.dtype.is_floating_point or operand.dtype is torch.bool else torch.zeros
    made = torch.as_strided(
        fill(operand.layout.extent, dtype=operand.dtype, device="cpu"), operand.shape, operand.stride
    )
    return made.conj() if operand.conjugate else made


def _as_expected(result: Any, outputs: Outputs) -> bool:
    """Whether results have the strides that the fake run gave them: what follows was told from these."""
    pairs = zip(results_in(result), outputs.layouts, strict=False)
    return all(
        tensor is None or expected is None or 0 in expected.shape or tensor.stride() == tuple(expected.stride)
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


def _workspace(sizes: Sequence[int], results: Sequence[tuple[int, int]]) -> Workspace | None:
    """Frees matched with what they free, by size, and results with what is left."""
    allocated: list[int] = []
    left: list[tuple[int, int]] = []
    taken = 0
    for size in sizes:
        if size >= 0:
            taken += 1
            left.append((taken, size))
            allocated.append(size)
            continue
        found = next((entry for entry in reversed(left) if entry[1] == -size), None)
        if found is not None:  # else memory that something held before the call
            left.remove(found)
            allocated.append(-found[0])
    holders: dict[int, int] = {}
    for address, size in results:
        found = next((entry for entry in left if entry[1] == size), None)
        if address in holders or not size:
            holders.setdefault(address, 0)
            continue
        if found is None:
            return None
        left.remove(found)
        holders[address] = found[0]
    allocated += [-number for number, _ in left]
    return Workspace(tuple(allocated), tuple(holders[address] for address, _ in results))
