"""`python -m bevyly.db.migrate`: bring the database of `DATABASE_URL` to the newest version of the tables."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from bevyly.settings import get_settings


def alembic_config(url: str) -> Config:
    """Alembic's configuration for the database at `url`, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Apply all migrations up to `revision` to the database at `url` (the owner's login)."""
    command.upgrade(alembic_config(url), revision)


if __name__ == "__main__":
    upgrade(get_settings().require_database())
