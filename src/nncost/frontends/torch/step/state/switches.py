"""What a process has switched on: PyTorch's global settings, its stacks of modes, and some of Python's.

A switch is read when a step begins, and written at its end only if the step has changed it.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.modules import module as module_hooks
from torch.overrides import _get_current_function_mode_stack
from torch.utils import _device
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack, _pop_mode, _push_mode

Read = Callable[[], Any]
Write = Callable[[Any], object]
Switch = tuple[Read, Write]

_C: Any = torch._C
_FLAGS = (
    ("_get_cudnn_enabled", "_set_cudnn_enabled"),
    ("_get_cudnn_benchmark", "_set_cudnn_benchmark"),
    ("_get_cudnn_deterministic", "_set_cudnn_deterministic"),
    ("_get_cudnn_allow_tf32", "_set_cudnn_allow_tf32"),
    ("_get_cublas_allow_tf32", "_set_cublas_allow_tf32"),
    ("_get_mkldnn_enabled", "_set_mkldnn_enabled"),
    ("_get_mkldnn_deterministic", "_set_mkldnn_deterministic"),
    ("_get_nnpack_enabled", "_set_nnpack_enabled"),
    ("_get_flash_sdp_enabled", "_set_sdp_use_flash"),
    ("_get_mem_efficient_sdp_enabled", "_set_sdp_use_mem_efficient"),
    ("_get_math_sdp_enabled", "_set_sdp_use_math"),
    ("_get_cudnn_sdp_enabled", "_set_sdp_use_cudnn"),
    ("_get_overrideable_sdp_enabled", "_set_sdp_use_overrideable"),
    ("_get_math_sdp_allow_fp16_bf16_reduction", "_set_math_sdp_allow_fp16_bf16_reduction"),
    ("_get_cpu_allow_fp16_reduced_precision_reduction", "_set_cpu_allow_fp16_reduced_precision_reduction"),
    ("_get_cublas_allow_fp16_accumulation", "_set_cublas_allow_fp16_accumulation"),
    ("_get_sdp_priority_order", "_set_sdp_priority_order"),
    ("_get_linalg_preferred_backend", "_set_linalg_preferred_backend"),
    ("_get_blas_preferred_backend", "_set_blas_preferred_backend"),
    ("_get_qengine", "_set_qengine"),
    ("_get_deterministic_fill_uninitialized_memory", "_set_deterministic_fill_uninitialized_memory"),
    ("_is_multithreading_enabled", "_set_multithreading_enabled"),
    ("_is_view_replay_enabled", "_set_view_replay_enabled"),
    ("_is_fwd_grad_enabled", "_set_fwd_grad_enabled"),
    ("_get_graph_executor_optimize", "_set_graph_executor_optimize"),
    ("_get_warnAlways", "_set_warnAlways"),
)
"""Getters and setters of PyTorch's C++ side; those that a build lacks are left out."""


def _written_with(write: Callable[..., object]) -> Write:
    return lambda values: write(*values)


def _backend_precisions() -> dict[tuple[str, str], str]:
    if not hasattr(_C, "_get_fp32_precision_getter"):
        return {}
    return {place: _C._get_fp32_precision_getter(*place) for place in _PRECISIONS}


def _set_backend_precisions(precisions: dict[tuple[str, str], str]) -> None:
    for place, precision in precisions.items():
        _C._set_fp32_precision_setter(*place, precision)


_PRECISIONS = (
    ("generic", "all"), ("mkldnn", "all"), ("mkldnn", "matmul"), ("mkldnn", "conv"), ("mkldnn", "rnn"),
    ("cuda", "all"), ("cuda", "matmul"), ("cuda", "conv"), ("cuda", "rnn"),
)  # fmt: skip


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(state: tuple[bool, bool]) -> None:
    _C._set_deterministic_algorithms(state[0], warn_only=state[1])
    compiler: Any = sys.modules.get("torch._inductor.config")  # it is told, too, when PyTorch's own function is called
    if compiler is not None and hasattr(compiler, "deterministic"):
        compiler.deterministic = state[0]


def _autocast_of(device: str) -> Switch:
    def read() -> tuple[bool, torch.dtype]:
        return torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)

    def write(state: tuple[bool, torch.dtype]) -> None:
        torch.set_autocast_enabled(device, state[0])
        torch.set_autocast_dtype(device, state[1])

    return read, write


def _autocast_depth() -> int:
    torch.autocast_increment_nesting()
    depth: int = torch.autocast_decrement_nesting()
    return depth


def _set_autocast_depth(depth: int) -> None:
    while _autocast_depth() > depth:
        torch.autocast_decrement_nesting()
    while _autocast_depth() < depth:
        torch.autocast_increment_nesting()
    torch.clear_autocast_cache()


def _default_device() -> tuple[Any, Any]:
    return getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None), _device.CURRENT_DEVICE


def _set_default_device(state: tuple[Any, Any]) -> None:
    torch._GLOBAL_DEVICE_CONTEXT.device_context, _device.CURRENT_DEVICE = state


def _set_dispatch_modes(modes: list[Any]) -> None:
    while _C._len_torch_dispatch_stack():
        _pop_mode()
    for mode in modes:
        _push_mode(mode)


def _set_function_modes(modes: list[Any]) -> None:
    while _C._len_torch_function_stack():
        _C._pop_torch_function_stack()
    for mode in modes:
        _C._push_on_torch_function_stack(mode)


def _print_options() -> dict[str, Any]:
    return dict(vars(torch._tensor_str.PRINT_OPTS))


def _global_hooks() -> dict[str, Any]:
    return {name: dict(hooks) for name, hooks in vars(module_hooks).items() if _is_global_hooks(name, hooks)}


def _is_global_hooks(name: str, hooks: Any) -> bool:
    return name.startswith("_global") and isinstance(hooks, dict)


def _set_global_hooks(before: dict[str, Any]) -> None:
    for name, hooks in before.items():
        now = vars(module_hooks)[name]
        now.clear()
        now.update(hooks)


def _checks_sparse() -> bool:
    return bool(torch.sparse.check_sparse_tensor_invariants.is_enabled())


def _set_checks_sparse(checks: bool) -> None:
    switch = torch.sparse.check_sparse_tensor_invariants
    switch.enable() if checks else switch.disable()


def _checks_distributions() -> Any:
    return torch.distributions.Distribution._validate_args


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _set_path(path: list[str]) -> None:
    sys.path[:] = path


def _set_environment(before: dict[str, str]) -> None:
    for name in [name for name in os.environ if name not in before]:
        del os.environ[name]
    os.environ.update(before)


def _set_collecting(collects: bool) -> None:
    gc.enable() if collects else gc.disable()


def _saved_tensors_hooks() -> Any:
    return _C._autograd._top_saved_tensors_default_hooks(False)


def _set_saved_tensors_hooks(before: Any) -> None:
    while _saved_tensors_hooks() not in (None, before):
        _C._autograd._pop_saved_tensors_default_hooks()


def _forward_levels() -> int:
    return int(torch.autograd.forward_ad._current_level)


def _set_forward_levels(before: int) -> None:
    while _forward_levels() > before:
        torch.autograd.forward_ad.exit_dual_level()


_SWITCHES: tuple[Switch, ...] = (
    (_C._get_float32_matmul_precision, _C._set_float32_matmul_precision),
    (_backend_precisions, _set_backend_precisions),
    *((getattr(_C, read), getattr(_C, write)) for read, write in _FLAGS if hasattr(_C, read) and hasattr(_C, write)),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.is_grad_enabled, _C._set_grad_enabled),
    *map(_autocast_of, ("cpu", "cuda")),
    (torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled),
    (_autocast_depth, _set_autocast_depth),
    (_deterministic, _set_deterministic),
    (lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()), _written_with(torch.set_anomaly_enabled)),
    (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
    (torch.get_num_threads, torch.set_num_threads),
    (_print_options, lambda options: vars(torch._tensor_str.PRINT_OPTS).update(options)),
    (torch.__future__.get_overwrite_module_params_on_conversion,
     torch.__future__.set_overwrite_module_params_on_conversion),
    (torch.__future__.get_swap_module_params_on_conversion, torch.__future__.set_swap_module_params_on_conversion),
    (_checks_sparse, _set_checks_sparse),
    (_checks_distributions, lambda checks: setattr(torch.distributions.Distribution, "_validate_args", checks)),
    (_default_device, _set_default_device),
    (_get_current_dispatch_mode_stack, _set_dispatch_modes),
    (_get_current_function_mode_stack, _set_function_modes),
    (_global_hooks, _set_global_hooks),
    (lambda: list(warnings.filters), _set_filters),
    (lambda: warnings.showwarning, lambda function: setattr(warnings, "showwarning", function)),
    (lambda: list(sys.path), _set_path),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.getprofile, sys.setprofile),
    (sys.gettrace, sys.settrace),
    (threading.getprofile, threading.setprofile),
    (threading.gettrace, threading.settrace),
    (lambda: dict(os.environ), _set_environment),
    (os.getcwd, os.chdir),
    (gc.isenabled, _set_collecting),
    (_saved_tensors_hooks, _set_saved_tensors_hooks),
    (_forward_levels, _set_forward_levels),
)  # fmt: skip
"""How each switch is read and written."""


_ENVIRONMENT: Any = os.environ
_HOOKS_FOR_ALL = [hooks for name, hooks in vars(module_hooks).items() if _is_global_hooks(name, hooks)]
_OF_OPERATORS: tuple[Read, ...] = (
    _C._get_float32_matmul_precision,
    *(getattr(_C, read) for read, _ in _FLAGS if hasattr(_C, read)),
    torch.get_default_dtype, torch.is_grad_enabled, _deterministic, torch.is_anomaly_enabled,
    lambda: torch.get_autocast_dtype("cpu"), lambda: torch.is_autocast_enabled("cuda"),
    torch.backends.mha.get_fastpath_enabled, torch.get_num_threads, lambda: _device.CURRENT_DEVICE,
    lambda: torch.nn.utils.parametrize._cache_enabled, _C._len_torch_function_stack, lambda: any(map(len, _HOOKS_FOR_ALL)), lambda: tuple(_ENVIRONMENT._data.items()),
)  # fmt: skip


def now() -> tuple[Any, ...]:
    """What decides over the operators that run, and what a model may read, as it is switched now."""
    states = [_state(read) for read in _OF_OPERATORS]
    return tuple([tuple(state) if type(state) is list else state for state in states])


@contextmanager
def switches_kept() -> Iterator[None]:
    """Every switch, at the end as before."""
    before = [_state(read) for read, _ in _SWITCHES]
    try:
        yield
    finally:
        for (read, write), state in zip(_SWITCHES, before, strict=True):
            if state is not _UNTOLD and _state(read) != state:
                write(state)


def _state(read: Read) -> Any:
    try:
        return read()
    except RuntimeError:  # two ways to set one thing are mixed, and PyTorch will not say
        return _UNTOLD


_UNTOLD = object()
