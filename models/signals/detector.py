"""What a detector is: expressions over one row of a prepared mart frame, and the words for what they find.

Belongs here: the type and the columns all detectors share. Each detector has its own file in `detectors/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

OPPORTUNITY, LEAD, ACCOUNT = "opportunity", "lead", "account"


@dataclass(frozen=True, kw_only=True)
class Detector:
    """One rule. All expressions are per row and read nothing recorded after the row's `as_of`.

    `strength` is the effect size: 1 exactly at the line, 2 twice as far. `anchor` is the event that began the episode,
    so that a stream and the batch pass give one row. `since_days` says how long the state has lasted.
    `records` names a `records_*` share of the tenant's profile: below the adoption threshold the rule is silent.

    `definition`, `closes` and `needs` are for people: when it is raised, what ends it, what must be recorded. `learns`
    names the threshold that a tenant's outcomes may move (see `lines`). `predicts`: whether it says something about
    the outcome, and is judged by it; what only says that a record is incomplete is not (see `scoreboard`).
    """

    signal_type: str
    definition: str
    closes: str
    needs: str
    entity_types: tuple[str, ...]
    polarity: str | pl.Expr
    condition: pl.Expr
    strength: pl.Expr
    title: pl.Expr
    anchor: pl.Expr
    evidence: tuple[str | pl.Expr, ...]
    since_days: pl.Expr
    lives_days: float = 14
    data: Mapping[str, pl.Expr] = field(default_factory=dict)
    records: str | None = None
    learns: str | None = None
    predicts: bool = True
    version: str = "1"


def dedupe_key(signal_type: str, entity_type: str, entity_id: str, anchor: str) -> str:
    """The key of one episode; streams and the batch pass must agree on it."""
    return f"{signal_type}:{entity_type}:{entity_id}:{anchor}"


def event(*names: str) -> pl.Expr:
    """The first of the event id columns `names` that is known, else when the entity was created."""
    return pl.coalesce([*names, "created_event_id"])


def week() -> pl.Expr:
    """Monday of the row's week: the episode of what is defined week by week."""
    return pl.col("as_of").dt.truncate("1w").dt.strftime("%Y-%m-%d")


def number(name: str) -> pl.Expr:
    """A count that is zero where nothing was recorded."""
    return pl.col(name).fill_null(0.0)
