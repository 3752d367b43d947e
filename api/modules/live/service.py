"""Live streams of this process: what they share, and who may open one."""

from collections.abc import Awaitable, Callable

from api.dependencies.principal import Principal
from api.modules.live.feed import Feed
from api.modules.live.seats import Seats
from api.modules.live.stream import PERMISSION_OF, Asked, Stream
from bevyly.errors import Forbidden


class Live:
    """Opens streams."""

    def __init__(self, feed: Feed, seats: Seats) -> None:
        self.feed = feed
        self.seats = seats

    async def open(self, principal: Principal, asked: Asked, *, recheck: Callable[[], Awaitable[Principal]]) -> Stream:
        """A stream; raises `Forbidden` where a topic is named that the principal may not read, or `TooManyStreams`."""
        for topic in sorted(asked.named):
            if PERMISSION_OF[topic] not in principal.permissions:
                permission = PERMISSION_OF[topic]
                raise Forbidden(f"The topic {topic} needs the permission {permission}.", permission=permission)
        seat = await self.seats.take(principal.user_id)
        return Stream(self.feed, self.seats, asked=asked, principal=principal, seat=seat, recheck=recheck)

    async def close(self) -> None:
        """Stop listening for what is new."""
        await self.feed.close()
        await self.seats.close()
