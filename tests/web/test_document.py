"""The examples of ``docs/web.md``, run with curl as they stand there; only the port is another."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.web.serving import Serving

DOCUMENT = Path(__file__).parents[2] / "docs" / "web.md"
BLOCKS = re.findall(r"```shell\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("text", BLOCKS)
def test_examples(server: Serving, text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    commands = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    assert commands
    for block in commands:
        command, _, expected = block.partition("\n")
        here = command.replace("http://127.0.0.1:8080/", server.url)
        assert here != command
        done = subprocess.run(here, shell=True, capture_output=True, text=True, cwd=tmp_path, timeout=90)
        assert done.stdout == expected, done.stderr
