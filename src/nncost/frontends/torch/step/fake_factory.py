"""The fake tensors that stand for a module's parameters, buffers and inputs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from nncost.dims import Shape, is_symbolic, product, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.model import LoadOptions, matches
from nncost.frontends.torch.inputs import concrete, shape_of, with_rows
from nncost.frontends.torch.step.distributed import held_as
from nncost.frontends.torch.step.fake_tensors import Devices, FakeTensors, contiguous_strides, is_fake
from nncost.frontends.torch.step.known_values import MOST_ELEMENTS, is_freed, set_value
from nncost.frontends.torch.step.nested import copied_nested
from nncost.frontends.torch.step.provenance import (
    FROM_INPUTS,
    OF_MODULE,
    PARAMETER,
    Provenance,
    from_inputs,
    keep_stored,
    set_provenance,
    stored_values,
)
from nncost.frontends.torch.step.signals import OwnOperatorsError, ValuesAskedError
from nncost.frontends.torch.step.sparsity import is_sparse
from nncost.frontends.torch.step.subclasses import PLAIN, copied, has_own_operators, inner_tensors, is_wrapper, rebuilt
from nncost.frontends.torch.step.symbolic_sizes import Sizes

_TOO_MANY_BYTES = 1 << 63
SAMPLE = 5
"""A whole number among the inputs, where a model asks: no padding, no end of a sentence."""


class FakeFactory:
    """Makes the fake tensors of one step; copies of the real ones if the step needs values (no ``fakes``).

    ``whole`` are sharded parameters whose whole is meant, by identity. ``gradients``: parameters that are trained require them. ``sampled``: inputs of whole numbers that are given as
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
        self.whole: set[int] = set()
        self._captured: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def of_stored(self, tensor: torch.Tensor, name: str, *, is_parameter: bool) -> torch.Tensor:
        """For a parameter or a buffer."""
        made = self._like(tensor)
        if is_parameter and self._gradients and is_trained(tensor, name, self._options.steps.freeze):
            made.requires_grad_()
        _share(tensor, made)
        return _noted(made, (PARAMETER, name) if is_parameter else OF_MODULE)

    def of_captured(self, tensor: torch.Tensor) -> torch.Tensor:
        """For a tensor that is neither parameter nor buffer; one tensor has one fake tensor."""
        found = self._captured.get(id(tensor))
        if found is None:
            made = _noted(self._like(tensor), OF_MODULE)
            if self._gradients and not is_freed(tensor) and tensor.is_leaf and tensor.requires_grad:
                made.requires_grad_()
            found = self._captured[id(tensor)] = (tensor, made)
        return found[1]

    @property
    def captured(self) -> Mapping[int, tuple[torch.Tensor, torch.Tensor]]:
        """Tensors that are neither parameters nor buffers nor inputs, each with its fake tensor, by identity."""
        return self._captured

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

    def of_input(self, tensor: torch.Tensor, shape: Shape) -> torch.Tensor:
        """For an input given as a tensor, perhaps with another number of rows."""
        if shape != shape_of(tensor):
            if self._fakes is not None and (any(map(is_symbolic, shape)) or product(shape) > MOST_ELEMENTS):
                return self.of_shape(shape, tensor.dtype)
            tensor = with_rows(tensor, shape)
        made = _noted(self._like(tensor), FROM_INPUTS)
        return made.requires_grad_() if self._gradients and tensor.requires_grad else made

    def _like(self, tensor: torch.Tensor) -> torch.Tensor:
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            raise SourceError(
                "the module has lazy parameters without a shape.", hint="Call it once on real data first."
            )
        if tensor.is_nested:
            if self._fakes is not None:
                raise ValuesAskedError("a nested tensor")
            return copied_nested(tensor)
        if id(tensor) in self.whole:
            return self._of_shards(tensor)
        if type(tensor) is FakeTensor and self._fakes is not None and tensor.layout is torch.strided:
            kind = (
                nn.Parameter if isinstance(tensor, nn.Parameter) else torch.Tensor
            )  # the user's own, of a mode of theirs
            return self._fakes.make(tensor.shape, tensor.stride(), tensor.dtype, kind)
        if has_own_operators(type(tensor)):
            return self._of_own_class(tensor)
        if self._fakes is None and held_as(tensor) is not tensor:
            raise SourceError(
                "the model looks at values, and FullyShardedDataParallel keeps those of its parameters apart.",
                hint="Count the module before it is wrapped.",
            )
        if self._fakes is None and is_freed(tensor):
            return tensor
        if self._fakes is None:
            return _of_class(tensor.detach().clone(), type(tensor))
        if tensor.layout is not torch.strided or tensor.is_quantized:
            made = self._fakes.like(tensor.detach())
            if is_sparse(tensor):
                keep_stored(stored_values(tensor), made)
                set_value(made, tensor)
            return made
        made = self._fakes.make(tensor.shape, tensor.stride(), tensor.dtype, type(tensor))
        set_value(made, tensor)
        return made

    def _of_shards(self, tensor: Any) -> torch.Tensor:
        """For a parameter of which each device holds a part."""
        if self._fakes is None:
            return nn.Parameter(tensor.detach().full_tensor().clone(), requires_grad=False)
        return self._fakes.make(tensor.shape, contiguous_strides(tensor.shape), tensor.dtype, nn.Parameter)

    def _of_own_class(self, tensor: torch.Tensor) -> torch.Tensor:
        """For a tensor whose class has operators of its own. Raise OwnOperatorsError if only a copy with values will do."""
        if is_wrapper(tensor):
            with Devices():
                return rebuilt(tensor, self._inside)
        if self._fakes is not None:
            raise OwnOperatorsError(type(tensor))
        return copied(tensor)

    def _inside(self, tensor: torch.Tensor) -> torch.Tensor:
        """For a tensor inside a wrapper; two wrappers may share it."""
        if is_fake(tensor):
            return tensor
        found = self._captured.get(id(tensor))
        if found is None:
            found = self._captured[id(tensor)] = (tensor, self._like(tensor))
        return found[1]


def _noted(made: torch.Tensor, provenance: Provenance) -> torch.Tensor:
    """A fake tensor, and those it wraps, with a note of their provenance."""
    for tensor in inner_tensors(made):
        set_provenance(tensor, provenance)
    return set_provenance(made, provenance)


def _of_class(made: torch.Tensor, kind: type[torch.Tensor]) -> torch.Tensor:
    """A new tensor as one of a class that has no operators of its own."""
    return made if type(made) is kind or kind in PLAIN else made.as_subclass(kind)


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
