"""Who replayed what: a row in the audit of every tenant whose events were published again."""

import getpass
import json
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bevyly.ids import new_id
from pipelines.reconciliation.tables import Connection

ACTION = "events.replayed"
_RECORD = """
insert into audit (customer_id, id, actor_type, action, entity_type, entity_id, after)
select given.customer_id, given.id, 'operator', %(action)s, 'replay', %(replay)s,
       %(told)s::jsonb || jsonb_build_object('events', given.events)
from unnest(%(customers)s::varchar[], %(ids)s::varchar[], %(events)s::bigint[]) as given (customer_id, id, events)
join customers c on c.id = given.customer_id
"""


def record(connection: Connection, replay: str, events: Mapping[str, int], told: Mapping[str, Any]) -> None:
    """Say in the audit of each tenant of `events` (how many of its own) what was chosen, and who did it."""
    document = {name: value for name, value in told.items() if value is not None} | {"by": operator()}
    parameters = {
        "action": ACTION,
        "replay": replay,
        "told": json.dumps(document, default=_text),
        "customers": list(events),
        "ids": [new_id() for _ in events],
        "events": list(events.values()),
    }
    connection.execute(_RECORD, parameters)


def operator() -> str:
    """The account and machine that this process runs under."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        account = "unknown"
    return f"{account}@{socket.gethostname()}"


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
