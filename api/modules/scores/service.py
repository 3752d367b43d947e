"""What can be asked of a score beyond itself: why it changed, and whether it can be made again."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from api.modules.scores.models import Models
from api.records.repository import missing
from bevyly.db.read import Reader
from bevyly.ids import is_id
from models.changes import changes, headline
from models.counterfactuals import counterfactuals
from models.errors import ArtefactChanged, ArtefactGone, InputsGone
from models.reproduction import reproduce

Row = dict[str, Any]
MAX_EVENTS = 20
_ABOUT = (
    *("entity_type", "entity_id", "score_type", "as_of", "model_version_id"),
    *("artefact", "artefact_sha256", "feature_hash"),
)
_INNER = ("customer_id", "artefact", "artefact_sha256", "document", "code", "previous", "is_current")


class ScoreService:
    """Questions about the scores of one tenant. What computes does so in a thread."""

    def __init__(self, reader: Reader, models: Models, customer_id: str) -> None:
        self._reader = reader
        self._models = models
        self._customer_id = customer_id

    async def lineage(self, score_id: str) -> str:
        """Where a score comes from, as JSON without its events; raises `NotFound`."""
        return await self._one("api_get_score_lineage", score_id)

    async def reproduce(self, score_id: str) -> Row:
        """The score made again, beside what is stored; raises `NotFound`, or what keeps it from being made."""
        stored = orjson.loads(await self._one("api_get_stored_score", score_id))
        return await asyncio.to_thread(self._made_again, stored)

    async def counterfactuals(self, score_id: str) -> Row:
        """What would move the score, each scored anew, or why nothing can be; raises `NotFound`."""
        stored = orjson.loads(await self._one("api_get_stored_score", score_id))
        return await asyncio.to_thread(self._moved, stored)

    async def causes(self, rows: Sequence[Row]) -> list[Row]:
        """The rows of a history, each with what changed against the row before."""
        return await asyncio.to_thread(lambda: [self._with_causes(row) for row in rows])

    async def _one(self, function: Any, score_id: str) -> str:
        row = await self._reader.one(function, self._customer_id, score_id) if is_id(score_id) else None
        if row is None or row[0] is None:
            raise missing("score")
        return str(row[0])

    def _made_again(self, stored: Row) -> Row:
        made = reproduce(self._models.loaded(stored), stored)
        return {"score_id": stored["id"], **{name: stored[name] for name in _ABOUT}, **made}

    def _moved(self, stored: Row) -> Row:
        try:
            model = self._models.known(stored) or self._models.loaded(stored)
            return {"data": counterfactuals(model, stored), "unavailable": None}
        except (InputsGone, ArtefactGone, ArtefactChanged) as gone:
            return {"data": [], "unavailable": gone.code}

    def _with_causes(self, row: Row) -> Row:
        before: Mapping[str, Any] | None = row["previous"]
        shown = {name: value for name, value in row.items() if name not in _INNER}
        if before is None:
            return {**shown, "events": [], "events_total": 0, "change": None}
        model = self._models.known(row)
        found = changes(model, row, before, row["events"])
        change = {
            "previous_id": before["id"],
            "text": headline(found),
            "logit": row["logit"] - before["logit"],
            "points": row["points"] - before["points"],
            "causes": [{**one, "event_ids": one["event_ids"][:MAX_EVENTS]} for one in found],
        }
        return {
            **shown, "events": row["events"][:MAX_EVENTS], "events_total": len(row["events"]), "change": change
        }  # fmt: skip
