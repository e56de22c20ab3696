"""The values a pickle describes, from its opcodes only: nothing is imported, called or built but plain data.

``pickletools.genops`` only names opcodes and their arguments. What is kept of them here are
containers, numbers, texts, and tensors as records of their storage, offset, shape and stride. A
pickle that asks for anything else is refused.
"""

from __future__ import annotations

import pickletools
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from nncost.frontends.weights.accepted_names import MAPPINGS, is_accepted
from nncost.frontends.weights.described import Global, Object
from nncost.frontends.weights.torch_names import rebuilt, storage_named
from nncost.names import printable

_MAX_OPERATIONS = 4_000_000
"""Some 30 to 50 per tensor."""
_MAX_LINE = 2**20
_MAX_KEY = 2**63
_MARK = object()
_REFERENCE = re.compile(
    r"\('storage', <class '(torch[\w.]*Storage)'>, '(\w{1,60})', '[\w:]{0,20}', (\d{1,18})(?:, None)?\)"
)


class RefusedError(ValueError):
    """A pickle that asks for code to be run; ``name`` is what it asks for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"it asks to run {name}")
        self.name = name


class PickleBytes(BytesIO):
    """Bytes of a pickle whose lines are bounded: Python takes hours to read a number of 64 million digits."""

    def readline(self, size: int | None = -1, /) -> bytes:
        """The next line, or its beginning."""
        return super().readline(_MAX_LINE)


def described_value(stream: BytesIO) -> Any:
    """The value of the pickle that begins at the stream's position.

    Raise RefusedError for one that asks for code, ValueError for one that is damaged.
    """
    machine = _Machine()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
                if count > _MAX_OPERATIONS:
                    raise ValueError(f"it has more than {_MAX_OPERATIONS:,} operations")
                if opcode.name == "STOP":
                    return machine.pop()
                machine.step(opcode.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise ValueError(f"its pickle is malformed ({type(error).__name__})") from None
    raise ValueError("its pickle has no end")


@dataclass(slots=True)
class _Machine:
    """The pickle machine's stack and memo."""

    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def pop(self) -> Any:
        return self.stack.pop()

    def to_mark(self) -> list[Any]:
        """What lies above the last mark, which goes with it."""
        position = len(self.stack) - 1
        while self.stack[position] is not _MARK:
            position -= 1
            if position < 0:
                raise ValueError("its pickle misses a mark")
        above = self.stack[position + 1 :]
        del self.stack[position:]
        return above

    def step(self, name: str, argument: Any) -> None:
        """One opcode."""
        if name in _PUSHED:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in _IGNORED:
            raise RefusedError(f"the opcode {name}")


def _global(machine: _Machine, argument: str) -> None:
    module, _, name = argument.partition(" ")
    _push_global(machine, module, name)


def _stack_global(machine: _Machine, argument: Any) -> None:
    name, module = machine.pop(), machine.pop()
    _push_global(machine, str(module), str(name))


def _push_global(machine: _Machine, module: str, name: str) -> None:
    if not is_accepted(module, name):
        raise RefusedError(printable(f"{module}.{name}"[:200]))
    machine.stack.append(Global(f"{module}.{name}"))


def _reduce(machine: _Machine, argument: Any) -> None:
    """A call, of which only the accepted ones are described and none is made."""
    arguments, function = machine.pop(), machine.pop()
    if not isinstance(function, Global) or not isinstance(arguments, tuple):
        raise RefusedError("a call of something that has no name")
    if function.name in MAPPINGS:
        first = arguments[0] if arguments else ()
        pairs = first.items() if isinstance(first, dict) else first if isinstance(first, list) else ()
        machine.stack.append(dict(_pair(pair) for pair in pairs))
    else:
        machine.stack.append(rebuilt(function.name, arguments))


def _pair(pair: Any) -> tuple[Any, Any]:
    key, value = pair
    return _key(key), value


def _key(key: Any) -> Any:
    """A key that names something: a text or a number."""
    is_name = isinstance(key, (str, float)) or key is None or (isinstance(key, int) and abs(key) < _MAX_KEY)
    return key if is_name else repr(type(key))


def _persistent(machine: _Machine, argument: Any) -> None:
    machine.stack.append(storage_named(machine.pop()))


def _persistent_text(machine: _Machine, argument: Any) -> None:
    """Protocol 0 has the reference as the text that Python prints of it."""
    match = _REFERENCE.fullmatch(str(argument))
    if match is None:
        raise ValueError("it refers to something that is no storage")
    kind, key, elements = match.groups()
    machine.stack.append(storage_named(("storage", Global(kind), key, "", int(elements))))


def _build(machine: _Machine, argument: Any) -> None:
    """The state of an object; that of a dictionary or a list is about it, and none of its items."""
    state = machine.pop()
    target = machine.stack[-1]
    if isinstance(target, Object):
        is_pair = isinstance(state, tuple) and all(isinstance(part, dict) or part is None for part in state)
        for part in state if is_pair else (state,):
            target.parts |= part if isinstance(part, dict) else {"state": part}


def _set_items(machine: _Machine, argument: Any) -> None:
    items = machine.to_mark()
    _fill(machine.stack[-1], items)


def _set_item(machine: _Machine, argument: Any) -> None:
    value, key = machine.pop(), machine.pop()
    _fill(machine.stack[-1], [key, value])


def _fill(target: Any, items: list[Any]) -> None:
    if isinstance(target, dict):
        target.update(zip(map(_key, items[::2]), items[1::2], strict=True))
    elif isinstance(target, Object):
        target.parts |= zip(map(_key, items[::2]), items[1::2], strict=True)
    else:
        raise TypeError


def _append(machine: _Machine, values: list[Any]) -> None:
    target = machine.stack[-1]
    if isinstance(target, list):
        target.extend(values)
    elif isinstance(target, Object):
        target.parts |= enumerate(values, len(target.parts))
    else:
        raise TypeError


def _appended(machine: _Machine, argument: Any) -> None:
    _append(machine, [machine.pop()])


def _tuple_of(length: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, argument: Any) -> None:
        values = [machine.pop() for _ in range(length)]
        machine.stack.append(tuple(reversed(values)))

    return step


def _from_dict_items(machine: _Machine, argument: Any) -> None:
    items = machine.to_mark()
    machine.stack.append({})
    _fill(machine.stack[-1], items)


def _remember(machine: _Machine, argument: Any) -> None:
    machine.memo[len(machine.memo) if argument is None else int(argument)] = machine.stack[-1]


def _dropped(machine: _Machine, argument: Any) -> None:
    machine.pop()


def _dropped_to_mark(machine: _Machine, argument: Any) -> None:
    machine.to_mark()


_PUSHED = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BYTEARRAY8",
})  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict, "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple, "EMPTY_SET": lambda: Object("set"), "MARK": lambda: _MARK,
}  # fmt: skip
_IGNORED = frozenset({"PROTO", "FRAME"})
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "GLOBAL": _global, "STACK_GLOBAL": _stack_global, "REDUCE": _reduce, "NEWOBJ": _reduce, "BINPERSID": _persistent, "PERSID": _persistent_text,
    "BUILD": _build, "POP": _dropped, "POP_MARK": _dropped_to_mark, "ADDITEMS": _dropped_to_mark,
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]), "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.to_mark())),
    "TUPLE1": _tuple_of(1), "TUPLE2": _tuple_of(2), "TUPLE3": _tuple_of(3), "LIST": lambda machine, _: machine.stack.append(machine.to_mark()),
    "DICT": _from_dict_items, "SETITEM": _set_item, "SETITEMS": _set_items, "APPEND": _appended,
    "APPENDS": lambda machine, _: _append(machine, machine.to_mark()),
    "FROZENSET": lambda machine, _: machine.stack.append(Object("set", dict(enumerate(machine.to_mark())))),
    "PUT": _remember, "BINPUT": _remember, "LONG_BINPUT": _remember, "MEMOIZE": _remember,
    "GET": lambda machine, number: machine.stack.append(machine.memo[int(number)]),
    "BINGET": lambda machine, number: machine.stack.append(machine.memo[number]),
    "LONG_BINGET": lambda machine, number: machine.stack.append(machine.memo[number]),
}  # fmt: skip
