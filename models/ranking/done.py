"""Which open recommendations have been done, seen from the data alone.

Belongs here: comparing the counters stored with a recommendation with the present ones.
"""

import polars as pl

from models.ranking.catalogue import ACTIONS, Action
from models.signals.detector import OPPORTUNITY
from models.signals.frames import Frames

_KEYS = ["customer_id", "entity_type", "entity_id"]
DONE_SCHEMA = {"customer_id": pl.String(), "dedupe_key": pl.String()}


def done(open_items: pl.DataFrame, frames: Frames, *, lost: pl.DataFrame, converted: pl.DataFrame) -> pl.DataFrame:
    """(customer_id, dedupe_key) of `open_items` whose action has happened since they were proposed.

    `open_items`: customer_id, entity_type, entity_id, action_type, dedupe_key, payload (JSON text). `lost`:
    opportunities decided as lost, `converted`: leads that became something else, both (customer_id, entity_id).
    """
    found = [
        _grown(
            open_items.filter((pl.col("action_type") == action.action_type) & (pl.col("entity_type") == kind)),
            frames,
            action,
            kind,
        )
        for action in ACTIONS
        for kind in action.entity_types
    ]
    closed = open_items.filter(pl.col("action_type") == "close_lost").join(
        lost.with_columns(pl.lit(OPPORTUNITY).alias("entity_type")), on=_KEYS, how="semi"
    )
    turned = open_items.filter(
        (pl.col("action_type") == "convert_or_create_opportunity") & (pl.col("entity_type") == "lead")
    ).join(converted, on=["customer_id", "entity_id"], how="semi")
    ended = [frame.select(list(DONE_SCHEMA)) for frame in (closed, turned)]
    return pl.concat([*found, *ended]).unique().sort("customer_id", "dedupe_key")


def _grown(items: pl.DataFrame, frames: Frames, action: Action, kind: str) -> pl.DataFrame:
    """Items of one action where a counter is above its baseline, or the detail to correct has changed."""
    frame = frames.of(kind)
    if items.is_empty() or frame is None:
        return pl.DataFrame(schema=DONE_SCHEMA)
    rows = items.join(
        frame.rename({f"{kind}_id": "entity_id"}), on=["customer_id", "entity_id"], how="inner", suffix="_now"
    )
    payload = pl.col("payload").str
    signs = [
        pl.col(name) > payload.json_path_match(f"$.baseline.{name}").cast(pl.Float64)
        for name in action.counters
        if name in rows.columns
    ]
    if action.action_type == "correct_close_date":
        signs.append(pl.col("expected_close_date").cast(pl.String) != payload.json_path_match("$.from"))
    if action.action_type == "correct_amount":
        signs.append(pl.col("value_minor").is_not_null())
    if not signs:
        return pl.DataFrame(schema=DONE_SCHEMA)
    return rows.filter(pl.any_horizontal(signs).fill_null(value=False)).select(list(DONE_SCHEMA))
