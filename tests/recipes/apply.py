"""The recipes of CONTRIBUTING.md, applied to a copy of the package as they stand."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIED = (
    "src/nncost",
    "tests/proof",
    "tests/__init__.py",
    "tests/conftest.py",
    "tests/layer_examples.py",
    "pyproject.toml",
)


def blocks(recipe: str, language: str) -> list[str]:
    """The code blocks of one language in the recipe of that heading."""
    text = re.search(rf"^### {re.escape(recipe)}$(.*?)(?=^#|\Z)", CONTRIBUTING, re.MULTILINE | re.DOTALL)
    assert text is not None, f"CONTRIBUTING.md has no recipe {recipe!r}"
    return [block[2] for block in _BLOCK.finditer(text[1]) if block[1] == language]


def recipes() -> list[str]:
    """The headings of all recipes."""
    return re.findall(r"^### (.*)$", CONTRIBUTING, re.MULTILINE)


def patched(text: str, hunks: str) -> str:
    """The text with the lines that hunks add: beside the line they show, or at the end where they show none."""
    for hunk in hunks.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        new = "".join(line[1:] for line in lines)
        shown = [line[1:] for line in lines if line.startswith(" ")]
        assert all(line[0] in "+ " for line in lines)
        if not shown:
            text += new
            continue
        (old,) = shown
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the file"
        text = text.replace(old, new)
    return text


def copy_with_recipes(folder: Path) -> None:
    """A copy of the package and of its proof, with every recipe applied."""
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    for recipe in recipes():
        for block in blocks(recipe, "diff"):
            first, _, hunks = block.partition("\n")
            path = folder / first.removeprefix("--- ")
            path.write_text(patched(path.read_text() if path.exists() else "", hunks))
    _install_front_end(folder)


def _install_front_end(folder: Path) -> None:
    """The package of the front end beside the copy, with the metadata that an installer would write."""
    (module,) = blocks("A front end", "py")
    (project,) = blocks("A front end", "toml")
    (folder / "src/widths_front_end.py").write_text(module)
    groups = tomllib.loads(project)["project"]["entry-points"]
    metadata = folder / "src/widths_front_end-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: widths-front-end\nVersion: 1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in groups.items()]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
