"""Which open recommendations have been done, seen from the data alone.

Belongs here: comparing the counters stored with a recommendation with the present ones.
"""

import polars as pl

from models.ranking.catalogue import ACTIONS, Action
from models.signals.detector import LEAD, OPPORTUNITY
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
        (pl.col("action_type") == "convert_or_create_opportunity") & (pl.col("entity_type") == LEAD)
    ).join(pl.concat([converted, _with_opportunity(frames)]), on=["customer_id", "entity_id"], how="semi")
    ended = [frame.select(list(DONE_SCHEMA)) for frame in (closed, turned)]
    return pl.concat([*found, *ended]).unique().sort("customer_id", "dedupe_key")


def above_baseline(counter: str) -> pl.Expr:
    """Whether a total is above what it was when its recommendation was made."""
    return pl.col(counter) > pl.col("payload").str.json_path_match(f"$.baseline.{counter}").cast(pl.Float64)


def corrected(action: Action) -> list[pl.Expr]:
    """Whether the detail that `action` is to correct has changed."""
    if action.action_type == "correct_close_date":
        stated = pl.col("payload").str.json_path_match("$.from")
        return [pl.col("expected_close_date").cast(pl.String) != stated]
    return [pl.col("value_minor").is_not_null()] if action.action_type == "correct_amount" else []


def _with_opportunity(frames: Frames) -> pl.DataFrame:
    """Leads that have become an opportunity, decided or not."""
    leads = frames.of(LEAD)
    if leads is None:
        return pl.DataFrame(schema={"customer_id": pl.String, "entity_id": pl.String})
    return leads.filter(pl.col("opportunity_id").is_not_null()).select("customer_id", entity_id="lead_id")


def _grown(items: pl.DataFrame, frames: Frames, action: Action, kind: str) -> pl.DataFrame:
    """Items of one action where a counter is above its baseline, or the detail to correct has changed."""
    frame = frames.of(kind)
    if items.is_empty() or frame is None:
        return pl.DataFrame(schema=DONE_SCHEMA)
    rows = items.join(
        frame.rename({f"{kind}_id": "entity_id"}), on=["customer_id", "entity_id"], how="inner", suffix="_now"
    )
    signs = [above_baseline(name) for name in action.counters if name in rows.columns] + corrected(action)
    if not signs:
        return pl.DataFrame(schema=DONE_SCHEMA)
    return rows.filter(pl.any_horizontal(signs).fill_null(value=False)).select(list(DONE_SCHEMA))
