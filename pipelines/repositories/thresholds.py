"""Reads of the lines that tenants have drawn for signals, for streams: as objects, a few tenants at a time."""

from collections.abc import Collection

from bevyly.intent.thresholds import Thresholds
from pipelines.repositories.staging import Connection

_LINES = "select id, settings -> 'signals' from customers where id = any(%s) and settings ? 'signals'"


def lines(connection: Connection, customers: Collection[str]) -> dict[str, Thresholds]:
    """Thresholds of those of `customers` that have set any."""
    if not customers:
        return {}
    found = connection.execute(_LINES, (sorted(customers),)).fetchall()
    return {customer_id: Thresholds().overridden(values) for customer_id, values in found}
