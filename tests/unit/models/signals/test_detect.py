"""What holds over all detectors: tenants apart, point in time, silence where a tenant records nothing, stable keys."""

from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from bevyly.errors import Invalid
from models.signals.detect import SCHEMA, detect, flags
from models.signals.frames import Frames, habits
from models.signals.thresholds import t
from tests.unit.models.signals.builders import AS_OF, leads, opportunities, stage_norms

STALLED = {"days_in_stage": 40.0}


def types(frames: Frames) -> list[tuple[str, str]]:
    return detect(frames, as_of=AS_OF).select("customer_id", "signal_type").rows()


def test_nothing_gives_an_empty_frame_with_all_columns() -> None:
    assert detect(Frames(), as_of=AS_OF).schema == pl.Schema(SCHEMA)


def test_tenants_have_their_own_norms_and_thresholds() -> None:
    frames = Frames(
        opportunities=opportunities(STALLED, STALLED | {"customer_id": "t2"}, STALLED | {"customer_id": "t3"}),
        stage_norms=stage_norms({}, {"customer_id": "t2", "median_days_won": 60.0}, {"customer_id": "t3"}),
        thresholds={"t3": {"stall_ratio": 5}},
    )
    assert types(frames) == [("t1", "deal_stalled")]


def test_an_unknown_threshold_is_refused() -> None:
    with pytest.raises(Invalid, match="stal_ratio"):
        detect(Frames(opportunities=opportunities(), thresholds={"t1": {"stal_ratio": 2}}), as_of=AS_OF)
    with pytest.raises(Invalid, match="nonsense"):
        t("nonsense")


def test_norms_of_a_later_day_are_not_known_yet() -> None:
    norms = stage_norms(
        {"as_of_day": date(2026, 11, 1), "median_days_won": 60.0},
        {"as_of_day": date(2026, 11, 24), "median_days_won": 1.0},
    )
    assert types(Frames(opportunities=opportunities({"days_in_stage": 50.0}), stage_norms=norms)) == []
    later = opportunities({"days_in_stage": 50.0, "as_of": AS_OF + timedelta(days=2)})
    found = detect(Frames(opportunities=later, stage_norms=norms), as_of=AS_OF + timedelta(days=2))
    assert "deal_stalled" in set(found["signal_type"])


def test_rows_after_the_asked_instant_are_not_read() -> None:
    frames = Frames(
        opportunities=opportunities(STALLED | {"as_of": AS_OF + timedelta(seconds=1)}), stage_norms=stage_norms()
    )
    assert types(frames) == []


def test_a_consumer_funnel_is_not_flooded() -> None:
    deals = [
        {"opportunity_id": f"o{i}", "contacts_total": 1.0, "contacts_engaged_30d": 1.0, "has_next_step": 0.0,
         "expected_close_date": None, "days_to_close": None, "owner_id": None}
        for i in range(20)
    ]  # fmt: skip
    callers = [{"lead_id": f"l{i}", "outbound_total": 0.0, "owner_id": None} for i in range(20)]
    assert types(Frames(opportunities=opportunities(*deals), leads=leads(*callers))) == []


def test_habits_come_from_the_whole_tenant_when_only_some_entities_are_looked_at() -> None:
    lonely = {"opportunity_id": "o1", "contacts_total": 1.0, "contacts_engaged_30d": 1.0}
    everything = Frames(opportunities=opportunities(lonely, {"opportunity_id": "o2", "contacts_total": 3.0}))
    some = Frames(opportunities=opportunities(lonely))
    full = detect(everything, as_of=AS_OF).filter(entity_id="o1")
    part = detect(some, as_of=AS_OF, known_habits=habits(everything))
    assert "single_threaded" in set(full["signal_type"])
    assert_frame_equal(full, part)
    assert "single_threaded" not in set(detect(some, as_of=AS_OF)["signal_type"])


def test_the_key_is_that_of_the_episode_not_of_the_day() -> None:
    def key(**values: object) -> str:
        frames = Frames(opportunities=opportunities(STALLED | values), stage_norms=stage_norms())
        return str(detect(frames, as_of=AS_OF + timedelta(days=9))["dedupe_key"][0])

    same = key()
    assert (
        same
        == key(days_in_stage=47.0, as_of=AS_OF + timedelta(days=7))
        == "deal_stalled:opportunity:opportunity-1:e-stage"
    )
    assert key(stage_event_id="e-next-stage") != same


def test_a_lead_that_became_a_deal_is_told_of_there() -> None:
    dark = {"days_since_last_activity": 20.0}
    assert types(Frames(leads=leads(dark))) == [("t1", "going_dark")]
    assert types(Frames(leads=leads(dark | {"opportunity_id": "o1"}))) == []


def test_what_never_happened_is_shown_by_the_event_that_created_the_entity() -> None:
    untouched = {"has_next_step": 0.0, "last_activity_event_id": None, "created_event_id": "e-created"}
    planned = {"opportunity_id": "o2", "has_next_step": 1.0}  # the tenant does record next steps
    found = detect(Frames(opportunities=opportunities(untouched, planned)), as_of=AS_OF)
    assert found.filter(signal_type="no_next_step")["evidence"].to_list() == [["e-created"]]


def test_the_order_of_rows_does_not_matter() -> None:
    frame = opportunities(*({"opportunity_id": f"o{i}", "days_in_stage": 10.0 + 3 * i} for i in range(9)))
    straight = detect(Frames(opportunities=frame, stage_norms=stage_norms()), as_of=AS_OF)
    turned = detect(Frames(opportunities=frame.reverse(), stage_norms=stage_norms()), as_of=AS_OF)
    assert straight.height == 7
    assert_frame_equal(straight, turned)


def test_flags_say_the_same_as_rows() -> None:
    frames = Frames(opportunities=opportunities({}, STALLED | {"opportunity_id": "o2"}), stage_norms=stage_norms())
    wide = flags(frames, "opportunity")
    assert wide.filter("deal_stalled")["entity_id"].to_list() == ["o2"]
    assert wide.height == 2
