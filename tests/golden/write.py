"""Write the kept reports anew: ``python -m tests.golden.write [GROUP …]``. What a change does to them is in the diff."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.golden.cases import GROUPS
from tests.golden.cases.case import Case
from tests.golden.stored import Report, kept, save


def made(case: Case) -> Report:
    """What is kept of a case's report, made in a folder and with a cache of its own."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["NNCOST_CACHE"] = f"{name}/cache"
        folder = Path(name) / "work"
        folder.mkdir()
        return kept(case.report(folder), folder)


def main() -> None:
    for group in sys.argv[1:] or GROUPS:
        save(group, {case.name: made(case) for case in GROUPS[group]})


if __name__ == "__main__":
    main()
