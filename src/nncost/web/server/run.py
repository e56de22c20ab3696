"""Serve at an address until someone ends it."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import sys
from collections.abc import Callable
from importlib.util import find_spec

from nncost.errors import Instead, MissingExtraError, OptionError
from nncost.web.server.limits import Limits

_EXTRA = (("fastapi", "fastapi"), ("uvicorn", "uvicorn"), ("python_multipart", "python-multipart"))
_LAST_PORT = 65_535


def serve(host: str, port: int, limits: Limits, ready: Callable[[str], None]) -> None:
    """Serve until interrupted; ``ready`` is called with the address when requests are answered.

    Raise MissingExtraError without the packages of the extra ``web``, OptionError for an address that cannot be used.
    """
    for module, package in _EXTRA:
        if find_spec(module) is None:
            raise MissingExtraError("the web calculator", package, "web")
    if hasattr(signal, "SIGPIPE"):  # A client that hangs up is no end of the program, as it is for other commands.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with listening(host, port) as own:
        asyncio.run(_served(own, host, limits, ready))


async def _served(own: socket.socket, host: str, limits: Limits, ready: Callable[[str], None]) -> None:
    from uvicorn import Server

    from nncost.web.server.app import application
    from nncost.web.server.protocol import config

    class Announced(Server):
        """A server that says when it has started."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready(address_of(own))

    await Announced(config(application(limits, host), limits)).serve([own])


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raise OptionError, with what to do, where that cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise OptionError(f"{host[:100]!r} is no address of this machine.", hint="Accepted: 127.0.0.1, localhost, 0.0.0.0 for all, …", instead=Instead(host, "127.0.0.1")) from None  # fmt: skip
    own = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # There it would let two servers have one port.
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(address)
        own.listen()
    except OSError as error:
        own.close()
        raise _unusable(host, port, error) from None
    return own


def address_of(own: socket.socket) -> str:
    """Return the address at which a browser on this machine finds it."""
    host, port = own.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - names it
    return f"http://{host}:{port}/"


def _unusable(host: str, port: int, error: OSError) -> OptionError:
    following = str(port + 1 if port < _LAST_PORT else port - 1)
    if error.errno == errno.EADDRINUSE:
        return OptionError(
            f"port {port} is in use on {host}.", hint="Another program listens there, perhaps another nncost web.",
            instead=Instead(str(port), following),
        )  # fmt: skip
    if error.errno == errno.EACCES:
        return OptionError(f"port {port} needs more rights than you have here.", instead=Instead(str(port), "8080"))
    return OptionError(f"cannot listen on {host}: {error.strerror}.", instead=Instead(host, "127.0.0.1"))
