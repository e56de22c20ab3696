"""``python -m benchmarks.truth [timm] [torchvision] [configs]``: every published figure beside nncost's count.

Prints how many figures agree, and every one that does not with its reason; fails where there is none.
``--from`` and ``--count`` take a part of the rows. Needs timm, torchvision and transformers.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import nncost

Finding = tuple[str, str, str, str]
"""A row's name, a quantity, what is known of it and what was counted."""


def _models(library: str) -> Iterator[Iterator[Finding]]:
    from tests.torch.truth.models import Row, build, compared, timm_rows, torchvision_rows

    def found(row: Row) -> Iterator[Finding]:
        if row.shape:
            yield from ((row.name, c.quantity, c.known, c.counted) for c in compared(row, build(row)))

    return (found(row) for row in (timm_rows() if library == "timm" else torchvision_rows()))


def _configurations() -> Iterator[Iterator[Finding]]:
    from tests.torch.truth.configurations import Configuration, configurations

    def found(configuration: Configuration) -> Iterator[Finding]:
        report = nncost.count(configuration.path, dict(configuration.inputs))
        yield configuration.name, "complete", "True", str(report.complete)
        yield configuration.name, "macs", str(configuration.macs()), str(report.forward.macs)

    return (found(configuration) for configuration in configurations())


def compare(title: str, rows: Iterable[Iterator[Finding]]) -> int:
    """Print a table of agreements; the number of differences without a reason."""
    from tests.torch.truth.differences import DIFFERENT

    known, agreed, unexplained, start = Counter[str](), Counter[str](), 0, time.monotonic()
    for row in rows:
        for name, quantity, expected, counted in row:
            known[quantity] += 1
            agreed[quantity] += expected == counted
            reason = DIFFERENT.get((name, quantity))
            if (expected == counted) != (reason is None):
                unexplained += 1
            if expected != counted or reason:
                print(f"  {name}: {quantity} {expected}, counted {counted}: {reason or 'NO REASON KNOWN'}", flush=True)
    print(f"{title}, in {time.monotonic() - start:.0f} s")
    for quantity, number in known.items():
        print(f"  {quantity:<14}{agreed[quantity]:>6} of {number}")
    return unexplained


def main(arguments: Sequence[str]) -> int:
    """0 where everything agrees or has a reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", help="timm, torchvision, configs; all of them by default")
    parser.add_argument("--from", dest="start", type=int, default=0)
    parser.add_argument("--count", type=int)
    given = parser.parse_args(arguments)
    tables = {
        "configs": _configurations,
        "torchvision": lambda: _models("torchvision"),
        "timm": lambda: _models("timm"),
    }
    end = None if given.count is None else given.start + given.count
    return sum(compare(name, islice(tables[name](), given.start, end)) for name in given.tables or tables)


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
