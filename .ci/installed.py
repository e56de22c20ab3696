"""What someone gets who installs the wheel and nothing else: the commands run, the documents are there, extras are named.

``make dist`` runs it with the Python of an empty environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

BIN = Path(sys.executable).parent
PAGES = {path.stem for path in (Path(__file__).parents[1] / "docs").glob("*.md")}
NNCOST = [str(BIN / "nncost")]
MODULE = [sys.executable, "-m", "nncost"]
COMMANDS: tuple[tuple[list[str], int, str], ...] = (
    ([*NNCOST, "--version"], 0, "nncost "),
    ([*NNCOST, "--help"], 0, "Commands:"),
    ([*NNCOST, "count", "784-16-16-10"], 0, "13,002"),
    ([*MODULE, "count", "784-16-16-10", "--json"], 0, '"total": 13002'),
    ([*NNCOST, "explain", "784-16-16-10", "parameters"], 0, "12,960"),
    ([*NNCOST, "formula", "784-h-10", "parameters"], 0, "795·h + 10"),
    ([*NNCOST, "predict", "784-16-16-10", "--on", "h100"], 0, "H100"),
    ([*NNCOST, "devices", "h100"], 0, "80.0 GB"),
    ([*NNCOST, "docs"], 0, "cost-model"),
    ([*NNCOST, "docs", "spec"], 0, "# The spec language"),
    ([*NNCOST, "completion", "zsh"], 0, "#compdef nncost"),
    ([*NNCOST, "plot", "784-16-16-10"], 0, "dense.1"),
    ([*NNCOST, "plot", "784-16-16-10", "network", "-o", "network.svg"], 0, "network.svg"),
    ([*NNCOST, "report", "784-16-16-10", "-o", "report.html"], 0, "wrote report.html"),
    ([*NNCOST, "report", "784-16-16-10"], 0, 'class="layer-tree"'),
    ([*NNCOST, "explain", "784-16-16-10", "--html"], 0, "<math"),
    ([*NNCOST, "plot", "784-16-16-10", "-o", "layers.svg"], 2, "nncost[charts]"),
    ([*NNCOST, "web"], 2, "nncost[web]"),
    ([*NNCOST, "count", "784-"], 2, "nncost: error:"),
    ([*NNCOST, "count", "model.onnx"], 2, "nncost[onnx]"),
    ([*NNCOST, "count", "net.py:build"], 2, "nncost[torch]"),
    ([*NNCOST, "measure", "784-16-10"], 2, "nncost[torch]"),
)


def main() -> int:
    """Run every command in an empty folder; how many did not do what they should."""
    environment = {**os.environ, "PYTHONPATH": "", "NO_COLOR": "1"}
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("model.onnx", "net.py"):
            (Path(folder) / name).write_text("")
        environment["NNCOST_CACHE"] = folder
        for command, code, fragment in COMMANDS:
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            said = done.stdout + done.stderr
            is_right = done.returncode == code and fragment in said and "Traceback" not in said
            failed += not is_right
            print("ok  " if is_right else "FAIL", "nncost", *command[len(NNCOST if command[0] in NNCOST else MODULE) :])
            if not is_right:
                print(said)
        shown = subprocess.run(
            [*NNCOST, "docs"], cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
    missing = sorted(page for page in PAGES if page not in shown.stdout)
    if missing:
        print("FAIL documents that are not in the wheel:", *missing)
    print(f"{len(COMMANDS) - failed} passed, {failed + bool(missing)} failed")
    return failed + bool(missing)


if __name__ == "__main__":
    sys.exit(main())
