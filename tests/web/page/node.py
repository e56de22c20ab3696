"""The page's modules run under Node: a script with the modules imported, JSON in and JSON out."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nncost.web.presets import PAGE

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="the page's modules run under node, which is not installed")


def run(script: str, given: Any, folder: Path) -> Any:
    """Run a script with ``given`` and the modules of the page; return what its last expression ``result`` is."""
    assert NODE is not None
    modules = folder / "modules"
    if not modules.exists():
        shutil.copytree(PAGE, modules)
        (modules / "package.json").write_text('{"type": "module"}')
    program = folder / "program.mjs"
    program.write_text(
        'import { readFileSync } from "node:fs";\n'
        "const given = JSON.parse(readFileSync(0));\n"
        f"{script}\n"
        "process.stdout.write(JSON.stringify(result, (_, value) => (typeof value === 'bigint' ? String(value) : value)));\n"
    )
    done = subprocess.run([NODE, str(program)], input=json.dumps(given), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
