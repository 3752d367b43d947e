"""The forecast of deals: what is said of each, from what, and that it is kept and made again to the last bit."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models import artefacts
from models.errors import ContractChanged, LeakingColumns
from models.forecast.artefact import card, dumps, loads, of_tenant, render
from models.forecast.choice import SIMPLE
from models.forecast.hazards import Hazards
from models.forecast.landmarks import landmarks, standing
from models.forecast.model import BY_HISTORY, BY_SCORE, FORECASTS, ForecastModel, train
from tests.support.deals import START

Marts = tuple[pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def model(world: Marts, then: datetime) -> ForecastModel:
    return train(*world, as_of=then)


@pytest.fixture(scope="module")
def open_deals(world: Marts, then: datetime) -> pl.DataFrame:
    """With a score of every second deal."""
    rows = standing(*world, at=then, as_of=then)
    given = pl.when(pl.int_range(pl.len()) % 2 == 0).then(0.125)
    return rows.drop("cause", "elapsed", "closed_minor", "closed_at", "band").with_columns(win_probability=given)


def test_every_deal_has_days_and_amounts_in_order(model: ForecastModel, open_deals: pl.DataFrame) -> None:
    told = model.score(open_deals)
    assert told.schema == pl.Schema(FORECASTS)
    assert told["opportunity_id"].to_list() == open_deals["opportunity_id"].to_list()
    for names in (
        ("close_low", "close_median", "close_high"),
        [f"amount_{n}_minor" for n in ("low", "median", "high")],
    ):
        low, middle, high = (told[name] for name in names)
        assert ((low <= middle) & (middle <= high)).all()
    assert (told["close_low"] >= told["as_of"].dt.date()).all()
    days = np.array(told["close_days"].to_list())
    assert (np.diff(days, axis=1) >= 0).all()
    assert ((told["win_probability"] > 0) & (told["win_probability"] < 1)).all()


def test_the_chance_is_the_scores_where_there_is_one(model: ForecastModel, open_deals: pl.DataFrame) -> None:
    told = model.score(open_deals)
    scored = open_deals["win_probability"].is_not_null()
    assert (told.filter(scored)["win_probability"] == 0.125).all()
    assert set(told.filter(scored)["basis"]) == {BY_SCORE}
    assert set(told.filter(~scored)["basis"]) == {BY_HISTORY}


def test_a_deal_without_an_amount_has_days_and_says_that_it_has_none(
    model: ForecastModel, open_deals: pl.DataFrame
) -> None:
    rows = open_deals.head(3).with_columns(
        value_minor=pl.Series([None, 0, 500], dtype=pl.Int64), currency=pl.Series(["EUR", "EUR", None], dtype=pl.String)
    )
    told = model.score(rows)
    assert told.select(pl.col("^amount.*$").null_count()).row(0) == (3, 3, 3, 3)
    assert told["close_median"].null_count() == 0


def test_a_tenant_without_deals_is_told_something_wide(model: ForecastModel, open_deals: pl.DataFrame) -> None:
    known = model.score(open_deals.head(1))
    new = model.score(open_deals.head(1).with_columns(customer_id=pl.lit("nobody")))
    assert new["dependence"][0] > known["dependence"][0] + 0.1
    assert new["close_high"][0] - new["close_low"][0] > timedelta(days=30)
    nothing = train(open_deals.clear(), pl.DataFrame(schema=_OUTCOMES), as_of=START)
    alone = nothing.score(open_deals.head(1))
    assert alone["close_high"][0] - alone["close_low"][0] > timedelta(days=200)
    assert alone["amount_high_minor"][0] > 1.25 * alone["amount_low_minor"][0]


_OUTCOMES = {
    **dict.fromkeys(("customer_id", "opportunity_id", "outcome", "currency"), pl.String),
    **dict.fromkeys(("opened_at", "decided_at"), pl.Datetime("us", "UTC")),
    "value_minor": pl.Int64,
}


def test_what_comes_later_changes_nothing(world: Marts, then: datetime, model: ForecastModel) -> None:
    snapshots, outcomes = world
    late = pl.col("decided_at") > then
    blind = outcomes.with_columns(
        outcome=pl.when(late).then(pl.lit("open")).otherwise("outcome"), decided_at=pl.when(~late).then("decided_at")
    )
    assert train(snapshots.filter(pl.col("as_of") <= then), blind, as_of=then).version_id == model.version_id


def test_it_is_kept_without_pickle_and_says_the_same_to_the_last_bit(
    model: ForecastModel, open_deals: pl.DataFrame
) -> None:
    again = loads(dumps(model))
    assert again.version_id == model.version_id
    assert again.score(open_deals).equals(model.score(open_deals))
    alone = pl.concat(again.score(row) for row in open_deals.head(20).iter_slices(1))
    assert alone.equals(model.score(open_deals.head(20))), "a deal alone is told what it is told among others"


def test_an_artefact_of_another_contract_is_refused(model: ForecastModel) -> None:
    with pytest.raises(ContractChanged):
        loads(artefacts.pack({}, model.state() | {"contract": "another"}))


def test_the_answer_among_the_columns_is_refused(model: ForecastModel, open_deals: pl.DataFrame) -> None:
    with pytest.raises(LeakingColumns):
        model.score(open_deals.with_columns(decided_at=pl.lit(START)))


def test_a_card_tells_a_tenant_of_itself_alone(model: ForecastModel) -> None:
    whole = card(model)
    assert set(whole["tenants"]) == {f"t{place}" for place in range(5)}
    text = render(of_tenant(whole, "t1"))
    assert "## t1" in text
    assert "t2" not in text
    assert whole["why"] not in text, "how much others have is nobody's business"
    assert "80 % interval" in text
    assert "## " not in render(of_tenant(whole, None))
    assert "looked at: 7 of 9 deals" in render(of_tenant(whole | {"drawn": 7, "of": 9}, "t1"))


def test_the_rich_model_stays_out_where_it_gains_nothing(model: ForecastModel, world: Marts, then: datetime) -> None:
    """Beyond stage and age these deals have nothing to be told apart by."""
    assert model.choice.name == SIMPLE
    assert model.choice.beside is not None
    assert model.choice.beside.difference > -0.01 * model.choice.beside.first
    rows = landmarks(*world, as_of=then)
    rich = Hazards.fit(rows, model.closing)
    won, lost = rich.remaining(rows.head(50), model.closing)
    assert (np.diff(won, axis=1) >= -1e-12).all()
    assert ((won + lost)[:, -1] <= 1 + 1e-9).all()
    again, _ = Hazards.from_state(rich.state()).remaining(rows.head(50), model.closing)
    assert np.array_equal(won, again)
