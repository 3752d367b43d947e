"""The richer model is used where it foretells later deals better by more than noise, and then by the whole forecast."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from models.forecast.artefact import dumps, loads
from models.forecast.choice import RICH
from models.forecast.model import train
from tests.support.deals import START, make_deals


def told_by_reps(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Deals whose expected close date says when they end, within a few days."""
    snapshots, outcomes = make_deals(tenant=f"t{seed}", months=16, a_month=40, seed=seed)
    random = np.random.default_rng(seed)
    slack = pl.Series(random.normal(0, 3, outcomes.height))
    guess = outcomes.select(
        "opportunity_id", _end=pl.col("decided_at") + pl.duration(hours=(slack * 24).cast(pl.Int64))
    )
    days = (pl.col("_end") - pl.col("as_of")).dt.total_hours() / 24
    return snapshots.join(guess, on="opportunity_id").with_columns(days_to_close=days).drop("_end"), outcomes


def test_dates_that_keep_their_word_are_listened_to() -> None:
    parts = [told_by_reps(seed) for seed in (1, 2)]
    marts = pl.concat(one[0] for one in parts), pl.concat(one[1] for one in parts)
    as_of: datetime = START + timedelta(days=14 * 28)
    model = train(*marts, as_of=as_of)
    assert model.choice.name == RICH, model.choice.reason
    assert model.choice.beside is not None
    assert model.choice.beside.high < -0.05 * model.choice.beside.first
    soon = marts[0].filter((pl.col("as_of") > as_of) & pl.col("days_to_close").is_between(4, 9)).head(1)
    late = marts[0].filter((pl.col("as_of") > as_of) & (pl.col("days_to_close") > 100)).head(1)
    told = loads(dumps(model)).score(pl.concat([soon, late]).with_columns(win_probability=pl.lit(None, pl.Float64)))
    waits = (told["close_median"] - told["as_of"].dt.date()).dt.total_days().to_list()
    assert waits[0] < 15
    assert waits[1] > 40
    out = train(*marts, as_of=as_of, opted_out=["t1", "t2"])
    assert out.hazards is None, "nobody is left to learn it from"
