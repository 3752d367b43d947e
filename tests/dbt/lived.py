"""A hundred random teams, each lived through by two tenants: one with streams, batch by batch, and one without."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
import polars as pl
import psycopg

from bevyly.clock import FixedClock
from bevyly.events.catalogue import topic_of
from bevyly.events.envelope import Event, new_event
from bevyly.objects import FolderStore
from pipelines.activation import steps
from pipelines.activation.picture import take
from pipelines.briefing.compose import compose
from pipelines.repositories.briefing_inputs import read_inputs
from pipelines.repositories.briefings import latest_briefings
from pipelines.repositories.rankings import left_out_of
from pipelines.resources import Warehouse as Store
from pipelines.scoring.shelf import Shelf
from pipelines.streams.briefing_keeper import BriefingKeeper
from pipelines.streams.signal_detector import TOPICS, SignalDetector
from tests.dbt.warehouse import Event as RawEvent
from tests.dbt.warehouse import Warehouse
from tests.support.team_history import Team, told_to, write

TEAMS, BATCHES = 100, 20
FIRST = datetime(2026, 11, 23, 8, tzinfo=UTC)
SECOND = FIRST + timedelta(hours=1)
ANSWERS = ("accepted", "dismissed", "snoozed")


@dataclass
class Pair:
    """One team and the tenants that live through its days: with streams, and without. `events`: of the last hour."""

    team: Team
    live: str
    still: str
    events: list[Event] = field(default_factory=list)
    decided: set[str] = field(default_factory=set)
    """Deals that were decided before."""


class Kind(NamedTuple):
    """A kind of signal on an entity of a team."""

    team: int
    entity_type: str
    entity_id: str
    signal_type: str


@dataclass
class Said:
    """What is said of all teams: keys and evidence of open signals, recommendations by id, latest documents."""

    signals: dict[Kind, dict[str, list[str]]]
    items: dict[str, dict[str, Any]]
    documents: dict[tuple[str, str], dict[str, Any]]


def furnished(warehouse: Warehouse) -> list[Pair]:
    pairs = [
        Pair(
            Team(f"live/{number}", at=FIRST),
            live=warehouse.database.add_tenant("live"),
            still=warehouse.database.add_tenant("still"),
        )
        for number in range(TEAMS)
    ]
    for pair in pairs:
        pair.team.furnish(FIRST)
    warehouse.load(tell(warehouse, pairs)[1])
    for pair in pairs:
        pair.events.clear()
        pair.decided = {deal for deal, row in pair.team.rows["opportunities"].items() if row["closed_at"]}
    return pairs


def tell(warehouse: Warehouse, pairs: Sequence[Pair]) -> tuple[list[Event], list[RawEvent]]:
    """Write what happened, for both tenants of each pair; the events of those with streams, and all as they arrive."""
    told = []
    with psycopg.connect(warehouse.database.owner_url) as connection:
        write(connection, {customer: pair.team for pair in pairs for customer in (pair.live, pair.still)})
    arrived = []
    for pair in pairs:
        pair.team.changed.clear()
        events = pair.team.taken()
        pair.events += events
        told += told_to(pair.live, events)
        arrived += [raw(event) for customer in (pair.live, pair.still) for event in told_to(customer, events)]
    return told, arrived


def raw(event: Event) -> RawEvent:
    return RawEvent(event.tenant_id, event.id, event.type, event.subject_id, event.sequence, event.time, event.data)


def refresh(warehouse: Warehouse, customers: Sequence[str], *, at: datetime) -> None:
    """What the job does between events and briefings, for `customers`."""
    warehouse.dbt("run", now=at.isoformat())
    store = Store(url=warehouse.database.pipeline_url)
    steps.write_standings(store, take(store, customers), at=at)
    steps.write_signals(store, take(store, customers), at=at)
    steps.write_patterns(store, take(store, customers), at=at)
    picture = take(store, customers)
    _, left_out = steps.write_recommendations(store, Shelf(FolderStore(warehouse.folder)), picture, at=at)
    steps.write_briefings(store, picture.customers, left_out, at=at)


def live(warehouse: Warehouse, pairs: Sequence[Pair]) -> None:
    """The hour between the refreshes: random teams do random things, people answer, streams follow.

    After each batch, what is stored is what composing everything from all rows would write. The ingest stores what
    happened at the end of the hour, when the next refresh begins.
    """
    chance = random.Random(1)
    waiting: list[RawEvent] = []
    for number in range(BATCHES):
        now = FIRST + (number + 1) * (SECOND - FIRST) / (BATCHES + 2)
        some = chance.sample(pairs, TEAMS // 2)
        for pair in some:
            pair.team.at = now
            for _ in range(chance.randrange(1, 4)):
                pair.team.something()
        told, arrived = tell(warehouse, some)
        waiting += arrived
        events = [event for event in told if topic_of(event.type) in TOPICS]
        with psycopg.connect(warehouse.database.owner_url) as connection:
            events += answered(connection, chance.choice(some), chance.choice(ANSWERS), now)
        after = FixedClock(now + timedelta(seconds=2))
        with psycopg.connect(warehouse.database.pipeline_url) as connection:
            SignalDetector(after)(connection, events)
            connection.commit()
            said = connection.execute("delete from outbox returning envelope").fetchall()
            kept = [event for event in events if topic_of(event.type) == "bevyly.domain"]
            BriefingKeeper(after)(connection, [*kept, *(Event.from_json(row[0]) for row in said)])
            connection.commit()
            assert_composed(connection, [pair.live for pair in chance.sample(some, 10)], now)
    warehouse.load(waiting)


def answered(connection: psycopg.Connection[Any], pair: Pair, answer: str, at: datetime) -> list[Event]:
    """Both tenants' people answer the same; the event of the one that has streams."""
    rows = connection.execute(
        "update recommendations set status = %(answer)s::varchar, acted_at = %(at)s, updated_at = %(at)s, "
        "snoozed_until = case when %(answer)s::varchar = 'snoozed' then %(at)s::timestamptz + interval '1 day' end "
        "where customer_id in (%(live)s, %(still)s) and status = 'pending' and dedupe_key = ("
        "select min(dedupe_key) from recommendations where customer_id = %(live)s and status = 'pending') "
        "returning customer_id, id, entity_type, entity_id, action_type",
        {"answer": answer, "at": at, "live": pair.live, "still": pair.still},
    ).fetchall()
    names = ("recommendation_id", "entity_type", "entity_id", "action_type")
    return [
        new_event(
            f"recommendation.{answer}", tenant_id=customer, subject=("recommendation", data[0]), sequence=2,
            data=dict(zip(names, data, strict=True)), clock=FixedClock(at),
        )
        for customer, *data in rows
        if customer == pair.live
    ]  # fmt: skip


def assert_composed(connection: psycopg.Connection[Any], customers: list[str], now: datetime) -> None:
    whole = compose(read_inputs(connection, customers, left_out_of(connection, customers)), as_of=now, generated_at=now)
    stored, expected = documents(latest_briefings(connection, customers)), documents(whole)
    assert [key for key in expected if stored[key] != expected[key]] == []


def documents(frame: pl.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    volatile = ("version", "as_of", "generated_at")
    return {
        (row["customer_id"], row["user_id"]): {
            name: value for name, value in orjson.loads(row["document"]).items() if name not in volatile
        }
        for row in frame.iter_rows(named=True)
    }


def said(warehouse: Warehouse, customers: Sequence[str]) -> Said:
    """What is said of `customers`, the tenants of all teams in their order."""
    team = {customer: number for number, customer in enumerate(customers)}
    signals: dict[Kind, dict[str, list[str]]] = {}
    for row in warehouse.rows("select * from signals where customer_id = any(%s) and closed_at is null", [[*team]]):
        kind = Kind(team[row["customer_id"]], *(row[name] for name in Kind._fields[1:]))
        signals.setdefault(kind, {})[row["dedupe_key"]] = row["evidence"]
    rows = warehouse.rows("select * from recommendations where customer_id = any(%s)", [[*team]])
    items = {row["id"]: row | {"team": team[row["customer_id"]]} for row in rows}
    with psycopg.connect(warehouse.database.pipeline_url) as connection:
        return Said(signals, items, documents(latest_briefings(connection, [*team])))


@dataclass
class Story:
    """What was said after the first refresh, what streams then said, and after the second refresh: where there were
    streams, and where there were none."""

    pairs: list[Pair]
    first: Said
    first_still: Said
    live: Said
    second: Said
    still: Said

    def back(self) -> set[tuple[int, str]]:
        """(team, deal) that was deleted or decided, and is open again: it stays ended until a refresh."""
        found = set()
        for number, pair in enumerate(self.pairs):
            gone = set(pair.decided)
            for event in pair.events:
                status = event.data.get("status") if event.type == "opportunity.stage_changed" else None
                if event.type == "opportunity.deleted" or status in ("won", "lost"):
                    gone.add(event.subject_id)
                elif (event.type == "opportunity.restored" or status == "open") and event.subject_id in gone:
                    found.add((number, event.subject_id))
        return found

    def without_back(self, kinds: Iterable[Kind]) -> set[Kind]:
        """`kinds` but for those of deals that came back."""
        back = self.back()
        return {kind for kind in kinds if (kind.team, kind.entity_id) not in back}

    def told(self, kind: Kind) -> list[Event]:
        """Events of the hour about an entity."""
        named = f"{kind.entity_type}_id"
        return [
            event
            for event in self.pairs[kind.team].events
            if kind.entity_id in (event.subject_id, event.data.get(named))
        ]


def lived_through(warehouse: Warehouse) -> Story:
    """The whole story: a refresh, an hour with streams for one tenant of each team, another refresh."""
    pairs = furnished(warehouse)
    lives, stills = [pair.live for pair in pairs], [pair.still for pair in pairs]
    refresh(warehouse, [*lives, *stills], at=FIRST)
    first, first_still = said(warehouse, lives), said(warehouse, stills)
    live(warehouse, pairs)
    between = said(warehouse, lives)
    refresh(warehouse, [*lives, *stills], at=SECOND)
    return Story(pairs, first, first_still, between, said(warehouse, lives), said(warehouse, stills))
