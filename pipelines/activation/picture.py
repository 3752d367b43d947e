"""What the steps look at: the undecided entities of some tenants with their scores, and their history.

Belongs here: reads of marts and current scores, as frames. Decisions belong to `models`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from threadpoolctl import threadpool_limits

from models.patterns.history import history
from models.ranking.effects import treatments
from models.ranking.momentum import DAYS, momentum
from models.ranking.momentum import SCHEMA as MOVES
from models.schema import SCORES
from models.signals.detector import LEAD, OPPORTUNITY
from models.signals.frames import Frames, habits, prepare
from models.signals.outcomes import with_outcomes
from models.training import Marts
from pipelines.activation.aftermath import outcomes_of
from pipelines.repositories.briefing_inputs import tenants, thresholds_of
from pipelines.repositories.detectors import learned_lines, weights
from pipelines.repositories.model_versions import champions
from pipelines.repositories.scores import current_scores
from pipelines.resources import Warehouse
from pipelines.scoring.draws import EACH, TOGETHER, Draws
from pipelines.scoring.shelf import Shelf

_YOUNG = timedelta(days=180)
# whose score says how likely an entity was to be won
_CHANCE = {OPPORTUNITY: "win", LEAD: "conversion"}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Undecided entities of `customers` as frames; `settings` has customer_id, currency, settings of each."""

    customers: list[str]
    settings: pl.DataFrame
    frames: Frames

    @property
    def entities(self) -> pl.DataFrame:
        """customer_id, entity_type, entity_id of everything looked at."""
        kinds = {OPPORTUNITY: self.frames.opportunities, LEAD: self.frames.leads, "account": self.frames.accounts}
        return pl.concat(
            frame.select("customer_id", entity_type=pl.lit(kind), entity_id=pl.col(f"{kind}_id"))
            for kind, frame in kinds.items()
            if frame is not None
        )


def take(warehouse: Warehouse, customers: Sequence[str] | None = None) -> Picture:
    """The present picture of `customers`, of all tenants by default."""
    with warehouse.connect() as connection:
        known = connection.execute("select id from customers order by id").fetchall()
        chosen = [row[0] for row in known if customers is None or row[0] in customers]
        settings, scores = tenants(connection, chosen), current_scores(connection, chosen)
        lines, loudness = learned_lines(connection, chosen), weights(connection, chosen)
    frames = Frames(
        opportunities=_mart(warehouse, "opportunity_features", chosen),
        leads=_mart(warehouse, "lead_features", chosen),
        accounts=_mart(warehouse, "account_features", chosen),
        stage_norms=_mart(warehouse, "stage_norms", chosen),
        scores=scores,
        thresholds=thresholds_of(settings),
        lines=lines,
        weights=loudness,
    )
    return Picture(customers=chosen, settings=settings, frames=frames)


def past(
    warehouse: Warehouse, picture: Picture, *, as_of: datetime, lines: pl.DataFrame | None = None
) -> dict[str, pl.DataFrame]:
    """Per entity type: what signals looked like on past snapshots, beside how it ended; with `lines` in place of those
    that are in use.
    """
    drawn = {kind: _drawn(warehouse, kind, picture.customers) for kind in (OPPORTUNITY, LEAD)}
    snapshots = _snapshots(drawn, picture, picture.frames.lines if lines is None else lines)
    known = habits(picture.frames)
    return {
        kind: history(snapshots, ended, kind, as_of=as_of, known_habits=known) for kind, (_, ended) in drawn.items()
    }


def moves(warehouse: Warehouse, picture: Picture, *, as_of: datetime) -> pl.DataFrame:
    """How likely each undecided deal and lead is to move at all (`models.ranking.momentum`), by half a year of past.

    The past ends with the day before `as_of`: whoever nothing happened to is worth the same all day.
    """
    known, within = as_of.replace(hour=0, minute=0, second=0, microsecond=0), timedelta(days=DAYS)
    parts = []
    for kind in (OPPORTUNITY, LEAD):
        now = picture.frames.of(kind)
        if now is None:
            continue
        seen, _ = _drawn(warehouse, kind, picture.customers)
        seen = seen.filter((pl.col("as_of") > known - _YOUNG) & (pl.col("as_of") <= known - within))
        asked = seen.select(
            "customer_id", pl.lit(kind).alias("entity_type"), entity_id=f"{kind}_id", day="as_of", amount_minor=None
        )
        came = outcomes_of(warehouse, asked, at=known, within=within)
        came = came.select("customer_id", "entity_id", "day", moved="good").unique()
        past = seen.rename({f"{kind}_id": "entity_id", "as_of": "day"})
        past = past.join(came, on=["customer_id", "entity_id", "day"], how="inner", maintain_order="left")
        parts.append(momentum(past, now.rename({f"{kind}_id": "entity_id"}), kind))
    return pl.concat([pl.DataFrame(schema=MOVES), *parts])


def prepared_past(warehouse: Warehouse, picture: Picture, *, as_of: datetime) -> dict[str, pl.DataFrame]:
    """Per entity type: past snapshots as detectors read them, at the lines of people and defaults, with outcomes."""
    drawn = {kind: _drawn(warehouse, kind, picture.customers) for kind in (OPPORTUNITY, LEAD)}
    snapshots = _snapshots(drawn, picture, None)
    known = habits(picture.frames)
    frames = {kind: prepare(snapshots, kind, known) for kind in drawn}
    return {
        kind: with_outcomes(frame, drawn[kind][1], kind, as_of=as_of)
        for kind, frame in frames.items()
        if frame is not None
    }


def _drawn(warehouse: Warehouse, kind: str, customers: Sequence[str]) -> Marts:
    """Snapshots and outcomes of those past entities that something is learned from."""
    return Draws(warehouse=warehouse, score_type=_CHANCE[kind]).pool(customers, each=EACH, together=TOGETHER)


def _snapshots(drawn: Mapping[str, Marts], picture: Picture, lines: pl.DataFrame | None) -> Frames:
    return Frames(
        opportunities=drawn[OPPORTUNITY][0],
        leads=drawn[LEAD][0],
        stage_norms=picture.frames.stage_norms,
        thresholds=picture.frames.thresholds,
        lines=lines,
    )


def past_actions(warehouse: Warehouse, shelf: Shelf, picture: Picture, *, as_of: datetime) -> pl.DataFrame:
    """Past snapshots with their score, what was done in the days after, and how it ended."""
    parts = []
    for kind in (OPPORTUNITY, LEAD):
        snapshots, ended = _drawn(warehouse, kind, picture.customers)
        rows = treatments(
            _snapshot_scores(warehouse, shelf, kind, picture.customers, snapshots),
            _mart(warehouse, f"{kind}_next_actions", picture.customers),
            ended,
            kind,
            as_of=as_of,
            snapshots=snapshots,
        )
        parts.append(rows)
    return pl.concat(parts, how="diagonal_relaxed")


def outcomes(warehouse: Warehouse, kind: str, customers: Sequence[str]) -> pl.DataFrame:
    """The outcome mart of an entity type."""
    return _mart(warehouse, f"{kind}_outcomes", customers)


def _snapshot_scores(
    warehouse: Warehouse, shelf: Shelf, kind: str, customers: list[str], snapshots: pl.DataFrame
) -> pl.DataFrame:
    """Scores of past snapshots by the versions in use, without reasons."""
    with warehouse.connect() as connection:
        versions = champions(connection, customers).filter(pl.col("score_type") == _CHANCE[kind])
    if versions.is_empty() or snapshots.is_empty():
        return pl.DataFrame(schema=SCORES)
    with threadpool_limits(limits=1):
        model = shelf.load(versions.row(-1, named=True))
        return model.score(snapshots, explain=False)


def _mart(warehouse: Warehouse, mart: str, customers: Sequence[str]) -> pl.DataFrame:
    return warehouse.read(f"select * from marts.{mart} where customer_id = any($1)", [list(customers)])
