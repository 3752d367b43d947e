"""A tenant with many opportunities, for queries to find; and the lists that take queries."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.api.conftest import Api, Tenant

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
Row = dict[str, Any]
ROWS = 240
DEALS = "/api/v1/opportunities"
LISTS = {
    "/api/v1/accounts": "-created_at",
    "/api/v1/contacts": "-created_at",
    "/api/v1/opportunities": "-created_at",
    "/api/v1/leads": "-created_at",
    "/api/v1/activities": "-occurred_at",
    "/api/v1/intent/signals": "-last_seen_at",
    "/api/v1/intent/patterns": "-last_seen_at",
    "/api/v1/intent/recommendations": "-created_at",
    "/api/v1/agents/runs": "-started_at",
    "/api/v1/approvals": "-created_at",
    "/api/v1/enrolments": "-created_at",
    "/api/v1/decisions": "-noted_at",
}


@dataclass
class Crowd:
    """A tenant with many opportunities, as the database has them."""

    api: Api
    tenant: Tenant
    rows: list[Row]

    async def ids(self, path: str = DEALS, **query: Any) -> list[str]:
        """Ids that a list answers, page by page."""
        found: list[str] = []
        async with self.api.client(self.tenant) as client:
            while True:
                answer = await client.get(path, params={"limit": 200} | query)
                assert answer.status_code == 200, (query, answer.text)
                found += [row["id"] for row in answer.json()["data"]]
                query["cursor"] = answer.json()["page"]["next_cursor"]
                if query["cursor"] is None:
                    return found
