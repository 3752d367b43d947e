"""A consumer as its group sees it: identity, protocols, what it waits for, and when it counts as dead."""

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Member:
    id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_seconds: float
    rebalance_seconds: float
    protocols: list[tuple[str, bytes]]
    assignment: bytes = b""
    joining: "asyncio.Future[None] | None" = None
    syncing: "asyncio.Future[None] | None" = None
    expiry: asyncio.TimerHandle | None = field(default=None, repr=False)

    @property
    def waiting(self) -> bool:
        return self.joining is not None or self.syncing is not None

    def metadata(self, protocol: str) -> bytes:
        return next((metadata for name, metadata in self.protocols if name == protocol), b"")

    def release(self, failure: Exception | None = None) -> None:
        """Answer whatever it waits for."""
        for waiter in (self.joining, self.syncing):
            settle(waiter, failure)
        self.joining = self.syncing = None

    def stop_clock(self) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None


def settle(waiter: "asyncio.Future[None] | None", failure: Exception | None = None) -> None:
    if waiter is None or waiter.done():
        return
    if failure is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(failure)
