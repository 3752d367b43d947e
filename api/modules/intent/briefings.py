"""The briefing on its way out: the bytes that were stored, kept in memory by version.

Which version is the latest is asked of the database at most twice a second for each reader.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from bevyly.db.read import Reader
from bevyly.errors import NotFound

FRESH_SECONDS = 0.5
MAX_KEPT = 500


class NoBriefing(NotFound):
    """Nothing was published for this user yet."""

    code = "no_briefing_yet"


class BriefingNotKept(NotFound):
    """What was in force at that instant is no longer kept."""

    code = "briefing_not_kept"


@dataclass(slots=True)
class Published:
    """A briefing as it is served."""

    body: bytes
    etag: str
    version: int
    checked_at: float


def not_kept(moment: datetime) -> BriefingNotKept:
    """The error that says so of the version in force at `moment`, which was thinned out."""
    return BriefingNotKept(
        f"The briefing of {moment:%Y-%m-%d %H:%M} is no longer kept; of that day only the last one is."
    )


class Briefings:
    """Reads briefings; remembers the latest of recent readers."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept: OrderedDict[tuple[str, str], Published] = OrderedDict()

    async def latest(self, customer_id: str, user_id: str) -> Published:
        """The latest briefing of a user; raises `NoBriefing`."""
        key, now = (customer_id, user_id), time.monotonic()
        kept = self._kept.get(key)
        if kept is not None:
            if now - kept.checked_at < FRESH_SECONDS:
                return kept
            row = await self._reader.one("api_get_briefing_version", customer_id, user_id)
            if row is not None and (row[0], row[1]) == (kept.etag, kept.version):
                kept.checked_at = now
                return kept
        published = await self.at(customer_id, user_id, None)
        self._kept[key] = published
        self._kept.move_to_end(key)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return published

    async def at(self, customer_id: str, user_id: str, moment: datetime | None) -> Published:
        """The briefing of a user as it stood at `moment`, or the latest; raises `NoBriefing` and `BriefingNotKept`."""
        if moment is not None:
            thinned = await self._reader.one("api_briefing_thinned", customer_id, user_id, moment)
            if thinned is not None and thinned[0]:
                raise not_kept(moment)
        row = await self._reader.one("api_get_briefing", customer_id, user_id, moment)
        if row is None or row[0] is None:
            raise NoBriefing("There is no briefing for you yet. It appears after the first pipeline run.")
        return Published(row[0].encode(), row[1], row[2], time.monotonic())
