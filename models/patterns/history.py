"""What signals looked like in the past, beside how it ended: the ground on which patterns are kept or dropped.

Belongs here: joining flags over snapshots with outcomes that were known in time. Rates are `lift`'s business.
"""

from datetime import datetime

import polars as pl

from models.signals.detect import flags
from models.signals.frames import Frames, with_optional
from models.signals.outcomes import with_outcomes


def history(
    snapshots: Frames,
    outcomes: pl.DataFrame,
    entity_type: str,
    *,
    as_of: datetime,
    known_habits: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Snapshot rows of decided entities: signal flags, the mart's columns and `won`; nothing decided after `as_of`.

    `snapshots` holds marts.<entity>_snapshots in place of the feature frames, `outcomes` is marts.<entity>_outcomes.
    """
    frame = snapshots.of(entity_type)
    if frame is None:
        return pl.DataFrame()
    found = flags(snapshots, entity_type, known_habits=known_habits)
    mart = with_optional(frame).rename({f"{entity_type}_id": "entity_id"})
    rows = found.join(mart, on=["customer_id", "entity_id", "as_of"], how="left", maintain_order="left")
    return with_outcomes(rows, outcomes, entity_type, as_of=as_of)
