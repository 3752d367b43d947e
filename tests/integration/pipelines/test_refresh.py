"""A refresh of two tenants' data: what came in, what came out, and that the second one changes nothing."""

import math

import duckdb
from confluent_kafka.admin import AdminClient

from tests.support.event_streams import messages
from tests.support.pipeline_runs import CORRUPT, FEATURES, PAST, TABLES, WORDS, Chapter, Reply, uuids

_OPEN_THEN = """
select count(distinct subject_id) from raw.events as opened
where type = 'opportunity.created' and recorded_at <= %(then)s and not exists (
  select from raw.events as decided
  where decided.customer_id = opened.customer_id and decided.subject_id = opened.subject_id
    and decided.type = 'opportunity.stage_changed' and decided.data->>'status' in ('won', 'lost')
    and decided.recorded_at <= %(then)s)
"""


def test_every_event_of_the_outbox_is_a_raw_event(past: Chapter) -> None:
    assert past.raw_events == past.pipeline.loaded
    assert past.metadata("raw_events")["rows"] == len(past.pipeline.loaded) > 10_000


def test_what_is_no_event_ends_as_a_dead_letter(past: Chapter) -> None:
    settings = past.pipeline.settings
    topic = "bevyly.domain.dlq"
    partitions = len(
        AdminClient({"bootstrap.servers": settings.require_kafka()}).list_topics(topic).topics[topic].partitions
    )
    (letter,) = messages(settings, topic, partitions=partitions)
    assert letter.value() == CORRUPT
    assert past.metadata("raw_events")["dead_letters"] == 1


def test_a_past_instant_sees_what_was_recorded_by_then(past: Chapter, present: Chapter) -> None:
    pipeline = past.pipeline
    then, now = len(past.features["opportunity_features"]), len(present.features["opportunity_features"])
    assert [{"count": then}] == pipeline.rows(_OPEN_THEN, {"then": PAST})
    assert then != now
    later = {
        row["event_id"] for row in pipeline.rows("select event_id from raw.events where recorded_at > %s", (PAST,))
    }
    assert len(later) > 300
    seen = {text for name in FEATURES for row in past.features[name].values() for text in map(str, row.values())}
    written = {found for name in TABLES for row in past.tables[name] for found in uuids(row)}
    assert not later & seen
    assert not later & written
    assert any(later & uuids(row) for row in present.tables["signals"])  # the present does name them


def test_every_undecided_entity_has_its_scores(present: Chapter) -> None:
    wanted = {
        (row["customer_id"], entity, score_type)
        for kind, score_types in (("opportunity", ("win",)), ("lead", ("fit", "intent", "conversion")))
        for entity, row in present.features[f"{kind}_features"].items()
        for score_type in score_types
    }
    assert set(present.current_scores) == wanted
    for row in present.current_scores.values():
        total = row["baseline_logit"] + sum(reason["contribution"] for reason in row["reasons"])
        assert math.isclose(total, row["logit"], abs_tol=1e-6)
        assert 0 <= row["probability_low"] <= row["probability"] <= row["probability_high"] <= 1


def test_every_user_has_a_briefing_with_reason_value_and_proof(present: Chapter) -> None:
    users = {(row["customer_id"], row["id"]) for row in present.pipeline.rows("select customer_id, id from users")}
    assert set(present.documents) == users
    known = {(row["customer_id"], row["event_id"]) for row in present.pipeline.rows("select * from raw.events")}
    for (customer_id, user_id), document in present.documents.items():
        assert document["status"] == "fresh"
        assert document["items"], f"nothing to do for {user_id}"
        for item in document["items"]:
            value = item["expected_value"]
            assert item["rationale"]
            assert value["low_minor"] <= value["amount_minor"] <= value["high_minor"]
            assert item["evidence"]
            assert {(customer_id, event["event_id"]) for event in item["evidence"]} <= known


def test_nothing_of_a_tenant_is_in_what_another_one_gets(present: Chapter) -> None:
    pipeline = present.pipeline
    seen = {}
    for name, customer_id in pipeline.tenants.items():
        texts = [row for table in TABLES for row in present.tables[table] if customer_id in row]
        seen[name] = "\n".join(texts)
    assert sum(text.count("\n") + 1 for text in seen.values()) == sum(map(len, present.tables.values()))
    for name, stranger in (("Ours", "Theirs"), ("Theirs", "Ours")):
        theirs = _ids(present, pipeline.tenants[stranger])
        assert len(theirs) > 5_000
        assert WORDS[name] in seen[name]
        assert WORDS[stranger] not in seen[name]
        assert WORDS[stranger].lower() not in seen[name]
        assert not theirs & uuids(seen[name])


def _ids(chapter: Chapter, customer_id: str) -> set[str]:
    """Ids of everything that belongs to a tenant, but of what events and pipelines made of it."""
    tables = ("users", "accounts", "contacts", "leads", "opportunities", "activities")
    parts = [f"select id from {table} where customer_id = %(id)s" for table in tables]
    parts.append("select event_id as id from raw.events where customer_id = %(id)s")
    return {customer_id} | {row["id"] for row in chapter.pipeline.rows(" union all ".join(parts), {"id": customer_id})}


def test_a_second_refresh_with_nothing_new_writes_nothing(present: Chapter, again: Chapter) -> None:
    assert again.tables == present.tables
    assert again.features == present.features
    for asset in (
        "scores",
        "opportunity_forecasts",
        "signals",
        "patterns",
        "recommendations",
        "briefings",
        "model_versions",
    ):
        assert again.metadata(asset)["rows"] == 0, asset
        assert asset == "model_versions" or present.metadata(asset)["rows"] > 0, asset


def test_the_export_is_read_by_duckdb(replied: Reply) -> None:
    pipeline = replied.chapter.pipeline
    tables = replied.chapter.metadata("parquet_export")["tables"]
    assert set(tables) == {path.stem for path in pipeline.exports.glob("*.parquet")}
    assert not list(pipeline.exports.glob("*.partial"))
    for name, rows in tables.items():
        (found,) = duckdb.sql(f"select count(*) from '{pipeline.exports / name}.parquet'").fetchall()
        assert found == (rows,), name
        assert rows > 0, name
    exported = {row[0] for row in duckdb.sql(f"select id from '{pipeline.exports}/scores.parquet'").fetchall()}
    assert exported == {row["id"] for row in pipeline.rows("select id from scores")}
