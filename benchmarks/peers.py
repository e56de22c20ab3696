"""``python -m benchmarks.peers --cases``: nncost and its peers on every hand-derived case, as a table for docs/conventions.md.

Every tool gets the same module, in training unless the case says otherwise, and the same inputs. Its answer for the forward pass is right where it
is the number of products in contractions, or twice that where the tool counts two for each (PyTorch's counter,
calflops and DeepSpeed). A tool that adds biases, norms or activations says another number; that is its convention,
and the column says ``other``. ``0`` is a silent zero where there are products, ``error`` an exception.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import torch

import nncost
from tests.torch.cases import ALL, Case
from tests.torch.conventions.tools import TOOLS, numbers, quiet

RIGHT, ZERO, OTHER, ERROR = "right", "0", "other", "error"
TWO_FOR_EACH = {"torch", "calflops", "deepspeed"}
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "conventions.md"
MARKS = "<!-- peers: cases -->", "<!-- end -->"
PACKAGES = {"ptflops-aten": "ptflops"}


def answer_of_nncost(case: Case) -> int:
    """Our own number: macs of the forward pass."""
    given = case.inputs()
    inputs = nncost.Inputs((), given) if isinstance(given, dict) else nncost.Inputs(tuple(given))
    module = case.build()
    return int(nncost.count(module, inputs, mode="train" if module.training else "inference").forward.macs)


def answer_of(tool: str, case: Case) -> int:
    """A peer's number in products: half of what it says where it counts two for each."""
    found = numbers(tool, case.build(), case.inputs())["forward"]
    if found is None:
        raise RuntimeError(f"{tool} gives no number")
    return found // 2 if tool in TWO_FOR_EACH and found % 2 == 0 else found


def verdict(answer: Callable[[], int], case: Case) -> str:
    """What an answer is worth."""
    torch.manual_seed(0)
    try:
        with quiet():
            found = answer()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return ERROR
    if found in (case.forward_macs, *case.forward_readings):
        return RIGHT
    return ZERO if found == 0 else OTHER


def verdicts(tools: Mapping[str, Callable[[Case], int]]) -> Iterator[tuple[str, dict[str, str]]]:
    """Every case with each tool's verdict."""
    for case in ALL:
        yield case.name, {name: verdict(partial(answer, case), case) for name, answer in tools.items()}


def installed() -> dict[str, Callable[[Case], int]]:
    """nncost and the peers that are here."""
    tools: dict[str, Callable[[Case], int]] = {"nncost": answer_of_nncost}
    for name in TOOLS:
        if find_spec(PACKAGES.get(name, name)) is not None:
            tools[name] = partial(answer_of, name)
    return tools


def table(rows: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Counts of right answers first, then every case."""
    names = list(next(iter(rows.values())))
    counts = {name: Counter(row[name] for row in rows.values()) for name in names}
    lines = [f"| {' | '.join(('case', *names))} |", f"|---|{'---|' * len(names)}"]
    lines += [
        f"| **{kind}, of {len(rows)}** | {' | '.join(str(counts[name][kind]) for name in names)} |"
        for kind in (RIGHT, OTHER, ZERO, ERROR)
    ]
    lines += [f"| `{case}` | {' | '.join(row[name] for name in names)} |" for case, row in rows.items()]
    return lines


def versions(names: list[str]) -> str:
    """The versions behind a table."""
    found = []
    for name in names:
        try:
            found.append(f"{name} {nncost.__version__ if name == 'nncost' else version(PACKAGES.get(name, name))}")
        except PackageNotFoundError:
            continue
    return f"With {', '.join(found)}."


def main(arguments: list[str]) -> int:
    """Print the table, or with ``--write`` put it in the document."""
    if "--cases" not in arguments:
        print(__doc__)
        return 2
    warnings.simplefilter("ignore")
    tools = installed()
    lines = table(dict(verdicts(tools)))
    text = "\n".join([versions(list(tools)), "", *lines])
    if "--write" not in arguments:
        print(text)
        return 0
    start, end = MARKS
    document = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    DOCUMENT.write_text(pattern.sub(lambda _: f"{start}\n\n{text}\n\n{end}", document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
