"""Where artefacts are kept: a folder of this machine, or a bucket that speaks S3.

Belongs here: the port and its two sides. Both write a whole object or none, and both are held to one behaviour suite.
What is read is only as good as its checksum, which the register of versions keeps: `read` compares it.
"""

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from bevyly.errors import BevylyError, MissingDependency, NotFound, Unavailable
from bevyly.settings import Settings


class ObjectMissing(NotFound):
    """There is no such object."""

    code = "object_missing"


class ObjectDamaged(BevylyError):
    """What was read is not what was written."""

    code, status, title = "object_damaged", 500, "A stored object is damaged"


class ObjectStore(Protocol):
    """Objects by key; keys are parts of names with slashes between them."""

    def put(self, key: str, data: bytes) -> None:
        """Store `data`; readers see the object before or this one, never a part."""

    def get(self, key: str) -> bytes:
        """The object; raises `ObjectMissing`."""


def write(store: ObjectStore, key: str, data: bytes) -> str:
    """Store `data`; returns its SHA-256, for `read`."""
    store.put(key, data)
    return sha256(data).hexdigest()


def read(store: ObjectStore, key: str, digest: str | None) -> bytes:
    """The object, which must have this SHA-256 where one is known; raises `ObjectMissing`, `ObjectDamaged`."""
    data = store.get(key)
    if digest is not None and sha256(data).hexdigest() != digest:
        raise ObjectDamaged(f"{key} is not what was written: its checksum differs.")
    return data


def find(store: ObjectStore, key: str) -> bytes | None:
    """The object as it is there, if it is."""
    try:
        return store.get(key)
    except ObjectMissing:
        return None


class FolderStore:
    """Objects as files under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes) -> None:
        """Store `data`, on disk before it has its name."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as unfinished:
            unfinished.write(data)
            unfinished.flush()
            os.fsync(unfinished.fileno())
        Path(unfinished.name).replace(path)

    def get(self, key: str) -> bytes:
        """The object; raises `ObjectMissing`."""
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            raise ObjectMissing(f"There is no {key}.") from None


class BucketStore:
    """Objects of a bucket, under the prefix in `url` (`s3://bucket/prefix`); the server checks what it is sent."""

    def __init__(self, url: str, **options: Any) -> None:
        try:
            from obstore.store import S3Store
        except ImportError:
            raise MissingDependency("Buckets need one more package: install `bevyly[s3]`.") from None
        self._store = S3Store.from_url(url, checksum_algorithm="SHA256", **options)

    def put(self, key: str, data: bytes) -> None:
        """Store `data`; raises `Unavailable`."""
        from obstore.exceptions import BaseError

        try:
            self._store.put(key, data, use_multipart=False)
        except (BaseError, FileNotFoundError) as error:  # the latter where there is no such bucket
            raise Unavailable(f"The bucket did not take {key}: {_first_line(error)}") from None

    def get(self, key: str) -> bytes:
        """The object; raises `ObjectMissing`, `Unavailable`."""
        from obstore.exceptions import BaseError

        try:
            return bytes(self._store.get(key).bytes())
        except FileNotFoundError:
            raise ObjectMissing(f"There is no {key}.") from None
        except BaseError as error:
            raise Unavailable(f"The bucket did not give {key}: {_first_line(error)}") from None


def store_at(url: str, settings: Settings) -> ObjectStore:
    """The store at `url`: `s3://bucket/prefix`, else a folder."""
    if not url.startswith("s3://"):
        return FolderStore(Path(url))
    secret = settings.artefact_secret_access_key
    options: dict[str, Any] = {
        "region": settings.artefact_region,
        "endpoint": settings.artefact_endpoint,
        "access_key_id": settings.artefact_access_key_id,
        "secret_access_key": secret and secret.get_secret_value(),
    }
    given = {name: value for name, value in options.items() if value is not None}
    plain = (settings.artefact_endpoint or "").startswith("http://")
    return BucketStore(url, **given, **({"client_options": {"allow_http": True}} if plain else {}))


def artefact_store(settings: Settings) -> ObjectStore:
    """Where the settings say that model artefacts are: `<home>/artefacts` where they say nothing."""
    return store_at(settings.artefact_url or str(settings.home / "artefacts"), settings)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
