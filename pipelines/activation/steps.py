"""The five steps in their order: what detectors are worth, signals, patterns, recommendations, briefings.

Each writes in one transaction. An identical picture writes nothing new: every step compares with what is stored.
"""

from datetime import UTC, datetime

import polars as pl

from models.patterns.find import find
from models.patterns.learn import learn
from models.ranking.done import done
from models.ranking.effects import estimate
from models.ranking.exploration import shares
from models.ranking.norms import tenant_norms
from models.ranking.rank import rank
from models.signals.detect import detect
from models.signals.detector import LEAD, OPPORTUNITY
from models.signals.lines import learn_lines
from models.signals.scoreboard import count
from models.signals.standing import judge
from pipelines.activation.picture import Picture, moves, outcomes, past, past_actions, prepared_past
from pipelines.briefing.compose import compose
from pipelines.repositories.answers import answers
from pipelines.repositories.briefing_inputs import read_inputs
from pipelines.repositories.briefings import lock_briefings, publish
from pipelines.repositories.detectors import (
    feedback,
    hushed,
    replace_lines,
    replace_standings,
    shared_counts,
    silenced,
)
from pipelines.repositories.offers import keep_offers
from pipelines.repositories.patterns import open_patterns, pattern_members, recent_clusters, replace_patterns
from pipelines.repositories.rankings import keep_ranking, mark_published
from pipelines.repositories.recommendations import (
    complete_done,
    decisions,
    open_recommendations,
    replace_recommendations,
    wake_snoozed,
)
from pipelines.repositories.signal_passes import close_missing, open_signals
from pipelines.repositories.signals import upsert_signals
from pipelines.resources import Warehouse
from pipelines.scoring.shelf import Shelf

Counts = dict[str, int]
MUTED = "of a kind that has meant nothing here"


def write_standings(warehouse: Warehouse, picture: Picture, *, at: datetime) -> Counts:
    """Draw each line where outcomes say, count how often each detector was right, and mute what means nothing."""
    lines = learn_lines(prepared_past(warehouse, picture, as_of=at))
    counts = count(past(warehouse, picture, as_of=at, lines=lines))
    customers = picture.customers
    with warehouse.connect() as connection:
        standings = judge(
            counts,
            feedback(connection, customers, at=at),
            silenced(connection, customers),
            shared_counts(connection, customers, counts),
        )
        changed = replace_lines(connection, lines, customers=customers, at=at)
        written = replace_standings(connection, standings, customers=customers, at=at)
    return written | {"lines": lines.height, "lines_changed": changed, "muted": int(standings["muted"].sum())}


def write_signals(warehouse: Warehouse, picture: Picture, *, at: datetime) -> Counts:
    """Raise what holds, close what no longer does."""
    found = detect(picture.frames, as_of=at)
    with warehouse.connect() as connection:
        raised = upsert_signals(connection, found, found_by="batch", at=at)
        closed = close_missing(connection, found, picture.entities, customers=picture.customers, at=at)
    return {"found": found.height, "raised": raised, "closed": closed}


def write_patterns(warehouse: Warehouse, picture: Picture, *, at: datetime) -> Counts:
    """Name what occurs together, where history says that together it means more."""
    history = past(warehouse, picture, as_of=at)
    with warehouse.connect() as connection:
        learned = learn(history, recent_clusters(connection, picture.customers, at=at))
        patterns, members = find(open_signals(connection, picture.customers), picture.frames, learned)
        return replace_patterns(connection, patterns, members, customers=picture.customers, at=at)


def write_recommendations(
    warehouse: Warehouse, shelf: Shelf, picture: Picture, *, at: datetime
) -> tuple[Counts, pl.DataFrame]:
    """Rank what the findings call for; counts, and what was left out by owner and reason."""
    effects = estimate(past_actions(warehouse, shelf, picture, as_of=at), picture.customers)
    moving = moves(warehouse, picture, as_of=at)
    norms = tenant_norms(picture.settings, outcomes(warehouse, OPPORTUNITY, picture.customers), as_of=at)
    ended = {
        "lost": _ended(warehouse, OPPORTUNITY, "lost", picture),
        "converted": _ended(warehouse, LEAD, "won", picture),
    }
    with warehouse.connect() as connection:
        wake_snoozed(connection, picture.customers, at=at)
        items = open_recommendations(connection, picture.customers)
        completed = complete_done(connection, done(items, picture.frames, **ended), at=at)
        ranked = rank(
            open_signals(connection, picture.customers),
            open_patterns(connection, picture.customers),
            pattern_members(connection, picture.customers),
            picture.frames,
            effects=effects,
            tenants=norms,
            decisions=decisions(connection, picture.customers, at=at),
            moves=moving,
            shares=shares(picture.settings),
            answers=answers(connection, picture.customers, at=at),
        )
        counts = replace_recommendations(connection, ranked.recommendations, customers=picture.customers, at=at)
        counts["offers"] = keep_offers(connection, ranked.offers)
        unheard = hushed(connection, picture.customers).with_columns(reason=pl.lit(MUTED))
        left_out = pl.concat([ranked.left_out, unheard.select(ranked.left_out.columns)])
        keep_ranking(connection, left_out, customers=picture.customers, at=at)
    return counts | {"completed": completed}, left_out


def write_briefings(warehouse: Warehouse, customers: list[str], left_out: pl.DataFrame, *, at: datetime) -> Counts:
    """Compose every user's briefing; store those whose content changed."""
    now = datetime.now(UTC)
    with warehouse.connect() as connection:
        lock_briefings(connection, customers)
        documents = compose(read_inputs(connection, customers, left_out), as_of=at, generated_at=now)
        published = publish(connection, documents, at=at)
        mark_published(connection, customers, at=at, now=now)
    return {"composed": documents.height, "published": published}


def _ended(warehouse: Warehouse, kind: str, outcome: str, picture: Picture) -> pl.DataFrame:
    decided = outcomes(warehouse, kind, picture.customers).filter(pl.col("outcome") == outcome)
    return decided.select("customer_id", entity_id=pl.col(f"{kind}_id"))
