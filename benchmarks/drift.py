"""`python -m benchmarks.drift [runs]`: how soon a moved base rate is seen, how often nothing is taken for it, and back.

One tenant with 20 outcomes a week whose scores rank moderately well. A version learns its calibration from 300 or 1,000
outcomes as training does; after ten quiet weeks the base rate falls from 0.30 to 0.18. From there on everything that
runs in production runs here: the watch, the display, training anew at the alarm, the gates on outcomes that came after,
the display of the version that passed. Prints one JSON line a case; days are calendar days after the shift.
"""

import json
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from models import display, gates, metrics
from models.calibration import AffineCalibrator, sigmoid
from models.intervals import offset_error
from models.monitoring import base_rate, features
from models.monitoring.standing import shown

WEEKLY = 20
QUIET, AFTER = 70, 540  # days
BEFORE, SHIFTED = 0.30, 0.18
SPREAD = 0.9  # standard deviation of true logits: AUC about 0.73
RETRY = 7  # days from a training to the next, as `pipelines.scoring.due`


@dataclass(frozen=True, kw_only=True)
class Path:
    """Outcomes in order: what a raw score says, what became of it, on which day."""

    raw: np.ndarray
    y: np.ndarray
    day: np.ndarray

    def __getitem__(self, part: slice) -> "Path":
        return Path(raw=self.raw[part], y=self.y[part], day=self.day[part])


@dataclass(frozen=True, kw_only=True)
class Version:
    """A calibrated version, as of the number of outcomes that it learned from."""

    learned: int
    calibrator: AffineCalibrator
    threshold: float
    allowed: str

    def says(self, path: Path) -> np.ndarray:
        return sigmoid(self.calibrator.transform(path.raw))


@dataclass(frozen=True, kw_only=True)
class Story:
    """Days after the shift until the alarm, and until a probability is shown again; None where it did not come.

    forgot: whether the alarm would have ended within half a year without a new version, though the rate stays moved.
    """

    false_alarm: bool
    alarm: float | None
    recovered: float | None
    forgot: bool
    trainings: int


def centre(rate: float) -> float:
    """The mean logit at which so many are won."""
    drawn = np.random.default_rng(0).normal(scale=SPREAD, size=50_000)
    low, high = -8.0, 8.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if sigmoid(middle + drawn).mean() > rate else (middle, high)
    return low


def path(random: np.random.Generator, *, taught: int, shift: float, days: int) -> Path:
    """`taught` outcomes before day nought, then those of `days`; from day `QUIET` on true logits are off by `shift`."""
    count = int(random.poisson(days * WEEKLY / 7))
    day = np.r_[-np.arange(taught, 0, -1) * 7 / WEEKLY, np.sort(random.uniform(0, days, count))]
    raw = centre(BEFORE) + random.normal(scale=SPREAD, size=len(day))
    y = (random.random(len(day)) < sigmoid(raw + shift * (day >= QUIET))).astype(float)
    return Path(raw=raw, y=y, day=day)


def learn(known: Path) -> Version:
    """Calibrate as training does: newer outcomes weigh more, and what may be shown is decided by the same rule."""
    back = (known.day[-1] - known.day) / np.ptp(known.day)
    weight = 0.5 ** (back / max(0.5, 500 / len(known.y)))
    calibrator = AffineCalibrator().fit(known.raw, known.y, sample_weight=weight)
    p = sigmoid(calibrator.transform(known.raw))
    allowed, _ = display.decide(metrics.measure(known.y, p))
    error = offset_error(known.raw, calibrator.covariance_)
    h = base_rate.threshold(p, logit_error=error, arl=base_rate.run_length(WEEKLY * 52))
    return Version(learned=len(known.y), calibrator=calibrator, threshold=h, allowed=allowed)


def watched(version: Version, later: Path) -> base_rate.Watch:
    """The watch of `version` over what came after it learned."""
    return base_rate.watch(version.says(later), later.y, h=version.threshold)


def first_alarm(version: Version, later: Path) -> int | None:
    """The outcome at which the watch first alarms, whatever comes of it."""
    reached = np.flatnonzero(base_rate.height(version.says(later), later.y) >= version.threshold)
    return int(reached[0]) if len(reached) else None


def story(seed: int, *, taught: int, shift: float) -> Story:
    """One run, from quiet weeks to the day on which a probability is shown again."""
    random = np.random.default_rng(seed)
    whole = path(random, taught=taught, shift=shift, days=QUIET + AFTER)
    version = learn(whole[slice(taught)])
    later = whole[slice(taught, None)]
    first = first_alarm(version, later)
    if first is None:
        return Story(false_alarm=False, alarm=None, recovered=None, forgot=False, trainings=0)
    if later.day[first] < QUIET:
        return Story(false_alarm=True, alarm=None, recovered=None, forgot=False, trainings=0)
    half_a_year = later[slice(int(np.searchsorted(later.day, later.day[first] + 180)))]
    recovered, trainings = _recovery(version, whole, taught + first + 1)
    return Story(
        false_alarm=False,
        alarm=float(later.day[first]) - QUIET,
        recovered=None if recovered is None else recovered - QUIET,
        forgot=watched(version, half_a_year).raised_at != first,
        trainings=trainings,
    )


def _recovery(champion: Version, whole: Path, now: int) -> tuple[float | None, int]:
    """The day on which a challenger that passed is shown as a probability, and how many were trained."""
    trainings = 0
    while now < len(whole.y):
        challenger, looked = learn(whole[slice(now)]), 0
        trainings += 1
        for look in gates.LOOKS:
            until = challenger.learned + look
            if until > len(whole.y):
                return None, trainings
            rows = whole[slice(challenger.learned, until)]
            verdict = gates.compare(
                rows.y, champion.says(rows), challenger.says(rows), groups=np.arange(look), looked=looked
            )
            looked = verdict.look or looked
            if verdict.outcome == gates.WAITING:
                continue
            if verdict.outcome == gates.PROMOTED:
                champion = challenger
                caps = [] if watched(champion, rows).raised_at is None else [display.BAND]
                if shown(champion.allowed, caps) == display.PROBABILITY:
                    return float(whole.day[until - 1]), trainings
            break
        now = max(until, int(np.searchsorted(whole.day, whole.day[challenger.learned - 1] + RETRY)))
    return None, trainings


def false_alarms(runs: int, *, taught: int) -> dict[str, float]:
    """Years without any shift: the share with a false alarm of the base rate, and the share of time it stood."""
    alarms, stood = 0, 0.0
    for seed in range(runs):
        whole = path(np.random.default_rng([seed, 1]), taught=taught, shift=0.0, days=365)
        version = learn(whole[slice(taught)])
        later = whole[slice(taught, None)]
        alarms += first_alarm(version, later) is not None
        raised = watched(version, later).raised_at
        stood += 0.0 if raised is None else 365 - later.day[raised]
    return {"years_with_a_false_alarm": alarms / runs, "days_lowered_at_the_end": stood / runs}


def moved_features(runs: int, *, now: int) -> dict[str, float]:
    """One look at 25 features that did not move, and at one that moved by half and by one standard deviation."""
    counts = dict.fromkeys(("false_alarms", "seen_half", "seen_one"), 0)
    names = [f"feature {j}" for j in range(25)]
    for seed in range(runs):
        random = np.random.default_rng([seed, 2])
        then, later = random.normal(size=(300, 25)), random.normal(size=(now, 25))
        for name, by in (("false_alarms", 0.0), ("seen_half", 0.5), ("seen_one", 1.0)):
            moved = later + by * (np.arange(25) == 0)
            found = features.compare(names, then, moved, then_entities=300, now_entities=now)
            counts[name] += any(one.moved for one in found)
    return {name: count / runs for name, count in counts.items()}


def summary(stories: list[Story]) -> dict[str, Any]:
    """What is quoted: shares, and medians and 90th percentiles of days; what never came counts as later than all."""
    quiet = [one for one in stories if not one.false_alarm]

    def quantiles(days: list[float | None]) -> dict[str, float | None]:
        ordered = np.sort([np.inf if day is None else day for day in days])
        found = {
            name: float(ordered[int(share * (len(ordered) - 1))]) for name, share in (("median", 0.5), ("p90", 0.9))
        }
        return {name: round(day, 1) if np.isfinite(day) else None for name, day in found.items()}

    return {
        "runs": len(stories),
        "alarmed_before_the_shift": round(1 - len(quiet) / len(stories), 3),
        "days_to_alarm": quantiles([one.alarm for one in quiet]),
        "days_to_a_probability_again": quantiles([one.recovered for one in quiet]),
        "forgotten_without_training": round(float(np.mean([one.forgot for one in quiet])), 3),
        "never_seen": sum(one.alarm is None for one in quiet),
        "trainings": round(float(np.mean([one.trainings for one in quiet])), 2),
    }


def main(runs: int) -> None:
    """Print all cases."""
    shift = centre(SHIFTED) - centre(BEFORE)
    for taught in (300, 1_000):
        stories = [story(seed, taught=taught, shift=shift) for seed in range(runs)]
        quiet = false_alarms(runs, taught=taught)
        print(json.dumps({"case": "base rate 0.30 to 0.18", "learned_from": taught} | summary(stories) | quiet))
    for now in (100, 200):
        print(json.dumps({"case": "features", "entities": now} | moved_features(runs, now=now)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
