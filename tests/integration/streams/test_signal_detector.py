"""Signals from single events: one row an episode, only on what is open, closed when an event shows it is over."""

import itertools
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from bevyly.events.envelope import Event
from bevyly.ids import new_id
from pipelines.repositories.signals import close_signals, upsert_signals
from pipelines.streams.rules import find
from pipelines.streams.signal_detector import SignalDetector
from tests.support.databases import Database
from tests.support.event_streams import CLOCK, NOW, call, change, store

Rows = list[tuple[Any, ...]]


@pytest.fixture
def tenants(database: Database) -> list[str]:
    return [database.add_tenant("ours"), database.add_tenant("theirs")]


def deal(database: Database, tenant: str, status: str = "open") -> str:
    account, opportunity = new_id(), new_id()
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("insert into accounts (customer_id, id, name) values (%s, %s, 'A')", (tenant, account))
        connection.execute(
            "insert into opportunities (customer_id, id, account_id, name, stage, status, stage_entered_at, closed_at) "
            "values (%s, %s, %s, 'D', 'proposal', %s, now(), case when %s <> 'open' then now() end)",
            (tenant, opportunity, account, status, status),
        )
    return opportunity


def detect(database: Database, *events: Event) -> None:
    with psycopg.connect(database.pipeline_url) as connection:
        SignalDetector(CLOCK)(connection, events)


def signals(database: Database, columns: str = "customer_id, entity_id, signal_type, found_by, closed_at") -> Rows:
    with psycopg.connect(database.owner_url) as connection:
        return connection.execute(f"select {columns} from signals order by signal_type, dedupe_key").fetchall()


def replied(tenant: str, opportunity: str) -> Event:
    event = call(tenant, opportunity, direction="inbound", kind="proposal")
    return msgspec.structs.replace(event, type="proposal.replied")


def test_an_answer_raises_a_signal_on_the_open_deal_of_its_tenant(database: Database, tenants: list[str]) -> None:
    ours, theirs = deal(database, tenants[0]), deal(database, tenants[1])
    lost = deal(database, tenants[0], "lost")
    detect(database, replied(tenants[0], ours), replied(tenants[0], lost), replied(tenants[0], theirs))
    assert signals(database) == [(tenants[0], ours, "high_intent_action", "stream", None)]


def test_a_repeated_event_is_the_same_row(database: Database, tenants: list[str]) -> None:
    event = replied(tenants[0], deal(database, tenants[0]))
    detect(database, event)
    before = signals(database, "*")
    detect(database, event, event)
    assert signals(database, "*") == before


def test_the_batch_pass_updates_the_row_that_the_stream_found(database: Database, tenants: list[str]) -> None:
    event = replied(tenants[0], deal(database, tenants[0]))
    detect(database, event)
    later = [dict(row) | {"title": "Answered yesterday", "seen_at": NOW + timedelta(days=1)} for row in find(event)]
    with psycopg.connect(database.pipeline_url) as connection:
        assert upsert_signals(connection, later, found_by="batch", at=NOW) == 1
        assert upsert_signals(connection, later, found_by="batch", at=NOW) == 0
        assert upsert_signals(connection, find(event), found_by="stream", at=NOW) == 0
    assert signals(database, "title, found_by, first_seen_at, last_seen_at") == [
        ("Answered yesterday", "stream", NOW, NOW + timedelta(days=1))
    ]


def dark(tenant: str, opportunity: str, seen_at: Any = NOW) -> dict[str, Any]:
    finding = dict(find(replied(tenant, opportunity))[0])
    return finding | {"signal_type": "going_dark", "polarity": "-", "dedupe_key": f"going_dark:{opportunity}",
                      "seen_at": seen_at}  # fmt: skip


def test_contact_ends_the_silence_of_that_entity_only(database: Database, tenants: list[str]) -> None:
    first, second, theirs = deal(database, tenants[0]), deal(database, tenants[0]), deal(database, tenants[1])
    with psycopg.connect(database.pipeline_url) as connection:
        rows = [dark(tenants[0], first), dark(tenants[0], second), dark(tenants[1], theirs)]
        upsert_signals(connection, rows, found_by="batch", at=NOW)
    detect(database, call(tenants[0], first), call(tenants[0], theirs))
    closed = {entity: at for _, entity, _, _, at in signals(database)}
    assert closed == {first: NOW, second: None, theirs: None}


def test_an_old_event_does_not_close_what_was_seen_after_it(database: Database, tenants: list[str]) -> None:
    opportunity = deal(database, tenants[0])
    with psycopg.connect(database.pipeline_url) as connection:
        upsert_signals(connection, [dark(tenants[0], opportunity, NOW + timedelta(hours=1))], found_by="batch", at=NOW)
    detect(database, call(tenants[0], opportunity))
    assert [row[-1] for row in signals(database)] == [None]


def test_only_a_later_finding_opens_a_closed_signal_again(database: Database, tenants: list[str]) -> None:
    opportunity = deal(database, tenants[0])
    closing = {"customer_id": tenants[0], "entity_type": "opportunity", "entity_id": opportunity}
    with psycopg.connect(database.pipeline_url) as connection:
        upsert_signals(connection, [dark(tenants[0], opportunity)], found_by="batch", at=NOW)
        over = closing | {"signal_type": None, "reason": "decided", "at": NOW + timedelta(hours=1)}
        assert close_signals(connection, [over, over]) == 1
        assert upsert_signals(connection, [dark(tenants[0], opportunity)], found_by="batch", at=NOW) == 0
        again = [dark(tenants[0], opportunity, NOW + timedelta(hours=2))]
        assert upsert_signals(connection, again, found_by="batch", at=NOW) == 1
    assert [row[-1] for row in signals(database)] == [None]


def test_a_slipped_close_date_is_keyed_by_the_event_that_moved_it(database: Database, tenants: list[str]) -> None:
    opportunity = deal(database, tenants[0])
    event = change(
        tenants[0],
        opportunity,
        before={"expected_close_date": "2026-12-01"},
        after={"expected_close_date": "2027-02-01"},
    )
    detect(database, event)
    key = f"close_date_slipped:opportunity:{opportunity}:{event.id}"
    assert signals(database, "dedupe_key, severity, evidence") == [(key, "high", [event.id])]


def test_a_tenant_that_draws_its_own_line_is_judged_by_it(database: Database, tenants: list[str]) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            'update customers set settings = \'{"signals": {"slip_days": 90}}\' where id = %s', (tenants[0],)
        )
    moved = {"before": {"expected_close_date": "2026-12-01"}, "after": {"expected_close_date": "2027-02-01"}}
    deals = [deal(database, tenant) for tenant in tenants]
    detect(database, *(change(tenant, one, **moved) for tenant, one in zip(tenants, deals, strict=True)))
    assert signals(database, "customer_id, signal_type") == [(tenants[1], "close_date_slipped")]


def amendments(tenant: str, opportunity: str, name: str, *values: Any) -> list[Event]:
    """The events of a field that takes one of `values` after the other."""
    return [
        msgspec.structs.replace(
            change(tenant, opportunity, before={name: before}, after={name: after}), sequence=number
        )
        for number, (before, after) in enumerate(itertools.pairwise(values), start=2)
    ]


def store_in(database: Database, *events: Event) -> None:
    with psycopg.connect(database.pipeline_url) as connection:
        store(connection, events)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("stored", [False, True])
def test_a_date_that_keeps_moving_is_told_with_the_moves_before(
    database: Database, tenants: list[str], stored: bool, batch: int
) -> None:
    opportunity = deal(database, tenants[0])
    days = ("2026-12-01", "2026-12-06", "2026-12-11")
    moves = amendments(tenants[0], opportunity, "expected_close_date", *days)
    for start in range(0, 2, batch):
        detect(database, *moves[start : start + batch])
        if stored:
            store_in(database, *moves[start : start + batch])
    assert signals(database, "title, evidence") == [("Close date moved out 2 times, by 10 days in all", [moves[1].id])]


def test_an_amount_near_the_first_one_again_is_no_longer_news(database: Database, tenants: list[str]) -> None:
    opportunity = deal(database, tenants[0])
    up, back = amendments(tenants[0], opportunity, "value_minor", 100_00, 150_00, 101_00)
    detect(database, up)
    assert signals(database, "title, closed_at") == [("Amount is 50 % higher than at first", None)]
    detect(database, back)
    assert signals(database, "title, close_reason") == [
        ("Amount is 50 % higher than at first", "the amount changed again")
    ]


def told_of_account(event: Event, account: str, type_: str, **data: Any) -> Event:
    kind = type_.partition(".")[0]
    return msgspec.structs.replace(event, id=new_id(), type=type_, subject=f"{kind}/{account}", data=data)


def account_of(database: Database, opportunity: str) -> str:
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute("select account_id from opportunities where id = %s", (opportunity,)).fetchone()
    assert row
    return str(row[0])


def later(event: Event, minutes: int) -> Event:
    return msgspec.structs.replace(event, recorded_time=NOW + timedelta(minutes=minutes))


def test_news_of_a_company_is_told_on_its_open_deals_and_else_on_itself(database: Database, tenants: list[str]) -> None:
    opportunity = deal(database, tenants[0])
    account = account_of(database, opportunity)
    moved = call(tenants[0], opportunity)
    sizes = {"before": {"employee_count": 10}, "after": {"employee_count": 20}}
    grown = told_of_account(moved, account, "account.updated", account_id=account, **sizes)
    detect(database, grown)
    on_deal = ("account_event", "opportunity", opportunity)
    assert signals(database, "signal_type, entity_type, entity_id, closed_at") == [(*on_deal, None)]

    statement = "update opportunities set status = 'won', closed_at = now() where id = %s"
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(statement, (opportunity,))
    decided = told_of_account(moved, opportunity, "opportunity.stage_changed", opportunity_id=opportunity, status="won")
    detect(database, later(decided, 1))
    open_ones = "entity_type, entity_id, closed_at is null, evidence"
    assert signals(database, open_ones) == [
        ("account", account, True, [grown.id]), ("opportunity", opportunity, False, [grown.id])
    ]  # fmt: skip

    with psycopg.connect(database.owner_url) as connection:
        connection.execute("update opportunities set status = 'open', closed_at = null where id = %s", (opportunity,))
    again = told_of_account(moved, opportunity, "opportunity.stage_changed", opportunity_id=opportunity, status="open")
    detect(database, later(again, 2))
    assert [row[:3] for row in signals(database, open_ones)] == [
        ("account", account, False), ("opportunity", opportunity, True)
    ]  # fmt: skip


def test_two_answers_of_a_provider_are_news_and_answers_of_two_are_not(database: Database, tenants: list[str]) -> None:
    opportunity = deal(database, tenants[0])
    account = account_of(database, opportunity)
    answers = [
        told_of_account(call(tenants[0], opportunity), new_id(), "enrichment.completed", entity_type="account",
                        entity_id=account, provider=provider, status="matched", fields={"employee_count": count})
        for provider, count in (("apollo", 100), ("other", 300), ("apollo", 40))
    ]  # fmt: skip
    answers = [
        msgspec.structs.replace(later(one, minute), time=NOW + timedelta(minutes=minute))
        for minute, one in enumerate(answers)
    ]
    for one in answers[:2]:
        detect(database, one)
    assert signals(database) == []
    detect(database, answers[2])
    assert signals(database, "entity_id, title") == [(opportunity, "The company is shrinking: headcount down 60 %")]


def test_what_a_customer_does_about_a_lead_counts_for_the_deal_that_it_became(
    database: Database, tenants: list[str]
) -> None:
    opportunity, lead = deal(database, tenants[0]), new_id()
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            "insert into leads (customer_id, id, company_name, status, opportunity_id, converted_at) "
            "values (%s, %s, 'L', 'converted', %s, now())",
            (tenants[0], lead, opportunity),
        )
    asked = call(tenants[0], opportunity, direction="inbound", kind="meeting", opportunity_id=None, lead_id=lead)
    detect(database, msgspec.structs.replace(asked, type="meeting.scheduled"))
    assert signals(database, "entity_type, entity_id, title") == [
        ("opportunity", opportunity, "The customer asked for a meeting today")
    ]


def test_of_a_tenant_that_nobody_knows_nothing_is_kept(database: Database, tenants: list[str]) -> None:
    detect(database, *amendments(new_id(), new_id(), "value_minor", 100_00, 900_00))
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("select count(*) from recent_changes").fetchall() == [(0,)]
