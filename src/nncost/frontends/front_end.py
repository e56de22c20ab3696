"""What a front end is: the reader of one kind of source, and what else can be done with that kind."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from nncost.frontends.model import LoadOptions, Model

if TYPE_CHECKING:
    from nncost.frontends.operators import Coverage
    from nncost.ir.call_log import CallLog, Instrumentation


WIDTHS_ONLY = dict.fromkeys(("bias", "activation"), "It applies to widths such as 784-16-10.")
TRACED_ONLY = dict.fromkeys(("reuse", "learn"), "It applies to modules, which are run to be counted.")
STATED = dict.fromkeys(("symbols", "inputs"), "It has its sizes already.")
"""Keywords of ``nncost.count`` that only some kinds of sources have a use for, with what is said of others."""


class FrontEnd(Protocol):
    """The reader of one kind of source. Subclass it; only ``kind`` and ``load`` have no default.

    ``kind`` is the name of the source's kind in reports, ``endings`` are those of its files. A kind that
    ``trains_by_default`` is counted with its default loss and optimizer although none is named. The model of a
    ``traced`` kind is a framework's own step: it has no formula of its memory in the batch. A kind that is not
    ``shaped_by_inputs`` states its shapes itself and is refused with others. One that ``packs_weights`` takes a format of weights as its type of number. ``title`` is what a message calls a source.
    """

    kind: ClassVar[str]
    endings: ClassVar[tuple[str, ...]] = ()
    trains_by_default: ClassVar[bool] = False
    traced: ClassVar[bool] = False
    shaped_by_inputs: ClassVar[bool] = True
    packs_weights: ClassVar[bool] = False
    title: ClassVar[str] = ""

    def unused(self) -> Mapping[str, str]:
        """Return the keywords of ``nncost.count`` that change nothing for this kind of source, each with the reason."""
        return WIDTHS_ONLY if self.traced else {**WIDTHS_ONLY, **TRACED_ONLY}

    def matches(self, source: object) -> bool:
        """Return whether it reads this source; must not import the framework, and never raises."""
        return isinstance(source, str) and bool(self.endings) and source.lower().endswith(self.endings)

    @abstractmethod
    def load(self, source: Any, options: LoadOptions) -> Model:
        """Read the source. Raise an NncostError for what cannot be read or does not fit."""


@runtime_checkable
class Runnable(Protocol):
    """A front end whose sources are PyTorch modules, or can be made one."""

    def runnable(
        self, source: Any, options: LoadOptions, *, real: bool
    ) -> AbstractContextManager[tuple[Any, LoadOptions]]:
        """Give the module and the options that hold its inputs; without ``real`` its parameters may have no memory."""


@runtime_checkable
class Observable(Protocol):
    """A front end whose sources can be watched while they run, as third-party counters do."""

    def observe(self, source: Any, options: LoadOptions, instrumentation: Instrumentation) -> CallLog:
        """Return what a tool instrumented like that sees of the source."""


@runtime_checkable
class Covered(Protocol):
    """A front end that can say how it treats each operator of its framework."""

    def coverage(self) -> Coverage:
        """Return the treatment of every operator of the installed framework. Raise ImportError if there is none."""
