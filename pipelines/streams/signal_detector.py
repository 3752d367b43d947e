"""`python -m pipelines.streams.signal_detector`: signals from events, within a second of their publication.

The batch pass finds the same rows again with history (`models.signals`); what is decided already raises nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import psycopg
import typer

from bevyly.clock import Clock, SystemClock
from bevyly.events.envelope import Event
from bevyly.settings import Settings
from pipelines.process import serve
from pipelines.repositories.company_news import news_of
from pipelines.repositories.detectors import Ear, ears
from pipelines.repositories.recent_changes import AMENDED, SIZES, keep_changes
from pipelines.repositories.signals import close_signals, undecided, upsert_signals
from pipelines.repositories.told_before import Amendment, amendments, deals_of_leads
from pipelines.streams.companies import NEWS_LIVE_DAYS, tell_news
from pipelines.streams.findings import Closing, Finding
from pipelines.streams.known import Known
from pipelines.streams.rules import close, find
from pipelines.streams.runner import Stream

NAME = "signal-detector"
TOPICS = ("bevyly.domain", "bevyly.integration")
_MOVES_DEALS = ("opportunity.created", "opportunity.restored", "opportunity.deleted", "opportunity.stage_changed")
Connection = psycopg.Connection[tuple[Any, ...]]


class SignalDetector:
    """Handler of the stream: events in, rows of `signals` out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, connection: Connection, events: Sequence[Event]) -> None:
        keep_changes(connection, events)
        heard = ears(connection, {event.tenant_id for event in events})
        known = _known(connection, events, heard)
        found = [finding for event in events for finding in find(event, known[event.tenant_id])]
        over = [closing for event in events for closing in close(event, known[event.tenant_id])]
        for told, ended in _news(connection, events, heard):
            found += told
            over += ended
        entities = {(one["customer_id"], one["entity_type"], one["entity_id"]) for one in found}
        still_open = undecided(connection, entities)
        current = [one for one in found if (one["customer_id"], one["entity_type"], one["entity_id"]) in still_open]
        upsert_signals(connection, current, found_by="stream", at=self._clock.now())
        close_signals(connection, over, found=current)


def _known(connection: Connection, events: Sequence[Event], heard: Mapping[str, Ear]) -> dict[str, Known]:
    """What the rules have to know of each tenant of `events` beside them."""
    amending = [event for event in events if _changed(event, "opportunity").intersection(AMENDED)]
    amended = {(event.tenant_id, event.subject_id) for event in amending}
    leads = {(event.tenant_id, event.data["lead_id"]) for event in events if event.data.get("lead_id")}
    told: dict[str, dict[str, list[Amendment]]] = defaultdict(dict)
    for (tenant, deal), rows in amendments(connection, amended).items():
        told[tenant][deal] = rows
    became: dict[str, dict[str, str]] = defaultdict(dict)
    for (tenant, lead), deal in deals_of_leads(connection, leads).items():
        became[tenant][lead] = deal
    return {
        tenant: Known(ear=heard.get(tenant, Ear()), amendments=told[tenant], deals=became[tenant])
        for tenant in {event.tenant_id for event in events}
    }


def _news(
    connection: Connection, events: Sequence[Event], heard: Mapping[str, Ear]
) -> list[tuple[list[Finding], list[Closing]]]:
    """What is to be said, and what is over, of companies whose size or whose deals `events` tell of."""
    accounts, deals = [], []
    for event in events:
        of = {"customer_id": event.tenant_id, "at": event.recorded_time}
        accounts += [of | {"account_id": account} for account in _measured(event)]
        if event.type in _MOVES_DEALS or "account_id" in _changed(event, "opportunity"):
            deals.append(of | {"opportunity_id": event.subject_id})
    news = news_of(connection, accounts, deals, lives=timedelta(days=NEWS_LIVE_DAYS))
    return [tell_news(one, heard.get(one.customer_id, Ear())) for one in news]


def _measured(event: Event) -> list[str]:
    """Companies whose size `event` tells, or who lose a deal by it."""
    if event.type == "enrichment.completed" and event.data["entity_type"] == "account":
        return [event.data["entity_id"]]
    if SIZES.keys() & _changed(event, "account"):
        return [event.subject_id]
    left = event.data["before"].get("account_id") if "account_id" in _changed(event, "opportunity") else None
    return [left] if left else []


def _changed(event: Event, kind: str) -> set[str]:
    """Fields of a `kind` of record that `event` tells to have changed."""
    return set(event.data["after"]) if event.type == f"{kind}.updated" else set()


def make_stream(settings: Settings, clock: Clock | None = None) -> Stream:
    """The signal detector as a stream."""
    clock = clock or SystemClock()
    return Stream(NAME, topics=TOPICS, handler=SignalDetector(clock), settings=settings, clock=clock)


def main(metrics_port: int | None = None) -> None:
    """Raise and close signals as events arrive, until told to stop."""
    serve(lambda settings, stop: make_stream(settings).run(stop), metrics_port)


if __name__ == "__main__":
    typer.run(main)
