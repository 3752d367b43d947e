"""What a failing check and a single new event change, and what they leave as it was."""

import json
from typing import Any

from tests.support.pipeline_runs import Chapter, Failure, Reply

_OF_THE_REFRESH = ("version", "as_of", "generated_at", "status", "stale_reason")


def content(document: dict[str, Any]) -> dict[str, Any]:
    """What a reader reads, whenever it was made."""
    return {name: value for name, value in document.items() if name not in _OF_THE_REFRESH}


def test_a_failing_check_leaves_the_last_good_briefings_and_says_so(again: Chapter, failed: Failure) -> None:
    assert "entities_in_order" in failed.reason
    assert set(failed.documents) == set(again.documents)
    for key, document in failed.documents.items():
        before = again.documents[key]
        assert content(document) == content(before)
        assert document["version"] == before["version"] + 1
        assert document["status"] == "stale"
        assert "entities_in_order" in document["stale_reason"]


def test_the_next_good_refresh_makes_them_fresh(failed: Failure, replied: Reply) -> None:
    for key, document in replied.chapter.documents.items():
        assert document["status"] == "fresh"
        assert document["stale_reason"] is None
        assert document["version"] == failed.documents[key]["version"] + 1


def test_one_event_changes_the_features_of_what_it_is_about(again: Chapter, replied: Reply) -> None:
    assert replied.chapter.raw_events - again.raw_events == {replied.event.id}
    deal = replied.deal["opportunity_id"]
    after = replied.chapter.features["opportunity_features"][deal]
    assert after["last_inbound_event_id"] == replied.event.id
    assert after["proposals_replied"] == 1
    assert after["inbound_total"] == replied.deal["inbound_total"] + 1
    changed = {
        (mart, entity)
        for mart, rows in replied.chapter.features.items()
        for entity, row in rows.items()
        if row != again.features[mart][entity]
    }
    about = {("opportunity_features", deal), ("account_features", replied.deal["account_id"])}
    assert about <= changed
    assert changed <= about | {("lead_features", replied.deal["lead_id"])}


def test_one_event_explains_anew_only_the_scores_of_what_it_is_about(again: Chapter, replied: Reply) -> None:
    after = replied.chapter.current_scores
    assert set(after) == set(again.current_scores)
    changed = {key for key, row in after.items() if row["id"] != again.current_scores[key]["id"]}
    deal = replied.deal
    assert (deal["customer_id"], deal["opportunity_id"], "win") in changed
    assert {entity for _, entity, _ in changed} <= {deal["opportunity_id"], deal["lead_id"]}


def test_one_event_leaves_the_other_tenant_as_it_was(again: Chapter, replied: Reply) -> None:
    (other,) = set(again.pipeline.tenants.values()) - {replied.deal["customer_id"]}
    for name, rows in again.tables.items():
        if name != "briefings":
            mine = {row for row in rows if other in row}
            assert mine == {row for row in replied.chapter.tables[name] if other in row}, name
    for key, document in replied.chapter.documents.items():
        if key[0] == other:
            assert content(document) == content(again.documents[key])


def test_one_event_changes_no_finding_about_anything_else(again: Chapter, replied: Reply) -> None:
    about = {replied.deal[name] for name in ("opportunity_id", "account_id", "lead_id")}
    for name in ("signals", "patterns"):
        for row in again.tables[name] ^ replied.chapter.tables[name]:
            assert any(entity and entity in row for entity in about), row
    assert again.tables["signals"] != replied.chapter.tables["signals"]


def test_the_reply_is_told_to_the_owner_of_the_deal(replied: Reply) -> None:
    document = replied.chapter.documents[replied.deal["customer_id"], replied.deal["owner_id"]]
    assert replied.event.id in json.dumps(document)
