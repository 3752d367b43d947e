"""Disks that are full: errors are clean, nothing is half-written, and work goes on by itself when there is space again.

Small file systems are mounted for it, which needs root; where that is refused the test says so and is not run.
"""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from bevyly.runtime.waiting import wait_until
from pipelines.intake.lag import total_lag
from tests.support.faults import Stage
from tests.support.faults_path import EventPath
from tests.support.faults_verdict import behind
from tests.support.faults_writer import Pace

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

MEGABYTES = 256
TABLES = ("outbox", "opportunities", "signals", "soak_tally", "raw.events")


class CannotMount(Exception):
    """This machine gives us no file system of our own."""


class Disk:
    """A file system of a few megabytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no space at all."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            while True:
                ballast.write(b"\0" * 4096)

    def make_room(self) -> None:
        """Give the space back."""
        self._ballast.unlink()


@pytest.fixture
def disk(capfd: pytest.CaptureFixture[str]) -> Iterator[Disk]:
    with ExitStack() as exits:
        try:
            folder = exits.enter_context(_mounted(f"size={MEGABYTES}m"))
        except CannotMount as refusal:
            with capfd.disabled():
                print(f"\n{refusal}")  # noqa: T201 - not to be overlooked
            pytest.skip(str(refusal))
        yield Disk(folder)


@contextmanager
def _mounted(options: str) -> Iterator[Path]:
    with TemporaryDirectory(prefix="bevyly-disk-") as directory:
        folder = Path(directory)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            reason = f"NOT TESTED: full disks. No file system can be mounted here: {done.stderr.strip()}"
            raise CannotMount(reason)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", directory], check=True)


def test_a_broker_without_space_refuses_and_goes_on_when_there_is_space(disk: Disk) -> None:
    with Stage(durable=True, broker_folder=disk.folder / "kafka") as stage:
        path = EventPath(stage)
        processes = path.start(relays=1, streams=1)
        full = threading.Event()
        path.write(Pace(10_000, rate=1_000, progress=lambda: 1.0 if full.is_set() else 0.3))
        identity = stage.broker.child and stage.broker.child.identity
        assert wait_until(lambda: path.stored() > 0, seconds=30, poll=0.1)
        disk.fill()
        full.set()
        assert wait_until(lambda: not path.writing(), seconds=60, poll=0.1)
        assert path.failed_commits().total() == 0
        assert not wait_until(lambda: behind(stage.settings) == 0, seconds=4, poll=0.5)

        disk.make_room()
        verdict = path.finish()
        assert verdict.violations == {}, verdict
        assert (stage.broker.child and stage.broker.child.identity) == identity
        assert all(one.child.running() for one in processes)


def test_postgres_without_space_fails_commits_whole_and_goes_on_when_there_is_space(disk: Disk) -> None:
    with Stage(durable=True) as stage:
        path = EventPath(stage)
        _move_tables(stage, disk)
        path.start(relays=0, streams=1)
        path.write(Pace(20_000, rate=2_000))
        disk.fill()
        assert wait_until(lambda: path.failed_commits()["DiskFull"] > 0, seconds=60, poll=0.1)
        assert path.writing()
        disk.make_room()

        with psycopg.connect(stage.postgres.url) as holder:
            holder.execute("lock table raw.events in exclusive mode")
            stage.add("relay-1", "pipelines.streams.relay")
            assert wait_until(lambda: total_lag(stage.settings) > 1_000, seconds=60, poll=0.1)
            disk.fill()
        assert wait_until(lambda: "DiskFull" in _log_of_the_ingest(stage), seconds=60, poll=0.1)
        disk.make_room()

        verdict = path.finish()
        assert verdict.violations == {}, verdict
        assert all(one.child.running() for one in stage.processes)


def _log_of_the_ingest(stage: Stage) -> str:
    return next(one.child.spec.log.read_text() for one in stage.processes if one.kind == "ingest")


def _move_tables(stage: Stage, disk: Disk) -> None:
    """Let what grows grow on `disk`."""
    folder = disk.folder / "tablespace"
    folder.mkdir()
    disk.folder.chmod(0o755)
    if stage.postgres.account:
        stage.postgres.account.owns([folder])
    with psycopg.connect(stage.postgres.url, autocommit=True) as connection:
        connection.execute(f"create tablespace small location '{folder}'")
        connection.execute("grant create on tablespace small to bevyly_pipeline")
        for table in TABLES:
            connection.execute(f"alter table {table} set tablespace small")
