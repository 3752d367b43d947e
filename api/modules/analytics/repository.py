"""Figures as SQL: rows by their definition, grouped and added up in one statement, behind row-level security."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from api.modules.analytics.definitions import Rows
from api.modules.analytics.states import CHANGES, SHOWN, SUMS, states
from api.query.conditions import ROW, Arguments, Conditions, Names
from api.query.errors import QueryTooExpensive
from api.query.reading import FUNCTION
from api.query.statement import asked_by, visible
from api.query.times import Asker
from bevyly.db.pagination import Position
from bevyly.db.read import Reader, TookTooLong

Figures = list[dict[str, Any]]


@dataclass(frozen=True)
class Moments:
    """Two instants, each of which sees what was so just before it."""

    since: datetime
    until: datetime


# `source` selects the deals; `path` are the stages on the way to a won deal, in their order.
_FUNNEL = """
with cohort as materialized (select r.id, r.stage, r.value, r.currency {source}),
path as (
  select s.key, row_number() over (order by s.kind <> 'open', s.position, s.key) as place
  from pipeline_stages s where s.customer_id = $1 and s.pipeline_id = {pipeline} and s.kind <> 'lost'
), stays as materialized (
  select h.opportunity_id, h.new_value as stage, extract(epoch from h.valid_to - h.valid_from) as seconds
  from opportunity_history h join cohort c on c.id = h.opportunity_id
  where h.customer_id = $1 and h.field = 'stage'
), visits as materialized (
  select opportunity_id, stage from stays group by 1, 2
), furthest as (
  select v.opportunity_id, max(p.place) as place from visits v join path p on p.key = v.stage group by 1
)
select json_build_object(
  'current', (select coalesce(json_agg(g), '[]') from (
    select stage, currency, count(*), coalesce(sum(value), 0) as amount from cohort group by 1, 2 order by 1, 2) g),
  'entered', (select coalesce(json_object_agg(stage, n), '{{}}') from (
    select stage, count(*) as n from visits group by 1) g),
  'median', (select coalesce(json_object_agg(stage, seconds), '{{}}') from (
    select stage, percentile_cont(0.5) within group (order by seconds) as seconds from stays group by 1) g),
  'furthest', (select coalesce(json_object_agg(place, n), '{{}}') from (
    select place, count(*) as n from furthest group by 1) g)
)
"""
_STAGES = """
select json_agg(g) from (
  select s.pipeline_id, s.key, s.name, s.kind, s.archived_at is not null as archived
  from pipeline_stages s join pipelines p on p.customer_id = s.customer_id and p.id = s.pipeline_id
  where s.customer_id = $1 and {which}
  order by s.kind = 'lost', s.kind <> 'open', s.position, s.key
) g
"""


class FigureRepository:
    """Figures of one tenant, as one asker may see them."""

    def __init__(self, reader: Reader, customer_id: str, permissions: AbstractSet[str], asker: Asker) -> None:
        self._reader = reader
        self._customer_id = customer_id
        self._permissions = permissions
        self._asker = asker

    async def grouped(
        self,
        rows: Rows,
        keys: dict[str, str],
        measures: dict[str, str],
        *,
        derived: dict[str, str] | None = None,
        order: str,
        limit: int,
    ) -> Figures:
        """`measures` of the rows by `keys`, which are SQL over the row `r` and its `derived` values."""
        arguments = Arguments()
        more = "".join(f", {sql.format(row=ROW)} as {name}" for name, sql in (derived or {}).items())
        columns = ", ".join(f"{sql} as {name}" for name, sql in (keys | measures).items())
        groups = ", ".join(str(place) for place in range(1, len(keys) + 1))
        # `offset 0` keeps what is derived from being computed once for each use
        source = f"from (select r.*{more} {self._source(rows, arguments)} offset 0) r"
        found: Figures = await self._ask(
            f"select coalesce(json_agg(g), '[]') from (select {columns} {source} "
            f"group by {groups} order by {order} limit {limit}) g",
            arguments,
        )
        return found

    async def forecasts(self, rows: Rows, limit: int) -> Figures:
        """Of each deal whose forecast is of its currency of now: owner, amount of now, and what sums are made of."""
        arguments = Arguments()
        found: Figures = await self._ask(
            "select coalesce(json_agg(g), '[]') from (select r.owner_id, f.currency, "
            "coalesce(r.value, 0) as value_minor, f.as_of, f.win_probability, f.close_days, f.amounts_minor, "
            "f.dependence "
            f"from (select r.id, r.owner_id, r.value, r.currency {self._source(rows, arguments)} offset 0) r "
            "join opportunity_forecasts f on f.customer_id = $1 and f.opportunity_id = r.id and f.is_current "
            f"where f.amounts_minor is not null and f.currency = r.currency order by r.id limit {limit}) g",
            arguments,
        )
        return found

    async def stages(self, pipeline_id: str | None) -> Figures:
        """Stages of a pipeline, or of the default one: open ones in their order, won, lost."""
        arguments = Arguments()
        which = "p.is_default" if pipeline_id is None else f"p.id = {arguments.bind(pipeline_id, 'text')}"
        return await self._ask(_STAGES.format(which=which), arguments) or []

    async def funnel(self, rows: Rows, pipeline_id: str) -> dict[str, Any]:
        """Of the deals: how many are in each stage, have been there and how long, and how far they came."""
        arguments = Arguments()
        source, pipeline = self._source(rows, arguments), arguments.bind(pipeline_id, "text")
        found: dict[str, Any] = await self._ask(_FUNNEL.format(source=source, pipeline=pipeline), arguments)
        return found

    async def changes(self, rows: Rows, between: Moments) -> Figures:
        """How many deals changed how, by currency, and what that is worth."""
        arguments = Arguments()
        found: Figures = await self._ask(
            f"{self._states(rows, between, arguments)} select coalesce(json_agg(g), '[]') from ("
            f"select currency, {SUMS} from states group by 1 order by 1) g",
            arguments,
        )
        return found

    async def changed(
        self, rows: Rows, between: Moments, change: str, currency: str | None, *, after: Position, limit: int
    ) -> Figures:
        """Deals with one kind of change, newest first, from `after` on; of one currency, or of none for `none`."""
        arguments = Arguments()
        states_ = self._states(rows, between, arguments)
        wanted = [CHANGES[change][0]]
        if currency is not None:
            none = currency == "none"
            wanted.append("currency is null" if none else f"currency = {arguments.bind(currency, 'text')}")
        at, last = arguments.bind(after.at.isoformat(), "timestamptz"), arguments.bind(after.id, "text")
        found: Figures = await self._ask(
            f"{states_} select coalesce(json_agg(g), '[]') from (select {SHOWN}, created_at from states "
            f"where {' and '.join(f'({one})' for one in wanted)} and (created_at, id) < ({at}, {last}) "
            f"order by created_at desc, id desc limit {limit}) g",
            arguments,
        )
        return found

    def _states(self, rows: Rows, between: Moments, arguments: Arguments) -> str:
        moments = [arguments.bind(one.isoformat(), "timestamptz") for one in (between.since, between.until)]
        return states(self._source(rows, arguments), *moments)

    def _source(self, rows: Rows, arguments: Arguments) -> str:
        names = Names(rows.listing, self._permissions)
        conditions = Conditions(names, self._asker, arguments)
        wanted = [f"{ROW}.customer_id = $1", *visible(names, None), *(conditions.sql(part) for part in rows.parts)]
        return f"from {rows.listing.table_name} {ROW} where {' and '.join(wanted)}"

    async def _ask(self, statement: str, arguments: Arguments) -> Any:
        whole = asked_by(self._asker, f"select ({statement})::text, null, null::bigint, null", arguments)
        try:
            row = await self._reader.one(FUNCTION, self._customer_id, whole, arguments.values)
        except TookTooLong:
            raise QueryTooExpensive("The figures took too long: take a shorter period.", parameter="since") from None
        return None if row is None or row[0] is None else orjson.loads(row[0])
