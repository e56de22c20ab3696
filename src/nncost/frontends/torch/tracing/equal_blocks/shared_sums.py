"""Sums of gradients of parameters that the calls of one layer share.

Autograd adds each call's gradient to those of the calls after it. After two calls whose additions were alike, the next
ones are noted without being run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nncost.frontends.torch.tracing.paths import relative

_ADD = torch.ops.aten.add.Tensor


@dataclass(slots=True, eq=False)
class SharedSums:
    """The additions that follow the backward passes of equal calls; ``calls`` are those of one, once they are known."""

    calls: list[Any] | None = None
    _before: list[Any] | None = None
    _expected: slice | None = None

    def expect(self, start: int, count: int) -> None:
        """That many additions will be among the records, from a position on."""
        self._expected = slice(start, start + count)

    def look(self, records: Sequence[Any], path: str) -> None:
        """Take the additions of the call before, if they were like those before them."""
        expected, self._expected = self._expected, None
        if expected is None or self.calls is not None:
            return
        found = records[expected]
        if len(found) < expected.stop - expected.start or not all(map(_is_addition, found)):
            self._before = None
            return
        sums = relative(found, path)
        if sums == self._before:
            self.calls = sums
        self._before = sums


def _is_addition(record: Any) -> bool:
    return isinstance(record, list) and record[0].operator is _ADD
