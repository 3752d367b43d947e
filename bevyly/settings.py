"""Settings: every value that differs between machines, read from the environment once.

Order: the process environment, then `.env`, then the addresses that `bevyly up` wrote to
`.bevyly/runtime.env`, then the defaults here. Does not belong here: anything a tenant may change.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from bevyly.errors import MissingDependency

RUNTIME_ENV = "runtime.env"


def home_dir() -> Path:
    """The folder with everything that Bevyly keeps on this machine (`BEVYLY_HOME`, default `.bevyly`)."""
    return Path(os.environ.get("BEVYLY_HOME", ".bevyly")).expanduser().resolve()


class Settings(BaseSettings):
    """All settings, named as their environment variables in lower case."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    bevyly_home: Path = Field(default_factory=home_dir)
    bevyly_datasets: Path | None = None
    log_level: str = "INFO"

    database_url: str | None = None
    """Owner of the tables: migrations and roles. Services use the two below."""
    database_app_url: str | None = None
    database_pipeline_url: str | None = None
    redis_url: str | None = None
    kafka_brokers: str | None = None
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_replication_factor: int = 1
    kafka_spread_share: float = Field(default=0.5, gt=0, le=1)
    """A tenant with more than this share of the events is spread over partitions by entity; 1 turns it off."""
    journal_days: int = Field(default=14, ge=1)
    """How long published events are kept for replay."""

    jwt_secret: SecretStr | None = None
    jwt_secrets_old: SecretStr | None = None
    """Former values of JWT_SECRET, separated by commas: what they signed lives until it expires."""
    jwt_expires_in: int = Field(default=900, ge=60, le=86_400)
    refresh_expires_in: int = Field(default=30 * 86_400, ge=3_600)
    argon2_memory_kib: int = Field(default=19_456, ge=8)
    argon2_passes: int = Field(default=2, ge=1)
    argon2_lanes: int = Field(default=1, ge=1)
    argon2_at_once: int = Field(default=2, ge=1)
    """How many passwords a process works out at once: each takes a core and `argon2_memory_kib`."""
    api_key_rotation_hours: int = Field(default=24, ge=0, le=720)
    """How long a key still works after it was rotated."""
    encryption_keys: SecretStr | None = None
    """Fernet keys, separated by commas: the first encrypts, all decrypt."""

    webhook_allow_private_addresses: bool = False
    """For tests and development: plain HTTP, any port, and receivers on this machine or its networks."""
    webhook_rotation_hours: int = Field(default=24, ge=0, le=720)
    webhook_log_days: int = Field(default=30, ge=2, le=366)

    smtp_url: SecretStr | None = None
    """`smtp://user:password@host:587` (STARTTLS) or `smtps://…`; without it mails become files in `.bevyly/mail`."""
    mail_from: str = "Bevyly <no-reply@localhost>"
    mail_log_days: int = Field(default=30, ge=1, le=366)
    app_url: str = "http://127.0.0.1:5173"
    """Where people use Bevyly: the links in mails lead there."""

    deleted_days: int = Field(default=90, ge=1, le=3_660)
    """How long a deleted record can be restored before it is purged."""
    retention_days: int = Field(default=90, ge=7, le=3_660)
    """How long what is over is kept: refused rows and effects of imports, resolved dead letters, invitations …"""

    briefing_days: int = Field(default=30, ge=1, le=3_660)
    """How long every version of a briefing is kept; of days before that the last one of each is, and what was seen."""
    decision_days: int = Field(default=1_095, ge=90, le=36_600)
    """How long the details of decisions are kept; the chain itself stays."""

    artefact_url: str | None = None
    """Where model artefacts are kept: `s3://bucket/prefix`, or a folder; `.bevyly/artefacts` without it."""
    artefact_endpoint: str | None = None
    """URL of a server that speaks S3, where it is not Amazon's."""
    artefact_region: str | None = None
    artefact_access_key_id: str | None = None
    artefact_secret_access_key: SecretStr | None = None
    """Without keys here those of the environment (`AWS_…`) or of the machine count."""

    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    openai_model: str = "gpt-5.4-mini"
    openai_daily_wordings: int = Field(default=200, ge=0)
    """How many sentences a tenant that wants them may be asked for a day."""
    apollo_api_key: SecretStr | None = None
    apollo_base_url: str = "https://api.apollo.io/api/v1"
    apollo_daily_credits: int = Field(default=200, ge=0)

    api_host: str = "127.0.0.1"
    api_port: int = 8000
    api_url: str | None = None
    trusted_proxies: str = ""
    """Addresses and networks, separated by commas, whose `X-Forwarded-For` is believed; of nobody else."""
    cors_origins: str = ""
    """Origins, separated by commas, whose pages may call the API (`https://app.example`); `*` for all."""
    dagster_port: int = 3000
    dagster_url: str | None = None
    postgres_port: int = 5433
    valkey_port: int = 6380
    kafka_port: int = 9092

    @property
    def home(self) -> Path:
        """The folder with everything that Bevyly keeps on this machine."""
        return self.bevyly_home.expanduser().resolve()

    @property
    def public_url(self) -> str:
        """Where the API is reached, for links in mails that it answers itself."""
        return (self.api_url or f"http://{self.api_host}:{self.api_port}").rstrip("/")

    @property
    def datasets(self) -> Path | None:
        """The folder with the public data sets, where one is named."""
        return self.bevyly_datasets

    def require_database(self) -> str:
        """URL of the owner's login; raises `MissingDependency` with what to do."""
        return _required(self.database_url, "DATABASE_URL", "PostgreSQL")

    def require_app_database(self) -> str:
        """URL under which the API connects: role `bevyly_app`, row-level security applies."""
        return self.database_app_url or as_role(self.require_database(), "bevyly_app")

    def require_pipeline_database(self) -> str:
        """URL under which relay, streams, Dagster and dbt connect: role `bevyly_pipeline`."""
        return self.database_pipeline_url or as_role(self.require_database(), "bevyly_pipeline")

    def require_kafka(self) -> str:
        """Bootstrap servers; raises `MissingDependency` with what to do."""
        return _required(self.kafka_brokers, "KAFKA_BROKERS", "Kafka")

    def require_redis(self) -> str:
        """URL of Redis or Valkey; raises `MissingDependency` with what to do."""
        return _required(self.redis_url, "REDIS_URL", "Redis")

    def require_jwt_secrets(self) -> list[str]:
        """Secrets of access tokens, each of at least 32 characters: the first signs, all verify."""
        current = _required(_shown(self.jwt_secret), "JWT_SECRET", "The token secret")
        old = [secret.strip() for secret in (_shown(self.jwt_secrets_old) or "").split(",")]
        found = [current, *(secret for secret in old if secret)]
        if min(map(len, found)) < 32:
            name = "JWT_SECRET" if len(current) < 32 else "One of JWT_SECRETS_OLD"
            raise MissingDependency(f"{name} is shorter than 32 characters: set a longer one.")
        return found

    def require_encryption_keys(self) -> list[str]:
        """Keys that seal secrets in the database, the one that encrypts first."""
        keys = _required(_shown(self.encryption_keys), "ENCRYPTION_KEYS", "The key that encrypts stored secrets")
        return [key.strip() for key in keys.split(",") if key.strip()]


def as_role(url: str, role: str) -> str:
    """`url` with a start-up option that makes the session act as `role` from its first statement."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    query["options"] = f"{query.get('options', '')} -c role={role}".strip()
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def _shown(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _required(value: str | None, name: str, what: str) -> str:
    if not value:
        raise MissingDependency(f"{what} is not configured: run `bevyly up`, or set {name}.")
    return value


def load_settings(**overrides: Any) -> Settings:
    """Settings read now: the environment over `.env` over the addresses of the running `bevyly up`."""
    settings = Settings(_env_file=(home_dir() / RUNTIME_ENV, ".env"), _env_file_encoding="utf-8")
    return settings.model_copy(update=overrides) if overrides else settings


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Settings of this process, read once."""
    return load_settings()
