"""Frames of a small tenant or two, as repositories read them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import polars as pl

from pipelines.briefing.inputs import (
    COUNTS,
    ENTITIES,
    EVENTS,
    LATEST,
    LEFT_OUT,
    MODELS,
    PATTERNS,
    RECOMMENDATIONS,
    SIGNALS,
    USERS,
    Inputs,
)

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
Row = dict[str, Any]


def user(**values: Any) -> Row:
    return {"customer_id": "t1", "user_id": "rep", "name": "Rita Rep", "role": "member", "budget": None} | values


def entity(**values: Any) -> Row:
    return {
        "customer_id": "t1", "entity_type": "opportunity", "entity_id": "o1", "name": "Renewal",
        "account_id": None, "account_name": "Blue Harbor", "stage": "proposal", "status": "open", "owner_id": "rep",
        "owner_name": "Rita Rep", "currency": "EUR", "value_minor": 1_500_000,
    } | values  # fmt: skip


def recommendation(**values: Any) -> Row:
    return {
        "customer_id": "t1", "id": "r1", "owner_id": "rep", "pattern_id": "p1", "signal_id": "s1",
        "entity_type": "opportunity", "entity_id": "o1", "action_type": "call",
        "payload": '{"type":"call","contact_id":"c1","baseline":{"calls_total":1.0}}', "priority": "high",
        "title": "Call about Renewal", "rationale": "Offer of EUR 15,000 sent 9 days ago, no answer.",
        "reasons": '[{"code":"replied","text":"The customer answered","contribution":0.8}]',
        "evidence": '["e1","e2","unknown"]', "currency": "EUR", "basis": "prior", "status": "pending",
        "dedupe_key": "call:opportunity:o1", "display": "probability", "band": "B", "score_id": "s1",
        "probability": 0.4, "probability_low": 0.3, "probability_high": 0.5, "probability_with_action": 0.45,
        "expected_value_minor": 42_000, "expected_value_low_minor": 12_000, "expected_value_high_minor": 80_000,
        "rank": 1, "version": 1, "expires_at": NOW + timedelta(days=14), "created_at": NOW,
    } | values  # fmt: skip


def signal(**values: Any) -> Row:
    return {
        "customer_id": "t1", "id": "s1", "entity_type": "opportunity", "entity_id": "o1", "signal_type": "ghosted",
        "polarity": "-", "severity": "high", "title": "No answer", "data": "{}",
        "dedupe_key": "ghosted:opportunity:o1:e1", "detector_version": "1", "strength": 2.0, "evidence": ["e1"],
        "first_seen_at": NOW, "last_seen_at": NOW, "expires_at": NOW,
    } | values  # fmt: skip


def event(**values: Any) -> Row:
    return {
        "customer_id": "t1", "event_id": "e1", "type": "proposal.sent", "data": '{"subject":"Offer 1"}',
        "occurred_at": NOW - timedelta(days=9),
    } | values  # fmt: skip


def frame(rows: list[Row], schema: Any) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(schema))


def inputs(**rows: list[Row]) -> Inputs:
    """One tenant with a deal, its recommendation and proof, unless `rows` say otherwise."""
    given = {
        "users": [user()],
        "entities": [entity()],
        "recommendations": [recommendation()],
        "signals": [signal()],
        "patterns": [
            {"customer_id": "t1", "id": "p1", "entity_type": "opportunity", "entity_id": "o1",
             "pattern_type": "silent_slide", "title": "Sliding", "polarity": "-", "dedupe_key": "k"}
        ],
        "events": [event(), event(event_id="e2", type="call.completed", data='{"duration_seconds":240}',
                                  occurred_at=NOW - timedelta(days=3))],
        "models": [{"customer_id": "t1", "type": "win", "version": "m1", "trained_from": NOW, "trained_to": NOW,
                    "n": 900}],
        "latest": [],
        "left_out": [],
    } | rows  # fmt: skip
    given["counts"] = [*map(_one_entity, given["entities"]), *map(_one_item, given["recommendations"])]
    schemas = {
        "users": USERS, "entities": ENTITIES, "recommendations": RECOMMENDATIONS, "signals": SIGNALS,
        "patterns": PATTERNS, "events": EVENTS, "models": MODELS, "latest": LATEST, "left_out": LEFT_OUT,
        "counts": COUNTS,
    }  # fmt: skip
    return Inputs(**{name: frame(given[name], schema) for name, schema in schemas.items()})


def _one_entity(row: Row) -> Row:
    kept = {name: row[name] for name in ("customer_id", "owner_id", "currency", "value_minor")}
    return kept | {"counted": row["entity_type"], "n": 1}


def _one_item(row: Row) -> Row:
    kept = {name: row[name] for name in ("customer_id", "owner_id")}
    return kept | {"counted": "pending" if row["status"] == "pending" else "in_hand", "n": 1}


def parsed(documents: pl.DataFrame, user_id: str = "rep") -> Row:
    return dict(orjson.loads(documents.filter(user_id=user_id)["document"].item()))
