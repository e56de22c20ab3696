"""The fake tensors that stand for a module's parameters, buffers and inputs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from nncost.dims import Shape, is_symbolic, product, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.model import LoadOptions, matches
from nncost.frontends.torch.inputs import concrete
from nncost.frontends.torch.step.fake_tensors import FakeTensors, contiguous_strides
from nncost.frontends.torch.step.known_values import MOST_ELEMENTS, set_value
from nncost.frontends.torch.step.provenance import (
    OF_MODULE,
    PARAMETER,
    STORED,
    from_inputs,
    set_provenance,
    stored_values,
)
from nncost.frontends.torch.step.symbolic_sizes import Sizes

_TOO_MANY_BYTES = 1 << 63
SAMPLE = 5
"""A whole number among the inputs, where a model asks: no padding, no end of a sentence."""
_PLAIN = (torch.Tensor, nn.Parameter, nn.Buffer)


class FakeFactory:
    """Makes the fake tensors of one step; copies of the real ones if the step needs values (no ``fakes``).

    ``gradients``: parameters that are trained require them. ``sampled``: inputs of whole numbers that are given as
    shapes have values.
    """

    def __init__(
        self,
        fakes: FakeTensors | None,
        options: LoadOptions,
        *,
        gradients: bool,
        sizes: Sizes | None = None,
        sampled: bool = False,
    ) -> None:
        self._fakes, self._options, self._gradients, self._sizes = fakes, options, gradients, sizes
        self._sampled = sampled
        self._captured: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def of_stored(self, tensor: torch.Tensor, name: str, *, is_parameter: bool) -> torch.Tensor:
        """For a parameter or a buffer."""
        made = self._like(tensor)
        if is_parameter and self._gradients and is_trained(tensor, name, self._options.steps.freeze):
            made.requires_grad_()
        _share(tensor, made)
        return set_provenance(made, (PARAMETER, name) if is_parameter else (STORED, ""))

    def of_captured(self, tensor: torch.Tensor) -> torch.Tensor:
        """For a tensor that is neither parameter nor buffer; one tensor has one fake tensor."""
        found = self._captured.get(id(tensor))
        if found is None:
            made = set_provenance(self._like(tensor), OF_MODULE)
            if self._gradients and tensor.is_leaf and tensor.requires_grad:
                made.requires_grad_()
            found = self._captured[id(tensor)] = (tensor, made)
        return found[1]

    def of_shape(self, shape: Shape, dtype: torch.dtype) -> torch.Tensor:
        """For an input given as a shape. Raise ShapeError for one that no tensor of PyTorch has."""
        if not any(map(is_symbolic, shape)) and product(shape) * dtype.itemsize >= _TOO_MANY_BYTES:
            raise ShapeError(f"an input of {shape_text(shape)} is too large: tensors have fewer than 2^63 bytes.")
        if self._fakes is None:
            return from_inputs(torch.empty(concrete(shape), dtype=dtype))
        sizes: Sequence[Any] = concrete(shape) if self._sizes is None else self._sizes.shape(shape)
        made = self._fakes.make(sizes, contiguous_strides(sizes), dtype)
        if self._sampled and not dtype.is_floating_point and product(shape) <= MOST_ELEMENTS:
            set_value(made, torch.full(concrete(shape), SAMPLE, dtype=dtype))
        return from_inputs(made)

    def of_input(self, tensor: torch.Tensor) -> torch.Tensor:
        """For an input given as a tensor."""
        made = from_inputs(self._like(tensor))
        return made.requires_grad_() if self._gradients and tensor.requires_grad else made

    def _like(self, tensor: torch.Tensor) -> torch.Tensor:
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            raise SourceError(
                "the module has lazy parameters without a shape.", hint="Call it once on real data first."
            )
        if self._fakes is None:
            return tensor.detach().clone()
        if type(tensor) is FakeTensor and tensor.layout is torch.strided:  # the user's own
            kind = nn.Parameter if isinstance(tensor, nn.Parameter) else torch.Tensor
            return self._fakes.make(tensor.shape, tensor.stride(), tensor.dtype, kind)
        if tensor.layout is not torch.strided or tensor.is_quantized or type(tensor) not in _PLAIN:
            made = self._fakes.like(tensor.detach())
            if tensor.layout is not torch.strided:
                made._nncost_stored = stored_values(tensor)
            return made
        made = self._fakes.make(tensor.shape, tensor.stride(), tensor.dtype, type(tensor))
        set_value(made, tensor)
        return made


def is_trained(tensor: torch.Tensor, name: str, freeze: Sequence[str]) -> bool:
    """Whether a parameter is trained: it requires a gradient, and no pattern freezes it."""
    layer, _, leaf = name.rpartition(".")
    return tensor.requires_grad and not any(matches(pattern, layer, leaf) for pattern in freeze)


def _share(tensor: torch.Tensor, made: torch.Tensor) -> None:
    """Give a fake tensor the attributes that the user has set on the real one, and its hooks on gradients."""
    if attributes := vars(tensor):
        vars(made).update({name: value for name, value in attributes.items() if name not in vars(made)})
    if found := tensor._backward_hooks:
        made._backward_hooks = found
    if found := getattr(tensor, "_post_accumulate_grad_hooks", None):
        made._post_accumulate_grad_hooks = OrderedDict((key, _silent(hook)) for key, hook in found.items())


def _silent(hook: Callable[[torch.Tensor], object]) -> Callable[[torch.Tensor], None]:
    """A hook that returns nothing, whatever the user's returns: its work is what counts."""

    def run(tensor: torch.Tensor) -> None:
        hook(tensor)

    return run
