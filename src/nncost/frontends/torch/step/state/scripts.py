"""The attributes of TorchScript modules, which are held in C++."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from nncost.frontends.torch.step.fake_tensors import Devices
from nncost.frontends.torch.step.state.kept import Kept, Place


class KeptScript(Kept):
    """A script module's own parameters, buffers and attributes; its submodules are kept for themselves."""

    def __init__(self, value: torch.jit.ScriptModule) -> None:
        super().__init__(value)
        inner: Any = value._c
        declared = torch._C.ConcreteModuleType.from_jit_type(inner._type()).get_attributes()
        names = dict.fromkeys((*declared, *value._parameters.keys(), *value._buffers.keys()))
        self._before = {name: _copied(inner.getattr(name)) for name in names}

    def places(self) -> Iterator[Place]:
        """The tensors among them."""
        for name, value in self._before.items():
            if isinstance(value, torch.Tensor):
                yield value, partial(self._write, name)

    def _write(self, name: str, value: torch.Tensor) -> None:
        with Devices():
            self.value._c.setattr(name, value)

    def restore(self) -> None:
        """The same tensors, and lists and numbers with the same content."""
        inner: Any = self.value._c
        for name, before in self._before.items():
            now = inner.getattr(name)
            if now is not before and (isinstance(before, torch.Tensor) or now != before):
                inner.setattr(name, before)


def _copied(value: Any) -> Any:
    return value if isinstance(value, torch.Tensor) else copy.deepcopy(value)
