"""`python -m tests.support.faults_tally`: a stream whose effect shows how often and in which order it was applied.

Rows of `soak_tally` hold, for every subject, how many events took effect and a chain of their ids: a lost, repeated or
overtaken event changes it for good. Most effects of the product are idempotent and would hide a repeat.
"""

from collections.abc import Sequence
from hashlib import md5
from typing import Any

import psycopg

from bevyly.events.envelope import Event
from bevyly.settings import Settings, get_settings
from bevyly.telemetry import configure_logging
from pipelines.process import stop_on_signals
from pipelines.streams.runner import Stream

NAME = "soak-tally"
TABLE = """
create table soak_tally (
  tenant varchar(36), subject varchar(100), events bigint not null, chain text not null, primary key (tenant, subject)
);
grant select, insert, update on soak_tally to bevyly_pipeline
"""
_READ = """
select tenant, subject, events, chain
from soak_tally join unnest(%s::varchar[], %s::varchar[]) as wanted (tenant, subject) using (tenant, subject)
"""
_WRITE = """
insert into soak_tally (tenant, subject, events, chain)
select * from unnest(%s::varchar[], %s::varchar[], %s::bigint[], %s::text[])
on conflict (tenant, subject) do update set events = excluded.events, chain = excluded.chain
"""


def linked(chain: str, event_id: str) -> str:
    """The chain with one event more."""
    return md5(f"{chain}{event_id}".encode(), usedforsecurity=False).hexdigest()


def tally(connection: psycopg.Connection[tuple[Any, ...]], events: Sequence[Event]) -> None:
    """Handler of the stream."""
    subjects = sorted({(event.tenant_id, event.subject) for event in events})
    if not subjects:
        return
    rows = connection.execute(_READ, [list(column) for column in zip(*subjects, strict=True)]).fetchall()
    known: dict[tuple[str, str], tuple[int, str]] = {(row[0], row[1]): (row[2], row[3]) for row in rows}
    for event in events:
        number, chain = known.get((event.tenant_id, event.subject), (0, ""))
        known[event.tenant_id, event.subject] = (number + 1, linked(chain, event.id))
    changed = [(*subject, *state) for subject, state in known.items()]
    connection.execute(_WRITE, [list(column) for column in zip(*changed, strict=True)])


def make_stream(settings: Settings) -> Stream:
    """The tally as a stream."""
    return Stream(NAME, topics=("bevyly.domain",), handler=tally, settings=settings)


def main() -> None:
    """Tally until told to stop."""
    settings = get_settings()
    configure_logging(settings.log_level)
    make_stream(settings).run(stop_on_signals())


if __name__ == "__main__":
    main()
