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
from contextlib import closing
from dataclasses import dataclass, field
from time import monotonic, sleep
from types import FrameType
from typing import Any

import psycopg

from bevyly.db.leadership import DATABASE_AWAY
from bevyly.db.migrate import upgrade
from bevyly.errors import Unavailable
from bevyly.events.topics import create_topics
from bevyly.settings import as_role
from tests.support import faults_tally, faults_writer
from tests.support.databases import Database, named
from tests.support.faults import BROKERS, BackendVictim, ServerVictim, Stage, Victim
from tests.support.faults_killer import Killer
from tests.support.faults_verdict import Verdict, behind, judge
from tests.support.faults_writer import Pace, World, Writer
from tests.support.kafka_reference import missing_tools

ORACLE = "oracle"
RELAY_POINTS = ("after_fetch", "after_produce", "after_flush", "before_commit")
CONSUMER_POINTS = ("before_commit", "after_commit")
REPORT_SECONDS = 4.0
POLL_SECONDS = 0.25
_PROGRESS = """
select (select count(*) from outbox), consumer_group, sum(next_offset) from raw.consumer_offsets group by 2
"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much, on which broker, for how long. `seconds` is the mean time between two kills."""

    broker: str = "embedded"
    events: int = 30_000
    kills: int = 10
    seed: int = 1
    tenants: int = 12
    entities: int = 60
    writers: int = 4
    seconds: float = 1.2
    patience: float = 150.0
    ingest: str = "pipelines.intake"
    say: Callable[[str], None] = field(default=lambda _line: None)


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


class _Run:
    """One soak at work on its stage."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self.stage = stage
        self.plan = plan
        self.began = monotonic()
        world = _prepare(stage, plan)
        rate = plan.events / (plan.kills * plan.seconds) if plan.kills else 0.0
        self.pace = Pace(plan.events, progress=lambda: self.killer.share_done, rate=rate)
        self.killer = Killer(
            _start(stage, plan),
            kills=plan.kills,
            chance=random.Random(plan.seed),
            seconds=plan.seconds,
            progress=lambda: self.pace.taken,
            step=plan.events // (plan.kills + 1),
        )
        self.writers = [self._writer(number, world) for number in range(plan.writers)]

    def _writer(self, number: int, world: World) -> Writer:
        chance = random.Random(f"{self.plan.seed}/writer/{number}")
        return Writer(number, self.stage.settings, world, pace=self.pace, chance=chance, folder=self.stage.folder)

    def kill_and_write(self) -> None:
        """Until all is killed and written, and all that died is back."""
        threads = (self.killer, *self.writers)
        for thread in threads:
            thread.start()
        try:
            self._watch()
        finally:
            for thread in threads:
                thread.stop()
        self.killer.settle()

    def _watch(self) -> None:
        said = self.began
        while any(thread.is_alive() for thread in (self.killer, *self.writers)):
            failures = [one.failure for one in (self.killer, *self.writers) if one.failure]
            if failures:
                raise failures[0]
            if monotonic() - said > REPORT_SECONDS:
                said = monotonic()
                self._say(
                    f"kills {self.killer.deaths.total()}/{self.plan.kills}  "
                    f"written {self.pace.taken:,}/{self.plan.events:,}"
                )
            sleep(POLL_SECONDS)

    def drain(self) -> bool:
        """Whether nothing waits anywhere within the patience of the plan."""
        self._say("killed and written; draining")
        deadline, said = monotonic() + self.plan.patience, monotonic()
        while monotonic() < deadline:
            try:
                left = behind(self.stage.settings)
            except (*DATABASE_AWAY, Unavailable):
                left = -1
            if left == 0:
                return True
            if monotonic() - said > REPORT_SECONDS:
                said = monotonic()
                self._say(f"waiting {left:,}")
            sleep(POLL_SECONDS)
        return False

    def judge(self) -> Verdict:
        """What arrived and took effect, against what was committed."""
        oracle_url = as_role(named(self.stage.postgres.url, ORACLE), "bevyly_pipeline")
        return judge(self.stage.settings, [writer.ledger for writer in self.writers], oracle_url=oracle_url)

    def _say(self, line: str) -> None:
        self.plan.say(f"{monotonic() - self.began:5.0f} s  {line}  {_progress(self.stage)}")


def soak(plan: Plan) -> Outcome:
    """Run `plan` on servers of its own."""
    with Stage(plan.broker, seed=plan.seed) as stage:
        run = _Run(stage, plan)
        run.kill_and_write()
        stopped = monotonic()
        drained = run.drain()
        drain_seconds = monotonic() - stopped
        verdict = run.judge()
    return Outcome(
        plan=plan,
        verdict=verdict,
        kills=dict(run.killer.deaths),
        stalls=dict(run.killer.stalls),
        gave_up=run.killer.gave_up,
        commits=sum(writer.commits.acknowledged for writer in run.writers),
        asked_after=sum(writer.commits.asked_after for writer in run.writers),
        seconds=round(monotonic() - run.began, 1),
        drain_seconds=round(drain_seconds, 1),
        drained=drained,
    )


def _prepare(stage: Stage, plan: Plan) -> World:
    """Tables, topics, tenants; and a copy of the database as it is now for the oracle."""
    settings = stage.settings
    url = settings.require_database()
    upgrade(url)
    create_topics(settings)
    world = World.create(Database(url), tenants=plan.tenants, entities=plan.entities)
    with psycopg.connect(named(url, "postgres"), autocommit=True) as connection:
        name = url.rpartition("/")[2]
        connection.execute(f"create database {ORACLE} template {name}")
        connection.execute(f"grant create, temporary on database {ORACLE} to bevyly_pipeline")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(faults_writer.TABLE)
        connection.execute(faults_tally.TABLE)
    return world


def _start(stage: Stage, plan: Plan) -> list[Victim]:
    """Every process of the event path; what weighs more dies more often."""
    for number in (1, 2):
        stage.add(f"relay-{number}", "pipelines.streams.relay", weight=2, failpoints=RELAY_POINTS)
    stage.add("ingest-1", plan.ingest, "--follow", weight=3, failpoints=CONSUMER_POINTS)
    for number in (1, 2):
        stage.add(f"detector-{number}", "pipelines.streams.signal_detector", weight=1, failpoints=CONSUMER_POINTS)
        stage.add(f"tally-{number}", "tests.support.faults_tally", weight=1, failpoints=CONSUMER_POINTS)
    return [
        *stage.processes,
        ServerVictim(stage.broker, "broker", weight=1.5),
        ServerVictim(stage.postgres, "postgres", weight=1),
        BackendVictim(stage.postgres, weight=0.5, chance=random.Random(f"{plan.seed}/backend")),
    ]


def _progress(stage: Stage) -> str:
    try:
        with closing(psycopg.connect(stage.settings.require_database(), connect_timeout=1)) as connection:
            rows = connection.execute(_PROGRESS).fetchall()
    except DATABASE_AWAY:
        return "PostgreSQL is down"
    return "  ".join([f"outbox {rows[0][0]:,}" if rows else "", *sorted(f"{group} {at:,}" for _, group, at in rows)])


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
        f"stored {verdict.stored:,}, published {verdict.published:,} messages, {verdict.signals:,} signals",
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
