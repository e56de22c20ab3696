"""Repeat as modules: a stack of layers is written out, a loop over values stays one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import torch

from nncost.backends.constants import Constants
from nncost.backends.torch.compiling import Scope
from nncost.backends.torch.layer import Layer, Loop, Operand
from nncost.backends.torch.parameter_map import ParameterView
from nncost.backends.torch.tree import Rename, free_name
from nncost.dims import is_symbolic
from nncost.errors import SymbolError
from nncost.ir import ops
from nncost.ir.graph import Node, Tensor


def repeat(scope: Scope, node: Node, op: ops.Repeat) -> None:
    """A stack of layers is written out, a loop over values stays one."""
    if op.index is not None or is_symbolic(op.times):
        raise SymbolError(f"cannot run {op.times} repetitions.", hint="Bind the symbol, e.g. --symbol l=4.")
    scanned = node.inputs[op.carried : op.carried + op.scanned]
    if any(tensor in scope.parameters for tensor in scanned):
        _unrolled(scope, node, op)
    else:
        _loop(scope, node, op)


def _unrolled(scope: Scope, node: Node, op: ops.Repeat) -> None:
    """A module per repetition, numbered behind the path of the Repeat."""
    times = cast("int", op.times)
    carried = [scope.operand(tensor) for tensor in node.inputs[: op.carried]]
    collected: list[list[Operand]] = []
    order = range(times)
    for number in reversed(order) if op.reverse else order:
        results = _iteration(scope, node, op, number, carried)
        carried = results[: op.carried]
        collected.append(results[op.carried :])
    if op.reverse:
        collected.reverse()
    for tensor, operand in zip(node.outputs, carried, strict=False):
        scope.step(_same, [operand], [tensor])
    for position, tensor in enumerate(node.outputs[op.carried :]):
        scope.step(_stacked, [pile[position] for pile in collected], [tensor])


def _iteration(scope: Scope, node: Node, op: ops.Repeat, number: int, carried: Sequence[Operand]) -> list[Operand]:
    """One repetition as a module of its own; gives the operands its outputs are in."""
    body, outer = op.body, node.inputs
    parameters: dict[Tensor, ParameterView] = dict(scope.parameters)
    inputs, operands = list(body.inputs[: op.carried]), list(carried)
    for position in range(op.carried, len(body.inputs)):
        inner, source = body.inputs[position], outer[position]
        is_slice = position < op.carried + op.scanned
        if source in scope.parameters:
            parameters[inner] = scope.parameters[source].inside(number) if is_slice else scope.parameters[source]
            continue
        inputs.append(inner)
        operands.append(_slice(scope, source, number) if is_slice else scope.operand(source))
    path = node.path
    rename = _numbered(scope.rename, path, number + 1)
    module = scope.compiler.tree.layer(rename(path), path)
    scope.inner(module, path, parameters, Constants(body.items), rename).build(body.items, inputs, body.outputs)
    fresh = [Tensor(tensor.shape, tensor.dtype) for tensor in body.outputs]
    scope.step(module, operands, fresh)
    return [scope.slots[tensor] for tensor in fresh]


def _slice(scope: Scope, stack: Tensor, number: int) -> Operand:
    """One slice of a stacked value."""
    part = Tensor(stack.shape[1:], stack.dtype)
    scope.step(partial(_picked, number), [scope.operand(stack)], [part])
    return scope.slots[part]


def _loop(scope: Scope, node: Node, op: ops.Repeat) -> None:
    """One module whose body runs once per step."""
    body = op.body
    parameters = dict(scope.parameters)
    inputs, sources = list(body.inputs[: op.carried + op.scanned]), list(node.inputs[: op.carried + op.scanned])
    for inner, source in zip(body.inputs[len(inputs) :], node.inputs[len(sources) :], strict=True):
        if source in scope.parameters:
            parameters[inner] = scope.parameters[source]
        else:
            inputs.append(inner)
            sources.append(source)
    layer = Layer()
    looped = Loop(layer, cast("int", op.times), op.carried, op.scanned, reverse=op.reverse)
    scope.module.add_module(free_name(scope.module, "loop"), looped)
    within = scope.inner(layer, node.path, parameters, Constants(body.items))
    within.build(body.items, inputs, body.outputs, flat=True)
    scope.step(looped, [scope.operand(tensor) for tensor in sources], node.outputs)


def _numbered(rename: Rename, path: str, number: int) -> Rename:
    """Layers below a path as those of one repetition: ``repeat.1.dense.1`` in ``repeat.1.3.dense.1``."""
    above = rename(path)

    def renamed(name: str) -> str:
        if name == path or not path:
            return f"{above}.{number}.{name}".strip(".") if not path and name else f"{above}.{number}".strip(".")
        return f"{above}.{number}{name[len(path) :]}" if name.startswith(f"{path}.") else rename(name)

    return renamed


def _same(x: Any) -> Any:
    return x


def _stacked(*parts: Any) -> Any:
    return torch.stack(parts)


def _picked(number: int, stack: Any) -> Any:
    return stack[number]
