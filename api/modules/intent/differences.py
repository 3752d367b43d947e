"""What changed between two briefings of the one who asks: two stored documents, and what was recorded between them."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from api.modules.intent.briefings import NoBriefing, not_kept
from api.modules.scores.models import Models
from bevyly.briefing.causes import Facts
from bevyly.briefing.diff import compare
from bevyly.db.read import Reader
from models.changes import changes, headline

Row = dict[str, Any]


class Differences:
    """Compares briefings; what moved a score is computed in a thread, by the model that made it."""

    def __init__(self, reader: Reader, models: Models) -> None:
        self._reader = reader
        self._models = models

    async def last_seen(self, customer_id: str, user_id: str) -> datetime:
        """The instant of the briefing that a user saw last; before all of them where there was none."""
        row = await self._reader.one("api_get_briefing_seen", customer_id, user_id)
        return row[1] if row is not None and row[1] is not None else datetime.min.replace(tzinfo=UTC)

    async def between(self, customer_id: str, user_id: str, since: datetime, until: datetime) -> Row:
        """The briefing at `until` beside that at `since`; raises `NoBriefing` where there is no later one, and
        `BriefingNotKept`."""
        row = await self._reader.one("api_get_kept_briefing_diff", customer_id, user_id, since, until)
        if row is not None and row[3] is not None:
            raise not_kept(row[3])
        if row is None or row[1] is None:
            raise NoBriefing("There was no briefing for you yet.")
        before: Row | None = orjson.loads(row[0]) if row[0] else None
        return await asyncio.to_thread(self._compared, before, orjson.loads(row[1]), orjson.loads(row[2]))

    def _compared(self, before: Row | None, after: Row, found: Row) -> Row:
        scores = {one["recommendation_id"]: self._moved(one) for one in found.pop("scores")}
        beyond = (_left(before), _left(after))
        return compare(before, after, Facts(**found, scores=scores, beyond_budget=beyond))

    def _moved(self, pair: Mapping[str, Any]) -> Row:
        newer, older = pair["newer"], pair["older"]
        causes = changes(self._models.known(newer), newer, older, pair["events"])
        return {
            "from_id": older["id"],
            "to_id": newer["id"],
            "text": headline(causes),
            "points": newer["points"] - older["points"],
            "causes": causes,
        }


def _left(document: Row | None) -> int:
    """How many open items a briefing had no room for."""
    summary = document["summary"] if document else {}
    return int(summary.get("items_found", 0)) - int(summary.get("items_shown", 0))
