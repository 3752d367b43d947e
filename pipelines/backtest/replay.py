"""A past replayed as if live: each day its events, features, scores, signals, patterns and recommendations, by the
product's own steps; then what came of it.

Belongs here: the order of things. Models are trained when the product would train them, on what was known by then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from models.backtest.judge import Standing, by_action, judge
from models.backtest.orders import CHOICES
from models.schema import SCORE_TYPES
from pipelines.activation import steps
from pipelines.activation.aftermath import HORIZON, done_of, outcomes_of
from pipelines.activation.picture import take
from pipelines.backtest.choices import choices_of
from pipelines.backtest.stage import Stage
from pipelines.scoring.due import reason_to_train
from pipelines.scoring.judging import judge_challengers
from pipelines.scoring.monitoring import watch_versions
from pipelines.scoring.score import score_all
from pipelines.scoring.training import train_score

Say = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """What was advised on `days`, what came of it within `HORIZON`, and how it stands beside other orders."""

    days: Sequence[datetime]
    budget: int
    choices: pl.DataFrame
    outcomes: pl.DataFrame
    standings: Sequence[Standing]
    actions: pl.DataFrame


def backtest(stage: Stage, days: Sequence[datetime], *, budget: int, say: Say = lambda *_: None) -> Backtest:
    """Replay `days` (ascending, aware), then `HORIZON` more, and judge each day's advice. `budget` is per owner."""
    played = []
    for number, day in enumerate(days):
        say(number, len(days) + 1, f"{day:%d %b %Y}")
        played.append(advise(stage, day, budget=budget))
    say(len(days), len(days) + 1, "what came of it")
    end = days[-1] + HORIZON
    stage.play(end)
    choices = pl.concat(played) if played else pl.DataFrame(schema=dict(CHOICES))
    outcomes = outcomes_of(stage.warehouse, choices, at=end)
    return Backtest(
        days=days,
        budget=budget,
        choices=choices,
        outcomes=outcomes,
        standings=judge(choices, outcomes, budget=budget),
        actions=by_action(choices, outcomes, done_of(stage.warehouse, choices, at=end)),
    )


def advise(stage: Stage, day: datetime, *, budget: int) -> pl.DataFrame:
    """Live up to `day`, and what the day's briefings would have said, beside all that they could have."""
    stage.play(day)
    warehouse, shelf = stage.warehouse, stage.shelf
    for score_type in SCORE_TYPES:
        judge_challengers(warehouse, shelf, score_type, day)
        reason = reason_to_train(warehouse, shelf, score_type, day)
        if reason:
            train_score(warehouse, shelf, score_type, instant=day, reason=reason)
        watch_versions(warehouse, shelf, score_type, day)
        score_all(warehouse, shelf, score_type)
    picture = take(warehouse)
    steps.write_signals(warehouse, picture, at=day)
    steps.write_patterns(warehouse, picture, at=day)
    steps.write_recommendations(warehouse, shelf, take(warehouse), at=day)
    return choices_of(warehouse, stage.customer_id, day=day, budget=budget)
