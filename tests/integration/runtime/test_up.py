"""`bevyly up`, `status` and `down` as a user runs them: processes, signals, state files, sentences."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from bevyly.runtime.ports import LOOPBACK, free_port
from bevyly.runtime.waiting import wait_until

PATIENCE = 30.0


@dataclass
class Machine:
    """A home, its ports, and the commands run in it."""

    home: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def bevyly(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bevyly.cli", *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def up(self, *arguments: str) -> subprocess.Popen[str]:
        """A supervisor in the foreground of nobody; returns once all is ready."""
        process = subprocess.Popen(
            [sys.executable, "-m", "bevyly.cli", "up", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        assert wait_until(lambda: self.is_up(process.pid) or process.poll() is not None, seconds=PATIENCE)
        return process

    def is_up(self, supervisor: int) -> bool:
        ready = all(unit["state"] in ("ready", "done") for unit in self.units())
        return ready and self.state().get("pid") == supervisor and "REDIS_URL" in self.runtime_env()

    def state(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.home / "state.json").read_text()))
        except FileNotFoundError:
            return {}

    def units(self) -> list[dict[str, Any]]:
        return list(self.state().get("units", []))

    def unit(self, name: str) -> dict[str, Any]:
        return next(unit for unit in self.units() if unit["name"] == name)

    def runtime_env(self) -> str:
        path = self.home / "runtime.env"
        return path.read_text() if path.exists() else ""

    def valkey(self) -> redis.Redis:
        return redis.Redis(host=LOOPBACK, port=int(self.environment["VALKEY_PORT"]))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    given = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_BROKERS"))}
    ports = {name: str(free_port()) for name in ("VALKEY_PORT", "KAFKA_PORT", "POSTGRES_PORT")}
    machine = Machine(tmp_path / "home", given | ports | {"BEVYLY_HOME": str(tmp_path / "home")})
    yield machine
    machine.bevyly("down")
    for process in machine.started:
        process.communicate(timeout=PATIENCE)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_up_serves_until_sigterm_and_leaves_nothing(machine: Machine) -> None:
    supervisor = machine.up("--only", "valkey")
    pid = machine.unit("valkey")["pid"]
    with machine.valkey() as client:
        assert client.ping()
    assert (machine.home / "runtime.env").stat().st_mode & 0o777 == 0o600

    supervisor.send_signal(signal.SIGTERM)
    supervisor.wait(PATIENCE)

    assert not alive(pid)
    assert machine.units() == []
    assert "REDIS_URL" not in machine.runtime_env()


def test_the_token_secret_stays_when_everything_stops(machine: Machine) -> None:
    def secret() -> str:
        return next(line for line in machine.runtime_env().splitlines() if line.startswith("JWT_SECRET"))

    machine.up("--only", "valkey")
    first = secret()
    assert machine.bevyly("down").stdout == "Stopped.\n"
    assert secret() == first
    machine.up("--only", "valkey")
    assert secret() == first


def test_status_tells_what_runs(machine: Machine) -> None:
    nothing = machine.bevyly("status")
    assert (nothing.returncode, nothing.stdout) == (1, "Nothing runs: start it with `bevyly up`.\n")
    machine.up("--only", "valkey")
    told = machine.bevyly("status", "--json")
    assert told.returncode == 0
    (valkey,) = json.loads(told.stdout)
    assert (valkey["name"], valkey["state"], valkey["restarts"]) == ("valkey", "ready", 0)
    assert valkey["address"] == f"127.0.0.1:{machine.environment['VALKEY_PORT']}"


def test_a_second_up_says_so_in_one_sentence(machine: Machine) -> None:
    first = machine.up("--only", "valkey")
    second = machine.bevyly("up", "--only", "valkey")
    assert second.returncode == 1
    assert second.stderr.strip() == (
        f"bevyly: Bevyly already runs in {machine.home} (process {first.pid}): "
        "see `bevyly status`, or end it with `bevyly down`."
    )


@pytest.mark.faults
def test_what_dies_is_started_again(machine: Machine) -> None:
    supervisor = machine.up("--only", "valkey")
    before = machine.unit("valkey")["pid"]
    os.kill(before, signal.SIGKILL)
    assert wait_until(
        lambda: machine.unit("valkey")["restarts"] == 1 and machine.is_up(supervisor.pid), seconds=PATIENCE
    )
    assert machine.unit("valkey")["pid"] != before
    with machine.valkey() as client:
        assert client.ping()


@pytest.mark.faults
@pytest.mark.parametrize("successor", ["up", "down"])
def test_a_killed_supervisor_leaves_no_orphans_in_the_way(machine: Machine, successor: str) -> None:
    supervisor = machine.up("--only", "valkey,kafka")
    orphans = [unit["pid"] for unit in machine.units() if unit["pid"]]
    supervisor.kill()
    supervisor.wait(PATIENCE)
    assert all(alive(pid) for pid in orphans)

    if successor == "up":
        assert machine.is_up(machine.up("--only", "valkey,kafka").pid)
    else:
        assert machine.bevyly("down").stdout == "Stopped what was left behind: kafka, valkey.\n"

    assert not any(alive(pid) for pid in orphans)


@pytest.mark.faults
def test_a_stranger_with_a_remembered_process_id_is_left_alone(machine: Machine) -> None:
    machine.up("--only", "valkey")
    state = json.loads((machine.home / "state.json").read_text())
    supervisor = machine.started[-1]
    supervisor.terminate()
    supervisor.wait(PATIENCE)
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        state["units"][0]["pid"] = stranger.pid
        state["units"][0]["started"] -= 10
        (machine.home / "state.json").write_text(json.dumps(state))
        assert machine.bevyly("down").stdout == "Nothing was running.\n"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_taken_port_is_one_sentence_with_a_way_out(machine: Machine) -> None:
    port = machine.environment["VALKEY_PORT"]
    with socket.create_server((LOOPBACK, int(port))):
        refused = machine.bevyly("up", "--only", "valkey")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    (sentence,) = refused.stderr.strip().splitlines()
    assert sentence.startswith(f"bevyly: Port {port} for valkey is taken by ")
    assert sentence.endswith("or choose another port with VALKEY_PORT=…")


def test_an_unknown_service_is_one_sentence(machine: Machine) -> None:
    refused = machine.bevyly("up", "--only", "oracle")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("bevyly: There is no service oracle: choose among postgres, valkey, kafka, api")


def test_a_store_that_the_user_names_is_not_started(machine: Machine) -> None:
    machine.environment["REDIS_URL"] = "redis://127.0.0.1:1/0"
    machine.up("--only", "valkey,kafka")
    assert {unit["name"] for unit in machine.units()} == {"kafka", "topics"}
    assert "REDIS_URL='redis://127.0.0.1:1/0'" in machine.runtime_env()


def test_a_server_that_cannot_come_up_is_one_sentence_with_its_own_words(machine: Machine) -> None:
    (machine.home / "valkey").mkdir(parents=True)
    (machine.home / "valkey" / "appendonlydir").write_text("a file where a folder should be")
    refused = machine.bevyly("up", "--only", "valkey")
    assert refused.returncode == 1
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "appendonlydir" in refused.stderr
    assert machine.units() == []


def test_up_detached_returns_when_ready_and_down_ends_it(machine: Machine) -> None:
    returned = machine.bevyly("up", "--only", "valkey", "--detach")
    assert returned.returncode == 0, returned.stderr
    pid = machine.unit("valkey")["pid"]
    assert machine.bevyly("down").stdout == "Stopped.\n"
    assert not alive(pid)
