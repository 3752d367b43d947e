"""From events to deliveries: who asked for them gets them, once, and nobody else."""

from typing import Any

import psycopg

from bevyly.events.envelope import Event
from pipelines.webhooks.fan_out import FanOut
from tests.integration.webhooks.conftest import World

MADE = "select endpoint_id, event_id, status, tries from webhook_deliveries order by endpoint_id, event_id"


class Counted:
    """A connection that counts its statements."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection
        self.statements = 0

    def execute(self, *arguments: Any) -> Any:
        self.statements += 1
        return self.connection.execute(*arguments)


def made(world: World) -> list[tuple[str, str]]:
    return [(endpoint, event) for endpoint, event, *_ in world.rows(MADE)]


def test_each_endpoint_gets_what_it_asked_for_and_each_tenant_its_own(world: World) -> None:
    stage = {"op": "changed", "field": "stage"}
    by_stage = world.endpoint("https://a.example/", "opportunity.updated", filters=[stage])
    all_deals = world.endpoint("https://b.example/", "opportunity.*", "lead.created")
    world.endpoint("https://c.example/", "*", enabled=False)
    theirs = world.endpoint("https://d.example/", "*", tenant=world.theirs)
    moved = world.event("opportunity.updated", before={"stage": "a"}, after={"stage": "b"})
    renamed = world.event("opportunity.updated", before={"name": "a"}, after={"name": "b"})
    other, foreign = world.event("note.created"), world.event("lead.created", tenant=world.theirs)
    world.happen(moved, renamed, other, foreign)
    assert made(world) == sorted(
        [(by_stage, moved.id), (all_deals, moved.id), (all_deals, renamed.id), (theirs, foreign.id)]
    )
    stored = world.rows("select envelope from webhook_events where event_id = %s", moved.id)
    assert stored == [(moved.to_json().decode(),)]


def test_a_repeated_event_is_the_same_delivery(world: World) -> None:
    world.endpoint("https://a.example/")
    event = world.event()
    world.happen(event, event)
    world.rows("update webhook_deliveries set status = 'delivered', tries = 1")
    world.happen(event)
    assert [row[2:] for row in world.rows(MADE)] == [("delivered", 1)]
    assert world.rows("select count(*) from webhook_events") == [(1,)]


def test_tenants_without_endpoints_cost_one_statement(world: World) -> None:
    world.endpoint("https://a.example/", tenant=world.theirs)
    events = [world.event() for _ in range(500)]
    with psycopg.connect(world.database.pipeline_url) as connection:
        counted = Counted(connection)
        FanOut(world.clock)(counted, events)
        assert counted.statements == 1
        FanOut(world.clock)(counted, [*events, world.event(tenant=world.theirs)])
        assert counted.statements == 1 + 4
    assert len(made(world)) == 1


def test_what_is_sent_is_what_was_published(world: World) -> None:
    world.endpoint("https://a.example/")
    published = world.event(custom={"é": [1, 2.5, None, True, "\u2028"]}).to_json()
    world.happen(Event.from_json(published))
    assert world.rows("select envelope from webhook_events") == [(published.decode(),)]
