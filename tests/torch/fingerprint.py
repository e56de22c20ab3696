"""Everything about a model and the process that counting must leave as it was, as one flat dict."""

from __future__ import annotations

import logging
import random
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as hooks

NAMESPACES = (torch, torch.nn.functional, torch.Tensor, torch._C._nn, torch.special, torch.linalg, nn.Module, nn.init)
DEPTH = 4


def of_tensor(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Identity, values, version, gradient and whatever hangs on it."""
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
        return (id(tensor), type(tensor), tensor.requires_grad)
    lies_somewhere = tensor.layout is torch.strided and tensor.device.type != "meta" and not _is_fake(tensor)
    values = tensor.detach().clone().flatten().view(torch.uint8).numpy().tobytes() if lies_somewhere else None
    grad = None if not tensor.is_leaf or tensor.grad is None else of_tensor(tensor.grad)
    version = None if tensor.is_inference() else tensor._version
    return (
        id(tensor), type(tensor), values, version, tensor.requires_grad, tensor.grad_fn, grad, tuple(tensor.shape),
        tensor.dtype, str(tensor.device), sorted(vars(tensor)), tensor.data_ptr() if lies_somewhere else 0,
        tuple((tensor._backward_hooks or {}).items()),
    )  # fmt: skip


def _is_fake(tensor: torch.Tensor) -> bool:
    return type(tensor).__module__ == "torch._subclasses.fake_tensor"


def of_value(value: Any, depth: int = DEPTH) -> Any:
    """Identity, and the content of containers and plain objects, in order."""
    if isinstance(value, torch.Tensor):
        return of_tensor(value)
    if depth == 0 or isinstance(value, (nn.Module, type, torch.nn.Parameter)) or callable(value):
        return id(value)
    if isinstance(value, Mapping):
        return id(value), [(key, of_value(item, depth - 1)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return id(value), [of_value(item, depth - 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return id(value), sorted(map(repr, value))
    if isinstance(value, (int, float, str, bytes, type(None))):
        return value
    attributes = getattr(value, "__dict__", None)
    return id(value), None if attributes is None else of_value(attributes, depth - 1)


def of_model(module: nn.Module) -> dict[str, Any]:
    """Every layer's attributes in order, every tensor, every flag."""
    found: dict[str, Any] = {"state_dict": None}
    for name, layer in module.named_modules(remove_duplicate=False):
        for key, value in vars(layer).items():
            found[f"{name}: {key}"] = of_value(value)
        found[f"{name}: attributes"] = list(vars(layer))
        found[f"{name}: class"] = type(layer), sorted(vars(type(layer)))
        found[f"{name}: forward"] = layer.forward
    found["state_dict"] = list(module.state_dict())
    return found


def of_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Its groups, its state and its hooks."""
    state = {f"optimizer: state {id(p)}": of_value(value) for p, value in optimizer.state.items()}
    rest = {f"optimizer: {key}": of_value(value) for key, value in vars(optimizer).items() if key != "state"}
    return {
        **state,
        **rest,
        "optimizer: states": list(map(id, optimizer.state)),
        "optimizer: its state": id(optimizer.state),
    }


def of_process() -> dict[str, Any]:
    """Random states, modes, hooks, functions and flags of the process."""
    found: dict[str, Any] = {
        "random torch": bytes(torch.random.get_rng_state().numpy()),
        "random python": random.getstate(),
        "random numpy": str(np.random.get_state()),  # noqa: NPY002
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "device": str(torch.get_default_device()),
        "autocast": [(d, torch.is_autocast_enabled(d), torch.get_autocast_dtype(d)) for d in ("cpu", "cuda")],
        "autocast cache": torch.is_autocast_cache_enabled(),
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
        "function modes": torch._C._len_torch_function_stack(),
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "anomaly": torch.is_anomaly_enabled(),
        "multithreading": torch.autograd.is_multithreading_enabled(),
        "view replay": torch.autograd.is_view_replay_enabled(),
        "sdpa": (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()),
        "mkldnn": torch.backends.mkldnn.enabled,
        "threads": (torch.get_num_threads(), threading.active_count()),
        "warnings": list(warnings.filters),
        "path": list(sys.path),
        "limits": (sys.getrecursionlimit(), sys.gettrace(), sys.getprofile()),
        "hooks": [list(value) for key, value in vars(hooks).items() if key.startswith("_global") and isinstance(value, dict)],
    }  # fmt: skip
    if "torch._dynamo" in sys.modules:
        found["stance"] = str(sys.modules["torch._dynamo.eval_frame"]._stance)
    for name in ("torch._subclasses.fake_tensor", "torch"):
        logger = logging.getLogger(name)
        found[f"logger {name}"] = (logger.level, logger.disabled, list(logger.filters), list(logger.handlers))
    return found


def functions() -> dict[str, int]:
    """The functions and methods of PyTorch by name."""
    return {
        f"{getattr(space, '__name__', space)}.{name}": id(value)
        for space in NAMESPACES
        for name, value in vars(space).items()
        if callable(value)
    }


def difference(before: Any, after: Any) -> str:
    """The innermost part in which two fingerprints differ."""
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)) and len(before) == len(after):
        return next(difference(old, new) for old, new in zip(before, after, strict=True) if old != new)
    return f"{before!r} became {after!r}"[:500]


@contextmanager
def no_trace(module: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> Iterator[None]:
    """Fails for the first thing that is another one at the end, however the body ends."""

    def everything() -> dict[str, Any]:
        model = of_model(module) if isinstance(module, nn.Module) else {}
        return {**model, **of_process(), **({} if optimizer is None else of_optimizer(optimizer))}

    names = functions()
    before = everything()
    try:
        yield
    finally:
        after = everything()
        assert set(before) <= set(after)
        changed = [name for name, value in before.items() if after[name] != value]
        assert not changed, f"{changed}: {difference(before[changed[0]], after[changed[0]])}"
        now = functions()
        assert [name for name, value in names.items() if now.get(name) != value] == []
