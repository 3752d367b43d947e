"""The one table of what Bevyly runs on a machine, and in which order."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import bevyly
from bevyly.runtime.errors import CannotStart
from bevyly.runtime.kafka import EmbeddedKafka
from bevyly.runtime.ports import LOOPBACK
from bevyly.runtime.postgres import EmbeddedPostgres
from bevyly.runtime.server import EmbeddedServer
from bevyly.runtime.units import Application, Unit
from bevyly.runtime.valkey import EmbeddedValkey
from bevyly.settings import Settings

PROJECT = Path(bevyly.__file__).resolve().parents[1]
PYTHON = sys.executable
SCRIPTS = Path(sys.executable).parent
STORES = ("postgres", "valkey", "kafka")
# run monitoring ends runs that outlive their time, which the tag dagster/max_runtime of the job sets
DAGSTER_YAML = "telemetry:\n  enabled: false\nnux:\n  enabled: false\nrun_monitoring:\n  enabled: true\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One process of ours: how to run it, what must be ready first, how to see that it is."""

    name: str
    argv: Callable[[Settings], tuple[str, ...]]
    needs: tuple[str, ...]
    port_setting: str | None = None
    page: str | None = None
    grace_seconds: float = 10.0


STEPS = (
    Row(name="migrations", argv=lambda _: (PYTHON, "-m", "bevyly.db.migrate"), needs=("postgres",)),
    Row(name="topics", argv=lambda _: (PYTHON, "-m", "bevyly.events.topics"), needs=("kafka",)),
)

APPLICATIONS = (
    Row(
        name="api",
        argv=lambda _: (PYTHON, "-m", "bevyly.cli", "api"),
        needs=("migrations", "valkey"),
        port_setting="api_port",
        page="/healthz",
    ),
    Row(
        name="importer",
        argv=lambda _: (PYTHON, "-m", "api.modules.imports"),
        needs=("migrations",),
    ),
    Row(
        name="sequencer",
        argv=lambda _: (PYTHON, "-m", "api.modules.sequences"),
        needs=("migrations",),
    ),
    Row(
        name="relay",
        argv=lambda _: (PYTHON, "-m", "pipelines.streams.relay"),
        needs=("migrations", "topics"),
    ),
    Row(
        name="signal-detector",
        argv=lambda _: (PYTHON, "-m", "pipelines.streams.signal_detector"),
        needs=("migrations", "topics"),
    ),
    Row(
        name="briefing-keeper",
        argv=lambda _: (PYTHON, "-m", "pipelines.streams.briefing_keeper"),
        needs=("migrations", "topics"),
    ),
    Row(
        name="agent-trigger",
        argv=lambda _: (PYTHON, "-m", "pipelines.streams.agent_trigger"),
        needs=("migrations", "topics"),
    ),
    Row(
        name="webhook-fan-out",
        argv=lambda _: (PYTHON, "-m", "pipelines.webhooks.fan_out"),
        needs=("migrations", "topics"),
    ),
    Row(
        name="webhooks",
        argv=lambda _: (PYTHON, "-m", "pipelines.webhooks"),
        needs=("migrations",),
        grace_seconds=20.0,
    ),
    Row(
        name="mail",
        argv=lambda _: (PYTHON, "-m", "pipelines.mail"),
        needs=("migrations",),
        grace_seconds=40.0,
    ),
    Row(
        name="dagster",
        argv=lambda settings: (
            *(str(SCRIPTS / "dagster-webserver"), "-w", "workspace.yaml"),
            *("-h", LOOPBACK, "-p", str(settings.dagster_port)),
        ),
        needs=("migrations", "topics"),
        port_setting="dagster_port",
        page="/server_info",
        grace_seconds=20.0,
    ),
    Row(
        name="dagster-daemon",
        argv=lambda _: (str(SCRIPTS / "dagster-daemon"), "run", "-w", "workspace.yaml"),
        needs=("dagster",),
        grace_seconds=20.0,
    ),
)

NAMES = (*STORES, *(row.name for row in APPLICATIONS))


def checked(names: tuple[str, ...]) -> tuple[str, ...]:
    """`names` as they are; raises CannotStart for one that does not exist. Empty means all."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise CannotStart(f"There is no service {', '.join(unknown)}: choose among {', '.join(NAMES)}.")
    return names or NAMES


def servers(settings: Settings, names: tuple[str, ...]) -> list[EmbeddedServer]:
    """The embedded servers among `names` for which the user has named none of his own."""
    home, logs = settings.home, settings.home / "logs"
    embedded: dict[str, tuple[type[EmbeddedServer], int, str | None]] = {
        "postgres": (EmbeddedPostgres, settings.postgres_port, settings.database_url),
        "valkey": (EmbeddedValkey, settings.valkey_port, settings.redis_url),
        "kafka": (EmbeddedKafka, settings.kafka_port, settings.kafka_brokers),
    }
    return [
        kind(home / name, port, log=logs / f"{name}.log")
        for name, (kind, port, given) in embedded.items()
        if name in names and not given
    ]


def steps(settings: Settings, names: tuple[str, ...], environment: Mapping[str, str]) -> list[Unit]:
    """Schema and topics, for the stores that are wanted."""
    return [_unit(row, settings, environment, runs_once=True) for row in STEPS if set(row.needs) & set(names)]


def applications(settings: Settings, names: tuple[str, ...], environment: Mapping[str, str]) -> list[Unit]:
    return [_unit(row, settings, environment) for row in APPLICATIONS if row.name in names]


def prepare_dagster_home(home: Path) -> Path:
    """Dagster's own folder, with its usage statistics and its invitations switched off."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = folder / "dagster.yaml"
    if not settings.exists():
        settings.write_text(DAGSTER_YAML)
    return folder


def _unit(row: Row, settings: Settings, environment: Mapping[str, str], *, runs_once: bool = False) -> Unit:
    return Application(
        row.name,
        row.argv(settings),
        log_dir=settings.home / "logs",
        cwd=PROJECT,
        environment=environment,
        needs=row.needs,
        port=getattr(settings, row.port_setting) if row.port_setting else None,
        port_variable=(row.port_setting or "").upper(),
        page=row.page,
        runs_once=runs_once,
        grace_seconds=row.grace_seconds,
    )
