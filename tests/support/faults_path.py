"""The event path under test: tables and tenants, writers on one side, processes on the other, a verdict at the end.

`with Stage() as stage: path = EventPath(stage); path.start(); path.write(…); …; path.finish()`. What goes wrong in
between is the test's affair.
"""

import random
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import psycopg

from bevyly.db.leadership import DATABASE_AWAY
from bevyly.db.migrate import upgrade
from bevyly.errors import Unavailable
from bevyly.events.topics import create_topics
from bevyly.settings import as_role
from tests.support import faults_tally, faults_writer
from tests.support.databases import Database, named
from tests.support.faults import ProcessVictim, Stage
from tests.support.faults_verdict import Verdict, behind, judge
from tests.support.faults_writer import Pace, World, Writer

ORACLE = "oracle"
RELAY_POINTS = ("after_fetch", "after_produce", "after_flush", "before_commit")
CONSUMER_POINTS = ("before_commit", "after_commit")
REPORT_SECONDS = 4.0
POLL_SECONDS = 0.25
_PROGRESS = """
select (select count(*) from outbox), consumer_group, sum(next_offset) from raw.consumer_offsets group by 2
"""


def silent(_line: str) -> None:
    """Nobody listens."""


class EventPath:
    """Writers, relays, ingest and streams on one stage."""

    def __init__(
        self,
        stage: Stage,
        *,
        seed: int = 0,
        tenants: int = 12,
        entities: int = 60,
        say: Callable[[str], None] = silent,
    ) -> None:
        self.stage = stage
        self.writers: list[Writer] = []
        self._seed = seed
        self._say = say
        self._began = monotonic()
        self._world = self._prepare(tenants, entities)

    def _prepare(self, tenants: int, entities: int) -> World:
        """Tables, topics, tenants; and a copy of the database as it is now for the oracle."""
        settings = self.stage.settings
        url = settings.require_database()
        upgrade(url)
        create_topics(settings)
        world = World.create(Database(url), tenants=tenants, entities=entities)
        with psycopg.connect(named(url, "postgres"), autocommit=True) as connection:
            connection.execute(f"create database {ORACLE} template {url.rpartition('/')[2]}")
            connection.execute(f"grant create, temporary on database {ORACLE} to bevyly_pipeline")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(faults_writer.TABLE)
            connection.execute(faults_tally.TABLE)
        return world

    @property
    def folder(self) -> Path:
        """Logs and ledgers."""
        return self.stage.folder

    def start(
        self,
        *,
        relays: int = 2,
        streams: int = 2,
        ingest: str = "pipelines.intake",
        failpoints: bool = False,
        environment: dict[str, str] | None = None,
    ) -> list[ProcessVictim]:
        """Start the processes; what weighs more dies more often."""
        add, relay = self.stage.add, RELAY_POINTS if failpoints else ()
        points = CONSUMER_POINTS if failpoints else ()
        for number in range(1, relays + 1):
            add(f"relay-{number}", "pipelines.streams.relay", weight=2, failpoints=relay, environment=environment)
        add("ingest-1", ingest, "--follow", weight=3, failpoints=points, environment=environment)
        for number in range(1, streams + 1):
            detector, tally = "pipelines.streams.signal_detector", "tests.support.faults_tally"
            add(f"detector-{number}", detector, failpoints=points, environment=environment)
            add(f"tally-{number}", tally, failpoints=points, environment=environment)
        return self.stage.processes

    def write(self, pace: Pace, *, writers: int = 4) -> None:
        """Start to write."""
        settings = self.stage.settings
        for number in range(writers):
            chance = random.Random(f"{self._seed}/writer/{number}")
            writer = Writer(number, settings, self._world, pace=pace, chance=chance, folder=self.folder)
            self.writers.append(writer)
            writer.start()

    def writing(self) -> bool:
        """Whether writers are at work; raises what one of them died of."""
        failures = [writer.failure for writer in self.writers if writer.failure]
        if failures:
            raise failures[0]
        return any(writer.is_alive() for writer in self.writers)

    def stop_writing(self) -> None:
        """Let the writers end where they are."""
        for writer in self.writers:
            writer.stop()
        for writer in self.writers:
            writer.join()

    def failed_commits(self) -> Counter[str]:
        """Errors that writers met, by name."""
        return sum((writer.commits.failed for writer in self.writers), Counter())

    def stored(self) -> int:
        """How many events arrived so far."""
        with psycopg.connect(self.stage.settings.require_database()) as connection:
            row = connection.execute("select count(*) from raw.events").fetchone()
        return int(row[0]) if row else 0

    def finish(self, *, patience: float = 60.0) -> Verdict:
        """Wait until all is written and drained, then judge; a backlog that stays is a violation."""
        deadline = monotonic() + patience
        while self.writing() and monotonic() < deadline:
            sleep(POLL_SECONDS)
        self.stop_writing()
        self.drain(patience=patience)
        return self.judge()

    def drain(self, *, patience: float) -> bool:
        """Whether nothing waits anywhere in the end, twice in a row: what a stream tells of may be on its way."""
        deadline, said, left = monotonic() + patience, monotonic(), -1
        while monotonic() < deadline:
            before = left
            try:
                left = behind(self.stage.settings)
            except (*DATABASE_AWAY, Unavailable):
                left = -1
            if left == before == 0:
                return True
            if monotonic() - said > REPORT_SECONDS:
                said = monotonic()
                self.say(f"waiting {left:,}")
            sleep(POLL_SECONDS)
        return False

    def judge(self) -> Verdict:
        """What arrived and took effect, against what was committed."""
        oracle_url = as_role(named(self.stage.postgres.url, ORACLE), "bevyly_pipeline")
        return judge(self.stage.settings, [writer.ledger for writer in self.writers], oracle_url=oracle_url)

    def say(self, line: str) -> None:
        """Report `line` with the time and how far everything is."""
        self._say(f"{monotonic() - self._began:5.0f} s  {line}  {self._progress()}")

    def _progress(self) -> str:
        try:
            with closing(psycopg.connect(self.stage.settings.require_database(), connect_timeout=1)) as connection:
                rows = connection.execute(_PROGRESS).fetchall()
        except DATABASE_AWAY:
            return "PostgreSQL is down"
        waiting = [f"outbox {rows[0][0]:,}"] if rows else []
        return "  ".join(waiting + sorted(f"{group} {at:,}" for _, group, at in rows))
