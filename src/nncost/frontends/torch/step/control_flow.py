"""PyTorch's loops and branches as operators: run as they would, iteration by iteration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from nncost.errors import SourceError

_NOT_SEEN = "Mode should never be enabled"
"""What operators say that refuse to be seen."""


def run_control_flow(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The results of a higher-order operator. Raise SourceError for one that is not written in other operators."""
    eager = operator.py_kernels.get(torch._C.DispatchKey.CompositeExplicitAutograd)
    run = _OPERATORS.get(operator.name(), eager)
    if run is None:
        raise _unknown(operator)
    with above_autograd():
        try:
            return run(*args, **kwargs)
        except AssertionError as error:
            if _NOT_SEEN in str(error):
                raise _unknown(operator) from error
            raise


def _unknown(operator: Any) -> SourceError:
    return SourceError(
        f"the operator torch.ops.higher_order.{operator.name()} does not say which operators it runs.",
        hint="Call what it computes without it, or outside the part that is counted.",
    )


@contextmanager
def above_autograd() -> Iterator[None]:
    """Operators pass autograd, from inside a dispatch mode too: it sees what a loop's function captures."""
    exclude = torch._C._dispatch_tls_local_exclude_set()
    for key in (
        torch._C.DispatchKey.AutogradCPU,
        torch._C.DispatchKey.AutogradOther,
        torch._C.DispatchKey.ADInplaceOrView,
    ):
        exclude = exclude.remove(key)
    with torch._C._ForceDispatchKeyGuard(torch._C._dispatch_tls_local_include_set(), exclude):
        yield


def _scan(combine: Any, init: Sequence[Any], xs: Sequence[Any], additional_inputs: Sequence[Any] = ()) -> list[Any]:
    carried = list(init)
    stacked: list[list[Any]] = []
    for step in range(xs[0].shape[0]):
        results = list(combine(*carried, *(x.select(0, step) for x in xs), *additional_inputs))
        carried, made = results[: len(carried)], results[len(carried) :]
        stacked.append(made)
    return [*carried, *(torch.stack(pieces) for pieces in zip(*stacked, strict=True))]


def _map(function: Any, xs: Sequence[Any], arguments: Sequence[Any] = ()) -> list[Any]:
    rows = [list(function(*(x.select(0, step) for x in xs), *arguments)) for step in range(xs[0].shape[0])]
    return [torch.stack(pieces) for pieces in zip(*rows, strict=True)]


def _branch(condition: Any, if_true: Any, if_false: Any, operands: Sequence[Any] = ()) -> Any:
    """The branch that the condition chooses; on shapes alone it cannot, and that is told as such."""
    return (if_true if bool(condition) else if_false)(*operands)


def _while(condition: Any, body: Any, carried: Sequence[Any], arguments: Sequence[Any] = ()) -> tuple[Any, ...]:
    values = tuple(carried)
    while bool(condition(*values, *arguments)):
        values = tuple(body(*values, *arguments))
    return values


_OPERATORS: Mapping[str, Callable[..., Any]] = {
    "scan": _scan, "map_impl": _map, "cond": _branch, "while_loop": _while
}  # fmt: skip
