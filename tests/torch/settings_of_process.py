"""What a process has set globally: random states, PyTorch's switches and modes, its functions, warnings, loggers."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
import threading
import warnings
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as hooks
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

NAMESPACES = (torch, torch.nn.functional, torch.Tensor, torch._C._nn, torch.special, torch.linalg, nn.Module, nn.init)
_LOGGERS = ("torch._subclasses.fake_tensor", "torch")
_PRECISIONS = [(backend, kind) for backend in ("mkldnn", "cuda") for kind in ("all", "matmul", "conv", "rnn")]


def of_process() -> dict[str, Any]:
    """Random states, modes, hooks and flags of the process."""
    return {f"process: {name}": value for name, value in {**_numbers(), **_modes(), **_backends(), **_python()}.items()}


def _numbers() -> dict[str, Any]:
    return {
        "random torch": bytes(torch.random.get_rng_state().numpy()),
        "random python": random.getstate(),
        "random numpy": str(np.random.get_state(legacy=False)),  # noqa: NPY002
        "dtype": torch.get_default_dtype(),
        "threads of torch": torch.get_num_threads(),
        "printing": repr(vars(torch._tensor_str.PRINT_OPTS)),
    }


def _modes() -> dict[str, Any]:
    autograd = torch._C._autograd
    return {
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "device": str(torch.get_default_device()),
        "autocast": [(d, torch.is_autocast_enabled(d), torch.get_autocast_dtype(d)) for d in ("cpu", "cuda")],
        "autocast cache": torch.is_autocast_cache_enabled(),
        "autocast depth": (torch.autocast_increment_nesting(), torch.autocast_decrement_nesting()),
        "dispatch modes": list(map(id, _get_current_dispatch_mode_stack())),
        "function modes": list(map(id, _get_current_function_mode_stack())),
        "anomaly": (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        "multithreading": torch.autograd.is_multithreading_enabled(),
        "view replay": torch.autograd.is_view_replay_enabled(),
        "saved tensors": autograd._top_saved_tensors_default_hooks(True) is None,
        "stance": str(sys.modules["torch._dynamo.eval_frame"]._stance) if "torch._dynamo" in sys.modules else None,
        "exported": torch.compiler._is_compiling_flag,
    }


def _backends() -> dict[str, Any]:
    return {
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "deterministic": (torch.get_deterministic_debug_mode(), torch.utils.deterministic.fill_uninitialized_memory),
        "attention": (
            torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled(),
            torch.backends.cuda.mem_efficient_sdp_enabled(), torch.backends.cuda.cudnn_sdp_enabled(),
        ),
        "mkldnn": torch.backends.mkldnn.enabled,
        "cudnn": (
            torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic,
        ),
        "precision": [torch._C._get_fp32_precision_getter(*place) for place in _PRECISIONS],
        "quantized": torch.backends.quantized.engine,
        "distributions": torch.distributions.Distribution._validate_args,
        "sparse": torch.sparse.check_sparse_tensor_invariants.is_enabled(),
    }  # fmt: skip


def _python() -> dict[str, Any]:
    return {
        "alive": threading.active_count(),
        "warnings": list(warnings.filters),
        "path": list(sys.path),
        "limits": (sys.getrecursionlimit(), sys.gettrace(), sys.getprofile()),
        "profiles": (threading.getprofile(), threading.gettrace()),
        "interrupts": signal.getsignal(signal.SIGINT),
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "folder": os.getcwd(),  # noqa: PTH109
        "collector": gc.isenabled(),
        "hooks": {
            name: list(value.items()) for name, value in vars(hooks).items()
            if name.startswith("_global") and isinstance(value, dict)
        },
        "loggers": [
            (log.level, log.disabled, list(log.filters), list(log.handlers)) for log in map(logging.getLogger, _LOGGERS)
        ],
    }  # fmt: skip


def functions() -> dict[str, int]:
    """The functions and methods of PyTorch by name."""
    return {
        f"{getattr(space, '__name__', space)}.{name}": id(value)
        for space in NAMESPACES
        for name, value in vars(space).items()
        if callable(value)
    }
