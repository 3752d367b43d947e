"""What changed between two moments: the open deals before, what came and went, those after; and which deals did."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from api.dependencies.principal import Principal
from api.modules.analytics.definitions import DEALS, Rows, equals, owned, period
from api.modules.analytics.repository import FigureRepository, Moments
from api.modules.analytics.schemas import ChangedDealsQuery, ChangesQuery
from api.modules.analytics.states import CHANGES
from api.query.errors import InvalidQuery
from api.query.times import Asker
from bevyly.db.pagination import START, CursorCodec, Position
from bevyly.db.read import Reader

PATH = "/api/v1/analytics/changes/deals"
_ADDED = ("opened", "reopened", "amount_changed")
_TAKEN = ("won", "lost")
Document = dict[str, Any]


class Changes:
    """What changed, for one asker."""

    def __init__(self, reader: Reader, principal: Principal, asker: Asker) -> None:
        self._figures = FigureRepository(reader, principal.customer_id, principal.permissions, asker)
        self._asker = asker
        self._scope = f"{principal.customer_id}\n{principal.user_id}\n{PATH}"

    async def report(self, asked: ChangesQuery) -> Document:
        """Sums by currency, each with the link to its deals; raises `InvalidQuery`."""
        between = self._moments(asked)
        found = await self._figures.changes(_deals(asked), between)
        link = asked.model_dump(include={"owner_id", "team_id", "pipeline_id"}, exclude_none=True)
        link |= {"since": _text(between.since), "until": _text(between.until)}
        return {"since": link["since"], "until": link["until"], "data": [_figures(row, link) for row in found]}

    async def deals(self, asked: ChangedDealsQuery, cursors: CursorCodec) -> Document:
        """One page of the deals with one kind of change; raises `InvalidQuery` or `InvalidCursor`."""
        between = self._moments(asked)
        filters = asked.model_dump(exclude={"limit", "cursor"})
        scope = f"{self._scope}\n{filters!r}"
        start = cursors.decode(asked.cursor, scope=scope, start=START)
        rows = await self._figures.changed(
            _deals(asked), between, asked.change, asked.currency, after=start, limit=asked.limit + 1
        )
        page, more = rows[: asked.limit], len(rows) > asked.limit
        ends = [Position(datetime.fromisoformat(row.pop("created_at")), row["id"]) for row in page]
        cursor = cursors.encode(ends[-1], scope=scope) if more else None
        return {"data": page, "page": {"next_cursor": cursor, "limit": asked.limit}}

    def _moments(self, asked: ChangesQuery) -> Moments:
        found = period(asked.since, asked.until, self._asker)
        since, until = found.start or self._asker.now, found.end or self._asker.now
        if since > until:
            raise InvalidQuery("The period ends before it begins.", parameter="until")
        return Moments(since, until)


def _deals(asked: ChangesQuery) -> Rows:
    pipeline = [] if asked.pipeline_id is None else [equals("pipeline_id", asked.pipeline_id)]
    return DEALS.also(*pipeline, *owned(asked))


def _figures(row: dict[str, Any], link: dict[str, str]) -> Document:
    currency = row["currency"]
    link = link | {"currency": currency or "none"}
    flows = {name: _sum(row, name) | {"drill": f"{PATH}?{urlencode(link | {'change': name})}"} for name in CHANGES}
    net = sum(row[f"{name}_amount"] for name in _ADDED) - sum(row[f"{name}_amount"] for name in _TAKEN)
    ends = {name: _sum(row, name) for name in ("before", "after")}
    return {"currency": currency, **ends, **flows, "net_minor": net}


def _sum(row: dict[str, Any], name: str) -> Document:
    return {"count": row[f"{name}_count"], "amount_minor": row[f"{name}_amount"]}


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
