"""`python -m tests.support.faults_tally`: a stream whose effect shows how often and in which order it was applied.

Rows of `soak_tally` hold, for every subject, how many events took effect, a chain of their ids in order, and how many
messages were applied in all. A lost or overtaken event breaks the chain for good. The relay may publish an event twice,
which the sequence tells; a message that a stream applies twice shows in the sum of the messages.
"""

from collections.abc import Sequence
from hashlib import md5
from typing import Any, NamedTuple

import psycopg

from bevyly.events.envelope import Event
from bevyly.settings import Settings, get_settings
from bevyly.telemetry import configure_logging
from pipelines.process import stop_on_signals
from pipelines.streams.runner import Stream

NAME = "soak-tally"
TABLE = """
create table soak_tally (
  tenant varchar(36), subject varchar(100), sequence bigint not null, events bigint not null, chain text not null,
  messages bigint not null, primary key (tenant, subject)
);
grant select, insert, update on soak_tally to bevyly_pipeline
"""
_READ = """
select tenant, subject, sequence, events, chain, messages
from soak_tally join unnest(%s::varchar[], %s::varchar[]) as wanted (tenant, subject) using (tenant, subject)
"""
_WRITE = """
insert into soak_tally (tenant, subject, sequence, events, chain, messages)
select * from unnest(%s::varchar[], %s::varchar[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[])
on conflict (tenant, subject) do update
set sequence = excluded.sequence, events = excluded.events, chain = excluded.chain, messages = excluded.messages
"""


class State(NamedTuple):
    """What is known of one subject."""

    sequence: int = 0
    events: int = 0
    chain: str = ""
    messages: int = 0

    def after(self, event: Event) -> "State":
        """With one message more, which may repeat an event."""
        if event.sequence <= self.sequence:
            return self._replace(messages=self.messages + 1)
        return State(event.sequence, self.events + 1, linked(self.chain, event.id), self.messages + 1)


def linked(chain: str, event_id: str) -> str:
    """The chain with one event more."""
    return md5(f"{chain}{event_id}".encode(), usedforsecurity=False).hexdigest()


def tally(connection: psycopg.Connection[tuple[Any, ...]], events: Sequence[Event]) -> None:
    """Handler of the stream."""
    subjects = sorted({(event.tenant_id, event.subject) for event in events})
    if not subjects:
        return
    rows = connection.execute(_READ, [list(column) for column in zip(*subjects, strict=True)]).fetchall()
    known = {(row[0], row[1]): State(*row[2:]) for row in rows}
    for event in events:
        subject = (event.tenant_id, event.subject)
        known[subject] = known.get(subject, State()).after(event)
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
