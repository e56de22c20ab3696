"""How much work running an operator for real would be: whether learning from it is cheap."""

from __future__ import annotations

from math import prod
from typing import Any

import torch

GATES = 4
"""A recurrent layer's matrix products for each step, at most (LSTM)."""
_FORWARD, _BACKWARD = "aten::mkldnn_rnn_layer", "aten::mkldnn_rnn_layer_backward"
_BACKWARD_OF_FORWARD = 2


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
