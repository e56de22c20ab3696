"""Operators that take functions: run as they say themselves, or refused in a sentence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch._higher_order_ops.associative_scan import associative_scan

import nncost
from nncost.errors import SourceError

DENSE = 4 * 4 * 4


class Net(nn.Module):
    def __init__(self, use: Any) -> None:
        super().__init__()
        self.dense, self.use = nn.Linear(4, 4), use

    def forward(self, x: torch.Tensor) -> Any:
        return self.use(self.dense(x))


@pytest.mark.parametrize(
    ("use", "macs", "mul", "add"),
    [(torch.compiler.nested_compile_region(lambda z: z @ z.T), DENSE, DENSE, 4 * 4 * 3),
     (lambda y: torch.ops.higher_order.hints_wrapper(lambda z: z * 2, (y,), {}, hints={}), 0, 16, 0),
     # Pairs, their sums, and what lies between: 2 + 1 + 1 rows of four.
     (lambda y: associative_scan(torch.add, y, 0, combine_mode="generic"), 0, 0, 4 * 4)],
)  # fmt: skip
def test_what_they_run_is_counted(use: Any, macs: int, mul: int, add: int) -> None:
    report = nncost.count(Net(use), (4, 4))
    assert (report.forward.macs, report.forward.mul, report.forward.add) == (DENSE + macs, DENSE + mul, DENSE + add)
    assert report.complete


def test_one_that_is_not_to_be_seen_is_refused() -> None:
    with pytest.raises(SourceError, match="strict_mode does not say which operators it runs"):
        nncost.count(Net(lambda y: torch.ops.higher_order.strict_mode(lambda z: z * 2, (y,))), (4, 4))
