"""`python -m tests.faults.soak`: the whole event path under random kills, and a proof that nobody noticed.

Writers commit units of work, a relay publishes, an ingest stores, streams take effect; all of them, the broker and
PostgreSQL are killed at random points, stalled and restarted. When the kills are done and the backlog is drained,
every committed event must be stored once, in the order of its entity, and have taken effect once.
"""

import argparse
import json
import random
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from types import FrameType
from typing import Any

from tests.support.faults import BROKERS, BackendVictim, ServerVictim, Stage
from tests.support.faults_killer import Killer
from tests.support.faults_path import POLL_SECONDS, REPORT_SECONDS, EventPath, silent
from tests.support.faults_verdict import Verdict
from tests.support.faults_writer import Pace
from tests.support.kafka_reference import missing_tools


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much, on which broker, for how long. `seconds` is the mean time between two kills."""

    broker: str = "embedded"
    events: int = 30_000
    kills: int = 10
    seed: int = 1
    seconds: float = 1.2
    patience: float = 150.0
    ingest: str = "pipelines.intake"
    say: Callable[[str], None] = silent


@dataclass(kw_only=True)
class Outcome:
    """What a soak did and found."""

    plan: Plan
    verdict: Verdict
    kills: dict[str, int]
    stalls: dict[str, int]
    gave_up: list[str]
    commits: int
    asked_after: int
    seconds: float
    drain_seconds: float
    drained: bool

    @property
    def passed(self) -> bool:
        """Whether everything held, and as much was killed and written as planned."""
        enough = self.verdict.sent == self.plan.events and sum(self.kills.values()) >= self.plan.kills
        return enough and self.drained and not self.gave_up and not self.verdict.violations

    def as_json(self) -> dict[str, Any]:
        plan = {name: getattr(self.plan, name) for name in ("broker", "events", "kills", "seed")}
        own = {name: value for name, value in vars(self).items() if name not in ("plan", "verdict", "kills")}
        verdict = self.verdict.as_json()
        return {"passed": self.passed, **plan, "deaths": self.kills, **own, **verdict}


def soak(plan: Plan) -> Outcome:
    """Run `plan` on servers of its own."""
    began = monotonic()
    with Stage(plan.broker, seed=plan.seed) as stage:
        path = EventPath(stage, seed=plan.seed, say=plan.say)
        killer = _kill_and_write(path, plan)
        stopped = monotonic()
        path.say("killed and written; draining")
        drained = path.drain(patience=plan.patience)
        drain_seconds = monotonic() - stopped
        verdict = path.judge()
    return Outcome(
        plan=plan,
        verdict=verdict,
        kills=dict(killer.deaths),
        stalls=dict(killer.stalls),
        gave_up=killer.gave_up,
        commits=sum(writer.commits.acknowledged for writer in path.writers),
        asked_after=sum(writer.commits.asked_after for writer in path.writers),
        seconds=round(monotonic() - began, 1),
        drain_seconds=round(drain_seconds, 1),
        drained=drained,
    )


def _kill_and_write(path: EventPath, plan: Plan) -> Killer:
    """Until all is killed and written, and all that died is back."""
    rate = plan.events / (plan.kills * plan.seconds) if plan.kills else 0.0
    pace = Pace(plan.events, progress=lambda: killer.share_done, rate=rate)
    stage = path.stage
    killer = Killer(
        [
            *path.start(ingest=plan.ingest, failpoints=plan.kills > 0),
            ServerVictim(stage.broker, "broker", weight=1.5),
            ServerVictim(stage.postgres, "postgres", weight=1),
            BackendVictim(stage.postgres, weight=0.5, chance=random.Random(f"{plan.seed}/backend")),
        ],
        kills=plan.kills,
        chance=random.Random(plan.seed),
        seconds=plan.seconds,
        progress=lambda: pace.taken,
        step=plan.events // (plan.kills + 1),
    )
    killer.start()
    path.write(pace)
    try:
        said = monotonic()
        while killer.is_alive() or path.writing():
            if monotonic() - said > REPORT_SECONDS:
                said = monotonic()
                path.say(f"kills {killer.deaths.total()}/{plan.kills}  written {pace.taken:,}/{plan.events:,}")
            if killer.failure:
                raise killer.failure
            sleep(POLL_SECONDS)
    finally:
        killer.stop()
        path.stop_writing()
    killer.settle()
    return killer


def report(outcome: Outcome) -> str:
    """The outcome in lines for people."""
    verdict, plan = outcome.verdict, outcome.plan
    deaths = ", ".join(f"{name} {number}" for name, number in sorted(outcome.kills.items()))
    stalls = ", ".join(f"{name} {number}" for name, number in sorted(outcome.stalls.items()))
    lines = [
        f"seed {plan.seed}, {plan.broker} broker, {outcome.seconds:.0f} s (drained in {outcome.drain_seconds:.0f} s)",
        f"kills {sum(outcome.kills.values())}: {deaths}",
        f"stalls {sum(outcome.stalls.values())}: {stalls}",
        f"events {verdict.sent:,} in {outcome.commits:,} commits ({outcome.asked_after} asked after), "
        f"stored {verdict.stored:,}, published {verdict.published:,} messages, "
        f"{verdict.signals:,} signals, told of in {verdict.told:,} events",
        f"lost {verdict.lost}, doubled {verdict.doubled}, out of order {verdict.out_of_order}",
        *(f"note: {note}" for note in verdict.notes),
        *(f"ended by itself: {line}" for line in outcome.gave_up),
        *(f"VIOLATION: {name} {number}" for name, number in verdict.violations.items()),
        *(() if outcome.drained else ("VIOLATION: not drained",)),
        "passed" if outcome.passed else "FAILED",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rounds that were asked for; 1 where anything was violated."""
    chosen = _parser().parse_args(arguments)
    if chosen.broker == "apache" and missing_tools():
        sys.exit(f"Apache Kafka needs {' and '.join(missing_tools())}, which this machine lacks")
    signal.signal(signal.SIGTERM, _leave)
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(2**32)
    passed = []
    for number in range(chosen.rounds):
        plan = Plan(
            broker=chosen.broker,
            events=chosen.events,
            kills=chosen.kills,
            seed=seed + number,
            seconds=chosen.seconds,
            patience=150 + chosen.events / 1_000,
            say=_say,
        )
        _say(f"soak on the {plan.broker} broker: {plan.events:,} events, {plan.kills} kills, --seed {plan.seed}")
        outcome = soak(plan)
        _say(report(outcome))
        _say(json.dumps(outcome.as_json(), default=str))
        passed.append(outcome.passed)
    return 0 if all(passed) else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--broker", choices=sorted(BROKERS), default="embedded")
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, help="repeat the choices of an earlier run")
    parser.add_argument("--rounds", type=int, default=1, help="each with the next seed")
    parser.add_argument("--seconds", type=float, default=1.2, help="mean time between two kills")
    return parser


if __name__ == "__main__":
    sys.exit(main())
