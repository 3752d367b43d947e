"""The statements that run all the time stay on their indexes, whatever has piled up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pipelines.repositories import webhooks
from tests.integration.webhooks.conftest import World

FILL = (
    "insert into webhook_endpoints (customer_id, id, url, event_types, secrets) "
    "select %(tenant)s, 'e' || g, 'https://x.example/', '{{*}}', '[]' from generate_series(1, 50) g",
    "insert into webhook_events select %(tenant)s, 'v' || g, 'note.created', '{{}}' from generate_series(1, 20000) g",
    "insert into webhook_deliveries "
    "(customer_id, id, endpoint_id, event_id, event_type, status, next_attempt_at, created_at) "
    "select %(tenant)s, 'd' || g, 'e' || (1 + g %% 50), 'v' || g, 'note.created', "
    "case when g %% 20 = 0 then 'pending' else 'delivered' end, now(), now() - g * interval '1 second' "
    "from generate_series(1, 20000) g",
    "analyze webhook_endpoints, webhook_events, webhook_deliveries",
)


@pytest.fixture
def filled(world: World) -> World:
    """Twenty thousand deliveries, a thousand of them pending."""
    with psycopg.connect(world.database.owner_url) as connection:
        for statement in FILL:
            connection.execute(statement.replace("{{", "{").replace("}}", "}"), {"tenant": world.ours})
    return world


def plan(world: World, url: str, statement: str, parameters: Any) -> str:
    """How PostgreSQL would run it, as the role of `url`."""
    with psycopg.connect(url) as connection:
        connection.execute("select set_config('bevyly.customer_id', %s, true)", (world.ours,))
        rows = connection.execute(f"explain {statement}", parameters).fetchall()
    return "\n".join(row[0] for row in rows)


def test_a_claim_skips_through_what_is_pending(filled: World) -> None:
    now = datetime.now(UTC)
    parameters = {
        "busy_tenants": [],
        "busy_endpoints": [],
        "busy": [],
        "per_endpoint": 4,
        "per_tenant": 32,
        "room": 128,
        "at": now,
        "until": now + timedelta(seconds=60),
        "lease": "l",
    }
    found = plan(filled, filled.database.pipeline_url, webhooks._CLAIM, parameters)
    assert found.count("ix_webhook_deliveries_due") == 3
    assert "Seq Scan on webhook_deliveries" not in found
    assert "Seq Scan on webhook_events" not in found


def test_the_log_is_read_in_the_order_of_its_index(filled: World) -> None:
    statement = """
        select r.id from webhook_deliveries r
        where r.customer_id = %s and (r.created_at, r.id) < (%s, %s) and r.endpoint_id = %s
        order by r.created_at desc, r.id desc limit 51"""
    found = plan(filled, filled.database.app_url, statement, (filled.ours, datetime.now(UTC), "x", "e1"))
    assert "ix_webhook_deliveries_list" in found
    assert "Sort" not in found
