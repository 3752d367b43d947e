"""TCP ports on loopback: find a free one, refuse a taken one in plain words, probe an open one."""

import socket

import psutil

from bevyly.runtime.errors import CannotStart

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that was free a moment ago; for tests and throw-away servers."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def accepts_connections(port: int, *, host: str = LOOPBACK, seconds: float = 0.5) -> bool:
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return True
    except OSError:
        return False


def require_free(port: int, *, purpose: str, variable: str) -> None:
    """Raise CannotStart when `port` is taken; `variable` is the setting that chooses another one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError as denied:
            raise CannotStart(
                f"Port {port} for {purpose} needs more rights than this user has: "
                f"choose one above 1023 with {variable}=…"
            ) from denied
        except OSError as taken:
            raise CannotStart(
                f"Port {port} for {purpose} is taken by {_holder(port)}: "
                f"stop it, or choose another port with {variable}=…"
            ) from taken


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:] == (port,)
            if listens and connection.pid is not None:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return "another process"
