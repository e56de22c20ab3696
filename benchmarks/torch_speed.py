"""How long counting a PyTorch module takes, beside PyTorch's FlopCounterMode and other counters.

Everything runs in this process, warmed up once and then in turn; each candidate's fastest run counts, and only ratios
are printed. Nothing outlives a call: nncost keeps no results between counts, and fake tensors are made anew each time.
FlopCounterMode runs under FakeTensorMode (shapes alone, as nncost does), for images on plain meta tensors too. The
others need real numbers and are given them.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

import nncost
from benchmarks.timing import fastest, print_ratios

Candidates = dict[str, Callable[[], object]]
FAKE, META, NNCOST = "FlopCounterMode, fake tensors", "FlopCounterMode, meta tensors", "nncost"
IMAGE, SEQUENCE = (1, 3, 224, 224), (1, 2_048)


def fake_copies(module: nn.Module, mode: FakeTensorMode) -> dict[str, torch.Tensor]:
    """Fake parameters and buffers, as a user makes them."""
    with mode:
        parameters = {name: nn.Parameter(torch.empty(p.shape)) for name, p in module.named_parameters()}
        return parameters | {name: torch.empty(b.shape, dtype=b.dtype) for name, b in module.named_buffers()}


def counted_by_torch(
    module: nn.Module, inputs: Callable[[], Mapping[str, Any]], *, backward: bool = False, update: bool = False
) -> int:
    """FlopCounterMode under FakeTensorMode."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    state = fake_copies(module, mode)
    with mode, FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
        output = torch.func.functional_call(module, state, (), dict(inputs()))
        if backward:
            (output if isinstance(output, torch.Tensor) else output[0]).sum().backward()
        if update:
            torch.optim.AdamW([t for t in state.values() if t.requires_grad], foreach=False).step()
    return counter.get_total_flops()


def counted_on_meta(module: nn.Module, *inputs: torch.Tensor, **named: torch.Tensor) -> int:
    """FlopCounterMode on a module whose tensors are all on the meta device."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs, **named)
    return counter.get_total_flops()


# ------------------------------------------------------------------- models
def _torchvision() -> Any:
    from tests.torch.vision import import_torchvision

    return import_torchvision()


def resnet50() -> nn.Module:
    """torchvision's, with weights."""
    return _torchvision().models.resnet50().eval()  # type: ignore[no-any-return]


def vit() -> nn.Module:
    """ViT-B/16."""
    return _torchvision().models.vit_b_16().eval()  # type: ignore[no-any-return]


def bert() -> nn.Module:
    """BERT-base."""
    from transformers import BertConfig, BertModel

    with torch.device("meta"):
        return BertModel(BertConfig()).eval()


def llama(layers: int, width: int, inner: int, heads: int, key_heads: int, tokens: int) -> nn.Module:
    """A Llama on the meta device, from its configuration."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        num_hidden_layers=layers, hidden_size=width, intermediate_size=inner, num_attention_heads=heads,
        num_key_value_heads=key_heads, vocab_size=tokens, max_position_embeddings=4_096, use_cache=False,
    )  # fmt: skip
    with torch.device("meta"):
        return LlamaForCausalLM(config).eval()


def llama_2_7b() -> nn.Module:
    """Llama 2, 7B."""
    return llama(32, 4_096, 11_008, 32, 32, 32_000)


def llama_405b(layers: int = 126) -> nn.Module:
    """Llama 3.1, 405B, or one of its width."""
    return llama(layers, 16_384, 53_248, 128, 8, 128_256)


# ------------------------------------------------------------------- parts
def images() -> None:
    """Forward passes of images and of BERT."""
    for name, build, aim in (("ResNet-50", resnet50, 0.5), ("ViT-B/16", vit, None)):
        module = build()
        on_meta = copy.deepcopy(module).to("meta")
        x = torch.empty(IMAGE, device="meta")
        candidates: Candidates = {
            FAKE: lambda module=module: counted_by_torch(module, _image(module)),
            META: lambda on_meta=on_meta, x=x: counted_on_meta(on_meta, x),
            NNCOST: lambda module=module: nncost.count(module, IMAGE),
        }  # type: ignore[misc]
        print_ratios(f"{name} forward, 1x3x224x224", fastest(candidates, 7), FAKE, {NNCOST: aim} if aim else None)
    module = bert()
    shape = {"input_ids": "1x128:int64"}
    ids = torch.zeros(1, 128, dtype=torch.int64, device="meta")
    candidates = {
        FAKE: lambda: counted_by_torch(module, lambda: {"input_ids": torch.zeros(1, 128, dtype=torch.int64)}),
        META: lambda: counted_on_meta(module, input_ids=ids),
        NNCOST: lambda: nncost.count(module, shape),
    }
    print_ratios("BERT-base forward, 1x128", fastest(candidates, 7), FAKE)


def _image(module: nn.Module) -> Callable[[], Mapping[str, Any]]:
    name = "x" if type(module).__name__ in ("ResNet", "VisionTransformer") else "input"
    return lambda: {name: torch.empty(IMAGE)}


def _tokens() -> Mapping[str, Any]:
    return {"input_ids": torch.zeros(SEQUENCE, dtype=torch.int64), "use_cache": False}


SHAPES = {"input_ids": "1x2048:int64", "use_cache": False}


def large() -> None:
    """Training steps of Llama 2 7B and Llama 3.1 405B."""
    steps: list[tuple[str, dict[str, bool], dict[str, str], float]] = [
        ("forward", {}, {}, 0.1),
        ("forward and backward", {"backward": True}, {"loss": "sum"}, 0.1),
        ("forward, backward, AdamW", {"backward": True, "update": True}, {"loss": "sum", "optimizer": "adamw"}, 0.15),
    ]
    for name, module, parts in (("Llama 2 7B", llama_2_7b(), steps), ("Llama 3.1 405B", llama_405b(), steps[:2])):
        for title, theirs, ours, aim in parts:
            candidates: Candidates = {
                FAKE: lambda module=module, theirs=theirs: counted_by_torch(module, _tokens, **theirs),
                NNCOST: lambda module=module, ours=ours: nncost.count(module, SHAPES, **ours),
            }  # type: ignore[misc]
            rounds = 3 if name == "Llama 2 7B" else 1
            print_ratios(f"{name} {title}, 1x2048", fastest(candidates, rounds), FAKE, {NNCOST: aim})


def depth() -> None:
    """Layers of one width: alike blocks are analysed once."""
    shallow, deep = "32 layers", "126 layers"
    modules = {shallow: llama_405b(32), deep: llama_405b(126)}
    for title, given in (("forward", {}), ("forward and backward", {"loss": "sum"})):
        candidates: Candidates = {
            name: lambda module=module, given=given: nncost.count(module, SHAPES, **given)
            for name, module in modules.items()
        }  # type: ignore[misc]
        print_ratios(
            f"Growth with depth, width of Llama 3.1 405B, {title}", fastest(candidates, 5), shallow, {deep: 1.5}
        )


def others() -> None:
    """Other counters on ResNet-50 with real numbers, as they are used."""
    module, x = resnet50(), torch.randn(IMAGE)
    candidates: Candidates = {NNCOST: lambda: nncost.count(module, IMAGE)}
    for name, answer in OTHERS.items():
        try:
            candidates[f"{name} {version(name)}"] = lambda answer=answer: _quietly(lambda: answer(module, x))  # type: ignore[misc]
        except PackageNotFoundError:
            print(f"\n{name} is not installed; it is left out.")
    print_ratios("ResNet-50 forward, against nncost", fastest(candidates, 3), NNCOST)


def _quietly(run: Callable[[], object]) -> None:
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            run()
    finally:
        logging.disable(logging.NOTSET)


def _torch(module: nn.Module, x: torch.Tensor) -> object:
    with FlopCounterMode(display=False):
        return module(x)


def _fvcore(module: nn.Module, x: torch.Tensor) -> object:
    from fvcore.nn import FlopCountAnalysis

    return FlopCountAnalysis(module, x).unsupported_ops_warnings(False).total()


def _thop(module: nn.Module, x: torch.Tensor) -> object:
    from thop import profile

    return profile(copy.deepcopy(module), (x,), verbose=False)  # it leaves its counters in the module


def _ptflops(module: nn.Module, x: torch.Tensor) -> object:
    from ptflops import get_model_complexity_info

    return get_model_complexity_info(module, tuple(x.shape[1:]), as_strings=False, print_per_layer_stat=False)


def _torchinfo(module: nn.Module, x: torch.Tensor) -> object:
    from torchinfo import summary

    return summary(module, input_data=x, verbose=0)


def _calflops(module: nn.Module, x: torch.Tensor) -> object:
    from calflops import calculate_flops

    return calculate_flops(module, input_shape=tuple(x.shape), output_as_string=False, print_results=False)


OTHERS: Mapping[str, Callable[[nn.Module, torch.Tensor], object]] = {
    "torch": _torch, "fvcore": _fvcore, "thop": _thop, "ptflops": _ptflops, "torchinfo": _torchinfo,
    "calflops": _calflops,
}  # fmt: skip


def main() -> None:
    """All parts; those whose libraries are missing say so."""
    installed = []
    for name in ("torch", "torchvision", "transformers"):
        try:
            installed.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            print(f"\n{name} is not installed; the parts that need it are left out.")
    with contextlib.suppress(ImportError):
        _torchvision()  # before transformers, which looks for it
    print(f"\nPyTorch modules: {', '.join(installed)}, {torch.get_num_threads()} threads")
    for part in (images, others, large, depth):
        try:
            part()
        except ImportError as error:
            print(f"\n{part.__name__} is left out: {error}")


if __name__ == "__main__":
    print(f"nncost {nncost.__version__}, Python {sys.version.split()[0]}: the fastest of several runs, as ratios")
    main()
