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
import itertools
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

import nncost
from benchmarks.timing import Prepared, fastest, print_ratios

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
def import_torchvision() -> Any:
    """torchvision, before transformers, which looks for it."""
    from tests.torch import vision

    return vision.import_torchvision()


def resnet50() -> nn.Module:
    """torchvision's, with weights."""
    return import_torchvision().models.resnet50().eval()  # type: ignore[no-any-return]


def vit() -> nn.Module:
    """ViT-B/16."""
    return import_torchvision().models.vit_b_16().eval()  # type: ignore[no-any-return]


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


Llama = tuple[int, int, int, int, int, int]
LLAMAS: Mapping[str, Llama] = {
    "Llama 2 7B": (32, 4_096, 11_008, 32, 32, 32_000), "Llama 2 70B": (80, 8_192, 28_672, 64, 8, 32_000),
    "Llama 3.1 405B": (126, 16_384, 53_248, 128, 8, 128_256),
}  # fmt: skip
"""Layers, width, inner width, heads, heads of keys and values, tokens."""
STEPS: Sequence[tuple[str, dict[str, bool], dict[str, str], float]] = (
    ("forward", {}, {}, 0.1),
    ("forward and backward", {"backward": True}, {"loss": "sum"}, 0.1),
    ("forward, backward, AdamW", {"backward": True, "update": True}, {"loss": "sum", "optimizer": "adamw"}, 0.15),
)


def large() -> None:
    """Steps of large language models, each time of a new module of another width, so that no cache helps."""
    for name, sizes in LLAMAS.items():
        small = name == "Llama 2 7B"
        for title, theirs, ours, aim in STEPS if small else STEPS[:2]:
            candidates: Candidates = {
                FAKE: _on_new(sizes, lambda module, theirs=theirs: counted_by_torch(module, _tokens, **theirs)),
                NNCOST: _on_new(sizes, lambda module, ours=ours: nncost.count(module, SHAPES, **ours)),
            }
            print_ratios(
                f"{name} {title}, 1x2048, with memory", fastest(candidates, 3 if small else 1), FAKE, {NNCOST: aim}
            )


def _on_new(sizes: Llama, count: Callable[..., object]) -> Prepared:
    """A candidate that is prepared before each run: a module narrower than the one before."""
    layers, width, inner, heads, key_heads, tokens = sizes
    widths = itertools.count(width, -2 * heads)

    def prepared() -> Callable[[], object]:
        module = llama(layers, next(widths), inner, heads, key_heads, tokens)
        return lambda: count(module)

    return Prepared(prepared)


def depth() -> None:
    """Layers of one width: alike blocks are analysed once, and their memory is followed once."""
    shallow, deep = "32 layers", "126 layers"
    for title, _, ours, _ in STEPS[:2]:
        candidates: Candidates = {
            name: _on_new((layers, *LLAMAS["Llama 3.1 405B"][1:]), lambda module, o=ours: nncost.count(module, SHAPES, **o))
            for name, layers in ((shallow, 32), (deep, 126))
        }  # fmt: skip
        print_ratios(
            f"Growth with depth, width of Llama 3.1 405B, {title}", fastest(candidates, 5), shallow, {deep: 1.3}
        )


class Recurrent(nn.Module):
    """A cell in a Python loop."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.cell = width, nn.LSTMCell(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The last state."""
        state = x.new_zeros(len(x), self.width), x.new_zeros(len(x), self.width)
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        return state[0]


class Scan(nn.Module):
    """A selective scan, written out as a Python loop over a sequence."""

    def __init__(self, width: int, states: int) -> None:
        super().__init__()
        self.rates = nn.Parameter(torch.ones(width, states))
        self.step, self.read, self.write = nn.Linear(width, width), nn.Linear(width, states), nn.Linear(width, states)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What is read of the state at each step."""
        steps, read, write = nn.functional.softplus(self.step(x)), self.read(x), self.write(x)
        kept = torch.exp(-steps[..., None] * self.rates)
        added = (steps * x)[..., None] * write[:, :, None]
        state, found = torch.zeros_like(added[:, 0]), []
        for position in range(x.shape[1]):
            state = kept[:, position] * state + added[:, position]
            found.append((state * read[:, position, None]).sum(-1))
        return torch.stack(found, 1)


def loops() -> None:
    """Python loops beside a real training step of the same module."""
    for title, module, shape, aim in (
        ("1,000 LSTMCell steps, 8x1000x64", Recurrent(64), (8, 1_000, 64), 3.0),
        ("A selective scan of 2,048 steps, 1x2048x64", Scan(64, 16), (1, 2_048, 64), None),
    ):
        x = torch.randn(shape)
        candidates: Candidates = {
            "a real forward and backward": lambda module=module, x=x: _step(module, x),
            NNCOST: lambda module=module, shape=shape: nncost.count(module, shape, loss="sum"),
        }  # type: ignore[misc]
        print_ratios(
            f"{title}, with memory",
            fastest(candidates, 3),
            "a real forward and backward",
            {NNCOST: aim} if aim else None,
        )


def _step(module: nn.Module, x: torch.Tensor) -> None:
    module(x).sum().backward()
    module.zero_grad()


def own_memory() -> None:
    """The most that one count takes itself, as a share of what the counted parameters would take."""
    for name, sizes in LLAMAS.items():
        program = (
            "import resource, nncost, benchmarks.torch_speed as speed\n"
            "speed.import_torchvision()\n"
            f"module = speed.llama(*{sizes!r})\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "report = nncost.count(module, speed.SHAPES, loss='sum')\n"
            "taken = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
            "print(taken / 2**20, taken / report.memory.parameters)"
        )
        told = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
        )
        taken, share = map(float, told.stdout.split()[-2:])
        print(f"\n{name} forward and backward: nncost's own peak is {taken:.0f} MiB above what it began with,")
        print(f"  {share:.1e} of its parameters' bytes")


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
        import_torchvision()
    print(f"\nPyTorch modules: {', '.join(installed)}, {torch.get_num_threads()} threads")
    for part in (images, others, large, depth, loops, own_memory):
        try:
            part()
        except ImportError as error:
            print(f"\n{part.__name__} is left out: {error}")


if __name__ == "__main__":
    print(f"nncost {nncost.__version__}, Python {sys.version.split()[0]}: the fastest of several runs, as ratios")
    main()
