"""From marts to stored briefings on real PostgreSQL, for two tenants at once: written, repeated, changed, answered."""

from datetime import timedelta
from typing import Any

import orjson
import polars as pl
import psycopg
import pytest

from bevyly.ids import new_id
from models.patterns.find import MEMBER_SCHEMA, PATTERN_SCHEMA, find
from models.patterns.learn import nothing_learned
from models.ranking.done import done
from models.ranking.effects import priors
from models.ranking.rank import rank
from models.signals.detect import detect
from models.signals.frames import Frames
from pipelines.briefing.compose import compose
from pipelines.repositories.briefing_inputs import read_inputs
from pipelines.repositories.briefings import latest_briefings, mark_stale, publish
from pipelines.repositories.patterns import open_patterns, recent_clusters, replace_patterns
from pipelines.repositories.recommendations import (
    complete_done,
    decisions,
    expire_moot,
    open_recommendations,
    replace_recommendations,
    wake_snoozed,
)
from pipelines.repositories.signal_passes import close_missing, open_signals
from pipelines.repositories.signals import upsert_signals
from tests.integration.repositories.builders import NOW, Tenant
from tests.support.databases import Database
from tests.unit.models.signals.builders import leads, opportunities, stage_norms

Connection = psycopg.Connection[Any]
Tenants = tuple[Tenant, Tenant]


def frames_of(tenants: Tenants, **changes: Any) -> Frames:
    """Each tenant's deal, with an offer unanswered for nine days, stalled, and an idle lead."""
    deal = {
        "as_of": NOW, "days_in_stage": 19.0, "age_days": 19.0, "proposals_sent": 1.0,
        "outbound_since_last_inbound": 1.0, "days_since_last_inbound": 9.0, "days_since_last_activity": 9.0,
        "days_since_last_outbound": 9.0,
    } | changes  # fmt: skip
    return Frames(
        opportunities=opportunities(
            *(
                deal | {"customer_id": t.customer_id, "opportunity_id": t.opportunity_id, "owner_id": t.member_id,
                        "account_id": t.account_id, "last_outbound_event_id": t.event_id,
                        "last_inbound_event_id": None}
                for t in tenants
            )
        ),
        leads=leads(*({"as_of": NOW, "customer_id": t.customer_id, "lead_id": t.lead_id} for t in tenants)),
        stage_norms=stage_norms(*({"customer_id": t.customer_id} for t in tenants)),
    )  # fmt: skip


def run(connection: Connection, tenants: Tenants, frames: Frames, *, at: Any = NOW) -> dict[str, Any]:
    """One full pass, in the order that assets run it."""
    customers = [t.customer_id for t in tenants]
    found = detect(frames, as_of=at)
    entities = pl.concat(
        frame.select("customer_id", pl.lit(kind).alias("entity_type"), pl.col(f"{kind}_id").alias("entity_id"))
        for kind, frame in (("opportunity", frames.opportunities), ("lead", frames.leads))
        if frame is not None
    )
    counts: dict[str, Any] = {"signals": upsert_signals(connection, found, found_by="batch", at=at)}
    counts["closed"] = close_missing(connection, found, entities, customers=customers, at=at)
    signals = open_signals(connection, customers)
    patterns, members = find(signals, frames, nothing_learned())
    counts["patterns"] = replace_patterns(connection, patterns, members, customers=customers, at=at)
    counts["woken"] = wake_snoozed(connection, customers, at=at)
    none = pl.DataFrame(schema={"customer_id": pl.String, "entity_id": pl.String})
    finished = done(open_recommendations(connection, customers), frames, lost=none, converted=none)
    counts["done"] = complete_done(connection, finished, at=at)
    ranked = rank(
        signals,
        patterns,
        members,
        frames,
        effects=priors(customers),
        tenants=pl.DataFrame(
            {
                "customer_id": customers,
                "currency": ["EUR"] * 2,
                "median_won_minor": [1_000_000.0] * 2,
                "holdout": [0.0] * 2,
                "explored": [0.0] * 2,
            }
        ),
        decisions=decisions(connection, customers, at=at),
    )
    counts["recommendations"] = replace_recommendations(connection, ranked.recommendations, customers=customers, at=at)
    documents = compose(read_inputs(connection, customers, ranked.left_out), as_of=at, generated_at=at)
    counts["briefings"] = publish(connection, documents, at=at)
    return counts


def statuses(connection: Connection, tenant: Tenant) -> dict[str, str]:
    rows = connection.execute(
        "select action_type, status from recommendations where customer_id = %s order by created_at, id",
        (tenant.customer_id,),
    ).fetchall()
    return dict(rows)


@pytest.fixture
def first(connection: Connection, tenants: Tenants) -> dict[str, Any]:
    return run(connection, tenants, frames_of(tenants))


def test_what_ended_after_the_picture_was_taken_is_not_proposed_from_it(
    connection: Connection, tenants: Tenants, first: dict[str, Any]
) -> None:
    items = open_recommendations(connection, [tenants[0].customer_id]).select("customer_id", "dedupe_key")
    assert expire_moot(connection, items, at=NOW + timedelta(minutes=1)) == items.height > 0
    run(connection, tenants, frames_of(tenants))
    assert set(statuses(connection, tenants[0]).values()) == {"expired"}
    run(connection, tenants, frames_of(tenants), at=NOW + timedelta(minutes=2))
    assert "pending" in statuses(connection, tenants[0]).values()


def test_a_pass_writes_everything_for_both_tenants(
    connection: Connection, tenants: Tenants, first: dict[str, Any]
) -> None:
    assert first["signals"] == 4
    assert first["patterns"]["written"] == 2
    assert first["patterns"]["linked"] == 4
    assert first["recommendations"] == {"refreshed": 0, "inserted": 2, "superseded": 0, "expired": 0}
    assert first["briefings"] == 4
    for tenant in tenants:
        assert statuses(connection, tenant) == {"call": "pending"}
        own = latest_briefings(connection, [tenant.customer_id])
        for row in own.iter_rows(named=True):
            document = orjson.loads(row["document"])
            assert [item["entity"]["id"] for item in document["items"]] == [tenant.opportunity_id]
            [proof] = document["items"][0]["evidence"]
            assert (proof["event_id"], proof["text"]) == (tenant.event_id, "Offer sent: Offer 1")
            assert document["items"][0]["pattern"]["type"] == "silent_slide"


def test_no_briefing_names_anything_of_the_other_tenant(
    connection: Connection, tenants: Tenants, first: dict[str, Any]
) -> None:
    north, south = tenants
    for own, other in ((north, south), (south, north)):
        text = "".join(latest_briefings(connection, [own.customer_id])["document"].to_list())
        assert own.opportunity_id in text
        assert other.opportunity_id not in text
        assert other.event_id not in text


def test_the_same_pass_again_changes_nothing(connection: Connection, tenants: Tenants, first: dict[str, Any]) -> None:
    again = run(connection, tenants, frames_of(tenants), at=NOW + timedelta(minutes=5))
    assert again["signals"] == again["closed"] == again["done"] == again["briefings"] == 0
    assert again["patterns"] == {"written": 0, "closed": 0, "linked": 0, "unlinked": 0}
    assert set(again["recommendations"].values()) == {0}


def test_a_call_completes_the_recommendation_announces_it_and_closes_the_signal(
    connection: Connection, tenants: Tenants, first: dict[str, Any]
) -> None:
    later = NOW + timedelta(hours=3)
    called = frames_of(
        tenants, as_of=later, calls_total=1.0, calls_7d=1.0, days_since_last_outbound=0.1, days_since_last_inbound=0.1,
        outbound_since_last_inbound=0.0, days_since_last_activity=0.1, days_in_stage=1.0,
    )  # fmt: skip
    counts = run(connection, tenants, called, at=later)
    assert counts["done"] == 2
    assert counts["closed"] == 4
    assert counts["patterns"]["closed"] == 2
    assert statuses(connection, tenants[0]) == {"call": "completed"}
    events = connection.execute(
        "select envelope from outbox where envelope like '%recommendation.completed%'"
    ).fetchall()
    assert len(events) == 2
    assert counts["briefings"] == 4
    assert latest_briefings(connection, [tenants[0].customer_id])["version"].to_list() == [2, 2]


@pytest.mark.parametrize("status", ["dismissed", "accepted", "snoozed"])
def test_an_answer_of_a_person_stands(
    connection: Connection, tenants: Tenants, first: dict[str, Any], status: str
) -> None:
    north, south = tenants
    until = NOW + timedelta(days=2)
    connection.execute(
        "update recommendations set status = %s, acted_at = %s, acted_by = %s, snoozed_until = %s, title = 'mine' "
        "where customer_id = %s",
        (status, NOW, north.owner_id, until if status == "snoozed" else None, north.customer_id),
    )
    later = NOW + timedelta(days=1)
    frames = frames_of(tenants, as_of=later, days_in_stage=20.0)
    counts = run(connection, tenants, frames, at=later)
    # another action for the deal is proposed after a dismissal, but not while the call is in somebody's hands
    assert statuses(connection, north) == {"call": status} | (
        {"draft_email": "pending"} if status == "dismissed" else {}
    )
    assert statuses(connection, south) == {"call": "pending"}
    assert counts["recommendations"]["refreshed"] == 1
    untouched = connection.execute("select count(*) from recommendations where title = 'mine'").fetchone()
    assert untouched == (1,)


def test_a_snoozed_item_wakes_and_a_dismissed_one_comes_back_after_its_rest(
    connection: Connection, tenants: Tenants, first: dict[str, Any]
) -> None:
    north, south = tenants
    connection.execute(
        "update recommendations set status = 'snoozed', snoozed_until = %s where customer_id = %s",
        (NOW + timedelta(days=2), north.customer_id),
    )
    connection.execute(
        "update recommendations set status = 'dismissed', acted_at = %s where customer_id = %s",
        (NOW, south.customer_id),
    )
    counts = run(connection, tenants, frames_of(tenants, as_of=NOW + timedelta(days=15)), at=NOW + timedelta(days=15))
    assert counts["woken"] == 1
    assert statuses(connection, north) == {"call": "pending"}
    assert statuses(connection, south) == {"call": "pending"}
    total = connection.execute(
        "select count(*) from recommendations where customer_id = %s", (south.customer_id,)
    ).fetchone()
    assert total == (2,)


def test_a_better_action_supersedes_and_an_uncalled_one_expires(
    connection: Connection, tenants: Tenants, first: dict[str, Any]
) -> None:
    later = NOW + timedelta(days=1)
    busy = frames_of(tenants, as_of=later, calls_7d=5.0, days_since_last_outbound=3.0)
    counts = run(connection, tenants, busy, at=later)
    assert counts["recommendations"]["superseded"] == 2
    assert statuses(connection, tenants[0]) == {"call": "superseded", "draft_email": "pending"}
    link = connection.execute(
        "select s.action_type from recommendations r join recommendations s "
        "on s.customer_id = r.customer_id and s.id = r.superseded_by where r.customer_id = %s",
        (tenants[0].customer_id,),
    ).fetchone()
    assert link == ("draft_email",)
    quiet = frames_of(tenants, as_of=later, days_in_stage=1.0, outbound_since_last_inbound=0.0)
    counts = run(connection, tenants, quiet, at=later + timedelta(hours=1))
    assert statuses(connection, tenants[0])["draft_email"] == "expired"


def test_what_was_found_about_a_merged_record_ends_and_the_survivor_keeps_its_own(
    connection: Connection, tenants: Tenants
) -> None:
    """Features are of who stands (`tests/dbt/test_merges.py`): who was merged into another is not among them."""
    north, _ = tenants
    reached, goes = new_id(), new_id()
    mine = {"customer_id": north.customer_id, "owner_id": north.member_id, "as_of": NOW, "age_days": 9.0}
    rows = [mine | {"lead_id": one, "outbound_total": 0.0} for one in (north.lead_id, goes)]
    rows.insert(0, mine | {"lead_id": reached, "outbound_total": 1.0})
    run(connection, tenants, Frames(leads=leads(*rows)))
    state = "select entity_id, status from recommendations where customer_id = %s"
    found = {north.lead_id: "pending", goes: "pending"}
    assert dict(connection.execute(state, (north.customer_id,)).fetchall()) == found
    counts = run(connection, tenants, Frames(leads=leads(*rows[:2])), at=NOW + timedelta(minutes=5))
    assert counts["closed"] == 1
    assert dict(connection.execute(state, (north.customer_id,)).fetchall()) == found | {goes: "expired"}
    reasons = "select entity_id, close_reason from signals where customer_id = %s"
    closed = dict(connection.execute(reasons, (north.customer_id,)).fetchall())
    assert closed == {north.lead_id: None, goes: "no longer open"}


def test_stale_is_a_new_version_and_old_bytes_stay(
    connection: Connection, tenants: Tenants, first: dict[str, Any]
) -> None:
    north, south = tenants
    before = latest_briefings(connection, [north.customer_id])
    at = NOW + timedelta(days=1)
    assert mark_stale(connection, [north.customer_id], reason="checks failed", at=at) == 2
    assert mark_stale(connection, [north.customer_id], reason="checks failed", at=at) == 0
    latest = latest_briefings(connection, [north.customer_id])
    assert latest["status"].to_list() == ["stale", "stale"]
    document = orjson.loads(latest["document"][0])
    assert (document["status"], document["stale_reason"], document["version"]) == ("stale", "checks failed", 2)
    kept = connection.execute(
        "select document from briefings where customer_id = %s and version = 1 order by user_id", (north.customer_id,)
    ).fetchall()
    assert [row[0] for row in kept] == before["document"].to_list()
    assert latest_briefings(connection, [south.customer_id])["status"].to_list() == ["fresh", "fresh"]
    assert run(connection, tenants, frames_of(tenants), at=at)["briefings"] == 2


def test_what_a_stream_has_just_seen_may_not_have_reached_the_picture_of_a_pass(
    connection: Connection, tenants: Tenants, first: dict[str, Any]
) -> None:
    north = tenants[0]
    known = open_signals(connection, [north.customer_id]).filter(pl.col("signal_type") == "ghosted").drop("id")
    now = NOW + timedelta(hours=1)
    seen = [
        known.with_columns(
            signal_type=pl.lit(kind), dedupe_key=pl.lit(f"{kind}:x"), seen_at=pl.lit(now - timedelta(minutes=minutes))
        )
        for kind, minutes in (("high_intent_action", 4), ("amount_changed", 5), ("ghosted", -60))
    ]
    assert upsert_signals(connection, pl.concat(seen), found_by="stream", at=NOW) == 3
    run(connection, tenants, frames_of(tenants), at=now)
    rows = open_signals(connection, [north.customer_id])
    still = {key: kind for kind, key in rows.select("signal_type", "dedupe_key").iter_rows()}
    assert sorted(still.values()) == ["deal_stalled", "ghosted", "ghosted", "high_intent_action"]
    run(connection, tenants, frames_of(tenants), at=now + timedelta(minutes=5))
    kinds = open_signals(connection, [north.customer_id])["signal_type"].to_list()
    assert sorted(kinds) == ["deal_stalled", "ghosted", "ghosted"]


def test_the_app_role_of_one_tenant_sees_its_own_only(
    database: Database, connection: Connection, tenants: Tenants, first: dict[str, Any]
) -> None:
    connection.commit()
    north, _ = tenants
    with psycopg.connect(database.app_url) as app:
        app.execute("select set_config('bevyly.customer_id', %s, true)", (north.customer_id,))
        for table in ("signals", "patterns", "pattern_signals", "recommendations", "briefings"):
            found = app.execute(f"select distinct customer_id from {table}").fetchall()
            assert found == [(north.customer_id,)]


def test_open_patterns_have_ids_and_members(connection: Connection, tenants: Tenants, first: dict[str, Any]) -> None:
    both = open_patterns(connection, [t.customer_id for t in tenants])
    assert both["pattern_type"].to_list() == ["silent_slide", "silent_slide"]
    assert both["id"].n_unique() == 2


def test_clusters_are_known_by_their_members_for_a_while(connection: Connection, tenants: Tenants) -> None:
    north, south = (tenant.customer_id for tenant in tenants)
    row = {
        "customer_id": north, "entity_type": "opportunity", "entity_id": tenants[0].opportunity_id,
        "pattern_type": "cluster_abc", "title": "x", "polarity": "-", "confidence": 0.9, "confidence_low": 0.8,
        "confidence_high": 0.95, "lift": 1.4, "data": '{"signals": ["ghosted", "no_next_step"], "discovered": true}',
        "dedupe_key": "cluster_abc:opportunity:x", "seen_at": NOW,
    }  # fmt: skip
    found = pl.DataFrame([row], schema=PATTERN_SCHEMA)
    replace_patterns(connection, found, pl.DataFrame(schema=MEMBER_SCHEMA), customers=[north], at=NOW)
    known = {(north, "opportunity"): {"cluster_abc": frozenset(["ghosted", "no_next_step"])}}
    assert recent_clusters(connection, [north, south], at=NOW + timedelta(days=1)) == known
    assert recent_clusters(connection, [north, south], at=NOW + timedelta(days=31)) == {}
    assert recent_clusters(connection, [north, south], at=NOW - timedelta(days=1)) == {}, "what was not seen by then"
