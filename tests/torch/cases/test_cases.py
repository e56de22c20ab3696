"""The truth checked before anything is traced: it runs, its parameters are there, FlopCounterMode and loops agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn
from torch.ao.nn.quantized import dynamic
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.torch.cases import ALL, BY_NAME, Case, call, loss, quiet
from tests.torch.cases.executed import WITNESSED, witness
from tests.torch.cases.flop_counter import FLOP_COUNTER_UNABLE, FLOP_COUNTER_WRONG, FLOP_COUNTER_WRONG_BY_DEFAULT

NAMES = pytest.mark.parametrize("case", ALL, ids=str)


def learned(module: nn.Module) -> int:
    """Distinct learned elements, and those that quantization packed."""
    total = 0
    for parameter in {id(p): p for p in module.parameters()}.values():
        total += parameter._nnz() if parameter.layout is not torch.strided else parameter.numel()
    for part in module.modules():
        if isinstance(part, dynamic.Linear):
            total += part.weight().numel() + (0 if part.bias() is None else part.bias().numel())
        elif isinstance(part, dynamic.LSTM):
            total += sum(x.numel() for x in [*part.get_weight().values(), *part.get_bias().values()])
    return total


def test_names_are_distinct_and_enough() -> None:
    assert len(BY_NAME) == len(ALL) >= 70


@NAMES
def test_runs_and_has_the_parameters(case: Case) -> None:
    module = case.build()
    assert learned(module) == case.parameters
    with torch.no_grad(), quiet():
        call(module, case.inputs())
    if case.weights is not None and case.biases is not None:
        assert case.weights + case.biases <= case.parameters


@contextmanager
def without_mkldnn() -> Iterator[None]:
    """Recurrent layers as their products (torch.backends.mkldnn.flags warns about GPUs)."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


def counted(case: Case) -> tuple[int, int | None]:
    """Products that FlopCounterMode sees, with the decomposed kernels of attention and recurrent layers."""
    module, inputs = case.build(), case.inputs()
    with sdpa_kernel(SDPBackend.MATH), without_mkldnn(), quiet():
        with FlopCounterMode(display=False) as forward:
            outputs = call(module, inputs)
        if case.backward_macs is None:
            return forward.get_total_flops() // 2, None
        if not any(p.requires_grad for p in module.parameters()):
            return forward.get_total_flops() // 2, 0
        with FlopCounterMode(display=False) as backward:
            loss(outputs).backward()
    return forward.get_total_flops() // 2, backward.get_total_flops() // 2


@NAMES
def test_flop_counter(case: Case) -> None:
    if case.name in FLOP_COUNTER_UNABLE:
        pytest.skip(FLOP_COUNTER_UNABLE[case.name])
    seen = counted(case)
    if case.name in FLOP_COUNTER_WRONG:
        assert seen != (case.forward_macs, case.backward_macs), "FlopCounterMode is right here now"
    else:
        assert seen == (case.forward_macs, case.backward_macs)


@pytest.mark.parametrize("name", WITNESSED)
def test_loops_agree(name: str) -> None:
    case = BY_NAME[name]
    torch.manual_seed(0)
    module = case.build().double()
    inputs = tuple(x.double() if x.is_floating_point() else x for x in case.inputs())
    run = witness(module, inputs)
    assert (run.forward, run.backward) == (case.forward_macs, case.backward_macs)
    with quiet():
        outputs = call(module, inputs)
        loss(outputs).backward()
    output = outputs[0] if isinstance(outputs, tuple) else outputs
    np.testing.assert_allclose(run.output, output.detach().numpy(), rtol=1e-9, atol=1e-9)
    parameters = dict(module.named_parameters())
    for parameter, gradient in run.gradients.items():
        np.testing.assert_allclose(gradient, parameters[parameter].grad.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FLOP_COUNTER_UNABLE)
def test_gradients_exist_where_nobody_else_counts(name: str) -> None:
    module = BY_NAME[name].build()
    with quiet():
        loss(call(module, BY_NAME[name].inputs())).backward()


def test_lists_name_cases() -> None:
    assert {*FLOP_COUNTER_WRONG, *FLOP_COUNTER_UNABLE, *FLOP_COUNTER_WRONG_BY_DEFAULT, *WITNESSED} <= set(BY_NAME)
