"""The document: its shape, who sees what, when it counts as unchanged."""

from datetime import timedelta
from typing import Any

import polars as pl

from pipelines.briefing.compose import compose
from tests.unit.pipelines.briefing.builders import (
    NOW,
    entity,
    event,
    inputs,
    parsed,
    recommendation,
    signal,
    user,
)


def composed(at: Any = NOW, **rows: Any) -> pl.DataFrame:
    return compose(inputs(**rows), as_of=at, generated_at=at)


def test_the_document_has_the_agreed_shape() -> None:
    document = parsed(composed())
    assert {name: value for name, value in document.items() if name not in ("items", "summary", "models")} == {
        "version": 1, "as_of": "2026-11-23T06:00:00Z", "generated_at": "2026-11-23T06:00:00Z", "status": "fresh",
        "stale_reason": None, "user": {"id": "rep", "name": "Rita Rep"},
        "headline": "One thing is worth doing today, worth about EUR 420. First: Call about Renewal.",
        "good_news": [], "not_shown": [],
    }  # fmt: skip
    assert document["summary"] == {
        "open_opportunities": 1, "open_leads": 0, "pipeline": [{"currency": "EUR", "amount_minor": 1_500_000}],
        "items_found": 1, "items_shown": 1,
    }  # fmt: skip
    assert document["models"] == [
        {
            "type": "win",
            "version": "m1",
            "trained_from": "2026-11-23T06:00:00Z",
            "trained_to": "2026-11-23T06:00:00Z",
            "n": 900,
        }
    ]
    assert document["items"] == [
        {
            "rank": 1, "recommendation_id": "r1", "signal_id": "s1", "priority": "high",
            "action": {"type": "call", "label": "Call", "payload": {"type": "call", "contact_id": "c1"}},
            "title": "Call about Renewal", "rationale": "Offer of EUR 15,000 sent 9 days ago, no answer.",
            "entity": {"type": "opportunity", "id": "o1", "name": "Renewal", "account_name": "Blue Harbor",
                       "stage": "proposal", "owner_name": "Rita Rep"},
            "expected_value": {"amount_minor": 42_000, "low_minor": 12_000, "high_minor": 80_000, "currency": "EUR",
                               "basis": "prior"},
            "probability": {"now": 0.4, "low": 0.3, "high": 0.5, "with_action": 0.45, "display": "probability",
                            "band": "B", "score_id": "s1"},
            "reasons": [{"code": "replied", "text": "The customer answered", "contribution": 0.8}],
            "evidence": [
                {"event_id": "e2", "type": "call.completed", "occurred_at": "2026-11-20T06:00:00Z",
                 "text": "Call by us, 4 minutes"},
                {"event_id": "e1", "type": "proposal.sent", "occurred_at": "2026-11-14T06:00:00Z",
                 "text": "Offer sent: Offer 1"},
            ],
            "signals": [{"id": "s1", "type": "ghosted", "severity": "high"}],
            "pattern": {"id": "p1", "type": "silent_slide"}, "expires_at": "2026-12-07T06:00:00Z",
        }
    ]  # fmt: skip


def test_members_see_their_own_and_owners_and_admins_everything() -> None:
    users = [
        user(),
        user(user_id="bo", role="member"),
        user(user_id="boss", role="owner"),
        user(user_id="adm", role="admin"),
    ]
    rows = [recommendation(), recommendation(id="r2", owner_id=None, dedupe_key="k2", rank=2)]
    documents = composed(users=users, recommendations=rows, entities=[entity(), entity(entity_id="o2", owner_id=None)])
    shown = {
        who: [item["recommendation_id"] for item in parsed(documents, who)["items"]] for who in documents["user_id"]
    }
    assert shown == {"adm": ["r1", "r2"], "bo": [], "boss": ["r1", "r2"], "rep": ["r1"]}
    assert parsed(documents, "bo")["headline"] == "Nothing needs you today."
    assert [parsed(documents, who)["summary"]["open_opportunities"] for who in ("boss", "rep", "bo")] == [2, 1, 0]


def test_tenants_never_mix_even_with_equal_ids() -> None:
    other = {"customer_id": "t2"}
    documents = composed(
        users=[user(), user(**other, user_id="rep2", role="owner")],
        recommendations=[recommendation(), recommendation(**other, title="Call about Secret")],
        entities=[entity(), entity(**other, name="Secret")],
        events=[event(), event(**other, data='{"subject":"Secret"}')],
    )
    assert "Secret" not in documents.filter(user_id="rep")["document"].item()
    assert parsed(documents, "rep2")["items"][0]["entity"]["name"] == "Secret"


def test_equal_content_has_equal_bytes_and_only_content_moves_the_etag() -> None:
    first = composed()
    assert composed()["document"].item() == first["document"].item()
    later = composed(at=NOW + timedelta(minutes=7))
    assert later["etag"].item() == first["etag"].item()
    assert later["document"].item() != first["document"].item()
    assert composed(recommendations=[recommendation(title="Other")])["etag"].item() != first["etag"].item()


def test_the_order_of_rows_does_not_matter() -> None:
    rows = [recommendation(id=f"r{i}", rank=i, dedupe_key=f"k{i}") for i in range(1, 8)]
    news = [signal(id=f"g{i}", polarity="+", dedupe_key=f"g{i}") for i in range(4)]
    straight = composed(recommendations=rows, signals=news)
    turned = composed(recommendations=rows[::-1], signals=news[::-1], events=[event(event_id="e2"), event()][::-1])
    again = composed(recommendations=rows, signals=news, events=[event(event_id="e2"), event()])
    assert turned["document"].item() == again["document"].item()
    assert straight["etag"].item() != turned["etag"].item()


def test_an_unchanged_briefing_is_recognised_and_a_changed_one_gets_the_next_version() -> None:
    etag = composed()["etag"].item()
    known = {"customer_id": "t1", "user_id": "rep", "version": 4}
    same = composed(latest=[known | {"etag": etag}])
    assert same["changed"].item() is False
    moved = composed(latest=[known | {"etag": "other"}])
    assert (moved["changed"].item(), moved["version"].item(), parsed(moved)["version"]) == (True, 5, 5)


def test_good_news_names_the_entity_and_shows_its_proof() -> None:
    rows = [
        signal(polarity="+", title="The customer answered"),
        signal(id="s2", dedupe_key="z", polarity="+", strength=1.0),
    ]
    [news] = parsed(composed(signals=rows))["good_news"]
    assert (news["signal_id"], news["text"]) == ("s1", "Renewal: The customer answered")
    assert [proof["event_id"] for proof in news["evidence"]] == ["e1"]


def test_what_is_not_shown_is_counted_for_the_reader() -> None:
    def left(owner: str | None, reason: str, count: int) -> dict[str, Any]:
        return {"customer_id": "t1", "owner_id": owner, "reason": reason, "count": count}

    rows = [recommendation(), recommendation(id="r2", dedupe_key="k2", status="accepted")]
    out = [left("rep", "not worth the effort", 3), left("bo", "not worth the effort", 9)]
    documents = composed(recommendations=rows, left_out=out, users=[user(), user(user_id="boss", role="admin")])
    assert parsed(documents)["not_shown"] == [
        {"reason": "not worth the effort", "count": 3},
        {"reason": "already in hand", "count": 1},
    ]
    assert parsed(documents, "boss")["not_shown"][0]["count"] == 12
    assert parsed(documents)["summary"]["items_found"] == 1


def test_a_briefing_keeps_to_the_attention_that_its_reader_has() -> None:
    many = [recommendation(id=f"r{n}", action_type="call") for n in range(20)]
    for budget, shown in ((None, 15), (4, 4), (18, 18)):
        document = parsed(composed(recommendations=many, users=[user(budget=budget)]))
        assert (len(document["items"]), document["summary"]["items_found"]) == (shown, 20)
