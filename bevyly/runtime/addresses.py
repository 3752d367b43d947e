"""The addresses of what runs, in `.bevyly/runtime.env`: written by `bevyly up`, read by `bevyly.settings`.

The secrets are the lines that stay when everything is stopped, so that a restart logs nobody out and what was
encrypted can be read again.
"""

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from dotenv import dotenv_values

from bevyly.encryption import new_key
from bevyly.runtime.files import replace_file
from bevyly.runtime.ports import LOOPBACK
from bevyly.settings import RUNTIME_ENV, Settings, as_role

SECRETS: dict[str, Callable[[], str]] = {
    "JWT_SECRET": lambda: secrets.token_urlsafe(48),
    "ENCRYPTION_KEYS": new_key,
}


def addresses(settings: Settings, servers: Mapping[str, str]) -> dict[str, str]:
    """Every address a Bevyly process needs; `servers` holds those of the embedded servers by setting."""
    known = {
        "DATABASE_URL": servers.get("DATABASE_URL") or settings.database_url,
        "REDIS_URL": servers.get("REDIS_URL") or settings.redis_url,
        "KAFKA_BROKERS": servers.get("KAFKA_BROKERS") or settings.kafka_brokers,
    }
    database = known["DATABASE_URL"]
    if database:
        known["DATABASE_APP_URL"] = settings.database_app_url or as_role(database, "bevyly_app")
        known["DATABASE_PIPELINE_URL"] = settings.database_pipeline_url or as_role(database, "bevyly_pipeline")
    known["API_URL"] = settings.api_url or f"http://{LOOPBACK}:{settings.api_port}"
    known["DAGSTER_URL"] = settings.dagster_url or f"http://{LOOPBACK}:{settings.dagster_port}"
    given = {"JWT_SECRET": settings.jwt_secret, "ENCRYPTION_KEYS": settings.encryption_keys}
    known |= _kept_secrets(settings.home) | {name: one.get_secret_value() for name, one in given.items() if one}
    return {name: value for name, value in known.items() if value}


def given_settings() -> Settings:
    """What the user has set, without the addresses that an earlier run has left in runtime.env."""
    return Settings(_env_file=".env", _env_file_encoding="utf-8")


def publish(home: Path, known: Mapping[str, str]) -> None:
    content = "".join(f"{name}='{value}'\n" for name, value in known.items())
    replace_file(home / RUNTIME_ENV, content.encode())


def withdraw(home: Path) -> None:
    publish(home, _kept_secrets(home))


def read(home: Path) -> dict[str, str]:
    path = home / RUNTIME_ENV
    return {name: value for name, value in dotenv_values(path).items() if value} if path.exists() else {}


def _kept_secrets(home: Path) -> dict[str, str]:
    kept = read(home)
    return {name: kept.get(name) or make() for name, make in SECRETS.items()}
