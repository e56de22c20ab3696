"""Who may ask: pages of this very server, and programs; not the pages of others that a browser shows beside it.

A page elsewhere may have its own name point at this machine (DNS rebinding): its requests then name that host. And it may
send forms to this address (CSRF): then they name their origin. Both are refused. An address in numbers cannot be pointed
elsewhere, so where the server listens on all addresses, any of them is accepted.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping

from nncost.web.server.errors import Refusal

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - names what is listened on, on purpose of whoever starts it
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_SAFE_METHODS = ("GET", "HEAD")
_OWN_SITES = ("same-origin", "none")


class Origins:
    """The hosts under which this server is known."""

    def __init__(self, host: str) -> None:
        self._is_wide = host in _ANY
        own = (socket.gethostname(),) if self._is_wide else (host,)
        self._names = {name.lower().strip("[]") for name in (*LOOPBACK, *own)}

    def refusal(self, method: str, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """Return why a request is refused; None for one that is not."""
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._is_known(host):
            return Refusal(
                421, "host", "this server is not known under the name in the Host header.",
                "Use its address, as http://127.0.0.1:8080/, or start it with that name:  nncost web --host NAME", closes=True,
            )  # fmt: skip
        if method in _SAFE_METHODS:
            return None
        origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
        is_own = origin is None or origin.decode("latin-1").lower() in (
            f"http://{host.lower()}",
            f"https://{host.lower()}",
        )
        if not is_own or (site is not None and site.decode("latin-1") not in _OWN_SITES):
            return Refusal(403, "origin", "pages of another origin may not ask here.", closes=True)
        return None

    def _is_known(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match[1].lower().strip("[]").rstrip(".")
        return name in self._names or (self._is_wide and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
