"""Stand-ins for a module's tensors and inputs: shapes without storage, or copies where values are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from nncost.dims import Shape
from nncost.errors import SourceError
from nncost.frontends.model import LoadOptions, matches
from nncost.frontends.torch.inputs import concrete
from nncost.frontends.torch.step.fake_module import SwappedParameters
from nncost.frontends.torch.step.fake_tensors import FastPath
from nncost.frontends.torch.step.symbolic_sizes import Sizes
from nncost.frontends.torch.tracing.provenance import (
    INPUT,
    PARAMETER,
    STORED,
    from_inputs,
    set_provenance,
    stored_values,
)
from nncost.frontends.torch.tracing.repeated_blocks import NotEqual


class FakeFactory:
    """Makes stand-ins: shapes without storage, or copies where values are needed."""

    def __init__(
        self, mode: FakeTensorMode | None, options: LoadOptions, gradients: bool, sizes: Sizes | None = None
    ) -> None:
        self._sizes = sizes
        self._mode, self._options, self._gradients = mode, options, gradients
        self.swapped: SwappedParameters | None = None
        self.fast = None if mode is None else FastPath(mode)
        self._captured: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def of_tensor(self, tensor: torch.Tensor, name: str, learned: bool) -> torch.Tensor:
        """A parameter's or a buffer's."""
        made = self._like(tensor)
        layer, _, leaf = name.rpartition(".")
        if learned:
            made._is_param = True
            frozen = any(matches(pattern, layer, leaf) for pattern in self._options.steps.freeze)
            if self._gradients and tensor.requires_grad and not frozen:
                made.requires_grad_()
        return set_provenance(made, (PARAMETER, name) if learned else (STORED, ""))

    def of_captured(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor that is no parameter and no buffer."""
        if self.swapped is not None and self.swapped.is_deferred(tensor):
            raise NotEqual(self.swapped.owner(tensor))
        found = self._captured.get(id(tensor))
        if found is None:
            found = self._captured[id(tensor)] = (tensor, self._like(tensor))
        return found[1]

    def of_shape(self, shape: Shape, dtype: torch.dtype) -> torch.Tensor:
        """An input of that shape."""
        if self.fast is None:
            return from_inputs(torch.empty(concrete(shape), dtype=dtype))
        sizes: Sequence[Any] = concrete(shape) if self._sizes is None else self._sizes.shape(shape)
        return from_inputs(self.fast.make(sizes, contiguous_strides(sizes), dtype))

    def of_input(self, tensor: torch.Tensor) -> torch.Tensor:
        """An input given as a tensor."""
        made = set_provenance(self._like(tensor), (INPUT, ""))
        return made.requires_grad_() if self._gradients and tensor.requires_grad else made

    def _like(self, tensor: torch.Tensor) -> torch.Tensor:
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            raise SourceError(
                "the module has lazy parameters without a shape.", hint="Call it once on real data first."
            )
        if self._mode is None:
            return tensor.detach().clone()
        if (
            tensor.layout is not torch.strided
            or tensor.is_quantized
            or type(tensor) not in (torch.Tensor, nn.Parameter, nn.Buffer)
        ):
            made = self._mode.from_tensor(tensor.detach())
            if tensor.layout is not torch.strided:
                made._nncost_stored = stored_values(tensor)
            return made
        assert self.fast is not None
        return self.fast.make(tensor.shape, tensor.stride(), tensor.dtype)


def contiguous_strides(shape: Sequence[Any]) -> tuple[Any, ...]:
    """The strides of a tensor in row-major order."""
    strides: list[Any] = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * (max(size, 1) if isinstance(size, int) else size))
    return tuple(reversed(strides)) if shape else ()
