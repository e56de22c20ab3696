"""Make each picture of the documents by the command above it: ``python docs/pictures.py``; ``--check`` only compares.

A picture stands behind a block of commands, the last of which ends in ``-o`` and its name::

    nncost plot 784-16-16-10 network -o network.svg

It is kept in ``docs/pictures``. One that stands in several documents has the same command in each.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import nncost.cli.main

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "pictures"
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_IMAGE = re.compile(r"!\[(?P<said>[^\]]*)\]\((?P<path>[^)]+)\)")
_PICTURE = re.compile(r"^(?P<command>nncost (?:.*\\\n)*.* -o (?P<name>\S+))\n```\n\n" + _IMAGE.pattern, re.MULTILINE)


def main(check: bool) -> int:
    """Make (or compare) every picture; 1 where something is wrong."""
    commands, wrong = dict[str, str](), list[str]()
    for document in DOCUMENTS:
        wrong += read(document, commands)
    kept = {path.name for path in FOLDER.iterdir()} if FOLDER.is_dir() else set()
    wrong += [f"{name}: no document shows it" for name in sorted(kept - commands.keys())]
    for name, command in commands.items():
        made, path = _made(name, command), FOLDER / name
        if check and (not path.exists() or path.read_bytes() != made):
            wrong.append(f"{name}: not what its command makes today; run python docs/pictures.py")
        elif not check:
            FOLDER.mkdir(exist_ok=True)
            path.write_bytes(made)
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return int(bool(wrong))


def read(document: Path, commands: dict[str, str]) -> Iterator[str]:
    """Enter the commands of a document; what is wrong with its pictures."""
    text = document.read_text("utf-8")
    behind = {match.start("path"): match for match in _PICTURE.finditer(text)}
    for image in _IMAGE.finditer(text):
        match, path = behind.get(image.start("path")), PurePosixPath(image["path"])
        if match is None or match["name"] != path.name or (document.parent / path).resolve().parent != FOLDER:
            yield f"{document.name}: {path} does not stand behind its command"
        elif commands.setdefault(path.name, match["command"]) != match["command"]:
            yield f"{document.name}: {path} has another command elsewhere"
        elif not image["said"]:
            yield f"{document.name}: {path} says nothing to those who do not see it"


def _made(name: str, command: str) -> bytes:
    """What the command writes, in the checkout, where the files are that it names."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        words = [str(path) if word == name else word for word in shlex.split(command.replace("\\\n", ""))[1:]]
        code = nncost.cli.main.run(words)
        if code != 0:
            raise SystemExit(f"{command}: exit code {code}")
        return path.read_bytes()


if __name__ == "__main__":
    import os

    os.chdir(ROOT)
    sys.exit(main(check="--check" in sys.argv))
