"""Start order, back-off and giving up, with real short-lived processes and a clock of the test's own."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bevyly.runtime.errors import CannotStart
from bevyly.runtime.ports import free_port
from bevyly.runtime.supervisor import BACKOFF_LIMIT, FIRST_ATTEMPTS, STABLE_SECONDS, Supervisor
from bevyly.runtime.units import Application
from bevyly.runtime.waiting import wait_until

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
FAIL = (sys.executable, "-c", "raise SystemExit('the reason why')")
SUCCEED = (sys.executable, "-c", "pass")


class Time:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A supervisor over `units` that is ticked by hand."""

    def __init__(self, *units: Application) -> None:
        self.time = Time()
        self.changes: list[dict[str, str]] = []
        self.supervisor = Supervisor(
            units,
            on_change=lambda states: self.changes.append({unit.name: unit.state for unit in states}),
            monotonic=self.time,
            wall=self.time,
        )

    def tick_until(self, condition: Callable[[], bool], *, step: float = 0.0) -> None:
        def ticked() -> bool:
            self.time.now += step
            self.supervisor.tick()
            return condition()

        assert wait_until(ticked, seconds=20)

    def state(self, name: str) -> str:
        return next(unit.state for unit in self.supervisor.snapshot() if unit.name == name)

    def kill(self, name: str) -> None:
        child = self.supervisor._watched[name].child
        assert child is not None
        child.kill()


def unit(tmp_path: Path, name: str, argv: tuple[str, ...], *, runs_once: bool = False, needs: str = "") -> Application:
    return Application(
        name,
        argv,
        log_dir=tmp_path,
        cwd=tmp_path,
        environment={},
        needs=tuple(needs.split()),
        runs_once=runs_once,
        grace_seconds=5.0,
    )


def test_what_is_needed_is_ready_first_and_stops_last(tmp_path: Path) -> None:
    bench = Bench(
        unit(tmp_path, "late", SLEEP, needs="step absent"),
        unit(tmp_path, "early", SLEEP),
        unit(tmp_path, "step", SUCCEED, runs_once=True, needs="early"),
    )
    bench.tick_until(bench.supervisor.all_ready, step=0.5)
    entered = [name for change in bench.changes for name, state in change.items() if state == "starting"]
    assert list(dict.fromkeys(entered)) == ["early", "step", "late"]
    bench.changes.clear()
    bench.supervisor.stop()
    stopped = [name for change in bench.changes for name, state in change.items() if state == "stopped"]
    assert list(dict.fromkeys(stopped)) == ["late", "step", "early"]


def test_a_unit_that_dies_is_restarted_ever_more_slowly_and_patience_is_renewed(tmp_path: Path) -> None:
    bench = Bench(unit(tmp_path, "u", SLEEP))
    delays = []
    bench.tick_until(bench.supervisor.all_ready, step=0.5)
    for _ in range(3):
        bench.kill("u")
        launched = bench.supervisor._watched["u"].launched_at
        bench.tick_until(lambda: bench.state("u") == "restarting")
        bench.tick_until(bench.supervisor.all_ready, step=0.01)
        delays.append(bench.supervisor._watched["u"].failures)
        assert bench.supervisor._watched["u"].launched_at > launched
    assert delays == [1, 2, 3]
    bench.time.now += STABLE_SECONDS
    bench.kill("u")
    bench.tick_until(lambda: bench.state("u") == "restarting")
    assert (bench.supervisor._watched["u"].failures, bench.supervisor._watched["u"].restarts) == (1, 4)
    bench.supervisor.stop()


def test_a_unit_is_left_alone_until_its_back_off_is_over(tmp_path: Path) -> None:
    bench = Bench(unit(tmp_path, "u", SLEEP))
    bench.tick_until(bench.supervisor.all_ready, step=0.5)
    bench.supervisor._watched["u"].failures = 20
    bench.kill("u")
    bench.tick_until(lambda: bench.state("u") == "restarting")
    bench.time.now = bench.supervisor._watched["u"].launched_at + BACKOFF_LIMIT - 0.01
    bench.supervisor.tick()
    assert bench.state("u") == "restarting"
    bench.time.now += 0.02
    bench.supervisor.tick()
    assert bench.state("u") == "starting"
    bench.supervisor.stop()


def test_a_unit_that_never_comes_up_ends_in_its_own_words(tmp_path: Path) -> None:
    broken = Application(
        "broken", FAIL, log_dir=tmp_path, cwd=tmp_path, environment={}, port=free_port(), port_variable="X", page="/"
    )
    bench = Bench(broken)
    with pytest.raises(CannotStart, match=r"broken ended with exit code 1: .*the reason why"):
        bench.tick_until(bench.supervisor.all_ready, step=BACKOFF_LIMIT)
    assert bench.supervisor.snapshot()[0].restarts == FIRST_ATTEMPTS - 1


def test_a_failed_step_is_not_repeated(tmp_path: Path) -> None:
    bench = Bench(unit(tmp_path, "migrations", FAIL, runs_once=True), unit(tmp_path, "api", SLEEP, needs="migrations"))
    with pytest.raises(CannotStart, match="migrations ended with exit code 1"):
        bench.tick_until(bench.supervisor.all_ready)
    assert bench.state("api") == "waiting"
