"""Where a webhook may go: which URLs, and which of the addresses behind their names.

A tenant chooses the URL, so it may not lead into our own network: HTTPS on a few ports, and a name that resolves to
public addresses alone. Whoever connects must use the addresses that were checked here; a second look-up may answer
differently. Does not belong here: the request itself.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bevyly.errors import Invalid

MAX_URL = 2048
PORTS = frozenset({443, 8443})
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""All addresses behind a name and port; raises `OSError` where there are none."""

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.){{0,126}}{_LABEL}\.?", re.IGNORECASE)
# the last label of what `inet_aton` takes for an IPv4 address: 127.1, 0x7f.1, 017700000001, 2130706433
_NUMBER = re.compile(r"(?:\d+|0x[0-9a-f]*)\.?", re.IGNORECASE)
_PRIVATE_V4 = [
    ipaddress.IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
]
# Global unicast is all that is public; IPv4 wrapped as ::ffff:0:0/96, ::/96 or 64:ff9b::/96 (NAT64) lies outside of it.
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_PRIVATE_V6 = [
    ipaddress.IPv6Network(network)
    # protocols with Teredo, documentation, 6to4, documentation
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
]


class AddressRefused(Invalid):
    """A webhook may not go there; `context["reason"]` is the stable code of why."""

    code = "webhook_address_refused"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail, reason=reason)
        self.reason = reason


@dataclass(frozen=True)
class Target:
    """A URL, taken apart once, so that nobody parses it a second time and differently."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What goes into the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


@dataclass(frozen=True)
class AddressRules:
    """What is allowed. `private` is for tests and development: plain HTTP, any port, any address."""

    private: bool = False

    def target(self, url: str) -> Target:
        """`url` taken apart; raises `AddressRefused` where it breaks a rule that needs no look-up."""
        if len(url) > MAX_URL or not _VISIBLE.fullmatch(url) or "\\" in url:
            raise AddressRefused("bad_url", f"A URL has at most {MAX_URL} visible ASCII characters.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise AddressRefused("bad_url", "This is no URL.") from None
        if parts.scheme != "https" and not (self.private and parts.scheme == "http"):
            raise AddressRefused("not_https", "Only https:// is allowed.")
        if "@" in parts.netloc:
            raise AddressRefused("userinfo", "A URL may not carry a user name or password.")
        if parts.fragment:
            raise AddressRefused("bad_url", "A URL for webhooks has no fragment.")
        host = _host(parts.hostname or "")
        port = port if port is not None else 443 if parts.scheme == "https" else 80
        if not self.private and port not in PORTS:
            raise AddressRefused("port", f"Only the ports {', '.join(map(str, sorted(PORTS)))} are allowed.")
        target = Target(parts.scheme, host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        literal = _literal(host)
        if literal is not None:
            self.check(literal)
        return target

    def check(self, address: Address) -> None:
        """Raise `AddressRefused` unless `address` may be connected to."""
        if not self._allows(address):
            raise AddressRefused("private_address", "The URL leads to an address that is not public.")

    def _allows(self, address: Address) -> bool:
        return self.private or is_public(address)

    async def addresses(self, host: str, port: int, resolve: Resolve) -> list[str]:
        """The addresses behind `host`, if every one of them may be connected to; else `AddressRefused`."""
        literal = _literal(host)
        if literal is not None:
            self.check(literal)
            return [str(literal)]
        try:
            found = list(dict.fromkeys(await resolve(host, port)))
        except (OSError, UnicodeError):
            found = []
        addresses = [_literal(text) for text in found]
        if not addresses or not all(address is not None and self._allows(address) for address in addresses):
            # one answer for both: nobody learns from it which names our own network knows
            raise AddressRefused("no_public_address", "The host has no address, or one that is not public.")
        return found


def is_public(address: Address) -> bool:
    """Whether `address` is reachable by everybody: by our own list, which does not change with Python's."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _PRIVATE_V4)
    if address.scope_id is not None or address not in _PUBLIC_V6:
        return False
    return not any(address in network for network in _PRIVATE_V6)


class Resolver:
    """Asks the machine's resolver, on threads of its own: it cannot be interrupted, and others need theirs."""

    def __init__(self, *, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhook-names")

    async def __call__(self, host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
        return [str(one[4][0]) for one in found]


def _look_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _host(host: str) -> str:
    if _literal(host) is not None:
        return host
    last = host.removesuffix(".").rpartition(".")[2]
    if len(host) > 253 or not _NAME.fullmatch(host) or _NUMBER.fullmatch(last):
        raise AddressRefused("bad_host", "The host is neither a name in ASCII nor an IP address in its usual form.")
    return host


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
