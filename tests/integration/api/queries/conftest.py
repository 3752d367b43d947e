"""The crowd that queries look through, and a neighbour."""

import random
from datetime import timedelta

import psycopg
import pytest
import pytest_asyncio
from psycopg.types.json import Jsonb

from bevyly.ids import new_id
from tests.integration.api.conftest import Api, two_tenants
from tests.integration.api.queries.crowd import NOW, ROWS, Crowd
from tests.integration.api.seeds import seed


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowd(module_api: Api) -> Crowd:
    api, dice = module_api, random.Random(7)
    tenant, _ = two_tenants(api.database)
    users = list(tenant.users.values())
    accounts = [
        {"id": new_id(), "name": f"Account {n}", "industry": ["Software", "Banking", None][n % 3], "deleted": n == 8}
        for n in range(9)
    ]
    texts = ["Renewal", "renewal 50%", "Straße_Ü", 'a "quoted" \\ one', "ÜBER", "new_deal", "'; drop table users; --"]
    rows = []
    for n in range(ROWS):
        account, open_ = dice.choice(accounts), dice.random() < 0.6
        value = dice.choice([None, 0, 100_000, 250_000, dice.randrange(10**9)])
        rows.append(
            {
                "id": new_id(),
                "account_id": account["id"],
                "account": None if account["deleted"] else account,
                "name": f"{dice.choice(texts)} {n % 7}",
                "status": "open" if open_ else "won",
                "stage": dice.choice(["proposal", "negotiation"]) if open_ else "won",
                "value": value,
                "currency": None if value is None else "EUR",
                "close": dice.choice([None, NOW.date() + timedelta(days=dice.randrange(-40, 40))]),
                "owner_id": dice.choice([None, *users]),
                "created_at": NOW - timedelta(hours=dice.randrange(0, 24 * 60)),
                "closed_at": None if open_ else NOW,
                "custom": dice.choice(
                    [
                        {},
                        {"tier": "gold", "score": 3, "tags": ["a", "b"], "hot": True, "Renews on": "2026-05-01"},
                        {"tier": "Silver", "score": 4.5, "tags": ["b"], "hot": False, "Renews on": "2027-01-01T00:00Z"},
                        {"tier": None, "score": "many", "tags": "a", "Renews on": "soon"},
                    ]
                ),
            }
        )
    with psycopg.connect(api.database.pipeline_url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into accounts (customer_id, id, name, industry, deleted_at) values (%s, %s, %s, %s, %s)",
            [
                (tenant.customer_id, one["id"], one["name"], one["industry"], NOW if one["deleted"] else None)
                for one in accounts
            ],
        )
        cursor.executemany(
            "insert into opportunities (customer_id, id, account_id, name, status, stage, value, currency, "
            "expected_close_date, owner_id, created_at, closed_at, custom, stage_entered_at) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now())",
            [
                (
                    tenant.customer_id, row["id"], row["account_id"], row["name"], row["status"], row["stage"],
                    row["value"], row["currency"], row["close"], row["owner_id"], row["created_at"], row["closed_at"],
                    Jsonb(row["custom"]),
                )
                for row in rows
            ],
        )  # fmt: skip
    ranked = "select id, dense_rank() over (order by lower(name)) from opportunities where customer_id = %s"
    ranks: dict[str, int] = dict(api.sql(ranked, tenant.customer_id))
    return Crowd(api, tenant, [row | {"name_rank": ranks[row["id"]]} for row in rows])


@pytest.fixture
def theirs(api: Api) -> dict[str, str]:
    """Tenant B with a row in every table."""
    return seed(api.database.pipeline_url, api.b.customer_id, api.b.users["owner"])
