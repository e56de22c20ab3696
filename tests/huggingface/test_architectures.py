"""The hand-derived numbers of every architecture, against the modules and PyTorch's own counter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from nncost.frontends.huggingface.load import build  # noqa: E402
from nncost.frontends.huggingface.transformers import quiet  # noqa: E402
from nncost.frontends.model import Inputs, LoadOptions, TensorShape  # noqa: E402
from tests.huggingface.architectures import CASES  # noqa: E402


def built(name: str, folder: Path) -> tuple[Any, Inputs]:
    """The case through the front end, from a file."""
    path = folder / "config.json"
    path.write_text(json.dumps(CASES[name].values))
    return build(str(path), LoadOptions(inputs=dict(CASES[name].inputs)))[:2]


def tensors(inputs: Inputs) -> dict[str, Any]:
    """Tensors of the shapes; tokens are ones."""
    return {
        name: torch.ones(leaf.shape, dtype=getattr(torch, leaf.dtype)) if isinstance(leaf, TensorShape) else leaf
        for name, leaf in inputs.kwargs.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_parameters(name: str, tmp_path: Path) -> None:
    module, inputs = built(name, tmp_path)
    assert type(module).__name__ == CASES[name].architecture
    assert {key: leaf.shape for key, leaf in inputs.kwargs.items() if isinstance(leaf, TensorShape)} == CASES[
        name
    ].inputs
    assert all(parameter.device.type == "meta" for parameter in module.parameters())
    assert sum(parameter.numel() for parameter in module.parameters()) == CASES[name].sheet.parameters


@pytest.mark.parametrize("name", CASES)
def test_multiplications(name: str, tmp_path: Path) -> None:
    """On real numbers, with plain attention and experts one by one, each contraction is a call that PyTorch counts."""
    module, inputs = built(name, tmp_path)
    with quiet(), torch.no_grad(), torch.device("cpu"):
        real = type(module)._from_config(module.config, attn_implementation="eager", experts_implementation="eager")
        real.eval().requires_grad_(False)
        with FlopCounterMode(display=False) as counter:
            real(**tensors(inputs))
    assert counter.get_total_flops() == 2 * CASES[name].sheet.macs


@pytest.mark.parametrize("name", [name for name in CASES if name != "dbrx"])  # its loop reads which experts are chosen
def test_forward_without_numbers(name: str, tmp_path: Path) -> None:
    """The module runs on shapes alone, as a tracer runs it."""
    module, inputs = built(name, tmp_path)
    with quiet(), torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True), torch.device("meta"):
        assert module(**tensors(inputs)) is not None
