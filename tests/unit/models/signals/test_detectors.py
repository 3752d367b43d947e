"""Each detector on its line: what just fires it, what just does not, and what a person reads."""

import re
from typing import Any

import polars as pl
import pytest

from models.signals.detect import detect
from models.signals.frames import Frames
from models.signals.registry import DETECTORS, thresholds_of
from tests.unit.models.signals.builders import AS_OF, accounts, leads, opportunities, score, scores, stage_norms

Row = dict[str, Any]

# A second deal of the tenant shows that it records contacts, next steps, owners and amounts.
HABIT = {"opportunity_id": "habit", "has_next_step": 1.0, "contacts_total": 3.0, "contacts_engaged_30d": 3.0}

CASES: list[tuple[str, str, Row, Row, str]] = [
    ("deal_stalled", "opportunity", {"days_in_stage": 15.1}, {"days_in_stage": 15.0}, "15 days in proposal"),
    ("deal_aging", "opportunity", {"age_days": 20.1}, {"age_days": 20.0}, "Open for 20 days; wins here usually"),
    ("going_dark", "opportunity", {"days_since_last_activity": 14.0}, {"days_since_last_activity": 13.9}, "14 days"),
    ("going_dark", "lead", {"days_since_last_activity": 14.0}, {"days_since_last_activity": None}, "Silence"),
    (
        "ghosted",
        "opportunity",
        {"outbound_since_last_inbound": 2.0, "days_since_last_inbound": 3.1},
        {"outbound_since_last_inbound": 2.0, "days_since_last_inbound": 3.0},
        "2 attempts without an answer for 3 days; they usually reply within 1 day",
    ),
    (
        "ghosted",
        "opportunity",
        {"outbound_since_last_inbound": 1.0, "days_since_last_inbound": 9.0, "proposals_sent": 1.0,
         "median_reply_hours": 110.0},
        {"outbound_since_last_inbound": 1.0, "days_since_last_inbound": 9.0},
        "Offer of EUR 15,000 sent 9 days ago, no answer; they usually reply within 5 days",
    ),
    (
        "ghosted",
        "opportunity",
        {"outbound_since_last_inbound": 1.0, "days_since_last_inbound": 6.0, "proposals_sent": 2.0,
         "proposals_replied": 1.0, "days_since_last_proposal": 9.0, "days_since_last_proposal_reply": 20.0},
        # the younger answer is one to the last offer
        {"outbound_since_last_inbound": 1.0, "days_since_last_inbound": 6.0, "proposals_sent": 2.0,
         "proposals_replied": 1.0, "days_since_last_proposal": 9.0, "days_since_last_proposal_reply": 6.0},
        "Offer of EUR 15,000 sent 9 days ago, no answer",
    ),
    (
        "ghosted",
        "opportunity",
        {"outbound_since_last_inbound": 1.0, "days_since_last_inbound": 12.0, "proposals_sent": 1.0,
         "days_since_last_proposal": 9.0},
        # who wrote since the offer, about whatever, is not silent
        {"outbound_since_last_inbound": 1.0, "days_since_last_inbound": 2.0, "proposals_sent": 1.0,
         "days_since_last_proposal": 9.0},
        "Offer of EUR 15,000 sent 9 days ago, no answer",
    ),
    (
        "ghosted",
        "opportunity",
        {"outbound_since_last_inbound": 2.0, "days_since_last_inbound": 3.1, "median_reply_hours": None},
        {"outbound_since_last_inbound": 2.0, "days_since_last_inbound": 3.0, "median_reply_hours": None},
        "2 attempts without an answer for 3 days; customers here usually reply within 1 day",
    ),
    (
        "ghosted",
        "lead",
        {"outbound_since_last_inbound": 2.0, "days_since_last_inbound": 9.0},
        {"outbound_since_last_inbound": 2.0, "days_since_last_inbound": 9.0, "has_next_step": 1.0},
        "2 attempts without an answer for 9 days",
    ),
    (
        "going_dark",
        "opportunity",
        {"days_since_last_activity": 30.0},
        {"days_since_last_activity": 30.0, "has_next_step": 1.0},
        "Silence on both sides for 30 days",
    ),
    (
        "ghosted",
        "opportunity",
        {"outbound_since_last_inbound": 3.0, "days_since_last_inbound": 9.0, "attempts_since_contact": 2.0,
         "days_since_contact": 3.1},
        # of these calls the last became a conversation
        {"outbound_since_last_inbound": 3.0, "days_since_last_inbound": 9.0, "attempts_since_contact": 1.0,
         "days_since_contact": 3.1},
        "2 attempts without an answer for 3 days",
    ),
    ("answer_owed", "opportunity", {"unanswered_days": 0.5}, {"unanswered_days": 0.4}, "They wrote 12 hours ago"),
    ("answer_owed", "opportunity", {"unanswered_days": 14.0}, {"unanswered_days": 14.1}, "14 days ago"),
    ("answer_owed", "lead", {"unanswered_days": 2.0}, {"unanswered_days": 2.0, "outbound_total": 0.0},
     "They wrote 2 days ago and have no answer"),
    ("close_date_overdue", "opportunity", {"days_to_close": -1.0}, {"days_to_close": 0.0}, "1 day ago"),
    (
        "close_date_slipped",
        "opportunity",
        {"close_date_slips": 2.0, "close_date_slip_days": 5.0},
        {"close_date_slips": 1.0, "close_date_slip_days": 29.0},
        "Close date moved out 2 times, by 5 days in all",
    ),
    ("close_date_unrealistic", "opportunity", {"days_to_close": 11.0}, {"days_to_close": 12.0}, "11 days left"),
    ("single_threaded", "opportunity", {"contacts_engaged_30d": 1.0}, {"contacts_engaged_30d": 2.0}, "one person"),
    (
        "engagement_surge",
        "opportunity",
        {"age_days": 14.0, "engagement_week": 4.0, "engagement_prior_week_mean": 2.0},
        {"age_days": 13.0, "engagement_week": 4.0, "engagement_prior_week_mean": 2.0},
        "2.0 times",
    ),
    (
        "engagement_drop",
        "opportunity",
        {"engagement_week": 1.0, "engagement_prior_week_mean": 3.0},
        {"engagement_week": 1.1, "engagement_prior_week_mean": 3.0},
        "33 %",
    ),
    ("no_next_step", "opportunity", {"has_next_step": 0.0}, {"has_next_step": 1.0}, "No meeting or task is planned"),
    (
        "amount_changed",
        "opportunity",
        {"amount_changes": 1.0, "amount_change_ratio": 0.75},
        {"amount_changes": 1.0, "amount_change_ratio": 0.85},
        "25 % lower",
    ),
    (
        "high_intent_action",
        "opportunity",
        {"intent_action": "proposal.replied", "days_since_intent": 3.0},
        {"intent_action": "proposal.replied", "days_since_intent": 3.1, "days_since_last_inbound": 1.0},
        "answered the offer 3 days ago",
    ),
    (
        "high_intent_action",
        "lead",
        # what they did decides, not the visits since
        {"intent_action": "meeting.scheduled", "days_since_intent": 2.0, "forms_total": 3.0},
        {"intent_action": "meeting.scheduled", "days_since_intent": 4.0},
        "asked for a meeting 2 days ago",
    ),
    ("high_intent_action", "lead", {"forms_total": 3.0}, {"forms_total": 2.0}, "Came back on their own"),
    ("lead_untouched", "lead", {"outbound_total": 0.0, "age_days": 1.0}, {"outbound_total": 0.0, "age_days": 0.9},
     "nobody has been in touch"),
    ("ownership_gap", "opportunity", {"owner_id": None}, {"owner_id": "u1"}, "Nobody owns this"),
    ("missing_data", "opportunity", {"value_minor": None}, {"value_minor": 0}, "No amount"),
    (
        "missing_data",
        "account",
        {"missing_fields": 3.0, "open_opportunities": 1.0},
        {"missing_fields": 3.0, "open_opportunities": 0.0},
        "3 facts",
    ),
    (
        "champion_unresponsive",
        "opportunity",
        {"champion_outbound_since": 2.0, "champion_silent_days": 7.1},
        {"champion_outbound_since": 2.0, "champion_silent_days": 7.0},
        "Your champion has left 2 messages without an answer for 7 days",
    ),
    (
        "champion_unresponsive",
        "opportunity",
        {"champion_outbound_since": 2.0, "champion_silent_days": 16.0, "median_reply_hours": 240.0},
        {"champion_outbound_since": 2.0, "champion_silent_days": 16.0, "champion_left_days": 1.0},
        "16 days",
    ),
    ("champion_left", "opportunity", {"champion_left_days": 60.0}, {"champion_left_days": 60.1}, "no longer with"),
    (
        "missing_power",
        "opportunity",
        {"power_engaged": 0.0},
        {"power_engaged": 0.0, "people_told": 0.0},
        "In proposal, and none of the 2 contacts you talk to can say yes",
    ),
    ("missing_power", "opportunity", {"power_engaged": 0.0}, {"power_engaged": 0.0, "stage": "qualification"}, "yes"),
    ("new_stakeholder", "opportunity", {"newcomer_days": 14.0}, {"newcomer_days": 14.1}, "first 14 days ago"),
    (
        "executive_engaged",
        "opportunity",
        {"executive_days": 2.0, "executive_contact_id": "c2"},
        {"executive_days": 2.0, "executive_contact_id": "c1"},
        "An executive of theirs has been in touch, last 2 days ago",
    ),
    (
        "committee_surge",
        "opportunity",
        {"contacts_engaged_14d": 3.0},
        {"contacts_engaged_14d": 3.0, "contacts_engaged_before": 3.0},
        "3 people of theirs took part in two weeks, 2 in the two before",
    ),
    (
        "account_event",
        "opportunity",
        {"account_change": -0.2, "account_change_kind": "headcount", "account_change_days": 3.0},
        {"account_change": -0.19, "account_change_kind": "headcount", "account_change_days": 3.0},
        "The company is shrinking: headcount down 20 %",
    ),
    (
        "account_event",
        "account",
        {"account_change": 0.5, "account_change_kind": "revenue", "account_change_days": 3.0},
        {"account_change": 0.5, "account_change_kind": "revenue", "account_change_days": 3.0,
         "open_opportunities": 1.0},
        "The company is growing: revenue up 50 %",
    ),
    ("past_champion_new_company", "account", {"past_champion_days": 3.0}, {"past_champion_days": None}, "3 days ago"),
    (
        "close_date_pulled_in",
        "opportunity",
        {"close_date_pulled_in_days": 7.0, "close_date_changed_days": 14.0},
        {"close_date_pulled_in_days": 7.0, "close_date_changed_days": 14.1},
        "pulled in by 7 days",
    ),
]  # fmt: skip


def found(entity_type: str, row: Row) -> dict[str, Row]:
    """Signals of the one entity under test, by type."""
    frames = Frames(
        opportunities=opportunities(row if entity_type == "opportunity" else {}, HABIT),
        leads=leads(row if entity_type == "lead" else {}, {"lead_id": "habit"}),
        accounts=accounts(row if entity_type == "account" else {}, {"account_id": "habit"}),
        stage_norms=stage_norms(),
    )
    rows = detect(frames, as_of=AS_OF).filter(entity_type=entity_type, entity_id=f"{entity_type}-1")
    return {signal["signal_type"]: signal for signal in rows.to_dicts()}


@pytest.mark.parametrize(("signal_type", "entity_type", "fires", "quiet", "words"), CASES)
def test_a_detector_fires_at_its_line_and_not_before(
    signal_type: str, entity_type: str, fires: Row, quiet: Row, words: str
) -> None:
    assert signal_type not in found(entity_type, quiet)
    signal = found(entity_type, fires)[signal_type]
    assert words in signal["title"]
    assert signal["strength"] >= 0.9
    assert signal["evidence"]
    assert signal["dedupe_key"].startswith(f"{signal_type}:{entity_type}:{entity_type}-1:")


def test_every_detector_is_tested() -> None:
    tested = {case[0] for case in CASES} | {"lead_ready"}
    assert tested == {detector.signal_type for detector in DETECTORS}


def test_what_is_usual_is_no_reason_before_it_is_over() -> None:
    row = {"outbound_since_last_inbound": 2.0, "days_since_last_inbound": 5.4, "median_reply_hours": 24 * 5.2}
    frames = Frames(opportunities=opportunities(row), thresholds={"t1": {"ghost_ratio": 0.75}})
    assert "2 attempts without an answer for 5 days" in detect(frames, as_of=AS_OF)["title"].to_list()


def test_lead_ready_needs_a_score_in_the_top_band() -> None:
    def types(**values: Any) -> set[str]:
        row = score(entity_type="lead", entity_id="lead-1", score_type="conversion", probability=0.7, **values)
        frames = Frames(leads=leads(), scores=scores(row))
        return set(detect(frames, as_of=AS_OF)["signal_type"])

    assert "lead_ready" in types(band="A")
    assert "lead_ready" not in types(band="B")
    assert "lead_ready" not in set(detect(Frames(leads=leads()), as_of=AS_OF)["signal_type"])


@pytest.mark.parametrize(
    ("display", "title"),
    [
        ("probability", "Among your likeliest leads: 70 % chance to buy"),
        ("band", "Among your likeliest leads"),
        ("rules", "Among your likeliest leads"),
    ],
)
def test_a_chance_that_may_not_be_shown_is_not_told(display: str, title: str) -> None:
    row = score(
        entity_type="lead", entity_id="lead-1", score_type="conversion", probability=0.7, band="A", display=display
    )
    found = detect(Frames(leads=leads(), scores=scores(row)), as_of=AS_OF)
    told = found.filter(pl.col("signal_type") == "lead_ready")
    assert told["title"].to_list() == [title]
    assert ("0.7" in told["data"][0]) == (display == "probability")


def test_lead_ready_finds_the_best_tenth_of_leads_without_a_deal() -> None:
    many = [{"lead_id": f"l{i:02}"} for i in range(20)]
    chances = [
        score(entity_type="lead", entity_id=f"l{i:02}", score_type="conversion", probability=0.01 * i, band="D")
        for i in range(20)
    ]
    frames = Frames(leads=leads(*many), scores=scores(*chances))
    assert detect(frames, as_of=AS_OF).filter(signal_type="lead_ready")["entity_id"].to_list() == ["l18", "l19"]
    fewer = Frames(leads=leads(*many[:19]), scores=scores(*chances))
    assert detect(fewer, as_of=AS_OF).filter(signal_type="lead_ready").is_empty()
    poor = [chance | {"baseline_logit": 0.0} for chance in chances]
    assert detect(Frames(leads=leads(*many), scores=scores(*poor)), as_of=AS_OF).is_empty()


def test_accounts_of_one_person_are_silent() -> None:
    busy = {"engagement_week": 9.0, "engagement_prior_week_mean": 1.0}
    assert set(detect(Frames(accounts=accounts(busy)), as_of=AS_OF)["signal_type"]) == {"engagement_surge"}
    alone = Frames(accounts=accounts(busy | {"contacts_total": 1.0}))
    assert detect(alone, as_of=AS_OF).is_empty()


def test_polarity_of_news_follows_the_change() -> None:
    def polarity(change: float) -> str:
        row = {"account_change": change, "account_change_kind": "headcount", "account_change_days": 3.0}
        return str(found("opportunity", row)["account_event"]["polarity"])

    assert (polarity(0.3), polarity(-0.3)) == ("+", "-")


def test_every_detector_says_what_it_is_and_reads_thresholds_that_it_names() -> None:
    for detector in DETECTORS:
        assert all(text.endswith(".") for text in (detector.definition, detector.closes, detector.needs))
        named = set(re.findall(r"`(\w+)`", detector.definition))
        assert named <= set(thresholds_of(detector.signal_type)), detector.signal_type
        assert detector.learns is None or detector.learns in thresholds_of(detector.signal_type)


def test_severity_follows_the_effect_size_and_good_news_is_never_critical() -> None:
    def severity(days: float) -> str:
        return str(found("opportunity", {"days_in_stage": days})["deal_stalled"]["severity"])

    assert [severity(days) for days in (15.1, 22.5, 30.0, 45.0)] == ["low", "medium", "high", "critical"]
    surge = {"age_days": 30.0, "engagement_week": 50.0, "engagement_prior_week_mean": 1.0}
    assert found("opportunity", surge)["engagement_surge"]["severity"] == "high"
