"""What a constant of the file is, told by what it is used for, not by its type.

Numbers that activations are multiplied by in a contraction, a convolution, a norm or a look-up are parameters, and so
are the biases added to their results. Masks, tables of rotary positions, initial states, scales and constants of
shape arithmetic are not. Where a file writes a norm or a bias as plain arithmetic, the operation before it decides.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nncost.dims import Dim, Shape, is_symbolic, product
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.constants import SIZES
from nncost.frontends.onnx.made_up import follows_a_rule
from nncost.frontends.onnx.sources import DEVIATION, LAYER, NORMAL, SCORES
from nncost.frontends.onnx.values import Computed, Derived, Stored, Value
from nncost.ir.evaluate import NoValueError
from nncost.ir.graph import Role, Tensor

MAX_READ = 2**22
"""Elements of the largest constant that is read to see whether it follows a rule."""
MOVES = (
    "Cast", "DequantizeLinear", "Expand", "Flatten", "Gather", "GatherElements", "Identity", "QuantizeLinear", "Reshape",
    "Slice", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
"""Operations that hand the elements of their first operand on."""


def product_of(call: Call, tensor: Tensor, *, learned: bool) -> Computed:
    """The result of a contraction, which says where it comes from."""
    activation = learned or any(isinstance(value, Computed) and value.activation for value in call.values)
    return Computed(tensor, activation=activation, source=LAYER if learned else SCORES)


def is_learned(call: Call, position: int, other: int) -> bool:
    """Whether an operand of a contraction is a weight: a constant of the file that activations are multiplied by.

    A sum of one term is no layer: it is how exporters multiply positions by the frequencies of a rotary table.
    """
    value, partner = call.value(position), call.value(other)
    if not isinstance(value, (Stored, Derived)) or not value.shape:
        return False
    if call.walk.tensors.inherited or not isinstance(partner, Computed):
        return call.walk.tensors.inherited is not None
    summed: Dim = value.shape[-2 if position and len(value.shape) > 1 else -1]
    return bool(partner.activation or summed != 1)


def factor_role(call: Call, position: int, other: int | None = None) -> Role | None:
    """Whether a factor is the scale of a norm, or one per channel, or just a constant."""
    value, partner = call.values[position], call.values[1 - position if other is None else other]
    if not _is_candidate(value, partner):
        return None
    assert isinstance(value, (Stored, Derived))
    assert isinstance(partner, Computed)
    if partner.source == NORMAL:
        return "weight"
    plain = partner.source in ("input", SCORES) or not is_vector(value.shape) or not partner.activation
    return None if plain or _is_made_up(call, value) else "weight"


def addend_role(call: Call, position: int, other: int | None = None) -> Role | None:
    """Whether an addend is a bias, a table of positions, or a mask."""
    value, partner = call.values[position], call.values[1 - position if other is None else other]
    if _is_bias_of_one(value, partner):
        return "bias"
    if not _is_candidate(value, partner):
        return None
    assert isinstance(value, (Stored, Derived))
    assert isinstance(partner, Computed)
    if partner.source in ("input", DEVIATION) or not partner.activation:
        return None
    vector = is_vector(value.shape) and partner.source != SCORES
    if vector and partner.source in (LAYER, NORMAL):
        return "bias"
    return None if _is_made_up(call, value) else "bias" if vector else "other"


def subtrahend_role(call: Call, position: int, other: int | None = None) -> Role | None:
    """Whether what is taken from the result of a layer or a norm, or what that is taken from, is its bias."""
    partner = call.values[1 - position if other is None else other]
    if not isinstance(partner, Computed) or partner.source not in (LAYER, NORMAL):
        return None
    return addend_role(call, position, other)


def token_role(call: Call, position: int) -> Role | None:
    """Whether a constant that stands beside activations is a learned token, such as that of a class."""
    value = call.values[position]
    beside = [each for each in call.values if isinstance(each, Computed) and each.activation and each.source != "input"]
    if not beside or not _is_candidate(value, beside[0]):
        return None
    assert isinstance(value, (Stored, Derived))
    return None if _is_made_up(call, value) else "other"


def _is_bias_of_one(value: Value | None, partner: Value | None) -> bool:
    """Whether a single number is the bias of a dense layer with one output."""
    return (
        isinstance(value, (Stored, Derived))
        and isinstance(partner, Computed)
        and partner.source == LAYER
        and value.dtype not in SIZES
        and bool(partner.shape and value.shape)
        and partner.shape[-1] == 1
        and all(dim == 1 for dim in value.shape)
    )


def _is_candidate(value: Value | None, partner: Value | None) -> bool:
    return (
        isinstance(value, (Stored, Derived))
        and isinstance(partner, Computed)
        and value.dtype not in SIZES
        and any(dim != 1 for dim in value.shape)
    )


def is_vector(shape: Shape) -> bool:
    """Whether only one axis is longer than one."""
    return len([dim for dim in shape if dim != 1]) == 1


def _is_made_up(call: Call, value: Stored | Derived) -> bool:
    """Whether a constant is a mask, a grid or a table of sines: numbers that follow a rule, which nobody learned.

    It is read only where it lies in the model's own file; of a part of a table the whole table tells.
    """
    whole = moved(value)
    if isinstance(whole, Stored) and whole.constant.elsewhere:
        return False
    if isinstance(whole, Stored) and (is_symbolic(size := product(whole.shape)) or size > MAX_READ):
        return False
    try:
        values = np.asarray(call.walk.known_values(whole))
    except NoValueError:
        tables = _tables_beneath(whole)
        return not any(table is not whole and not _is_made_up(call, table) for table in tables)
    return values.size <= MAX_READ and follows_a_rule(values)


def _tables_beneath(value: Value) -> Iterator[Stored]:
    """The tables of floats that a constant is computed from."""
    waiting: list[Value | None] = [value]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop()
        if isinstance(found, Derived) and id(found.node) not in seen:
            seen.add(id(found.node))
            waiting += found.node.call.values
        elif isinstance(found, Stored) and found.dtype not in SIZES and sum(dim != 1 for dim in found.shape) > 1:
            yield found


def moved(value: Value) -> Value:
    """The constant of the file whose elements a derived one holds, in another order or type; else the value itself."""
    found: Value | None = value
    while isinstance(found, Derived) and found.node.call.name in MOVES:
        found = found.node.call.values[0]
    return found if isinstance(found, Stored) else value
