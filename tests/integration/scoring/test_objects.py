"""One behaviour suite for both stores of artefacts: a folder, and a bucket of a real server that speaks S3 (moto)."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bevyly.errors import Unavailable
from bevyly.objects import BucketStore, FolderStore, ObjectDamaged, ObjectMissing, ObjectStore, read, store_at, write
from bevyly.settings import Settings

KEYS = {"artefact_access_key_id": "key", "artefact_secret_access_key": "secret", "artefact_region": "us-east-1"}
_SIGNED = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"
PATIENT = 120.0


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server with one bucket, `models`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + PATIENT
        while True:
            try:
                httpx.get(f"{url}/moto-api/", timeout=PATIENT)
                break
            except httpx.ConnectError:
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < until, "the server did not start"
                time.sleep(0.2)
        httpx.put(f"{url}/models", headers={"authorization": _SIGNED}, timeout=PATIENT).raise_for_status()
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Each store in turn, empty but for what other tests left under other prefixes."""
    if request.param == "folder":
        return store_at(str(tmp_path), Settings())
    settings = Settings(artefact_endpoint=request.getfixturevalue("endpoint"), **KEYS)
    return store_at(f"s3://models/{request.node.name}", settings)


def test_what_was_written_is_read(store: ObjectStore) -> None:
    data = bytes(range(256)) * 4096
    digest = write(store, "win/one.skops", data)
    assert read(store, "win/one.skops", digest) == data
    assert read(store, "win/one.skops", None) == data, "written before there were checksums"
    assert read(store, "win/one.skops", write(store, "win/one.skops", b"other")) == b"other"


def test_what_is_not_there_is_a_named_error(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        store.get("win/none.skops")


def test_what_was_changed_is_not_read(store: ObjectStore) -> None:
    digest = write(store, "win/one.skops", b"a model")
    store.put("win/one.skops", b"a modem")
    with pytest.raises(ObjectDamaged, match=r"win/one\.skops"):
        read(store, "win/one.skops", digest)


def test_readers_see_one_object_or_the_other(store: ObjectStore) -> None:
    """Writers replace an object all the time: every read is one of both, whole."""
    both = (b"a" * 2_000_000, b"b" * 1_500_000)
    store.put("win/one.skops", both[0])
    over = threading.Event()

    def replace() -> None:
        for place in range(10):
            store.put("win/one.skops", both[place % 2])
        over.set()

    writer = threading.Thread(target=replace)
    writer.start()
    reads = 0
    while not over.is_set() or reads == 0:
        assert store.get("win/one.skops") in both
        reads += 1
    writer.join()


def test_a_folder_keeps_nothing_unfinished(tmp_path: Path) -> None:
    FolderStore(tmp_path).put("win/one.skops", b"a model")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["one.skops"]


def test_a_bucket_that_is_not_there_is_told(endpoint: str) -> None:
    store = store_at("s3://nobodys/prefix", Settings(artefact_endpoint=endpoint, **KEYS))
    assert isinstance(store, BucketStore)
    with pytest.raises(Unavailable, match="did not take"):
        store.put("win/one.skops", b"a model")
