"""Sentences of a model in briefings, over a stand-in for OpenAI: only what was checked, only for who wants it, whatever
OpenAI does."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
import polars as pl
import psycopg
import pytest
from openai import OpenAI

from bevyly.clock import FixedClock
from bevyly.integrations.openai.connect import connect_openai
from bevyly.settings import Settings
from pipelines.briefing.inputs import LEFT_OUT
from pipelines.briefing.live import recompose
from pipelines.repositories.briefing_inputs import read_inputs
from pipelines.repositories.briefings import latest_briefings
from pipelines.repositories.rankings import keep_ranking, mark_published
from pipelines.resources import Warehouse
from pipelines.wording.fill import LONGEST_RUN, Wording, WordingCounts
from tests.integration.repositories.builders import NOW, Tenant
from tests.integration.repositories.test_activation import frames_of, run
from tests.support.databases import Database
from tests.support.openai_stand_in import StandIn, openai_stand_in

Connection = psycopg.Connection[Any]
Tenants = tuple[Tenant, Tenant]
LATER = NOW + timedelta(minutes=30)
GOOD = "Call [ACCOUNT] about [NAME]: no answer to the offer for nine days."


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with openai_stand_in(say=lambda _: GOOD) as running:
        yield running


@pytest.fixture
def published(connection: Connection, tenants: Tenants) -> Tenants:
    """Briefings of both tenants, each with a deal to call about; the first one wants sentences of a model."""
    customers = [tenant.customer_id for tenant in tenants]
    run(connection, tenants, frames_of(tenants))
    keep_ranking(connection, pl.DataFrame(schema=dict(LEFT_OUT)), customers=customers, at=NOW)
    mark_published(connection, customers, at=NOW, now=NOW)
    want(connection, tenants[0])
    connection.commit()
    return tenants


def want(connection: Connection, tenant: Tenant, *, wanted: bool = True) -> None:
    connection.execute(
        "update customers set settings = settings || jsonb_build_object('model_wording', %s::bool) where id = %s",
        (wanted, tenant.customer_id),
    )


def step(database: Database, stand_in: StandIn, *, at: datetime = LATER, daily: int = 9, **more: Any) -> WordingCounts:
    settings = Settings(openai_api_key="k" * 20, openai_base_url=stand_in.url, _env_file=None)  # type: ignore[call-arg]  # pydantic's own

    def client() -> OpenAI:
        return connect_openai(settings).with_options(timeout=0.4, max_retries=1)

    wording = Wording(
        warehouse=Warehouse(url=database.pipeline_url), client=more.pop("client", client), model="gpt-5.4-mini",
        daily=daily, clock=FixedClock(at), **more,
    )  # fmt: skip
    return wording.run([row[0] for row in _all(database, "select id from customers")])


def _all(database: Database, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner_url) as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def items(connection: Connection, tenant: Tenant) -> list[dict[str, Any]]:
    found = latest_briefings(connection, [tenant.customer_id])["document"].to_list()
    return [item for document in found for item in orjson.loads(document)["items"]]


def test_a_checked_sentence_is_published_beside_ours(
    database: Database, connection: Connection, published: Tenants, stand_in: StandIn
) -> None:
    north, south = published
    counts = step(database, stand_in)
    assert (counts.asked, counts.used, counts.published, counts.halted) == (1, 1, 2, None)
    for item in items(connection, north):
        account = item["entity"]["account_name"]
        text = f"Call {account} about Renewal: no answer to the offer for nine days."
        assert item["wording"] == {"text": text, "model": "gpt-5.4-mini"}
        assert item["rationale"].startswith("Offer of EUR 15,000")
    assert all("wording" not in item for item in items(connection, south)), "who did not ask gets none"
    [asked] = stand_in.requests
    assert asked["store"] is False
    assert "Blue Harbor" not in str(asked)
    assert "Renewal" not in str(asked)


def test_the_same_facts_are_asked_for_once_and_give_the_same_bytes(
    database: Database, connection: Connection, published: Tenants, stand_in: StandIn
) -> None:
    step(database, stand_in)
    worded = latest_briefings(connection, [published[0].customer_id])
    again = step(database, stand_in, at=LATER + timedelta(hours=1))
    assert (again.asked, again.published, stand_in.calls) == (0, 0, 1)
    users = read_inputs(connection, [published[0].customer_id]).users
    assert recompose(connection, users, at=LATER + timedelta(hours=2)) == 0
    assert latest_briefings(connection, [published[0].customer_id]).equals(worded)
    want(connection, published[0], wanted=False)
    assert recompose(connection, users, at=LATER + timedelta(hours=3)) == 2
    assert all("wording" not in item for item in items(connection, published[0]))


@pytest.mark.parametrize("answer", ["Call them now: a chance of 100 % that they sign.", "x", "[OWNER] " * 20])
def test_what_does_not_hold_against_the_facts_is_kept_as_refused_and_ours_stays(
    database: Database, connection: Connection, published: Tenants, stand_in: StandIn, answer: str
) -> None:
    before = latest_briefings(connection, [published[0].customer_id])
    stand_in.say = lambda _: answer
    counts = step(database, stand_in)
    assert (counts.used, counts.refused, counts.published) == (0, 1, 0)
    assert step(database, stand_in, at=LATER + timedelta(days=2)).asked == 0, "it would say so again"
    [(status, text, reason)] = _all(database, "select status, text, reason from wordings")
    assert (status, text, bool(reason)) == ("refused", None, True)
    assert latest_briefings(connection, [published[0].customer_id]).equals(before)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("server error", (0, 1, None)),
        ("slow", (0, 1, None)),
        ("rate limit", (0, 1, "OpenAI: RateLimitError")),
        ("key", (0, 1, "OpenAI: AuthenticationError")),
        ("malformed", (1, 0, None)),
        ("declined", (1, 0, None)),
        ("cut off", (1, 0, None)),
    ],
)
def test_whatever_openai_does_briefings_stay_as_they_are(
    database: Database, published: Tenants, stand_in: StandIn, fault: str, expected: tuple[int, int, str | None]
) -> None:
    documents = "select document from briefings order by customer_id, user_id, version"
    before = _all(database, documents)
    stand_in.faults = deque([fault] * 9)
    counts = step(database, stand_in)
    assert ((counts.refused, counts.failed, counts.halted), counts.published) == (expected, 0)
    assert _all(database, documents) == before
    stand_in.faults.clear()
    assert step(database, stand_in).asked == 0, "what was asked for today is not asked for again today"
    assert step(database, stand_in, at=LATER + timedelta(days=1)).used == counts.failed


def test_who_is_away_is_left_alone_and_a_run_has_an_end(
    database: Database, connection: Connection, published: Tenants, stand_in: StandIn
) -> None:
    for number in range(4):
        connection.execute(
            "insert into recommendations (customer_id, id, owner_id, entity_type, entity_id, action_type, payload, "
            "priority, title, rationale, reasons, evidence, urgency, expected_value_minor, expected_value_low_minor, "
            "expected_value_high_minor, basis, rank, status, expires_at, dedupe_key, as_of) select customer_id, "
            "gen_random_uuid()::text, owner_id, entity_type, entity_id, 'add_contact', payload, priority, title, "
            "'No answer for ' || %s || ' days.', reasons, evidence, urgency, expected_value_minor, "
            "expected_value_low_minor, expected_value_high_minor, basis, rank, 'pending', expires_at, %s, as_of "
            "from recommendations where customer_id = %s and action_type = 'call'",
            (number, f"more{number}", published[0].customer_id),
        )
    connection.commit()
    late = iter([0.0, *[LONGEST_RUN + 1] * 9])
    assert "seconds" in str(step(database, stand_in, seconds=lambda: next(late)).halted)
    assert stand_in.calls == 0
    stand_in.faults = deque(["server error"] * 99)
    counts = step(database, stand_in)
    assert (counts.asked, counts.failed) == (3, 3)
    assert counts.halted == "OpenAI: InternalServerError"
    assert stand_in.calls == 6, "each was tried twice"
    stand_in.faults.clear()
    assert step(database, stand_in, daily=4).asked == 1, "the budget of the day counts what was asked in vain"
    assert step(database, stand_in, daily=4).asked == 0


def test_without_a_key_it_says_so_in_a_sentence(database: Database, published: Tenants, stand_in: StandIn) -> None:
    off = Settings(openai_api_key=None, _env_file=None)  # type: ignore[call-arg]  # pydantic's own
    counts = step(database, stand_in, client=lambda: connect_openai(off))
    assert counts.halted == "Wording by OpenAI is off: OPENAI_API_KEY is not set."
    assert (counts.asked, stand_in.calls) == (0, 0)
