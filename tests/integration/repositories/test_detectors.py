"""What detectors are worth on real PostgreSQL: written once, obeyed by passes and streams, a person's word first."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import psycopg
import pytest

from models.signals.detect import detect
from models.signals.frames import Frames
from models.signals.lines import LINES
from models.signals.scoreboard import COUNTS
from models.signals.standing import FEEDBACK, judge
from pipelines.repositories.detectors import (
    ears,
    feedback,
    hushed,
    learned_lines,
    muted,
    replace_lines,
    replace_standings,
    shared_counts,
    silenced,
    weights,
)
from pipelines.repositories.signal_passes import open_signals
from pipelines.repositories.signals import upsert_signals
from tests.integration.repositories.builders import NOW, Tenant
from tests.unit.models.signals.builders import opportunities, stage_norms

Connection = psycopg.Connection[Any]
Tenants = tuple[Tenant, Tenant]
LATER = NOW + timedelta(days=1)


def counts(*rows: tuple[str, str, int, int, float]) -> pl.DataFrame:
    days = dict.fromkeys(("lead_days", "lead_days_low", "lead_days_high"), 20.0)
    names = ("customer_id", "signal_type", "n", "hits", "expected")
    told = [dict(zip(names, row, strict=True)) for row in rows]
    return pl.DataFrame([row | days | {"votes": row["n"], "votes_right": row["hits"]} for row in told], schema=COUNTS)


def stand(connection: Connection, tenant: Tenant, *rows: tuple[str, int, int, float], at: datetime = NOW) -> Any:
    customers = [tenant.customer_id]
    told = counts(*((tenant.customer_id, *row) for row in rows))
    empty = pl.DataFrame(schema=FEEDBACK)
    found = judge(told, empty, silenced(connection, customers), shared_counts(connection, customers, told))
    return replace_standings(connection, found, customers=customers, at=at)


def override(connection: Connection, tenant: Tenant, signal_type: str, *, is_muted: bool) -> None:
    connection.execute(
        "insert into detector_overrides (customer_id, signal_type, muted, set_by, set_at) values (%s, %s, %s, %s, %s)",
        (tenant.customer_id, signal_type, is_muted, tenant.owner_id, NOW),
    )


def raise_signals(connection: Connection, tenant: Tenant, *, at: datetime = NOW) -> pl.DataFrame:
    """A deal that is stalled and dark."""
    deal = {
        "customer_id": tenant.customer_id, "opportunity_id": tenant.opportunity_id, "as_of": at,
        "days_in_stage": 40.0, "days_since_last_activity": 20.0,
    }  # fmt: skip
    norms = stage_norms({"customer_id": tenant.customer_id})
    known = weights(connection, [tenant.customer_id])
    found = detect(Frames(opportunities=opportunities(deal), stage_norms=norms, weights=known), as_of=at)
    upsert_signals(connection, found, found_by="batch", at=at)
    return found


def announced(connection: Connection) -> list[str]:
    event = "envelope::jsonb"
    query = f"select {event} -> 'data' ->> 'signal_type' from outbox where {event} ->> 'type' like '%signal.raised'"
    return sorted(row[0] for row in connection.execute(query).fetchall())


USELESS = ("going_dark", 2000, 1400, 1400.0)
GOOD = ("deal_stalled", 400, 340, 260.0)


def test_an_identical_pass_writes_nothing_and_a_change_is_dated(connection: Connection, tenants: Tenants) -> None:
    assert stand(connection, tenants[0], USELESS, GOOD) == {"written": 2, "forgotten": 0}
    assert stand(connection, tenants[0], USELESS, GOOD, at=LATER) == {"written": 0, "forgotten": 0}
    since = "select muted, since from detector_standings where signal_type = 'going_dark'"
    assert connection.execute(since).fetchall() == [(True, NOW)]
    back = ("going_dark", 2000, 1600, 1400.0)
    assert stand(connection, tenants[0], back, at=LATER) == {"written": 1, "forgotten": 1}
    assert connection.execute(since).fetchall() == [(False, LATER)]


def test_what_a_muted_detector_finds_is_stored_and_heard_by_nobody(connection: Connection, tenants: Tenants) -> None:
    stand(connection, tenants[0], USELESS, GOOD)
    found = [set(raise_signals(connection, tenant)["signal_type"]) for tenant in tenants]
    assert found == [{"going_dark", "deal_stalled"}] * 2
    heard = {t.customer_id: set() for t in tenants}
    for tenant, signal_type in open_signals(connection, list(heard)).select("customer_id", "signal_type").rows():
        heard[tenant].add(signal_type)
    assert list(heard.values()) == [{"deal_stalled"}, {"going_dark", "deal_stalled"}]
    stored = connection.execute("select count(*) from signals where signal_type = 'going_dark'").fetchone()
    assert stored == (2,)
    assert announced(connection) == ["deal_stalled", "deal_stalled", "going_dark"]
    assert hushed(connection, list(heard)).rows() == [(tenants[0].customer_id, tenants[0].member_id, 1)]


@pytest.mark.parametrize("is_muted", [True, False])
def test_a_persons_word_goes_before_the_rule(connection: Connection, tenants: Tenants, is_muted: bool) -> None:
    stand(connection, tenants[0], GOOD if is_muted else USELESS)
    signal_type = GOOD[0] if is_muted else USELESS[0]
    override(connection, tenants[0], signal_type, is_muted=is_muted)
    mine = tenants[0].customer_id
    assert muted(connection, [mine]) == ({(mine, signal_type)} if is_muted else set())
    raise_signals(connection, tenants[0])
    assert (signal_type in set(open_signals(connection, [mine])["signal_type"])) is not is_muted
    # the rule goes on keeping its own record
    assert stand(connection, tenants[0], USELESS, at=LATER)["written"] == is_muted
    assert silenced(connection, [mine]).rows() == [(mine, "going_dark")]


def test_streams_hear_what_people_set_and_how_loud_a_detector_is(connection: Connection, tenants: Tenants) -> None:
    stand(connection, tenants[0], USELESS, GOOD)
    connection.execute(
        'update customers set settings = \'{"signals": {"slip_days": 9, "dark_days@proposal": 3}}\' where id = %s',
        (tenants[1].customer_id,),
    )
    known = ears(connection, {t.customer_id for t in tenants})
    north, south = (known[t.customer_id] for t in tenants)
    assert north.weights["going_dark"] == 0.5
    assert north.weights["deal_stalled"] > 1
    assert (north.line.slip_days, south.line.slip_days, south.line.dark_days, south.weights) == (30, 9, 14, {})
    assert set(weights(connection, [tenants[0].customer_id])["weight"]) == set(north.weights.values())


def test_others_lend_what_they_have_seen_where_they_may(connection: Connection, tenants: Tenants) -> None:
    north, south = (t.customer_id for t in tenants)
    stand(connection, tenants[1], GOOD)
    mine = counts((north, "ghosted", 10, 9, 5.0))
    assert set(shared_counts(connection, [north], mine)["customer_id"]) == {north, south}
    connection.execute("update customers set pooling = false")
    assert shared_counts(connection, [north], mine).is_empty()


def test_lines_are_learned_kept_and_forgotten(connection: Connection, tenants: Tenants) -> None:
    mine = [tenants[0].customer_id]
    lines = pl.DataFrame([(mine[0], "dark_days", "proposal", 21.0, 60, 1.5)], schema=LINES, orient="row")
    assert [replace_lines(connection, lines, customers=mine, at=at) for at in (NOW, LATER)] == [1, 0]
    assert learned_lines(connection, mine).rows() == lines.rows()
    assert learned_lines(connection, [tenants[1].customer_id]).is_empty()
    assert replace_lines(connection, lines.clear(), customers=mine, at=LATER) == 1
    assert learned_lines(connection, mine).is_empty()


def test_answers_of_people_count_for_the_detector_they_were_about(connection: Connection, tenants: Tenants) -> None:
    tenant = tenants[0]
    raise_signals(connection, tenant)
    (signal_id,) = connection.execute("select id from signals where signal_type = 'going_dark'").fetchone() or ("",)
    answers = [
        ("dismissed", "wrong", tenant.member_id), ("dismissed", "Not useful", tenant.member_id),
        ("completed", None, tenant.member_id), ("completed", None, None), ("pending", "wrong", tenant.member_id),
    ]  # fmt: skip
    for number, (status, reason, who) in enumerate(answers):
        connection.execute(
            "insert into recommendations (customer_id, id, signal_id, entity_type, entity_id, action_type, payload, "
            "priority, title, rationale, reasons, evidence, urgency, expected_value_minor, expected_value_low_minor, "
            "expected_value_high_minor, basis, rank, status, expires_at, feedback, acted_by, acted_at, dedupe_key, "
            "as_of) values (%s, gen_random_uuid()::text, %s, 'opportunity', %s, 'call', '{}', 'low', 't', 'r', '[]', "
            "'[]', 1, 1, 1, 1, 'prior', 1, %s, %s, jsonb_build_object('reason', %s::text), %s, %s, %s, %s)",
            (tenant.customer_id, signal_id, tenant.opportunity_id, status, LATER, reason, who, NOW, str(number), NOW),
        )
    found = feedback(connection, [tenant.customer_id], at=LATER)
    assert found.rows() == [(tenant.customer_id, "going_dark", 3, 1, 1)]
    assert feedback(connection, [tenant.customer_id], at=NOW - timedelta(days=1)).is_empty()
