"""Results in a real kernel: what cells show, bars while something runs, and the example notebook.

Run the example anew with ``python -m tests.notebook.test_notebook``, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "notebook.ipynb"
_TIMEOUT = 300
VARIES = "varies"
"""The tag of cells whose output says seconds."""


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path / "cache"))


def run(notebook: Any, folder: Path) -> Any:
    """Run the cells of a notebook in a kernel of this Python, in a folder."""
    client = NotebookClient(
        notebook, timeout=_TIMEOUT, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    return client.execute()


def shown_by(tmp_path: Path, *cells: str) -> list[list[Any]]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    return [cell.outputs for cell in run(notebook, tmp_path).cells]


def test_results_show_text_and_html(tmp_path: Path) -> None:
    results = (
        "nncost.count('784-16-16-10')", "nncost.count('784-16-16-10').table(by='op')", "nncost.explain('784-16-16-10', 'forward')",
        "nncost.formula('784-h-10')", "nncost.predict('784-16-16-10', on='h100')",
    )  # fmt: skip
    _, *outputs = shown_by(tmp_path, "import nncost", *results)
    for (output,) in outputs:
        html, text = output["data"]["text/html"], output["data"]["text/plain"]
        assert html.startswith('<div class="nncost">')
        assert "<script" not in html
        assert "795" in text or "784" in text
    assert "13,002" in outputs[0][0]["data"]["text/html"]


def test_bars_move_and_go(tmp_path: Path) -> None:
    """A bar is updated in its place; a training's stays with its last loss."""
    rows = "x = numpy.random.default_rng(0).normal(size=(200, 4)); y = (x[:, 0] > 0).astype(int)"
    _, measured, trained = shown_by(
        tmp_path, f"import numpy, nncost\n{rows}", "nncost.measure('4-8-2', batch=8);",
        "nncost.train('4-8-2:softmax', (x, y), epochs=2, engine='numpy');",
    )  # fmt: skip
    assert [output["data"]["text/html"] for output in measured] == [""]
    (bar,) = (output["data"]["text/html"] for output in trained)
    assert "epoch 2/2" in bar
    assert "loss" in bar
    assert "<progress" in bar


def test_the_example_shows_what_it_showed(tmp_path: Path) -> None:
    stored = nbformat.read(EXAMPLE, as_version=4)
    again = run(nbformat.read(EXAMPLE, as_version=4), EXAMPLE.parent)
    assert any(cell.cell_type == "markdown" for cell in stored.cells)
    for before, now in zip(stored.cells, again.cells, strict=True):
        if before.cell_type == "code":
            assert _texts(before) == _texts(now), "run anew with: python -m tests.notebook.test_notebook"


def _texts(cell: Any) -> list[str]:
    """The text of each output; of one that varies, which kinds it has."""
    if VARIES in cell.metadata.get("tags", ()):
        return sorted({kind for output in cell.outputs for kind in output.get("data", {})})
    return [output.get("text", "") or output["data"].get("text/plain", "") for output in cell.outputs]


if __name__ == "__main__":
    os.environ.setdefault("NNCOST_CACHE", "/dev/null/none")
    written = run(nbformat.read(EXAMPLE, as_version=4), EXAMPLE.parent)
    for each in written.cells:
        each.metadata.pop("execution", None)
    written.metadata.language_info = {"name": "python"}
    nbformat.write(written, EXAMPLE)
