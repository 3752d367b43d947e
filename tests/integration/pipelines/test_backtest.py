"""A replayed past: the day knows nothing of what came later, and what came of its advice is told from what did."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest

from bevyly.datasets.synthetic import simulate
from bevyly.datasets.tenants import tenant_of
from models.backtest.orders import CHANCE, OURS, RULES
from pipelines.activation.worth import rankings
from pipelines.backtest.past import Past, of_dataset, of_tenant
from pipelines.backtest.replay import Backtest, advise, backtest
from pipelines.backtest.stage import Stage
from tests.support.databases import Database, fresh_database

UNTIL = datetime(2026, 9, 15, 8, tzinfo=UTC)
DAY = UNTIL - timedelta(days=28)
BUDGET = 4
SETTINGS = '{"exploration": {"holdout": 0.1, "explored": 0.2}}'


@dataclass(frozen=True)
class Played:
    past: Past
    stage: Stage
    found: Backtest
    newest: list[datetime]


class Watched(Stage):
    """Notes the newest recording that its database holds after each day."""

    newest: list[datetime]

    def play(self, day: datetime) -> int:
        played = super().play(day)
        with self.warehouse.connect() as connection:
            row = connection.execute("select max(recorded_at) from raw.events").fetchone()
        assert row is not None
        self.newest = [*getattr(self, "newest", []), row[0]]
        return played


@pytest.fixture(scope="module")
def past() -> Past:
    told = of_dataset(simulate(tenant_of("replayed"), months=3, seed=5, until=UNTIL).dataset)
    return replace(told, settings=SETTINGS)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture(scope="module")
def played(past: Past, module_database: Database, target: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    artefacts = tmp_path_factory.mktemp("artefacts")
    stage = Watched(past, owner_url=module_database.owner_url, artefacts=artefacts, target=target)
    return Played(past, stage, backtest(stage, [DAY], budget=BUDGET), stage.newest)


@pytest.fixture
def forgetful(past: Past, postgres_url: str, _template: str, target: Path, tmp_path: Path) -> Iterator[Stage]:
    """A stage whose past ends with the day: what came later never happened."""
    until = past.recorded(after=None, until=DAY)
    with fresh_database(postgres_url, _template) as fresh:
        yield Stage(replace(past, events=until), owner_url=fresh.owner_url, artefacts=tmp_path, target=target)


def test_a_day_holds_what_was_recorded_by_then(played: Played) -> None:
    assert len(played.newest) == 2
    assert played.newest[0] <= DAY < played.newest[1] <= UNTIL
    assert played.past.events["recorded_at"].to_list()[-1] <= UNTIL


def test_what_came_later_changes_nothing_of_the_advice(played: Played, forgetful: Stage) -> None:
    alone = advise(forgetful, DAY, budget=BUDGET)
    assert alone.height > 50
    assert alone["rank"].count() > 5
    assert alone.equals(played.found.choices)


def test_choices_are_all_that_was_open_and_lists_keep_to_the_budget(played: Played) -> None:
    choices = played.found.choices
    assert choices.select("entity_type", "entity_id").is_unique().all()
    shown = choices.filter("shown")
    assert 0 < shown.group_by("owner_id").len()["len"].max() <= BUDGET  # type: ignore[operator]  # a count
    assert shown["rank"].null_count() == 0


def test_outcomes_are_what_followed_within_four_weeks(played: Played) -> None:
    data = pl.col("data").str
    later = played.past.events.filter(pl.col("occurred_at") > DAY)
    won = later.filter(
        (pl.col("type") == "opportunity.stage_changed") & (data.json_path_match("$.status") == "won")
    ).select(entity_id="subject_id")
    outcomes = played.found.outcomes
    asked = outcomes.filter(pl.col("entity_type") == "opportunity")
    caught = asked.join(won, on="entity_id", how="semi")
    assert caught.height > 0
    assert caught["good"].all()
    assert (caught["value_minor"] > 0).all()
    assert set(asked.filter(pl.col("value_minor") > 0)["entity_id"]) == set(caught["entity_id"])
    assert 0 < outcomes["good"].mean() < 1  # type: ignore[operator]  # a share


def test_every_order_is_judged(played: Played) -> None:
    names = [one.order for one in played.found.standings]
    assert names[0] == OURS
    assert set(names) >= {*RULES, CHANCE}
    assert played.found.actions["items"].sum() == played.found.choices["shown"].sum()


def test_what_was_offered_says_what_other_rankings_would_have_been_worth(played: Played) -> None:
    with played.stage.warehouse.connect() as connection:
        offers = connection.execute(
            "select action_type, propensity, options from recommendation_offers where propensity < 1"
        ).fetchall()
    assert len(offers) > 20
    assert any(action is None for action, _, _ in offers)
    for action, propensity, options in offers:
        chances = {option["action_type"]: option["propensity"] for option in options}
        assert propensity == pytest.approx(chances.get(action, 1 - sum(chances.values())), abs=1e-5)
    found = rankings(played.stage.warehouse, played.stage.shelf, played.past.customer_id, at=UNTIL)
    for of in (found.good, found.value):
        assert set(of) == {"live", "no advice", "today's effects"}
        live = of["live"]
        assert live is not None
        assert live.cases == len(offers)
        assert live.low <= live.value <= live.high
        assert (live.ahead, live.support) == (0.0, 1.0)


def test_the_past_of_a_tenant_is_what_its_database_has(played: Played) -> None:
    again = of_tenant(played.stage.warehouse.address, played.past.name)
    assert again.customer_id == played.past.customer_id
    assert again.settings == SETTINGS
    key = ["event_id", "type", "subject_id", "sequence", "occurred_at", "recorded_at"]
    assert again.events.select(key).sort("event_id").equals(played.past.events.select(key).sort("event_id"))
    assert again.people.sort("id").equals(played.past.people.sort("id"))
    with psycopg.connect(played.stage.warehouse.address) as connection:
        assert connection.execute("select count(*) from customers").fetchone() == (1,)
