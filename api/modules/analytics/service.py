"""Figures of sales: funnel, conversion, activity, forecast. Each row of an answer is the figures and their links."""

import asyncio
from datetime import date, datetime
from typing import Any

from api.dependencies.principal import Principal
from api.modules.analytics.definitions import (
    ALL_LEADS,
    DEALS,
    HAPPENED,
    TOUCHES,
    Rows,
    between,
    equals,
    filled,
    has_any,
    is_in,
    number,
    owned,
    period,
)
from api.modules.analytics.outlook import Span, outlook, spans
from api.modules.analytics.repository import FigureRepository
from api.modules.analytics.schemas import ActivityQuery, ConversionQuery, ForecastQuery, FunnelQuery
from api.modules.opportunities.listing import WIN_PROBABILITY
from api.query.errors import QueryTooExpensive
from api.query.listing import ZONE
from api.query.times import Asker
from api.query.tree import Day, Expression, Instant
from bevyly.db.read import Reader

MAX_GROUPS = 200
MAX_DEALS = 20_000  # of which one forecast is made
_SECONDS_A_DAY = 86_400
_STAGE_PROBABILITY = (
    "(select s.probability from pipeline_stages s where s.customer_id = {row}.customer_id and s.key = {row}.stage)"
)
_SECONDS_OPEN = "extract(epoch from r.converted_at - r.created_at)"
_LOCAL = f"r.created_at at time zone {ZONE}"
Document = dict[str, Any]


class Analytics:
    """Figures for one asker."""

    def __init__(self, reader: Reader, principal: Principal, asker: Asker) -> None:
        self._figures = FigureRepository(reader, principal.customer_id, principal.permissions, asker)
        self._asker = asker

    async def funnel(self, asked: FunnelQuery) -> Document:
        """How deals go through the stages of a pipeline."""
        stages = await self._figures.stages(asked.pipeline_id)
        if not stages:
            return {"data": []}
        pipeline_id = stages[0]["pipeline_id"]
        created = period(asked.since, asked.until, self._asker).instants("created_at")
        deals = DEALS.also(equals("pipeline_id", pipeline_id), *created, *owned(asked))
        # a stage is of one pipeline, so these are the same deals; how many they are, the planner knows of stages alone
        same = DEALS.also(is_in("stage", [stage["key"] for stage in stages]), *created, *owned(asked))
        return {"data": _funnel(deals, stages, await self._figures.funnel(same, pipeline_id))}

    async def conversion(self, asked: ConversionQuery) -> Document:
        """What became of leads."""
        created = period(asked.since, asked.until, self._asker).instants("created_at")
        leads = ALL_LEADS.also(*created, *owned(asked))
        found = await self._figures.grouped(
            leads,
            _CONVERSION_KEYS[asked.by],
            {
                "leads": "count(*)",
                "converted": "count(*) filter (where r.status = 'converted')",
                "disqualified": "count(*) filter (where r.status = 'disqualified')",
                "median": f"percentile_cont(0.5) within group (order by {_SECONDS_OPEN})",
            },
            order="1" if asked.by in ("week", "month") else "leads desc, 1",
            limit=MAX_GROUPS + 1,
        )
        rows = [_conversion(leads.also(*_which_leads(asked.by, row)), row) for row in found[:MAX_GROUPS]]
        zone = self._asker.zone.key
        return {"by": asked.by, "timezone": zone, "data": rows, "complete": len(found) <= MAX_GROUPS}

    async def activity(self, asked: ActivityQuery) -> Document:
        """When things happen: by weekday and hour of the tenant."""
        zone = self._asker.zone.key
        happened = period(asked.since, asked.until, self._asker).instants("occurred_at")
        touches = Rows(TOUCHES.listing, TOUCHES.path, zone=zone).also(HAPPENED, *happened, *owned(asked))
        clock = {name: touches.listing.by_name[name].sql.format(row="r") for name in ("weekday", "hour")}
        cells = await self._figures.grouped(
            touches, clock | {"kind": "r.kind"}, {"count": "count(*)"}, order="1, 2, 3", limit=7 * 24 * 20
        )
        for cell in cells:
            hour = [number(name, cell[name]) for name in ("weekday", "hour")]
            cell["drill"] = touches.also(*hour, equals("kind", cell["kind"])).link
        return {"timezone": zone, "data": cells}

    async def forecast(self, asked: ForecastQuery) -> Document:
        """What open deals may bring, by the month in which they should close and by currency."""
        closing = period(asked.since, asked.until, self._asker).days("expected_close_date")
        pipeline = [] if asked.pipeline_id is None else [equals("pipeline_id", asked.pipeline_id)]
        deals = DEALS.also(equals("status", "open"), *pipeline, *closing, *owned(asked))
        found = await self._figures.grouped(
            deals,
            {"month": "date_trunc('month', r.expected_close_date)::date", "currency": "r.currency"},
            _weighted("score", "r.win is not null", "r.win") | _weighted("stage", "r.win is null", "r.likely"),
            derived={"win": WIN_PROBABILITY.sql, "likely": _STAGE_PROBABILITY},
            order="1, 2",
            limit=MAX_GROUPS + 1,
        )
        return {
            "data": [_forecast(deals, row) for row in found[:MAX_GROUPS]],
            "complete": len(found) <= MAX_GROUPS,
            **await self._periods(asked, pipeline),
        }

    async def _periods(self, asked: ForecastQuery, pipeline: list[Expression]) -> Document:
        """What is won and expected of all open deals, by the period in which they may be won."""
        zone = self._asker.zone
        periods = spans(asked.by, self._asker.now, zone, period(asked.since, asked.until, self._asker))
        all_open = DEALS.also(equals("status", "open"), *pipeline, *owned(asked))
        all_won = DEALS.also(equals("status", "won"), *pipeline, *owned(asked))
        told = await self._figures.forecasts(all_open, MAX_DEALS + 1)
        if len(told) > MAX_DEALS:
            raise QueryTooExpensive("Too many open deals: ask for one owner, team or pipeline.", parameter="owner_id")
        missing = all_open.also(equals("forecast_amount_minor", None))
        lacking = await self._figures.grouped(missing, {"none": "1"}, {"count": "count(*)"}, order="1", limit=1)
        by_owner = asked.group_by == "owner"
        won = await self._won(all_won, periods, asked.by, by_owner=by_owner) if periods else []
        # hundreds of sums take a while, and nobody else should wait for them
        figures = await asyncio.to_thread(
            lambda: list(outlook(all_open, all_won, periods, told, won, by_owner=by_owner, now=self._asker.now))
        )
        return {
            "periods": figures,
            "left_out": _counted(missing, lacking[0]["count"] if lacking else 0),
            "known_at": min((deal["as_of"] for deal in told), default=None),
        }

    async def _won(self, won: Rows, periods: list[Span], unit: str, *, by_owner: bool) -> list[Document]:
        """Won deals with an amount by the first day of their period, currency and owner."""
        closed = between("closed_at", Instant(periods[0].start), Instant(periods[-1].end))
        return await self._figures.grouped(
            won.also(*closed, filled("currency")),
            {
                "start": f"date_trunc('{unit}', r.closed_at at time zone {ZONE})::date",
                "currency": "r.currency",
                "owner": "r.owner_id" if by_owner else "null::text",
            },
            {"count": "count(*)", "amount": "coalesce(sum(r.value), 0)"},
            order="1, 2, 3",
            limit=MAX_DEALS,
        )


def _counted(rows: Rows, count: int) -> Document:
    return {"count": count, "drill": rows.link}


def _funnel(deals: Rows, stages: list[Document], found: Document) -> list[Document]:
    if not found["current"]:
        return []
    path = [stage["key"] for stage in stages if stage["kind"] != "lost"]
    came = {int(place): count for place, count in found["furthest"].items()}
    reached = [sum(count for place, count in came.items() if place > index) for index in range(len(path))]
    return [
        _stage(deals, stage, found) | _going_on(deals, stage["key"], path, reached)
        for stage in stages
        if not stage["archived"] or stage["key"] in found["entered"]
    ]


def _stage(deals: Rows, stage: Document, found: Document) -> Document:
    """Who is in a stage, who has been there, and for how long."""
    key = stage["key"]
    here = deals.also(equals("stage", key))
    amounts = [row for row in found["current"] if row["stage"] == key]
    return {
        "stage": key,
        "name": stage["name"],
        "kind": stage["kind"],
        "current": _counted(here, sum(row["count"] for row in amounts)),
        "amounts": [_amount(here, row) for row in amounts],
        "entered": _counted(deals.also(has_any("stages", [key])), found["entered"].get(key, 0)),
        "median_days": _days(found["median"].get(key)),
    }


def _going_on(deals: Rows, key: str, path: list[str], reached: list[int]) -> Document:
    """Who came to a stage or beyond, and which part of them to the next."""
    if key not in path:
        return {"reached": None, "conversion_to_next": None}
    place = path.index(key)
    came, further = (*reached, 0)[place : place + 2]
    rate = None if came == 0 or place + 1 == len(path) else round(further / came, 4)
    return {"reached": _counted(deals.also(has_any("stages", path[place:])), came), "conversion_to_next": rate}


def _amount(rows: Rows, row: Document) -> Document:
    currency = row["currency"]
    return {
        "currency": currency,
        "amount_minor": row["amount"],
        **_counted(rows.also(equals("currency", currency)), row["count"]),
    }


def _days(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / _SECONDS_A_DAY, 2)


_CONVERSION_KEYS = {
    "source": {"key": "r.source"},
    "owner": {"key": "r.owner_id"},
    **{
        unit: {
            "key": f"date_trunc('{unit}', {_LOCAL})::date",
            "first": f"date_trunc('{unit}', {_LOCAL}) at time zone {ZONE}",
            "after": f"(date_trunc('{unit}', {_LOCAL}) + interval '1 {unit}') at time zone {ZONE}",
        }
        for unit in ("week", "month")
    },
}
"""What leads are grouped by; a week or month with the instants at which it begins and ends for the tenant."""


def _which_leads(by: str, row: Document) -> list[Any]:
    if by in ("week", "month"):
        first, after = (Instant(datetime.fromisoformat(row[name])) for name in ("first", "after"))
        return between("created_at", first, after)
    return [equals("source" if by == "source" else "owner_id", row["key"])]


def _conversion(leads: Rows, row: Document) -> Document:
    became = {name: _counted(leads.also(equals("status", name)), row[name]) for name in ("converted", "disqualified")}
    return {
        "key": row["key"],
        "leads": _counted(leads, row["leads"]),
        **became,
        "rate": round(row["converted"] / row["leads"], 4),
        "median_days_to_convert": _days(row["median"]),
    }


def _weighted(basis: str, condition: str, probability: str) -> dict[str, str]:
    """Measures of the deals that are weighted by one kind of probability."""
    return {
        f"{basis}_count": f"count(*) filter (where {condition})",
        f"{basis}_amount": f"coalesce(sum(r.value) filter (where {condition}), 0)",
        f"{basis}_weighted": (
            f"coalesce(round(sum(r.value::numeric * {probability}::numeric) filter (where {condition})), 0)"
        ),
    }


def _forecast(deals: Rows, row: Document) -> Document:
    month = None if row["month"] is None else date.fromisoformat(row["month"])
    if month is None:
        closing = [equals("expected_close_date", None)]
    else:
        closing = between("expected_close_date", Day(month), Day(_next_month(month)))
    these = deals.also(*closing, equals("currency", row["currency"]))
    parts = {
        "by_score": _part(these.also(filled("win_probability")), "score", row),
        "by_stage": _part(these.also(equals("win_probability", None)), "stage", row),
    }
    added = {name: sum(part[name] for part in parts.values()) for name in ("count", "amount_minor", "weighted_minor")}
    return (
        {"month": row["month"] and row["month"][:7], "currency": row["currency"], "drill": these.link} | added | parts
    )


def _part(rows: Rows, basis: str, row: Document) -> Document:
    amounts = {"amount_minor": row[f"{basis}_amount"], "weighted_minor": row[f"{basis}_weighted"]}
    return _counted(rows, row[f"{basis}_count"]) | amounts


def _next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
