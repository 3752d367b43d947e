"""`bevyly up`, `bevyly status`, `bevyly down`: what they print and how they end. The work is in the session."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.live import Live

from bevyly.runtime import addresses
from bevyly.runtime.addresses import given_settings
from bevyly.runtime.display import since_text, table
from bevyly.runtime.errors import CannotStart
from bevyly.runtime.phases import HEALTHY
from bevyly.runtime.state import (
    RuntimeState,
    UnitState,
    claim_home,
    end_leftovers,
    end_supervisor,
    load_state,
)
from bevyly.runtime.waiting import wait_until

DETACHED_SECONDS = 600.0


def up(
    only: Annotated[str, typer.Option(help="Start only these services, separated by commas.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Return once everything is ready.")] = False,
) -> None:
    """Start everything that the environment does not already name, and keep it running until Ctrl-C."""
    from bevyly.runtime.session import runtime_session

    home = given_settings().home
    _refuse_second(home)
    if detach:
        _up_detached(home, only)
        return
    console = Console()
    names = [name.strip() for name in only.split(",") if name.strip()]
    try:
        with (
            Live(console=console, refresh_per_second=4, transient=True) as live,
            runtime_session(names, on_progress=lambda units: live.update(table(units, now=time.time()))) as runtime,
        ):
            live.stop()
            console.print(table(runtime.units(), now=time.time()))
            console.print(f"Ready. Logs are in {home / 'logs'}; Ctrl-C stops everything.")
            runtime.wait()
    except KeyboardInterrupt:
        console.print("Stopped.")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print the state as JSON.")] = False,
) -> None:
    """Show what runs; exit code 1 when something should run and does not."""
    state = _living(given_settings().home)
    units = state.units if state else []
    if as_json:
        sys.stdout.write(msgspec.json.encode([_plain(unit) for unit in units]).decode() + "\n")
    elif state is None:
        typer.echo("Nothing runs: start it with `bevyly up`.")
    else:
        Console().print(table(units, now=time.time()))
    if state is None or any(unit.state not in HEALTHY for unit in units):
        raise typer.Exit(1)


def down() -> None:
    """Stop everything that `bevyly up` started, also what a killed one left behind."""
    home = given_settings().home
    state = load_state(home)
    supervisor = state.supervisor() if state else None
    if supervisor is not None:
        if not end_supervisor(supervisor):
            raise CannotStart(f"Bevyly (process {supervisor.pid}) does not stop: look into {home / 'logs'}.")
        typer.echo("Stopped.")
        return
    lock = claim_home(home)
    try:
        ended = end_leftovers(home)
        addresses.withdraw(home)
    finally:
        os.close(lock)
    typer.echo(f"Stopped what was left behind: {', '.join(ended)}." if ended else "Nothing was running.")


def _refuse_second(home: Path) -> None:
    state = load_state(home)
    if state is not None and state.supervisor() is not None:
        raise CannotStart(
            f"Bevyly already runs in {home} (process {state.pid}): see `bevyly status`, or end it with `bevyly down`."
        )


def _up_detached(home: Path, only: str) -> None:
    """The same command as a process of its own; its end, or its readiness, is what we wait for."""
    log = home / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "bevyly.cli", "up", *(("--only", only) if only else ())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def settled() -> bool:
        return child.poll() is not None or bool(addresses.read(home).get("API_URL") and _all_ready(home))

    if not wait_until(settled, seconds=DETACHED_SECONDS, poll=0.2) or child.poll() is not None:
        lines = log.read_text(errors="replace").strip().splitlines()
        raise CannotStart(lines[-1].removeprefix("bevyly: ") if lines else f"It did not come up: see {log}.")
    typer.echo("Ready. See `bevyly status`; `bevyly down` stops everything.")


def _all_ready(home: Path) -> bool:
    state = load_state(home)
    return state is not None and all(unit.state in HEALTHY for unit in state.units)


def _living(home: Path) -> RuntimeState | None:
    """The state, unless its supervisor is gone."""
    state = load_state(home)
    return state if state is not None and state.supervisor() is not None else None


def _plain(unit: UnitState) -> dict[str, object]:
    return {
        "name": unit.name,
        "state": unit.state,
        "pid": unit.pid,
        "restarts": unit.restarts,
        "since": since_text(unit.since),
        "address": unit.address,
        "log": unit.log,
    }
