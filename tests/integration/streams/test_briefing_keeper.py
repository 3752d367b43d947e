"""Briefings follow events: after any history, what is stored is what composing everything from all rows would write."""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import orjson
import polars as pl
import psycopg
import pytest

from bevyly.clock import FixedClock
from bevyly.events.envelope import Event
from pipelines.briefing.compose import compose
from pipelines.repositories import readers
from pipelines.repositories.announcements import SOURCE
from pipelines.repositories.briefing_inputs import read_inputs
from pipelines.repositories.briefings import latest_briefings, lock_briefings, mark_stale, publish
from pipelines.repositories.rankings import keep_ranking, left_out_of, mark_published
from pipelines.streams.briefing_keeper import BriefingKeeper
from tests.support.databases import Database
from tests.support.event_streams import NOW
from tests.support.live_world import BEFORE, World

VOLATILE = ("version", "as_of", "generated_at")
Documents = dict[tuple[str, str], dict[str, Any]]
LATER = NOW + timedelta(seconds=1)


def furnished(database: Database, seed: int) -> list[World]:
    """Two teams after a refresh that published their briefings."""
    worlds = [
        World(psycopg.connect(database.owner_url, autocommit=True), database.add_tenant(name), random.Random(seed))
        for name in ("ours", "theirs")
    ]
    for world in worlds:
        world.furnish()
    customers = [world.customer_id for world in worlds]
    with psycopg.connect(database.pipeline_url) as connection:
        left = [(world.customer_id, world.users[2], "not worth the effort", 3) for world in worlds]
        keep_ranking(connection, _left_out(left), customers=customers, at=BEFORE)
        publish(connection, whole(connection, customers), at=BEFORE)
        mark_published(connection, customers, at=BEFORE, now=BEFORE)
    return worlds


def _left_out(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["customer_id", "owner_id", "reason", "count"], orient="row")


def whole(connection: psycopg.Connection[Any], customers: list[str]) -> pl.DataFrame:
    """What a refresh would write of what is stored now."""
    left_out = left_out_of(connection, customers)
    return compose(read_inputs(connection, customers, left_out), as_of=LATER, generated_at=LATER)


def keep(database: Database, *events: Event) -> None:
    with psycopg.connect(database.pipeline_url) as connection:
        BriefingKeeper(FixedClock(LATER))(connection, events)


def read(documents: pl.DataFrame) -> Documents:
    return {
        (row["customer_id"], row["user_id"]): {
            name: value for name, value in orjson.loads(row["document"]).items() if name not in VOLATILE
        }
        for row in documents.iter_rows(named=True)
    }


def stored_and_expected(database: Database, worlds: list[World]) -> tuple[Documents, Documents]:
    customers = [world.customer_id for world in worlds]
    with psycopg.connect(database.pipeline_url) as connection:
        return read(latest_briefings(connection, customers)), read(whole(connection, customers))


def close(worlds: list[World]) -> None:
    for world in worlds:
        world.connection.close()


@pytest.mark.parametrize("seed", range(4))
def test_after_any_history_briefings_are_those_of_a_refresh(
    database: Database, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # good news from what people own, and from all good news at once
    monkeypatch.setattr(readers, "_GOOD", f"select {seed % 2 * 1_000_000}")
    worlds = furnished(database, seed)
    seeded = random.Random(seed)
    for _ in range(12):
        happened = [event for _ in range(seeded.randint(1, 4)) for event in seeded.choice(worlds).something()]
        keep(database, *happened)
        stored, expected = stored_and_expected(database, worlds)
        assert stored == expected, [event.type for event in happened]
    close(worlds)


@pytest.fixture
def worlds(database: Database) -> Iterator[list[World]]:
    furnished_worlds = furnished(database, 1)
    yield furnished_worlds
    close(furnished_worlds)


def call(world: World, deal: str, type_: str = "call.completed", **data: Any) -> Event:
    told = {"activity_id": deal, "kind": type_.partition(".")[0], "direction": "outbound", "opportunity_id": deal}
    return world.event(type_, ("activity", deal), told | data)


def open_item(world: World, action: str, status: str = "pending", kind: str = "opportunity") -> tuple[str, str]:
    """A deal or lead whose only recommendation is one of `action`, and that recommendation."""
    entity = world.deals[0] if kind == "opportunity" else world.leads[0]
    world.execute("delete from recommendations where customer_id = %s and entity_id = %s", entity)
    world.add_item(kind, entity, 1, action=action)
    [(item,)] = world.execute("select id from recommendations where customer_id = %s and entity_id = %s", entity)
    world.execute(f"update recommendations set status = '{status}' where customer_id = %s and id = %s", item)
    return entity, item


def status_of(world: World, item: str) -> str:
    [(status,)] = world.execute("select status from recommendations where customer_id = %s and id = %s", item)
    return str(status)


def told(world: World) -> list[str]:
    rows = world.execute("select envelope::json ->> 'type' from outbox where customer_id = %s order by 1")
    return [row[0] for row in rows]


def briefings(database: Database, world: World) -> Documents:
    with psycopg.connect(database.pipeline_url) as connection:
        return read(latest_briefings(connection, [world.customer_id]))


DUE = (NOW + timedelta(days=2)).isoformat()


@pytest.mark.parametrize("status", ["pending", "accepted", "snoozed"])
@pytest.mark.parametrize(
    ("action", "type_"),
    [
        ("call", "call.completed"),
        ("draft_email", "email.sent"),
        ("book_meeting", "meeting.scheduled"),
        ("set_next_step", "task.created"),
    ],
)
def test_what_is_seen_to_be_done_is_completed(
    database: Database, worlds: list[World], action: str, type_: str, status: str
) -> None:
    deal, item = open_item(worlds[0], action, status)
    keep(database, call(worlds[0], deal, "note.created", due_at=DUE))
    assert status_of(worlds[0], item) == status
    keep(database, call(worlds[0], deal, type_, due_at=DUE))
    assert status_of(worlds[0], item) == "completed"
    assert "recommendation.completed" in told(worlds[0])
    [document] = [one for (_, user), one in briefings(database, worlds[0]).items() if user == worlds[0].users[0]]
    assert item not in [one["recommendation_id"] for one in document["items"]]


def test_what_was_recorded_before_the_recommendation_does_not_complete_it(
    database: Database, worlds: list[World]
) -> None:
    deal, item = open_item(worlds[0], "call")
    event = msgspec.structs.replace(call(worlds[0], deal), recorded_time=BEFORE)
    keep(database, event)
    assert status_of(worlds[0], item) == "pending"


def test_a_past_step_is_no_next_step(database: Database, worlds: list[World]) -> None:
    deal, item = open_item(worlds[0], "set_next_step")
    keep(database, call(worlds[0], deal, "task.created", due_at=BEFORE.isoformat()))
    assert status_of(worlds[0], item) == "pending"


def test_corrections_complete_what_asked_for_them(database: Database, worlds: list[World]) -> None:
    deal, item = open_item(worlds[0], "correct_close_date")
    worlds[0].execute(
        "update opportunities set expected_close_date = '2027-01-01' where customer_id = %s and id = %s", deal
    )
    keep(database, worlds[0].event("opportunity.updated", ("opportunity", deal), {"before": {}, "after": {}}))
    assert status_of(worlds[0], item) == "completed"


@pytest.mark.parametrize(("action", "ends"), [("close_lost", "completed"), ("call", "expired")])
def test_a_lost_deal_ends_its_recommendations(database: Database, worlds: list[World], action: str, ends: str) -> None:
    deal, item = open_item(worlds[0], action)
    worlds[0].execute(
        "update opportunities set status = 'lost', closed_at = now() where customer_id = %s and id = %s", deal
    )
    keep(database, worlds[0].event("opportunity.stage_changed", ("opportunity", deal), {"status": "lost"}))
    assert status_of(worlds[0], item) == ends


def test_an_answer_of_a_person_stays(database: Database, worlds: list[World]) -> None:
    for status in ("accepted", "snoozed", "dismissed"):
        deal, item = open_item(worlds[0], "call", status)
        worlds[0].execute("update opportunities set deleted_at = now() where customer_id = %s and id = %s", deal)
        keep(
            database,
            worlds[0].event("opportunity.deleted", ("opportunity", deal), {"opportunity_id": deal, "after": {}}),
        )
        assert status_of(worlds[0], item) == status


def test_what_no_open_finding_calls_for_expires(database: Database, worlds: list[World]) -> None:
    deal, item = open_item(worlds[0], "call")
    worlds[0].execute("update signals set closed_at = now() where customer_id = %s and entity_id = %s", deal)
    signal = {"signal_id": deal, "entity_type": "opportunity", "entity_id": deal, "signal_type": "going_dark"}
    keep(database, worlds[0].event("signal.closed", ("signal", deal), signal, source=SOURCE))
    assert status_of(worlds[0], item) == "expired"


def test_a_converted_lead_is_done_and_a_new_contact_is_a_second_person(database: Database, worlds: list[World]) -> None:
    world = worlds[0]
    lead, convert = open_item(world, "convert_or_create_opportunity", kind="lead")
    deal, add = open_item(world, "add_contact")
    [(account,)] = world.execute("select account_id from opportunities where customer_id = %s and id = %s", deal)
    keep(
        database,
        world.event("opportunity.created", ("opportunity", deal), {"opportunity_id": deal, "lead_id": lead}),
        world.event("contact.created", ("contact", deal), {"contact_id": deal, "account_id": account}),
    )
    assert (status_of(world, convert), status_of(world, add)) == ("completed", "completed")


def test_repeated_events_change_nothing(database: Database, worlds: list[World]) -> None:
    deal, _ = open_item(worlds[0], "call")
    event = call(worlds[0], deal)
    keep(database, event, event)
    before = told(worlds[0])
    keep(database, event)
    assert told(worlds[0]) == before


def test_a_mark_of_staleness_stays_and_the_content_follows(database: Database, worlds: list[World]) -> None:
    world = worlds[0]
    with psycopg.connect(database.pipeline_url) as connection:
        mark_stale(connection, [world.customer_id], reason="checks failed", at=NOW)
    deal, item = open_item(world, "call")
    keep(database, call(world, deal))
    for document in briefings(database, world).values():
        assert (document["status"], document["stale_reason"]) == ("stale", "checks failed")
        assert item not in [one["recommendation_id"] for one in document["items"]]


def test_a_ranking_that_passed_no_checks_is_not_shown(database: Database, worlds: list[World]) -> None:
    world = worlds[0]
    before = briefings(database, world)
    with psycopg.connect(database.pipeline_url) as connection:
        keep_ranking(connection, _left_out([]), customers=[world.customer_id], at=NOW)
    deal, item = open_item(world, "call")
    keep(database, call(world, deal))
    assert status_of(world, item) == "completed"
    assert briefings(database, world) == before
    with psycopg.connect(database.pipeline_url) as connection:
        mark_published(connection, [world.customer_id], at=NOW, now=NOW)
    keep(database, world.event("opportunity.updated", ("opportunity", deal), {"before": {}, "after": {}}))
    assert briefings(database, world) != before


def test_a_refresh_and_an_event_at_once_lose_nothing(database: Database, worlds: list[World]) -> None:
    """The refresh has read what it composes when the event comes: it is put off, and then tells of both."""
    world = worlds[0]
    deal, item = open_item(world, "call")
    with psycopg.connect(database.pipeline_url) as refresh:
        lock_briefings(refresh, [world.customer_id])
        documents = whole(refresh, [world.customer_id])
        keep(database, call(world, deal))
        publish(refresh, documents, at=NOW)
    catch_up(database)
    stored, expected = stored_and_expected(database, [world])
    assert stored == expected
    assert item not in orjson.dumps(list(stored.values())).decode()


def test_a_refresh_as_of_before_an_event_does_not_go_back_in_time(database: Database, worlds: list[World]) -> None:
    world = worlds[0]
    keep(database, *(event for _ in range(6) for event in world.something()))
    world.execute("update accounts set name = 'Anew' where customer_id = %s")
    with psycopg.connect(database.pipeline_url) as connection:
        left_out = left_out_of(connection, [world.customer_id])
        documents = compose(read_inputs(connection, [world.customer_id], left_out), as_of=BEFORE, generated_at=LATER)
        assert publish(connection, documents, at=BEFORE) > 0
        rows = connection.execute(
            "select user_id, as_of from briefings where customer_id = %s order by user_id, version",
            [world.customer_id],
        ).fetchall()
    assert rows == sorted(rows)


def catch_up(database: Database) -> None:
    with psycopg.connect(database.pipeline_url) as connection:
        BriefingKeeper(FixedClock(LATER)).catch_up(connection)


def backlog(world: World) -> int:
    [(number,)] = world.execute("select count(*) from briefing_backlog where customer_id = %s")
    return int(number)


def row_of_ours(connection: psycopg.Connection[Any], world: World, item: str) -> None:
    connection.execute("select from recommendations where id = %s for update", [item])


def lock_of_ours(connection: psycopg.Connection[Any], world: World, item: str) -> None:
    lock_briefings(connection, [world.customer_id])


@pytest.mark.parametrize("take", [row_of_ours, lock_of_ours])
def test_a_tenant_that_is_being_worked_on_waits_alone_and_loses_nothing(
    database: Database, worlds: list[World], take: Callable[..., None]
) -> None:
    ours, theirs = worlds
    (deal, item), (other_deal, other_item) = open_item(ours, "call"), open_item(theirs, "call")
    before = briefings(database, ours)
    with psycopg.connect(database.pipeline_url) as refresh:
        take(refresh, ours, item)
        keep(database, call(ours, deal), call(theirs, other_deal))
        keep(database, call(ours, deal, "email.sent"))
        catch_up(database)
        assert (status_of(ours, item), status_of(theirs, other_item)) == ("pending", "completed")
        assert briefings(database, ours) == before
        assert other_item not in orjson.dumps(list(briefings(database, theirs).values())).decode()
        assert (backlog(ours), backlog(theirs)) == (2, 0)
    catch_up(database)
    assert (status_of(ours, item), backlog(ours)) == ("completed", 0)
    stored, expected = stored_and_expected(database, worlds)
    assert stored == expected


def test_a_tenant_that_cannot_be_kept_stops_nobody_else(database: Database, worlds: list[World]) -> None:
    ours, theirs = worlds
    (deal, _), (other_deal, other_item) = open_item(ours, "call"), open_item(theirs, "call")
    with psycopg.connect(database.pipeline_url) as refresh:
        lock_briefings(refresh, [world.customer_id for world in worlds])
        keep(database, call(ours, deal), call(theirs, other_deal))
    ours.execute("update briefing_backlog set touched = '{\"growth\": 7}' where customer_id = %s")
    catch_up(database)
    assert (status_of(theirs, other_item), backlog(theirs), backlog(ours)) == ("completed", 0, 1)
