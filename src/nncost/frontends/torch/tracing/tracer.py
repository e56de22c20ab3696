"""The tracer: a dispatch mode that notes every operator PyTorch runs, its layer and its phase.

It stands above a FakeTensorMode, so that nothing is computed and no memory is taken; with real
inputs it stands above nothing. Calls that are alike share one :class:`Signature`, which is lowered
once; on stand-ins they also run only once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._ops import HigherOrderOperator
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode

from nncost.frontends.torch.errors import check_types
from nncost.frontends.torch.step.attribution import Attribution, producer
from nncost.frontends.torch.step.control_flow import run_control_flow
from nncost.frontends.torch.step.dispatch_table import Handling, OperatorInfo, operator_info, refresh
from nncost.frontends.torch.step.fake_tensors import FastPath, remembered
from nncost.frontends.torch.step.symbolic_sizes import Sizes, plain
from nncost.frontends.torch.tracing.call_signature import Scan, Signature
from nncost.frontends.torch.tracing.log import Log
from nncost.frontends.torch.tracing.provenance import (
    CONSTANT,
    OF_MODULE,
    keep_stored,
    provenance_of,
    result_provenance,
    set_provenance,
    tensors_in,
)
from nncost.ir.graph import Phase

_NOTHING: dict[str, Any] = {}
_ASKED = {
    "aten::mkldnn_rnn_layer_backward", "aten::_scaled_dot_product_flash_attention_for_cpu_backward",
    "aten::_scaled_dot_product_flash_attention_backward", "aten::_scaled_dot_product_efficient_attention_backward",
    "aten::_prelu_kernel_backward",
}  # fmt: skip
"""Operators that compute all gradients; the autograd node knows which of them lead anywhere."""
_CONTRACTIONS = {"MvBackward0", "AddmvBackward0", "DotBackward0", "VdotBackward0", "LinalgVecdotBackward0"}
"""Nodes whose gradients are outer products of a contraction: with a batch they would be matrix products."""
_LEFT = {("aten::mm", "self"), ("aten::bmm", "self"), ("aten::addmm", "mat1"), ("aten::linear", "input")}
"""Left operands: a learned one before a learned matrix is a state that the matrix multiplies."""


class Tracer(TorchDispatchMode):
    """Notes operators in ``records``: lists of signature, path and phase, and blocks of them.

    ``fast`` makes stand-ins; without it everything runs on real tensors. ``of_captured`` gives the
    stand-in of a real tensor that no stand-in was prepared for.
    """

    supports_higher_order_operators = True

    def __init__(
        self,
        fast: FastPath | None = None,
        of_captured: Callable[[torch.Tensor], torch.Tensor] | None = None,
        *,
        log: Log | None = None,
        only_fake: bool = False,
        sizes: Sizes | None = None,
    ) -> None:
        super().__init__()
        refresh()
        self.attribution = Attribution()
        self.records: list[Any] = []
        self.signatures: dict[Any, Signature] = {}
        self.uses: dict[tuple[str, str, str], None] = {}
        self.written: dict[int, Any] = {}
        self.log = log
        self._sizes = sizes
        self._fast, self._of_captured, self._only_fake = fast, of_captured, only_fake

    # ---------------------------------------------------------------- dispatch
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or _NOTHING
        if isinstance(func, HigherOrderOperator):
            with self:
                return run_control_flow(func, args, kwargs)
        info = operator_info(func)
        if info.handling is Handling.SILENT:
            return self._silent(func, info, args, kwargs)
        if self._of_captured is not None:
            args, kwargs = self._without_captured(args, kwargs)
        if info.handling is Handling.DECOMPOSED:
            return self._decomposed(func, info, args, kwargs)
        if self._only_fake and not any(isinstance(t, FakeTensor) for t in tensors_in((args, tuple(kwargs.values())))):
            return func(*args, **kwargs)
        if info.handling is Handling.VIEW:
            return self._view(func, info, args, kwargs)
        return self._operation(func, info, args, kwargs)

    def _silent(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        if self._only_fake and info.name == "aten::_local_scalar_dense" and isinstance(args[0], FakeTensor):
            return torch.ones((), dtype=args[0].dtype, device="cpu").item()  # an optimizer's own norm: any number does
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor) and args and isinstance(args[0], torch.Tensor) and result is not args[0]:
            set_provenance(result, provenance_of(args[0]))
            self.attribution.note_view((result,))
            if self.log is not None:
                self.log.view(func, args, kwargs, result, info)
        return result

    def _decomposed(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        with self:
            if info.decomposition is None:
                result = func.decompose(*args, **kwargs)
            else:
                result = NotImplemented if info.written else info.decomposition(*args, **kwargs)
        if result is not NotImplemented:
            return result
        return self._operation(func, info, args, kwargs)

    def _view(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        scan = self._scan(info, args, kwargs)[0]
        fast = self._fast
        if fast is None or scan.has_values or info.written or any(type(t) is not FakeTensor for t in scan.tensors):
            result = func(*args, **kwargs)
        else:
            result = fast.view(func, args, kwargs)
        provenance = result_provenance(info.name, scan.bits, scan.learned, view=True, random=False)
        for tensor in tensors_in(result):
            set_provenance(tensor, provenance)
        keep_stored(scan.stored, tensors_in(result))
        self.attribution.note_view(tensors_in(result))
        if self.log is not None:
            self.log.view(func, args, kwargs, result, info)
        return result

    def _operation(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        scan, arguments = self._scan(info, args, kwargs)
        place = self.attribution.place_of(scan.tensors)
        if place[1] == "backward":
            self._add_context(info, arguments)
        key = (func, tuple(arguments))
        signature = self.signatures.get(key)
        if signature is None or signature.memory is None or scan.has_values:
            result = self._first(func, info, scan, args, kwargs)
            if signature is None:
                signature = self.signatures[key] = Signature(func, info, key[1], _outputs(result, self._sizes))
                if self._fast is not None and not scan.has_values:
                    signature.memory = _memory(info, args, kwargs, result)
        else:
            result = self._again(signature, info, args, kwargs)
        self._note(signature, scan, args, kwargs, result, place)
        return result

    def _first(self, func: Any, info: OperatorInfo, scan: Scan, args: Any, kwargs: Any) -> Any:
        """The result of a call like none before."""
        if self._fast is not None:
            check_types(info.name, scan.tensors)
        alone = info.simple and self._fast is not None and not scan.has_values and bool(scan.tensors)
        if alone and self._fast is not None and all(type(t) is FakeTensor for t in scan.tensors):
            result = self._fast.run(func, args, kwargs)
            if result is not NotImplemented:
                return result
        return func(*args, **kwargs)

    def _again(self, signature: Signature, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """The result of a call like an earlier one."""
        if signature.memory == "written":
            position = info.written[0]
            return args[position] if position < len(args) else kwargs[info.written_names[0]]
        fast = self._fast
        assert fast is not None
        made = [fast.make(*output) for output in signature.memory[1]]
        return made[0] if signature.memory[0] else tuple(made)

    # ---------------------------------------------------------------- arguments
    def _scan(self, info: OperatorInfo, args: Any, kwargs: Any) -> tuple[Scan, list[tuple[str, Any]]]:
        scan = Scan(self.written, sizes=self._sizes)
        describe = scan.describe
        arguments = [(name, describe(value)) for name, value in zip(info.names, args, strict=False)]
        for name, value in kwargs.items():
            if not (name == "out" or name in info.written_names):
                arguments.append((name, describe(value)))
        return scan, arguments

    def _without_captured(self, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Arguments without real tensors, so that no kernel ever writes to one."""
        for value in args:
            kind = type(value)
            if kind is not FakeTensor and (kind is list or kind is tuple or isinstance(value, torch.Tensor)):
                args = tuple([self._faked(value) for value in args])
                break
        if kwargs:
            kwargs = {name: self._faked(value, name) for name, value in kwargs.items()}
        return args, kwargs

    def _faked(self, value: Any, name: str = "") -> Any:
        if isinstance(value, torch.Tensor):
            if isinstance(value, FakeTensor):
                return value
            assert self._of_captured is not None
            return self._of_captured(value)
        if isinstance(value, (list, tuple)):
            return type(value)([self._faked(item) for item in value])
        if name == "device" and value is not None:
            return torch.device("cpu")
        return None if name == "pin_memory" else value

    def _add_context(self, info: OperatorInfo, arguments: list[tuple[str, Any]]) -> None:
        """What the schema of a backward operator does not say: which gradients were asked for, whose product it is."""
        if info.name in _ASKED:
            node = torch._C._current_autograd_node()
            if node is not None:
                arguments.append(("asked", tuple(target is not None for target, _ in node.next_functions)))
        elif info.name == "aten::mul":
            node = torch._C._current_autograd_node()
            if node is not None and node.name() in _CONTRACTIONS:
                arguments.append(("contraction", node.name()))

    # ---------------------------------------------------------------- notes
    def _note(
        self, signature: Signature, scan: Scan, args: Any, kwargs: Any, result: Any, place: tuple[str, Phase]
    ) -> None:
        info = signature.info
        folded = scan.bits == CONSTANT and not info.random
        if scan.learned is not None and place[1] == "forward":
            self._note_uses(info, args, kwargs)
        provenance = result_provenance(info.name, scan.bits, scan.learned, view=False, random=info.random)
        results = tensors_in(result)
        for tensor in results:
            set_provenance(tensor, provenance)
        keep_stored(scan.stored, results)
        if info.written and not folded:
            self._note_written(info, args, kwargs)
        if place[1] == "backward":
            # A sum of gradients was begun by the layer that gave the first of them.
            first = producer(scan.tensors[0]) if info.name == "aten::add" and len(scan.tensors) > 1 else place[0]
            self.attribution.note_gradient(results, first)
        if not folded:
            self.records.append([signature, *place])
        if self.log is not None:
            self.log.operation(signature, args, kwargs, result, place)

    def _note_written(self, info: OperatorInfo, args: Any, kwargs: Any) -> None:
        for position, name in zip(info.written, info.written_names, strict=True):
            target = args[position] if position < len(args) else kwargs.get(name)
            for tensor in tensors_in(target):
                storage = tensor.untyped_storage()
                self.written[storage._cdata] = storage  # kept, so that no other memory comes to lie at its address

    def _note_uses(self, info: OperatorInfo, args: Any, kwargs: Any) -> None:
        learned = [
            (provenance[1], name)
            for name, value in (*zip(info.names, args, strict=False), *kwargs.items())
            for tensor in tensors_in(value)
            if (provenance := getattr(tensor, "_nncost_provenance", OF_MODULE))[1]
        ]
        for position, (parameter, argument) in enumerate(learned):
            state = position + 1 < len(learned) and (info.name, argument) in _LEFT
            self.uses[parameter, info.name, "state" if state else argument] = None


def _memory(info: OperatorInfo, args: Any, kwargs: Any, result: Any) -> Any:
    """How to make the result again: the tensor written to, or new ones (a single one or several)."""
    if info.written:
        position = info.written[0]
        target = args[position] if position < len(args) else kwargs.get(info.written_names[0])
        return "written" if target is result else None
    shapes = remembered(result)
    return None if shapes is None else (not isinstance(result, tuple), shapes)


def _outputs(result: Any, sizes: Sizes | None) -> tuple[Any, ...]:
    """Shapes and types of the results; None where one is absent."""
    if isinstance(result, torch.Tensor):
        shape = tuple(result.shape) if sizes is None else tuple([plain(dim, sizes) for dim in result.shape])
        return ((shape, result.dtype),)
    if isinstance(result, (list, tuple)):
        return tuple(output for item in result for output in (_outputs(item, sizes) or (None,)))
    return ()
