"""Ranking: what is proposed, for how much, what is not and why; two tenants, cold and warm."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.patterns.find import find
from models.patterns.learn import nothing_learned
from models.ranking import choose
from models.ranking.done import done
from models.ranking.effects import priors
from models.ranking.rank import DECISIONS_SCHEMA, SCHEMA, Ranked, rank
from models.ranking.value import MINUTE_COST_MINOR, shifted, with_value
from models.signals.detect import detect
from models.signals.frames import Frames
from tests.unit.models.signals.builders import AS_OF, accounts, leads, opportunities, scores, stage_norms

OFFER = {
    "proposals_sent": 1.0, "outbound_since_last_inbound": 1.0, "days_since_last_inbound": 9.0,
    "days_since_last_outbound": 9.0, "median_reply_hours": 110.0,
}  # fmt: skip
TENANTS = pl.DataFrame({"customer_id": ["t1", "t2"], "currency": ["EUR", "USD"], "median_won_minor": [1_000_000.0] * 2})


def ranked(frames: Frames, *, effects: pl.DataFrame | None = None, **more: pl.DataFrame) -> Ranked:
    signals = detect(frames, as_of=AS_OF)
    patterns, members = find(signals, frames, nothing_learned())
    known = priors(["t1", "t2"]) if effects is None else effects
    return rank(signals, patterns, members, frames, effects=known, tenants=TENANTS, **more)


def actions(frames: Frames, **more: Any) -> list[str]:
    return ranked(frames, **more).recommendations["action_type"].to_list()


def deals(*rows: dict[str, Any], **more: Any) -> Frames:
    return Frames(opportunities=opportunities(*rows), stage_norms=stage_norms({}, {"customer_id": "t2"}), **more)


def test_an_unanswered_offer_is_a_call_with_words_value_and_proof() -> None:
    [item] = ranked(deals(OFFER, scores=scores())).recommendations.to_dicts()
    assert item["title"] == "Call about Blue Harbor renewal"
    assert item["rationale"].startswith(
        "Offer of EUR 15,000 sent 9 days ago, no answer; they usually reply within 5 days. "
        "By a cautious estimate, calling now is worth about EUR "
    )
    assert item["dedupe_key"] == "call:opportunity:opportunity-1"
    assert (item["probability"], item["basis"], item["currency"], item["rank"]) == (0.4, "prior", "EUR", 1)
    assert item["probability_with_action"] == pytest.approx(0.4488, abs=1e-3)
    gain = (item["probability_with_action"] - 0.4) * 1_500_000 * item["urgency"]
    assert item["expected_value_minor"] == pytest.approx(gain - 10 * MINUTE_COST_MINOR, abs=5)
    assert item["expected_value_low_minor"] < item["expected_value_minor"] < item["expected_value_high_minor"]
    assert json.loads(item["evidence"]) == ["e-last_outbound", "e-last_inbound"]
    assert [reason["code"] for reason in json.loads(item["reasons"])] == ["replied", "silence", "ghosted"]
    assert json.loads(item["payload"]) == {"type": "call", "contact_id": "c1", "baseline": {"calls_total": 0.0}}


# our last mail is older than theirs, however young it is
WROTE = {
    "unanswered_days": 1.0,
    "days_since_last_outbound": 1.5,
    "has_next_step": 1.0,
    "contact_email": "kim@x.example",
}


def test_who_wrote_is_answered() -> None:
    [item] = ranked(deals(WROTE)).recommendations.to_dicts()
    assert item["title"] == "Answer them about Blue Harbor renewal"
    assert item["rationale"].startswith("They wrote 1 day ago and have no answer. ")
    assert json.loads(item["evidence"]) == ["e-unanswered", "e-last_outbound"]
    [item] = ranked(Frames(leads=leads(WROTE))).recommendations.to_dicts()
    assert item["title"] == "Answer Ada Byron"
    answered = WROTE | {"unanswered_days": None}
    assert actions(deals(answered)) == actions(Frames(leads=leads(answered))) == []


def test_their_mail_does_not_complete_ours() -> None:
    frames = deals(WROTE)
    item = ranked(frames).recommendations
    nobody = pl.DataFrame(schema={"customer_id": pl.String, "entity_id": pl.String})
    again, ours = deals(WROTE | {"emails_total": 2.0}), deals(WROTE | {"emails_sent": 2.0})
    assert done(item, again, lost=nobody, converted=nobody).is_empty()
    assert done(item, ours, lost=nobody, converted=nobody)["dedupe_key"].to_list() == item["dedupe_key"].to_list()


def test_what_is_no_reason_to_do_anything_today_is_left_to_the_score() -> None:
    told = [
        {"code": f"{feature}:for", "text": feature, "contribution": worth}
        for feature, worth in (("opened_hour", 0.9), ("owner_won_180d", 0.8), ("replied", 0.5), ("meetings_total", 0.4))
    ] + [{"code": "other", "text": "Everything else together", "contribution": -0.2}]
    [item] = ranked(deals(OFFER, scores=scores({"reasons": told}))).recommendations.to_dicts()
    codes = [reason["code"] for reason in json.loads(item["reasons"])]
    assert codes == ["replied:for", "meetings_total:for", "ghosted"]


def test_tidying_a_record_needs_no_reasons_of_the_chance() -> None:
    late = {"days_to_close": -11.0, "has_next_step": 1.0}
    items = ranked(deals(late, scores=scores())).recommendations.to_dicts()
    told = {item["action_type"]: [one["code"] for one in json.loads(item["reasons"])] for item in items}
    assert told["correct_close_date"] == ["close_date_overdue"]


def test_what_hardly_moves_is_worth_less_and_the_unknown_is_as_the_usual() -> None:
    frames = deals(*(OFFER | {"opportunity_id": name} for name in ("still", "lively", "unknown")))
    alike = _by_entity(ranked(frames))
    assert len({item["expected_value_minor"] for item in alike.values()}) == 1
    moves = pl.DataFrame(
        {"customer_id": "t1", "entity_type": "opportunity", "entity_id": ["still", "lively"], "moves": [0.1, 0.9]}
    )
    items = _by_entity(ranked(frames, moves=moves))
    assert [items[name]["rank"] for name in ("lively", "unknown", "still")] == [1, 2, 3]
    for name, share in (("still", 0.1), ("lively", 0.9), ("unknown", 0.5)):
        assert items[name]["urgency"] == pytest.approx(share * alike[name]["urgency"], abs=1e-3)


def _by_entity(result: Ranked) -> dict[str, dict[str, Any]]:
    return {item["entity_id"]: item for item in result.recommendations.to_dicts()}


def test_without_findings_nothing_is_proposed() -> None:
    result = ranked(deals())
    assert result.recommendations.schema == pl.Schema(SCHEMA)
    assert result.recommendations.is_empty()


def test_tenants_are_ranked_apart() -> None:
    rows = [OFFER | {"customer_id": c, "opportunity_id": o} for c in ("t1", "t2") for o in ("a", "b")]
    items = ranked(deals(*rows)).recommendations
    assert (
        items.group_by("customer_id").agg(pl.col("rank").sort()).sort("customer_id")["rank"].to_list() == [[1, 2]] * 2
    )


def test_a_cold_tenant_starts_from_rules_with_a_wide_interval() -> None:
    [item] = ranked(deals(OFFER)).recommendations.to_dicts()
    assert item["probability"] == 0.35
    assert item["probability_high"] - item["probability_low"] > 0.35
    assert item["model_version_id"] is None
    hidden = ranked(deals(OFFER, scores=scores({"display": "rules"}))).recommendations
    assert hidden["probability"].to_list() == [0.35]


def test_a_call_in_the_last_two_days_gives_way_to_an_email_and_is_counted() -> None:
    called = OFFER | {"calls_7d": 1.0, "outbound_7d": 1.0, "days_since_last_outbound": 2.0}
    result = ranked(deals(called))
    assert result.recommendations["action_type"].to_list() == ["draft_email"]
    assert {"reason": choose.ALREADY_DONE, "count": 1}.items() <= result.left_out.to_dicts()[0].items()


def test_an_action_without_sign_of_help_is_not_sold() -> None:
    harmful = priors(["t1"]).with_columns(
        pl.when(pl.col("action_type") == "call").then(-0.3).otherwise("effect").alias("effect")
    )
    result = ranked(deals(OFFER), effects=harmful)
    assert result.recommendations["action_type"].to_list() == ["draft_email"]
    assert choose.NO_EFFECT in result.left_out["reason"].to_list()


def test_what_is_not_worth_the_minutes_is_left_out() -> None:
    result = ranked(deals(OFFER | {"value_minor": 5_000}))
    assert result.recommendations.is_empty()
    assert set(result.left_out["reason"]) == {choose.EFFORT}


def test_an_action_must_bring_at_least_what_a_minute_costs() -> None:
    amounts = range(0, 60_000, 500)
    frames = deals(
        *(OFFER | {"opportunity_id": f"o{one}", "owner_id": f"u{one}", "value_minor": one} for one in amounts)
    )
    worth = ranked(frames).recommendations["expected_value_minor"].to_list()
    assert MINUTE_COST_MINOR <= min(worth) < 2 * MINUTE_COST_MINOR


@pytest.mark.parametrize(
    ("status", "expected"),
    [("dismissed", ["draft_email"]), ("completed", ["draft_email"]), ("accepted", []), ("snoozed", [])],
)
def test_decisions_of_people_are_respected(status: str, expected: list[str]) -> None:
    decided = pl.DataFrame(
        [("t1", "opportunity", "opportunity-1", "advance", "call:opportunity:opportunity-1", status)],
        schema=DECISIONS_SCHEMA,
        orient="row",
    )
    assert actions(deals(OFFER), decisions=decided) == expected


def test_one_item_an_entity_and_cause_but_tidying_may_join() -> None:
    overdue = OFFER | {"days_to_close": -5.0}
    assert actions(deals(overdue)) == ["call", "correct_close_date"]


def test_a_zombie_is_closed_not_called_and_ranks_below_a_live_deal() -> None:
    dead = {"opportunity_id": "dead", "age_days": 90.0, "days_since_last_activity": 60.0}
    given_scores = scores({"entity_id": "dead", "probability": 0.05}, {})
    result = ranked(deals(OFFER, dead, scores=given_scores))
    assert result.recommendations.select("entity_id", "action_type").rows() == [
        ("opportunity-1", "call"),
        ("dead", "close_lost"),
    ]
    assert choose.BETTER_CLOSED in result.left_out["reason"].to_list()
    assert "frees about 30 minutes" in result.recommendations["rationale"][1]


def test_leads_and_accounts_have_actions_of_their_own() -> None:
    ready = scores({"entity_type": "lead", "entity_id": "lead-1", "score_type": "conversion", "band": "A"})
    frames = Frames(
        leads=leads(
            {}, {"lead_id": "l2", "name": "Bo Li", "outbound_total": 0.0, "value_minor": None, "status": "new"}
        ),
        accounts=accounts({"engagement_week": 9.0, "engagement_prior_week_mean": 1.0}),
        scores=ready,
    )
    items = {row["entity_id"]: row for row in ranked(frames).recommendations.to_dicts()}
    assert items["lead-1"]["action_type"] == "convert_or_create_opportunity"
    assert items["lead-1"]["title"] == "Turn Ada Byron into an opportunity"
    assert (items["l2"]["title"], items["l2"]["amount_minor"]) == ("Call Bo Li", 1_000_000)
    assert items["account-1"]["action_type"] == "convert_or_create_opportunity"
    assert json.loads(items["account-1"]["evidence"]) == ["e-last_activity"]


def test_several_contacts_meetings_and_next_steps_call_for_their_actions() -> None:
    fragile = {
        "opportunity_id": "fragile",
        "contacts_engaged_30d": 1.0,
        "stage": "negotiation",
        "value_minor": 9_000_000,
        "has_next_step": 1.0,
    }
    idle = {"opportunity_id": "idle", "has_next_step": 0.0, "days_since_last_activity": 6.0}
    healthy = {"opportunity_id": "healthy", "meetings_total": 2.0, "has_next_step": 1.0}
    kinds = dict(ranked(deals(fragile, idle, healthy)).recommendations.select("entity_id", "action_type").rows())
    assert kinds["fragile"] in ("add_contact", "involve_executive")
    assert kinds["idle"] in ("book_meeting", "set_next_step")
    assert "healthy" not in kinds


def test_an_owner_gets_no_more_of_one_action_than_fits_a_list() -> None:
    rows = [OFFER | {"opportunity_id": f"o{i:02}"} for i in range(40)]
    result = ranked(deals(*rows))
    assert result.recommendations.height == choose.PER_OWNER_AND_ACTION
    counts = dict(result.left_out.select("reason", "count").rows())
    assert counts[choose.CAPACITY] == 40 - choose.PER_OWNER_AND_ACTION


def test_the_order_of_rows_does_not_matter() -> None:
    frame = opportunities(*(OFFER | {"opportunity_id": f"o{i}", "value_minor": 1_000_000} for i in range(20)))
    straight, turned = (ranked(Frames(opportunities=f)) for f in (frame, frame.reverse()))
    assert_frame_equal(straight.recommendations, turned.recommendations)


@settings(max_examples=60, deadline=None)
@given(
    p=st.floats(0.02, 0.98), effect=st.floats(0.01, 0.8), more=st.floats(0.001, 0.5),
    amount=st.floats(1e4, 1e9), urgency=st.floats(0.3, 1.0),
)  # fmt: skip
def test_value_grows_with_effect_amount_and_urgency(
    p: float, effect: float, more: float, amount: float, urgency: float
) -> None:
    base = {
        "p": p, "effect": effect, "effect_low": effect - 0.1, "effect_high": effect + 0.1, "amount": amount,
        "urgency": urgency, "usefulness": 1.0, "minutes": 10.0, "valued": "effect",
    }  # fmt: skip
    better = [
        base | {"effect": effect + more},
        base | {"amount": amount * (1 + more)},
        base | {"urgency": urgency + more},
        base | {"usefulness": 1.0 + more},
    ]
    valued = with_value(pl.DataFrame([base, *better]))
    first, *others = valued["expected_value_minor"].to_list()
    assert all(other >= first for other in others)
    assert (valued["expected_value_low_minor"] <= valued["expected_value_minor"]).all()
    assert (valued["p_with"] > p).all()


def test_a_shift_of_nothing_changes_nothing() -> None:
    assert pl.select(shifted(pl.lit(0.3), pl.lit(0.0))).item() == pytest.approx(0.3)


def test_done_is_seen_from_counters_details_and_outcomes() -> None:
    def item(action: str, kind: str, entity: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {"customer_id": "t1", "entity_type": kind, "entity_id": entity, "action_type": action,
                "dedupe_key": f"{action}:{entity}", "payload": json.dumps(payload)}  # fmt: skip

    items = pl.DataFrame(
        [
            item("call", "opportunity", "opportunity-1", {"baseline": {"calls_total": 1.0}}),
            item("call", "lead", "lead-1", {"baseline": {"calls_total": 0.0}}),
            item("set_next_step", "opportunity", "opportunity-1", {"baseline": {"has_next_step": 0.0}}),
            item("correct_close_date", "opportunity", "opportunity-1", {"from": "2026-12-23", "baseline": None}),
            item("correct_close_date", "opportunity", "o2", {"from": "2026-11-01", "baseline": None}),
            item("close_lost", "opportunity", "gone", {}),
            item("close_lost", "opportunity", "won", {}),
            item("convert_or_create_opportunity", "lead", "l9", {}),
        ]
    )
    frames = Frames(
        opportunities=opportunities({"calls_total": 2.0, "has_next_step": 1.0}, {"opportunity_id": "o2"}), leads=leads()
    )
    lost = pl.DataFrame({"customer_id": ["t1"], "entity_id": ["gone"]})
    converted = pl.DataFrame({"customer_id": ["t1"], "entity_id": ["l9"]})
    assert done(items, frames, lost=lost, converted=converted)["dedupe_key"].to_list() == [
        "call:opportunity-1", "close_lost:gone", "convert_or_create_opportunity:l9", "correct_close_date:o2",
        "set_next_step:opportunity-1",
    ]  # fmt: skip
