"""The process is as before: logging, warnings, random numbers, the network; nothing is printed."""

from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import nncost  # noqa: E402
from nncost.errors import MissingExtraError, NncostError  # noqa: E402
from nncost.frontends.huggingface import transformers as library  # noqa: E402
from nncost.frontends.huggingface.load import build  # noqa: E402
from nncost.frontends.model import LoadOptions  # noqa: E402
from tests.huggingface.architectures import CASES  # noqa: E402


def state() -> tuple[object, ...]:
    from huggingface_hub import constants
    from transformers.integrations import moe
    from transformers.utils import logging as their_logging

    return (
        their_logging.get_verbosity(), logging.getLogger("huggingface_hub").level, constants.HF_HUB_OFFLINE,
        moe._can_use_grouped_mm, torch.get_rng_state().sum().item(), random.getstate(), torch.get_default_dtype(),
        torch.is_grad_enabled(), list(warnings.filters),
    )  # fmt: skip


@pytest.mark.parametrize("values", [{}, {"hidden_size": "no"}, {"vocab_size": 10**13}])
def test_as_before(values: dict[str, object], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging as their_logging

    their_logging.set_verbosity_info()
    try:
        before = state()
        path = tmp_path / "config.json"
        path.write_text(json.dumps(CASES["wav2vec2"].values | values))
        try:
            nncost.count(str(path), (1, 300))
        except NncostError:
            assert values
        assert state() == before
    finally:
        their_logging.set_verbosity_warning()
    assert capfd.readouterr() == ("", "")


def test_nothing_on_stderr(tmp_path: Path) -> None:
    """A value that transformers would warn of."""
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps(CASES["gpt2"].values | {"loss_type": "none such", "pad_token_id": 70, "rope_scaling": {}})
    )
    command = [
        sys.executable,
        "-W",
        "default",
        "-c",
        "from nncost.cli.main import main; main()",
        "count",
        str(path),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["source"]["kind"] == "huggingface"


def test_training_drops_no_layer(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CASES["wav2vec2"].values | {"layerdrop": 0.9}))
    module, *_ = build(str(path), LoadOptions(training=True))
    assert module.training
    assert module.config.layerdrop == 0


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find_spec", lambda name: None if name == "transformers" else object())
    with pytest.raises(MissingExtraError, match=r"nncost\[huggingface\]"):
        library.transformers()


def test_other_sources_import_no_transformers() -> None:
    code = "import sys, nncost; nncost.count('4-2'); assert not {'torch', 'transformers'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
