"""`runtime_session`: what is needed runs while the block does. For the command line, `make demo`, and tests."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from bevyly.errors import BevylyError
from bevyly.runtime import addresses, catalogue
from bevyly.runtime.errors import CannotStart
from bevyly.runtime.phases import Phase
from bevyly.runtime.state import UnitState, claim_home, end_leftovers, forget_state, load_state, save_state
from bevyly.runtime.supervisor import TICK_SECONDS, Supervisor
from bevyly.runtime.units import Unit
from bevyly.settings import Settings

Progress = Callable[[list[UnitState]], None]


@dataclass(slots=True)
class Runtime:
    """A running set of services. `addresses` holds the settings by which others reach them."""

    home: Path
    addresses: dict[str, str]
    failure: BevylyError | None = None
    supervisor: Supervisor | None = None
    _stopped: threading.Event = field(default_factory=threading.Event)

    def units(self) -> list[UnitState]:
        if self.supervisor is not None:
            return self.supervisor.snapshot()
        state = load_state(self.home)
        return state.units if state else []

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the supervision ends; raises what ended it."""
        self._stopped.wait(seconds)
        if self.failure is not None:
            raise self.failure


@contextmanager
def runtime_session(
    services: Sequence[str] = (),
    *,
    settings: Settings | None = None,
    prepare: bool = True,
    on_progress: Progress = lambda _: None,
) -> Iterator[Runtime]:
    """Start `services` (all, when empty) and keep them running until the block ends.

    Stores that the environment names are used, not started. `prepare` also brings schema and topics up to date.
    Where `bevyly up` already runs with these services, its own are used and left running.
    """
    wanted = settings or addresses.given_settings()
    names = catalogue.checked(tuple(services))
    running = _already_running(wanted.home, names)
    if running is not None:
        yield running
        return
    lock = claim_home(wanted.home)
    try:
        end_leftovers(wanted.home)
        with _sigterm_as_exit(), _supervised(wanted, names, prepare=prepare, on_progress=on_progress) as runtime:
            yield runtime
    finally:
        os.close(lock)


def _already_running(home: Path, names: tuple[str, ...]) -> Runtime | None:
    state = load_state(home)
    if state is None or state.supervisor() is None:
        return None
    ready = {unit.name for unit in state.units if unit.state == Phase.READY}
    own = {unit.name for unit in state.units}
    missing = [name for name in names if name in own - ready or (name not in own and name not in catalogue.STORES)]
    if missing:
        raise CannotStart(
            f"Bevyly already runs in {home} (process {state.pid}) without {', '.join(missing)}: "
            "end it with `bevyly down` first."
        )
    return Runtime(home, addresses.read(home))


@contextmanager
def _supervised(
    settings: Settings, names: tuple[str, ...], *, prepare: bool, on_progress: Progress
) -> Iterator[Runtime]:
    servers = catalogue.servers(settings, names)
    for server in servers:
        server.prepare()
    known = addresses.addresses(settings, {server.url_variable: server.url for server in servers})
    environment = _environment(settings, known)
    units: list[Unit] = [
        *servers,
        *(catalogue.steps(settings, names, environment) if prepare else ()),
        *catalogue.applications(settings, names, environment),
    ]

    def changed(snapshot: list[UnitState]) -> None:
        save_state(settings.home, snapshot)
        on_progress(snapshot)

    supervisor = Supervisor(units, on_change=changed)
    runtime = Runtime(settings.home, known, supervisor=supervisor)
    stopping = threading.Event()
    keeper = threading.Thread(target=_keep, args=(runtime, supervisor, stopping), name="supervisor", daemon=True)
    try:
        _start(supervisor, stopping)
        addresses.publish(settings.home, known)
        keeper.start()
        yield runtime
    finally:
        stopping.set()
        if keeper.ident is not None:
            keeper.join()
        supervisor.stop()
        addresses.withdraw(settings.home)
        forget_state(settings.home)


def _start(supervisor: Supervisor, stopping: threading.Event) -> None:
    while not supervisor.all_ready():
        supervisor.tick()
        stopping.wait(TICK_SECONDS / 2)


def _keep(runtime: Runtime, supervisor: Supervisor, stopping: threading.Event) -> None:
    try:
        while not stopping.wait(TICK_SECONDS):
            supervisor.tick()
    except BevylyError as failure:
        runtime.failure = failure
    finally:
        runtime._stopped.set()


def _environment(settings: Settings, known: dict[str, str]) -> dict[str, str]:
    """What our processes get: every address, and the same home wherever they run."""
    dagster_home = catalogue.prepare_dagster_home(settings.home)
    return known | {
        "BEVYLY_HOME": str(settings.home),
        "DAGSTER_HOME": str(dagster_home),
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """SIGTERM unwinds the block as Ctrl-C does, so that nothing is left running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
