"""The check that the event path lost nothing: outbox and journal, Kafka and raw events hold the same events.

It does not stop a refresh: what did arrive is right, and a briefing without it is better than none. A run's tags may
name another window than the last hours (`bevyly/since`, `bevyly/until`), as the daily schedule does.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg

from bevyly.errors import Unavailable
from bevyly.settings import get_settings
from pipelines.reconciliation.proof import reconcile
from pipelines.reconciliation.result import Reconciliation
from pipelines.resources import Warehouse

NAME = "reconciled"
SINCE_TAG, UNTIL_TAG = "bevyly/since", "bevyly/until"
HOURS = 6
NAMED = 20
MOST_ROWS = 50


@dg.asset_check(
    asset="raw_events",
    name=NAME,
    description="Outbox and journal, Kafka and raw events hold the same events of every tenant and day.",
    blocking=False,
)
def reconciled(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> dg.AssetCheckResult:
    """Compare the last hours, or the window that the run's tags name."""
    since, until = window(context.run.tags, now=datetime.now(UTC))
    try:
        found = reconcile(get_settings(), since=since, until=until, address=warehouse.address)
    except (Unavailable, psycopg.OperationalError) as error:
        said = " ".join(str(error).split())[:300]
        return dg.AssetCheckResult(
            passed=False, severity=dg.AssetCheckSeverity.WARN, description=f"Could not be compared: {said}"
        )
    return dg.AssetCheckResult(
        passed=found.proven,
        severity=dg.AssetCheckSeverity.ERROR,
        description=describe(found),
        metadata=metadata(found),
    )


def window(tags: Mapping[str, str], *, now: datetime) -> tuple[datetime, datetime]:
    """From when until when: as the tags say, else the last hours."""
    until = datetime.fromisoformat(tags[UNTIL_TAG]) if UNTIL_TAG in tags else now
    since = datetime.fromisoformat(tags[SINCE_TAG]) if SINCE_TAG in tags else until - timedelta(hours=HOURS)
    return since, until


def describe(found: Reconciliation) -> str:
    """The verdict in one sentence."""
    if not found.proven:
        kinds = {kind: number for row in found.rows for kind, number in row.damage.items()}
        return f"Not proven: {', '.join(kind.replace('_', ' ') for kind in kinds)}. Run `bevyly reconcile` to see more."
    return "The same in each place." if found.complete else "The same as far as each place remembers."


def metadata(found: Reconciliation) -> dict[str, Any]:
    """Counts per place, the first names of what is wrong, and the table of tenants and days."""
    counts = ("journal", "kafka", "raw", "set_aside", "waiting", "repeats")
    named = [f"{one.event_id or f'{one.topic}/{one.partition}@{one.offset}'}: {one.detail}" for one in found.findings]
    head = ("tenant", "day", *counts)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(str(getattr(row, name)) for name in head) + " |" for row in found.rows[:MOST_ROWS]]
    return {
        "since": found.window.since.isoformat(),
        "until": found.window.until.isoformat(),
        **{count: found.total(count) for count in counts},
        "findings": dg.MetadataValue.json(named[:NAMED]),
        "notes": dg.MetadataValue.json(list(found.notes)),
        "rows": dg.MetadataValue.md("\n".join(lines)),
        "seconds": dg.MetadataValue.float(found.seconds),
    }


def build_checks() -> list[dg.AssetChecksDefinition]:
    """The one check of the event path."""
    return [reconciled]
