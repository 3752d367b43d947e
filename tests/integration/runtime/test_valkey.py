"""The embedded Valkey: what was written is there after a kill."""

from pathlib import Path

import pytest
import redis

from bevyly.runtime.ports import free_port
from bevyly.runtime.valkey import EmbeddedValkey, throwaway_valkey


@pytest.mark.faults
def test_keys_survive_a_kill(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path, free_port())
    with server:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
        server.kill()
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"yes"


def test_a_throwaway_server_starts_empty() -> None:
    for _ in range(2):
        with throwaway_valkey() as server, redis.Redis.from_url(server.url) as client:
            assert client.dbsize() == 0
            client.set("k", "v")
