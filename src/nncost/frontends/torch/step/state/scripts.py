"""The attributes of TorchScript modules, which are held in C++."""

from __future__ import annotations

import copy
from typing import Any

import torch

from nncost.frontends.torch.step.state.kept import Kept


class KeptScript(Kept):
    """A script module's own parameters, buffers and attributes; its submodules are kept for themselves."""

    def __init__(self, value: torch.jit.ScriptModule) -> None:
        super().__init__(value)
        inner: Any = value._c
        declared = torch._C.ConcreteModuleType.from_jit_type(inner._type()).get_attributes()
        names = dict.fromkeys((*declared, *value._parameters.keys(), *value._buffers.keys()))
        self._before = {name: _copied(inner.getattr(name)) for name in names}

    def restore(self) -> None:
        """The same tensors, and lists and numbers with the same content."""
        inner: Any = self.value._c
        for name, before in self._before.items():
            now = inner.getattr(name)
            if now is not before and (isinstance(before, torch.Tensor) or now != before):
                inner.setattr(name, before)


def _copied(value: Any) -> Any:
    return value if isinstance(value, torch.Tensor) else copy.deepcopy(value)
