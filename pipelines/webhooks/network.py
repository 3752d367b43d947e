"""Connections that lead nowhere private: names are resolved here, checked, and connected to as they were checked.

The pool above asks for a host name and gets a connection to one of its checked addresses; TLS still verifies the name.
There is no second look-up that could answer differently. Does not belong here: which addresses are allowed; that is
`bevyly.webhooks.addresses`.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import httpcore

from bevyly.webhooks.addresses import AddressRules, Resolve

CONNECT_SECONDS = 5.0
MAX_ADDRESSES = 4


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to the public addresses of a host, in the resolver's order, until one answers."""

    def __init__(self, rules: AddressRules, resolve: Resolve) -> None:
        self._rules = rules
        self._resolve = resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                addresses = await self._rules.addresses(host, port, self._resolve)
                return await self._first(addresses[:MAX_ADDRESSES], port, socket_options)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"no connection within {CONNECT_SECONDS:.0f} s") from None

    async def _first(
        self, addresses: list[str], port: int, socket_options: Iterable[Any] | None
    ) -> httpcore.AsyncNetworkStream:
        *others, last = addresses
        for address in others:
            try:
                return await self._inner.connect_tcp(address, port, CONNECT_SECONDS / 2, None, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(last, port, CONNECT_SECONDS, None, socket_options)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("webhooks go over TCP")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
