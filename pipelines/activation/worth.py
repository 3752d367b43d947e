"""What rankings are worth to a tenant, from what its people were offered: the live one, no advice at all, and the one
that today's effects would make of the same options.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from models.ranking.catalogue import ACTIONS, BY_EFFECT
from models.ranking.effects import estimate
from models.ranking.off_policy import NOTHING, Worth, worth
from models.ranking.value import helps, with_value
from pipelines.activation.aftermath import HORIZON, outcomes_of
from pipelines.activation.picture import past_actions, take
from pipelines.repositories.offers import offers_until
from pipelines.resources import Warehouse
from pipelines.scoring.shelf import Shelf

_CASE = pl.format("{}:{}:{}:{}", "entity_type", "entity_id", "cause", "period").alias("case")
_OPTION = pl.List(
    pl.Struct(
        {
            "action_type": pl.String,
            **dict.fromkeys(("expected_value_minor", "propensity", "p", "amount", "urgency", "usefulness"), pl.Float64),
        }
    )
)
_MINUTES = pl.DataFrame(
    [(action.action_type, float(action.minutes)) for action in ACTIONS], ["action_type", "minutes"], orient="row"
)


@dataclass(frozen=True, kw_only=True)
class Rankings:
    """By ranking, its worth by the share of cases with good news, and by what was won, in minor units a case."""

    good: Mapping[str, Worth | None]
    value: Mapping[str, Worth | None]


def rankings(warehouse: Warehouse, shelf: Shelf, customer_id: str, *, at: datetime) -> Rankings:
    """The worth of each ranking to the tenant, by offers whose `HORIZON` is over at `at`."""
    with warehouse.connect() as connection:
        offers = offers_until(connection, customer_id, until=at - HORIZON).with_columns(_CASE)
    came = outcomes_of(warehouse, offers.with_columns(day="as_of", amount_minor=pl.lit(None, pl.Float64)), at=at)
    key = ["customer_id", "entity_type", "entity_id"]
    rows = offers.join(came.unique(["day", *key]), left_on=["as_of", *key], right_on=["day", *key], how="left")
    options = _options(rows)
    effects = estimate(past_actions(warehouse, shelf, take(warehouse, [customer_id]), as_of=at), [customer_id])
    chances = {"live": _live(options), "no advice": _nothing(rows), "today's effects": _anew(options, effects)}
    return Rankings(
        good={name: worth(_rewarded(rows, pl.col("good")), one, chances["live"]) for name, one in chances.items()},
        value={
            name: worth(_rewarded(rows, pl.col("value_minor")), one, chances["live"]) for name, one in chances.items()
        },
    )


def _rewarded(rows: pl.DataFrame, reward: pl.Expr) -> pl.DataFrame:
    return rows.select(
        "case",
        offered=pl.col("action_type").fill_null(NOTHING),
        propensity="propensity",
        reward=reward.cast(pl.Float64),
    )


def _options(rows: pl.DataFrame) -> pl.DataFrame:
    listed = rows.select("case", "customer_id", "entity_type", pl.col("options").str.json_decode(_OPTION))
    return listed.explode("options").unnest("options")


def _live(options: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([options.select("case", action="action_type", chance="propensity"), _held_back(options)])


def _nothing(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("case", pl.lit(NOTHING).alias("action"), pl.lit(1.0).alias("chance"))


def _held_back(options: pl.DataFrame) -> pl.DataFrame:
    """The chance that nothing was offered, where there was one."""
    left = options.group_by("case").agg(chance=1 - pl.col("propensity").sum()).filter(pl.col("chance") > 1e-9)
    return left.select("case", pl.lit(NOTHING).alias("action"), "chance")


def _anew(options: pl.DataFrame, effects: pl.DataFrame) -> pl.DataFrame:
    """The best of the same options by `effects`, for sure; nothing where none is worth its effort."""
    known = options.join(effects, on=["customer_id", "entity_type", "action_type"]).join(_MINUTES, on="action_type")
    # offers that are older than the counting of answers say nothing of them
    known = known.with_columns(pl.col("usefulness").fill_null(1.0), valued=pl.lit(BY_EFFECT))
    valued = with_value(known)
    fine = helps() & (pl.col("expected_value_minor") > 0)
    best = valued.sort("case", fine, "expected_value_minor", "action_type", descending=[False, True, True, False])
    first = best.unique("case", keep="first", maintain_order=True)
    return first.select("case", action=pl.when(fine).then("action_type").otherwise(pl.lit(NOTHING)), chance=pl.lit(1.0))
