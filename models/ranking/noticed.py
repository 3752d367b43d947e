"""Which open recommendations single events show to be done: the rule of `done`, without counting a history.

A total is above its baseline as soon as something that counts is recorded after the recommendation was made; so one
event is enough, and totals need not be known. Totals that can also fall are given as they stand.
"""

import polars as pl

from models.ranking.catalogue import ACTIONS, Action
from models.ranking.done import DONE_SCHEMA, above_baseline, corrected
from models.signals.detector import LEAD, OPPORTUNITY

GROWTH_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(("customer_id", "entity_type", "entity_id", "counter"), pl.String()),
    "recorded_at": pl.Datetime("us", "UTC"),
}
LEVELS = ("contacts_engaged_30d",)
"""Counters that can fall: compared as they stand."""
TURNED = "opportunities"
"""Counter of a lead's opportunities."""
_KEYS = ["customer_id", "entity_type", "entity_id"]


def noticed(items: pl.DataFrame, growth: pl.DataFrame) -> pl.DataFrame:
    """(customer_id, dedupe_key) of open `items` whose action was done after they were made.

    `items`: customer_id, entity_type, entity_id, action_type, dedupe_key, payload (JSON text), as_of; as they are now
    the entity's status, expected_close_date, value_minor (of opportunities), and a column for each of `LEVELS`.
    `growth` (`GROWTH_SCHEMA`): which total of which entity an event made larger, and when it was recorded.
    """
    newer = items.join(growth, on=_KEYS).filter(pl.col("recorded_at") > pl.col("as_of"))
    grown = newer.group_by("customer_id", "dedupe_key").agg(pl.col("counter").unique().alias("grown"))
    rows = items.join(grown, on=["customer_id", "dedupe_key"], how="left").with_columns(
        pl.col("grown").fill_null(pl.lit([], dtype=pl.List(pl.String)))
    )
    found = [_done(rows, action, kind) for action in ACTIONS for kind in action.entity_types]
    return pl.concat(found).unique().sort("customer_id", "dedupe_key")


def _done(rows: pl.DataFrame, action: Action, kind: str) -> pl.DataFrame:
    own = rows.filter((pl.col("action_type") == action.action_type) & (pl.col("entity_type") == kind))
    grown = pl.col("grown").list
    signs = [grown.contains(name) for name in action.counters if name not in LEVELS]
    if kind == OPPORTUNITY:
        signs += [above_baseline(name) for name in action.counters if name in LEVELS] + corrected(action)
    if action.action_type == "close_lost":
        signs.append(pl.col("status") == "lost")
    if action.action_type == "convert_or_create_opportunity" and kind == LEAD:
        signs += [grown.contains(TURNED), pl.col("status") == "converted"]
    if not signs:
        return pl.DataFrame(schema=DONE_SCHEMA)
    return own.filter(pl.any_horizontal(signs).fill_null(value=False)).select(list(DONE_SCHEMA))
