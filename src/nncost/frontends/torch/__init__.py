"""Read a ``torch.nn.Module``, or the name of what makes one: ``path/net.py:build``, ``package.module:build``."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from nncost.frontends.front_end import FrontEnd
from nncost.frontends.model import LoadOptions, Model
from nncost.records import replace

if TYPE_CHECKING:
    from nncost.frontends.operators import Coverage
    from nncost.ir.call_log import CallLog, Instrumentation

_MODULE = "torch.nn.modules.module.Module"
_NAMES_ENTRY_POINT = re.compile(
    r".+\.py(:[^\s,]*)?|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.DOTALL
)


class SourceFrontEnd(FrontEnd):
    """Counts a module by tracing its own step."""

    kind: ClassVar[str] = "torch"
    title: ClassVar[str] = "a module"
    endings: ClassVar[tuple[str, ...]] = (".py",)
    traced: ClassVar[bool] = True

    def matches(self, source: object) -> bool:
        """Return whether it is a module, known by its base class, or names what makes one."""
        if isinstance(source, str):
            return _NAMES_ENTRY_POINT.fullmatch(source) is not None
        return any(f"{cls.__module__}.{cls.__qualname__}" == _MODULE for cls in type(source).__mro__)

    def load(self, source: Any, options: LoadOptions) -> Model:
        """Trace the module."""
        with self.runnable(source, options, real=False) as (module, completed):
            from nncost.frontends.torch.errors import noted_of
            from nncost.frontends.torch.load import load_module
            from nncost.frontends.torch.step.threads import ONE_STEP

            with ONE_STEP, noted_of(module):  # another count of the module may have its tensors swapped
                model = load_module(module, completed)
        return replace(model, name=source) if isinstance(source, str) else model

    def observe(self, source: Any, options: LoadOptions, instrumentation: Instrumentation) -> CallLog:
        """Return what a tool sees of the module while it runs."""
        with self.runnable(source, options, real=False) as (module, completed):
            from nncost.frontends.torch.observation.observe import observe
            from nncost.frontends.torch.step.threads import ONE_STEP

            with ONE_STEP:
                return observe(module, completed, instrumentation)

    def runnable(
        self, source: Any, options: LoadOptions, *, real: bool
    ) -> AbstractContextManager[tuple[Any, LoadOptions]]:
        """Give the module itself, or the one that an entry point makes."""
        if not isinstance(source, str):
            return nullcontext((source, options))
        from nncost.frontends.torch.entry_point import made

        return made(source, options)

    def coverage(self) -> Coverage:
        """Return how each operator of the installed PyTorch is treated."""
        from nncost.frontends.torch.coverage import coverage

        return coverage()
