"""Which candidates become recommendations, and why the others do not.

Belongs here: suppression, one item an entity and cause, what fits on a list. Values are `value`'s business.
"""

import polars as pl

from models.ranking.catalogue import ADVANCE, RELEASE
from models.ranking.exploration import HELD_BACK, TRIED, drawn
from models.ranking.value import MINUTE_COST_MINOR, helps

PER_OWNER_AND_ACTION = 15
_ENTITY = ["customer_id", "entity_type", "entity_id"]

# Reasons in the words of the briefing's "not shown, because".
ALREADY_DONE = "done in the last days"
IN_HAND = "already in hand"
DISMISSED = "dismissed recently"
NO_EFFECT = "no sign that it helps"
EFFORT = "not worth the effort"
BETTER_CLOSED = "the deal is better closed"
BETTER_ACTION = "another action is worth more here"
CAPACITY = "worth less than what is on the list"


def with_fate(candidates: pl.DataFrame, decisions: pl.DataFrame, tenants: pl.DataFrame) -> pl.DataFrame:
    """`candidates` with `fate`: null for those chosen, else why not; and what `exploration.log` reads.

    `tenants`: customer_id with the shares that may be held back and tried out (`exploration.SHARES_SCHEMA`).

    `decisions`: what people have decided, (customer_id, entity_type, entity_id, cause, dedupe_key, status) with status
    dismissed or completed (that item rests) or accepted or snoozed (nothing else of its cause is proposed meanwhile).
    """
    resting = decisions.filter(pl.col("status").is_in(["dismissed", "completed"])).select("customer_id", "dedupe_key")
    in_hand = decisions.filter(pl.col("status").is_in(["accepted", "snoozed"])).select(*_ENTITY, "cause")
    rows = _marked(candidates, resting.unique(), "resting", ["customer_id", "dedupe_key"])
    rows = _marked(rows, in_hand.unique(), "in_hand", [*_ENTITY, "cause"])
    rows = rows.with_columns(
        pl.when(pl.col("done"))
        .then(pl.lit(ALREADY_DONE))
        .when("in_hand")
        .then(pl.lit(IN_HAND))
        .when("resting")
        .then(pl.lit(DISMISSED))
        .when(~helps())
        .then(pl.lit(NO_EFFECT))
        .when(pl.col("expected_value_minor") < MINUTE_COST_MINOR)
        .then(pl.lit(EFFORT))
        .alias("fate")
    ).drop("resting", "in_hand")
    return _limited(_one_each(rows, tenants))


def _marked(rows: pl.DataFrame, keys: pl.DataFrame, name: str, on: list[str]) -> pl.DataFrame:
    marks = keys.with_columns(pl.lit(value=True).alias(name))
    return rows.join(marks, on=on, how="left", maintain_order="left").with_columns(pl.col(name).fill_null(value=False))


def _one_each(rows: pl.DataFrame, tenants: pl.DataFrame) -> pl.DataFrame:
    """At most one item an entity and cause, as it was drawn; a deal to be closed is not also to be called."""
    alive = pl.col("fate").is_null()
    closing = (alive & (pl.col("cause") == RELEASE)).any().over(_ENTITY)
    rows = rows.with_columns(
        pl.when(alive & closing & (pl.col("cause") == ADVANCE))
        .then(pl.lit(BETTER_CLOSED))
        .otherwise(pl.col("fate"))
        .alias("fate")
    )
    rows = drawn(rows.with_columns(place=_place([*_ENTITY, "cause"])), tenants)
    any_offered = pl.col("offered").any().over([*_ENTITY, "cause"])
    best_offered = (pl.col("offered") & (pl.col("place") == 1)).any().over([*_ENTITY, "cause"])
    passed_over = (
        pl.when(~any_offered)
        .then(pl.lit(HELD_BACK))
        .when(best_offered)
        .then(pl.lit(BETTER_ACTION))
        .otherwise(pl.lit(TRIED))
    )
    return rows.with_columns(
        pl.when(alive & ~pl.col("offered")).then(passed_over).otherwise(pl.col("fate")).alias("fate")
    )


def _limited(rows: pl.DataFrame) -> pl.DataFrame:
    """Nobody works through hundreds: the best of each action an owner has, so that every action keeps its chance."""
    alive = pl.col("fate").is_null()
    place = _place(["customer_id", "owner_id", "action_type"])
    return rows.with_columns(
        pl.when(alive & (place > PER_OWNER_AND_ACTION)).then(pl.lit(CAPACITY)).otherwise(pl.col("fate")).alias("fate")
    )


def _place(by: list[str]) -> pl.Expr:
    """1 for the most valuable living row of each group; ties by key, so that the order never depends on the input's."""
    order = pl.struct(pl.col("fate").is_not_null(), -pl.col("expected_value_minor"), pl.col("dedupe_key"))
    return order.rank("ordinal").over(by)
