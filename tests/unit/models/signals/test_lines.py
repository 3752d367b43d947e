"""Lines that a tenant's own outcomes move, by stage too; settings of a person go before what was learned."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from bevyly.errors import Invalid
from bevyly.intent.thresholds import Thresholds
from models.signals.detect import detect
from models.signals.detectors import going_dark
from models.signals.frames import Frames, prepare
from models.signals.lines import LINES, learn_lines
from models.signals.thresholds import with_thresholds
from tests.unit.models.signals.builders import AS_OF, opportunities

DARK = (going_dark.DETECTOR,)


def team(n: int, *, true_line: float, stage: str = "proposal", seed: int = 3) -> list[dict[str, Any]]:
    """Deals that end badly once they were silent for `true_line` days, and else as often as not."""
    rng = np.random.default_rng(seed)
    silent = rng.exponential(15, n)
    won = rng.random(n) < np.where(silent >= true_line, 0.1, 0.55)
    return [
        {
            "opportunity_id": f"{stage}-{i}", "stage": stage, "moment": "opened+28d",
            "days_since_last_activity": float(silent[i]), "as_of": AS_OF + timedelta(hours=i),
            "_won": bool(won[i]),
        }
        for i in range(n)
    ]  # fmt: skip


def past(rows: list[dict[str, Any]]) -> dict[str, pl.DataFrame]:
    outcomes = pl.DataFrame({"entity_id": row["opportunity_id"], "won": row.pop("_won")} for row in rows)
    frame = prepare(Frames(opportunities=opportunities(*rows)), "opportunity")
    assert frame is not None
    judged = frame.join(outcomes, on="entity_id").with_columns(decided_at=pl.col("as_of") + pl.duration(days=9))
    return {"opportunity": judged}


def learned(rows: list[dict[str, Any]]) -> dict[str, float]:
    found = learn_lines(past(rows), DARK)
    return dict(zip(found["stage"], found["value"], strict=True))


def test_a_tenant_whose_deals_die_later_gets_a_later_line() -> None:
    assert learned(team(1200, true_line=28.0)) == {"": 28.0, "proposal": 28.0}


def test_a_line_that_is_right_stays() -> None:
    assert learned(team(1200, true_line=14.0)) == {}


def test_a_line_is_learned_for_one_stage_alone() -> None:
    rows = team(1500, true_line=7.0) + team(900, true_line=14.0, stage="negotiation", seed=5)
    lines = learned(rows)
    assert lines["proposal"] == 7.0
    assert "negotiation" not in lines


def test_few_outcomes_and_pure_chance_move_nothing() -> None:
    assert learned(team(60, true_line=28.0)) == {}
    moved = [bool(learned(team(600, true_line=999.0, seed=seed))) for seed in range(10)]
    assert sum(moved) <= 2


def row(name: str, stage: str, value: float) -> pl.DataFrame:
    return pl.DataFrame([("t1", name, stage, value, 50, 2.0)], schema=LINES, orient="row")


@pytest.mark.parametrize(
    ("lines", "overrides", "expected"),
    [
        ([], {}, (14.0, 14.0)),
        ([("", 21.0)], {}, (21.0, 21.0)),
        ([("", 21.0), ("proposal", 28.0)], {}, (28.0, 21.0)),
        ([("", 21.0), ("proposal", 28.0)], {"dark_days": 10}, (10.0, 10.0)),
        ([("proposal", 28.0)], {"dark_days@proposal": 5}, (5.0, 14.0)),
        ([], {"dark_days": 10, "dark_days@proposal": 5}, (5.0, 10.0)),
    ],
)
def test_what_people_set_goes_before_what_was_learned(
    lines: list[tuple[str, float]], overrides: dict[str, float], expected: tuple[float, float]
) -> None:
    frame = opportunities({}, {"stage": "negotiation"})
    learned = pl.concat([pl.DataFrame(schema=LINES), *(row("dark_days", *line) for line in lines)])
    found = with_thresholds(frame, {"t1": overrides}, learned)
    assert tuple(found["t_dark_days"]) == expected
    assert found["t_slips"].to_list() == [Thresholds().slips] * 2
    assert found.columns[: frame.width] == frame.columns


def test_learned_lines_decide_what_is_raised() -> None:
    frames = Frames(opportunities=opportunities({"days_since_last_activity": 15.0}), lines=row("dark_days", "", 21.0))
    assert detect(frames, as_of=AS_OF).is_empty()


def test_severity_is_louder_for_a_detector_that_has_meant_more() -> None:
    def severity(weight: float) -> str:
        known = pl.DataFrame({"customer_id": ["t1"], "signal_type": ["going_dark"], "weight": [weight]})
        frames = Frames(opportunities=opportunities({"days_since_last_activity": 21.0}), weights=known)
        return str(detect(frames, as_of=AS_OF)["severity"][0])

    assert [severity(weight) for weight in (0.5, 1.0, 1.4, 2.0)] == ["low", "medium", "high", "critical"]


def test_a_threshold_nobody_knows_is_refused_with_a_stage_too() -> None:
    with pytest.raises(Invalid, match="nonsense@proposal"):
        with_thresholds(opportunities(), {"t1": {"nonsense@proposal": 1.0}})
