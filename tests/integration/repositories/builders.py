"""Two tenants with people, a deal and a lead each, on a migrated database; frames that fit them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from bevyly.ids import new_id
from tests.support.databases import Database

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Tenant:
    """Ids of one tenant's rows."""

    customer_id: str
    owner_id: str
    member_id: str
    account_id: str
    opportunity_id: str
    lead_id: str
    event_id: str


def make_tenant(database: Database, name: str) -> Tenant:
    """A tenant with an owner, a member who owns a deal, and a lead of nobody."""
    customer_id = database.add_tenant(name)
    tenant = Tenant(
        customer_id,
        database.add_user(customer_id, f"boss@{name}.example"),
        database.add_user(customer_id, f"rep@{name}.example", role="member"),
        *(new_id() for _ in range(4)),
    )
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            "insert into accounts (customer_id, id, name, custom) values (%s, %s, 'Blue Harbor', '{}')",
            (customer_id, tenant.account_id),
        )
        connection.execute(
            "insert into opportunities (customer_id, id, account_id, name, stage, value, currency, stage_entered_at, "
            "owner_id) values (%s, %s, %s, 'Renewal', 'proposal', 1500000, 'EUR', %s, %s)",
            (customer_id, tenant.opportunity_id, tenant.account_id, NOW - timedelta(days=40), tenant.member_id),
        )
        connection.execute(
            "insert into leads (customer_id, id, company_name, status) values (%s, %s, 'Ada & Co', 'working')",
            (customer_id, tenant.lead_id),
        )
        connection.execute(
            "insert into raw.events (customer_id, event_id, type, schema_version, subject_type, subject_id, sequence, "
            'occurred_at, recorded_at, data, source, topic, partition, "offset") values '
            "(%s, %s, 'proposal.sent', 1, 'opportunity', %s, 1, %s, %s, '{\"subject\": \"Offer 1\"}', 'test', "
            "'bevyly.domain', 0, 0)",
            (customer_id, tenant.event_id, tenant.opportunity_id, NOW - timedelta(days=9), NOW - timedelta(days=9)),
        )
    return tenant
