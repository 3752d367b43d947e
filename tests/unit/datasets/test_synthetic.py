from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from bevyly.datasets.synthetic import Simulation, simulate
from bevyly.datasets.synthetic.calendar import WorkingTime
from bevyly.errors import Invalid
from tests.unit.datasets.tiny import OTHER_TENANT, TENANT, check_contracts, everything

UNTIL = datetime(2026, 11, 19, 11, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def half_year() -> Simulation:
    return simulate(TENANT, months=6, seed=7, until=UNTIL)


def days(count: int) -> pl.Expr:
    return pl.lit(UNTIL - timedelta(days=count))


def test_equal_seeds_give_equal_data_and_others_give_other_data() -> None:
    first, again, other = (simulate(TENANT, months=1, seed=seed, until=UNTIL) for seed in (1, 1, 2))
    assert everything(first.dataset) == everything(again.dataset)
    assert first.truth.equals(again.truth)
    assert not first.truth["win_probability"].equals(other.truth["win_probability"])


def test_tenants_of_one_seed_share_nothing() -> None:
    first = simulate(TENANT, months=1, seed=1, until=UNTIL, number=0).dataset
    second = simulate(OTHER_TENANT, months=1, seed=1, until=UNTIL, number=1).dataset
    assert not set(first.events["event_id"]) & set(second.events["event_id"])
    assert first.events.height != second.events.height


def test_half_a_year_has_the_size_of_a_real_team(half_year: Simulation) -> None:
    dataset = half_year.dataset
    assert dataset.users.height == 6
    assert dataset.leads.height == pytest.approx(300, abs=5)
    assert dataset.opportunities.height == pytest.approx(200, abs=50)
    assert 0.2 < half_year.truth["won"].mean() < 0.5


def test_nothing_happens_after_the_end_or_outside_working_hours(half_year: Simulation) -> None:
    events = half_year.dataset.events
    assert events["occurred_at"].max() <= UNTIL
    work = events.filter(pl.col("occurred_at") > events["occurred_at"].min())["occurred_at"]
    assert set(work.dt.weekday()) <= {1, 2, 3, 4, 5}
    assert set(work.dt.hour()) <= set(range(8, 18))


def test_events_keep_the_contracts_and_rows_their_last_state(half_year: Simulation) -> None:
    dataset = half_year.dataset
    assert check_contracts(dataset) == dataset.events.height
    latest = (
        dataset.events.filter(pl.col("type") == "opportunity.stage_changed")
        .group_by("subject_id")
        .agg(pl.col("data").sort_by("sequence").last().str.json_path_match("$.to_stage"))
    )
    stages = dataset.opportunities.join(latest, left_on="id", right_on="subject_id", how="left")
    assert (stages["stage"] == stages["data"].fill_null("prospecting")).all()
    assert (stages["closed_at"].is_null() == (stages["status"] == "open")).all()


def test_history_has_one_open_interval_for_each_field_and_ends_in_the_row(half_year: Simulation) -> None:
    dataset = half_year.dataset
    assert dataset.opportunity_history.filter(pl.col("valid_to") < pl.col("valid_from")).is_empty()
    current = dataset.opportunity_history.filter(pl.col("valid_to").is_null())
    assert current.height == 3 * dataset.opportunities.height
    wide = current.pivot("field", index="opportunity_id", values="new_value")
    joined = dataset.opportunities.join(wide, left_on="id", right_on="opportunity_id", suffix="_now")
    assert (joined["stage"] == joined["stage_now"]).all()
    assert (joined["value"].cast(pl.String) == joined["value_now"]).all()
    assert (joined["expected_close_date"].dt.to_string("iso") == joined["expected_close_date_now"]).all()


def test_the_truth_stays_out_of_rows_and_events(half_year: Simulation) -> None:
    text = everything(half_year.dataset)
    for word in ("probability", "regime", "interest", "logit", "effect", "silent", "ghosted"):
        assert word not in text, word


def test_outcomes_follow_the_true_chances() -> None:
    truth = pl.concat(simulate(TENANT, months=24, seed=seed, until=UNTIL).truth for seed in range(3))
    expected, won = truth["win_probability"].mean(), truth["won"].mean()
    chances = truth["win_probability"].to_numpy()
    spread = np.sqrt(np.mean(chances * (1 - chances)) / truth.height)
    assert abs(won - expected) < 4 * spread
    deciles = truth.sort("win_probability").with_row_index().group_by(pl.col("index") // (truth.height // 5))
    rates = deciles.agg(pl.col("won").mean()).sort("index")["won"].to_list()[:5]
    assert rates[0] < rates[2] < rates[4]


def test_the_effect_of_an_action_is_what_the_truth_says(half_year: Simulation) -> None:
    truth = half_year.truth
    names = ("call", "email", "meeting", "contact")
    parts = [pl.col(f"effect_of_{name}") * pl.min_horizontal(f"{name}s", "effect_cap") for name in names]
    steady = truth.filter(pl.col("regime") == "steady")
    off = steady.select((pl.col("base_logit") + pl.sum_horizontal(parts) - pl.col("logit")).abs().max()).item()
    assert off < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_every_signal_has_an_open_entity_that_shows_it(seed: int) -> None:
    dataset = simulate(TENANT, months=6, seed=seed, until=UNTIL).dataset
    deals = dataset.opportunities.filter(pl.col("status") == "open")
    leads = dataset.leads.filter(pl.col("status").is_in(["new", "working", "qualified"]))
    of_deals = dataset.activities.join(deals.select(opportunity_id="id"), on="opportunity_id")
    at, inbound = pl.col("occurred_at"), pl.col("direction") == "inbound"
    outbound = pl.col("direction") == "outbound"
    seen = of_deals.group_by("opportunity_id").agg(
        last=at.filter(inbound | outbound).max(),
        unanswered=(outbound & (at > at.filter(inbound).max())).sum(),
        last_inbound=at.filter(inbound).max(),
        people=pl.col("contact_id").filter((at > days(30)) & (inbound | outbound)).n_unique(),
        this_week=(inbound & (at > days(7))).sum(),
        three_before=(inbound & at.is_between(days(28), days(7))).sum(),
        next_step=(pl.col("due_at") > UNTIL).sum(),
    )
    closes = dataset.opportunity_history.filter(pl.col("field") == "expected_close_date").join(
        deals.select(opportunity_id="id"), on="opportunity_id"
    )
    of_leads = dataset.activities.join(leads.select(lead_id="id"), on="lead_id")
    touched = of_leads.filter(outbound)["lead_id"].unique()
    interested = of_leads.group_by("lead_id").agg(count=(inbound & (at > days(7))).sum()).filter(pl.col("count") >= 3)
    found = {
        "deal_stalled": deals.filter(pl.col("stage_entered_at") < days(21)).height,
        "going_dark": seen.filter(pl.col("last") < days(14)).height,
        "ghosted": seen.filter((pl.col("unanswered") >= 3) & (pl.col("last_inbound") < days(7))).height,
        "close_date_overdue": deals.filter(pl.col("expected_close_date") < UNTIL.date()).height,
        "close_date_slipped": closes.filter(pl.col("old_value") < pl.col("new_value")).height,
        "single_threaded": seen.filter(pl.col("people") == 1).height,
        "engagement_surge": seen.filter(pl.col("this_week") >= 3 + pl.col("three_before") / 3 * 2).height,
        "no_next_step": seen.filter(pl.col("next_step") == 0).height,
        "has_next_step": seen.filter(pl.col("next_step") > 0).height,
        "lead_ready": leads.filter(pl.col("id").is_in(interested["lead_id"].implode())).height,
        "lead_untouched": leads.filter(
            ~pl.col("id").is_in(touched.implode()) & (pl.col("created_at") < days(2))
        ).height,
    }
    assert not {name for name, count in found.items() if count == 0}, found


def test_people_leave_and_companies_change_size(half_year: Simulation) -> None:
    dataset = half_year.dataset
    told = dataset.events.filter(pl.col("type").is_in(["contact.updated", "account.updated"])).with_columns(
        before=pl.col("data").str.json_path_match("$.before.*"), after=pl.col("data").str.json_path_match("$.after.*")
    )
    moved = told.filter(pl.col("type") == "contact.updated").join(
        dataset.contacts.select("id", "account_id", "version"), left_on="subject_id", right_on="id"
    )
    assert 10 < moved.height < 0.2 * dataset.contacts.height
    assert (moved["after"] == moved["account_id"]).all()
    assert ((moved["before"] != moved["after"]) & (moved["version"] == 2)).all()
    last = dataset.activities.group_by("contact_id").agg(last=pl.col("occurred_at").max())
    heard = moved.join(last, left_on="subject_id", right_on="contact_id")
    assert (heard["last"] <= heard["occurred_at"]).all(), "who left is heard of where they were"
    grown = told.filter(pl.col("type") == "account.updated").join(
        dataset.accounts.select("id", "employee_count"), left_on="subject_id", right_on="id"
    )
    assert grown.height > 20
    assert (grown["after"].cast(pl.Int64) == grown["employee_count"]).all()
    share = grown["after"].cast(pl.Float64) / grown["before"].cast(pl.Float64)
    assert ((share - 1).abs() > 0.15).mean() > 0.9
    assert 0.2 < (share > 1).mean() < 0.8


@pytest.mark.parametrize("months", [0, 61])
def test_an_absurd_length_is_refused(months: int) -> None:
    with pytest.raises(Invalid, match="choose between 1 and 60"):
        simulate(TENANT, months=months, seed=1, until=UNTIL)


def test_working_time_keeps_order_and_knows_its_way_back() -> None:
    time = WorkingTime.ending(UNTIL, months=3)
    instants = time.instants(np.sort(np.random.default_rng(0).uniform(0, 60, 500)))
    assert (np.diff(instants) >= np.timedelta64(0)).all()
    assert time.instants(np.array([time.days(UNTIL)]))[0] == np.datetime64(UNTIL.replace(tzinfo=None), "us")
