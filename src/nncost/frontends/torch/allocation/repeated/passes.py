"""What a block's passes do to memory, told so that it holds for every block that is equal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_flatten

from nncost.frontends.torch.allocation.inplace_rules import Maker
from nncost.frontends.torch.allocation.repeated.events import UnlikeError, are_alike, taken_in
from nncost.frontends.torch.allocation.storages import OUTSIDE, storage_of
from nncost.frontends.torch.step.fake_tensors import Layout, is_made, layout_of
from nncost.records import record

HELD_ONCE = (2, 3, 0)
"""How many hold a gradient, and its memory, while autograd hands it on or adds to it and nobody else has it."""
Numbering = Callable[[Any], int | None]
"""The number of a storage."""


class GivenTensor(NamedTuple):
    """A tensor among a block's arguments: ``code`` is the number of its memory in the block's events, None if outside."""

    layout: Layout
    requires_grad: bool
    code: int | None


@record
class MadeTensor:
    """A tensor that a block makes: an output, or a gradient."""

    layout: Layout
    requires_grad: bool
    is_view: bool
    code: int


class Incoming(NamedTuple):
    """The gradient of an output as it comes in; ``holders`` tell how many hold it."""

    layout: Layout
    is_view: bool
    is_outside: bool
    holders: tuple[int, int, int]


@dataclass(slots=True, eq=False)
class Forward:
    """A forward pass: the events, what made each memory that was taken, what goes in and what comes out.

    ``outputs`` are tensors that are made, places of arguments that are handed on, and plain values; ``held`` are the
    codes of inputs and outputs that the block holds for its backward pass.
    """

    events: list[Any]
    makers: list[Maker]
    inputs: list[GivenTensor]
    outputs: list[Any]
    structure: Any
    held: set[int]

    def is_like(self, other: Forward) -> bool:
        """Whether two blocks did the same."""
        return (
            (self.inputs, self.outputs, self.structure, self.held, self.makers)
            == (other.inputs, other.outputs, other.structure, other.held, other.makers)
        ) and are_alike(self.events, other.events)  # fmt: skip

    @property
    def made(self) -> list[MadeTensor]:
        """The outputs that are new."""
        return [output for output in self.outputs if isinstance(output, MadeTensor)]

    @property
    def is_differentiable(self) -> bool:
        """Whether a backward pass may follow."""
        return any(output.requires_grad for output in self.made)

    def check(self) -> None:
        """Raise UnlikeError for a pass that gives back what is not its own, or keeps something without a backward pass."""
        if any(isinstance(event, int) and event < 0 for event in self.events):
            raise UnlikeError("an input that is given back")
        if not self.is_differentiable and (self.held or self.saved()):
            raise UnlikeError("memory that is kept")

    def saved(self) -> set[int]:
        """The codes of what is taken and, outputs apart, not given back."""
        freed = {event for event in self.events if isinstance(event, int)}
        made = {output.code for output in self.made}
        return set(taken_in(self.events)) - freed - made


@dataclass(slots=True, eq=False)
class Backward:
    """A backward pass: its events, which gradients came in, and which went out, to inputs and to parameters.

    ``sums`` are gradients of parameters that other calls share: the code of the sum so far, and of that with this call's.
    ``added`` are the places of inputs whose gradient is added to what others have computed, with the code of that if
    it ends here. ``roles`` is how many codes stand for memory of others.
    """

    events: list[Any]
    makers: list[Maker]
    incoming: list[Incoming | None]
    gradients: list[Any]
    trained: dict[str, MadeTensor]
    sums: list[tuple[int, int]]
    added: dict[int, int | None]
    roles: int

    def is_like(self, first: Backward, held: set[int]) -> bool:
        """Whether the first block of the row did the same, whose backward pass is the last.

        It may also give back what all blocks ``held``, and who else holds its gradient does not matter.
        """
        freed = {event for event in self.events if isinstance(event, int)}
        shared = held - freed
        other = replace(first, events=[e for e in first.events if not (isinstance(e, int) and e in shared)])
        return (
            (self.gradients, self.trained, self.sums, self.added, [m.operator for m in self.makers])
            == (other.gradients, other.trained, other.sums, other.added, [m.operator for m in other.makers])
            and [g and (g.layout, g.is_view) for g in self.incoming] == [g and (g.layout, g.is_view) for g in other.incoming]
            and are_alike(self.events, other.events)
        )  # fmt: skip

    def freed_incoming(self, forward: Forward) -> list[tuple[int, bool]]:
        """The codes of the gradients that come in, and whether their memory is given back here."""
        freed = {event for event in self.events if isinstance(event, int)}
        return [(code, code in freed) for code, _ in self.codes_of_incoming(forward)]

    def parts(self, forward: Forward) -> list[tuple[list[Any], int | None]]:
        """The events up to each moment at which something that the block holds is let go of, and what that is."""
        found: list[tuple[list[Any], int | None]] = [([], None)]
        for event in self.events:
            if isinstance(event, int) and event in forward.held:
                found[-1] = (found[-1][0], event)
                found.append(([], None))
            else:
                found[-1][0].append(event)
        return found

    def check_held(self, forward: Forward, alive: set[int]) -> None:
        """Raise UnlikeError unless all is given back that the block held, or made for itself.

        ``alive`` are the codes of the forward pass that are alive after it: somebody else holds them.
        """
        freed = {event for event in self.events if isinstance(event, int)}
        inputs = {given.code for given in forward.inputs}
        outputs = {output.code for output in forward.made}
        if freed & (inputs | outputs) - forward.held or forward.held - freed - alive:
            raise UnlikeError("memory that another held")
        if forward.saved() - freed:
            raise UnlikeError("memory that is kept")
        handed_out = {g.code for g in (*self.gradients, *self.trained.values()) if g is not None}
        handed_out |= {after for _, after in self.sums}
        if set(taken_in(self.events)) - freed != handed_out:
            raise UnlikeError("a gradient that is kept")
        for code, gradient in self.codes_of_incoming(forward):
            if code not in freed and gradient.holders <= HELD_ONCE:
                raise UnlikeError("a gradient that another holds")

    def codes_of_incoming(self, forward: Forward) -> list[tuple[int, Incoming]]:
        """The gradients that come in and their memory's codes, those apart whose memory was there before the step."""
        given = len({given.code for given in forward.inputs if given.code is not None})
        own = [gradient for gradient in self.incoming if gradient is not None and not gradient.is_outside]
        return [(-1 - given - place, gradient) for place, gradient in enumerate(own)]


def unique_tensors(leaves: Sequence[Any]) -> list[torch.Tensor]:
    """The tensors among arguments, each once."""
    return list({id(leaf): leaf for leaf in leaves if isinstance(leaf, torch.Tensor)}.values())


def holders_of(tensor: torch.Tensor) -> tuple[int, int, int]:
    """How many hold a tensor, how many tensors its memory, and how many what it is a view of."""
    storage: Any = tensor.untyped_storage()
    counted: Any = tensor
    base: Any = tensor._base
    return (
        counted._use_count(),
        torch._C._storage_Use_Count(storage._cdata),
        0 if base is None else base._use_count(),
    )


def all_holders(tensors: Sequence[torch.Tensor]) -> list[tuple[int, ...]]:
    """How many hold each tensor, its memory, and its object in Python."""
    return [(*holders_of(tensor), sys.getrefcount(tensor)) for tensor in tensors]


def layout_made(tensor: torch.Tensor) -> Layout:
    """The layout of a tensor that is its memory's only one. Raise UnlikeError for a part of a larger one."""
    layout = layout_of(tensor)
    if layout is None or storage_of(tensor).nbytes() != layout.extent * layout.dtype.itemsize:
        raise UnlikeError("part of a larger memory")
    return layout


def given_tensors(inputs: Sequence[torch.Tensor], number: Any) -> tuple[list[GivenTensor], list[int]]:
    """The arguments as equal blocks have them, and the numbers of their memory in the order of their codes."""
    given: list[GivenTensor] = []
    numbers: list[int] = []
    for tensor in inputs:
        if not is_made(tensor) or tensor.is_conj() or tensor.is_neg():
            raise UnlikeError("an input of another kind")
        layout = Layout(tensor.shape, tensor.stride(), tensor.dtype)
        found = number(storage_of(tensor))
        code: int | None = None
        if found is not None and found != OUTSIDE:
            if found not in numbers:
                numbers.append(found)
            code = -1 - numbers.index(found)
        given.append(GivenTensor(layout, tensor.requires_grad, code))
    return given, numbers


def outputs_of_block(
    result: Any, leaves: Sequence[Any], numbers: Mapping[int, int], number: Any
) -> tuple[list[Any], Any]:
    """What a block returns, and its structure. Raise UnlikeError for what cannot be made again."""
    found, structure = tree_flatten(result)
    outputs: list[Any] = []
    codes: set[int] = set()
    for leaf in found:
        place = next((place for place, other in enumerate(leaves) if other is leaf), None)
        if isinstance(leaf, torch.Tensor) and place is not None:
            outputs.append((place,))
        elif isinstance(leaf, torch.Tensor):
            code = numbers.get(number(storage_of(leaf)))
            if code is None or code < 0 or code in codes:
                raise UnlikeError("an output that shares memory")
            codes.add(code)
            outputs.append(MadeTensor(layout_made(leaf), leaf.requires_grad, leaf._is_view(), code))
        else:
            outputs.append(leaf)
    return outputs, structure


def incoming_gradient(gradient: torch.Tensor, number: int | None) -> Incoming:
    """How a gradient comes in. Raise UnlikeError for a part of a larger one."""
    return Incoming(layout_made(gradient), gradient._is_view(), number == OUTSIDE, holders_of(gradient))
