"""When a refresh fails: the last good briefings stay, and say so."""

from datetime import datetime

from pipelines.repositories.briefings import mark_stale
from pipelines.repositories.staging import Connection


def failure_reason(message: str) -> str:
    """One line that a salesperson may read."""
    return f"The last refresh did not pass: {message.strip().splitlines()[0][:200]}"


def mark_all_stale(connection: Connection, *, reason: str, at: datetime) -> int:
    """Mark the latest briefings of every tenant; how many."""
    customers = [row[0] for row in connection.execute("select id from customers order by id").fetchall()]
    return mark_stale(connection, customers, reason=reason, at=at)
