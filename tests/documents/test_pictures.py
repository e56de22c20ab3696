"""The pictures of the documents are what the commands above them make."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRAWN_BY = "vl-convert-python"


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.chdir(ROOT)
    import pictures

    yield pictures
    sys.modules.pop("pictures", None)


def test_every_picture_is_what_its_command_makes(pictures: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="a picture shows a PyTorch module")
    pytest.importorskip("vl_convert", reason="vl-convert-python is not installed")
    pinned = re.findall(rf"^{DRAWN_BY}==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    if metadata.version(DRAWN_BY) not in pinned:
        pytest.skip(f"the pictures were made with {DRAWN_BY} {pinned}")
    assert pictures.main(check=True) == 0, capsys.readouterr().err


COMMAND = "```sh\nnncost plot 3-2 network -o a.svg\n```\n\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"{COMMAND}![A network](docs/pictures/a.svg)\n", ""),
        ("```sh\nnncost plot 3-2 \\\n  network -o a.svg\n```\n\n![A network](docs/pictures/a.svg)\n", ""),
        ("![A network](docs/pictures/a.svg)\n", "behind its command"),
        (f"{COMMAND}![A network](docs/pictures/b.svg)\n", "behind its command"),
        (f"{COMMAND}![A network](elsewhere/a.svg)\n", "behind its command"),
        (f"{COMMAND}![](docs/pictures/a.svg)\n", "says nothing"),
        (f"{COMMAND}![A](docs/pictures/a.svg)\n\n{COMMAND.replace('3-2', '3-4')}![A](docs/pictures/a.svg)\n", "another command"),
    ],
)  # fmt: skip
def test_a_picture_stands_behind_its_command(
    text: str, fault: str, pictures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "FOLDER", tmp_path / "docs" / "pictures")
    document = tmp_path / "page.md"
    document.write_text(text)
    found = list(pictures.read(document, {}))
    assert len(found) == bool(fault)
    assert fault in "".join(found)
