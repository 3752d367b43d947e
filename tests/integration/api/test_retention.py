"""What was kept long enough is purged, and nothing else; a deleted record also at once."""

from datetime import UTC, datetime, timedelta

import msgspec
import psycopg

from bevyly.ids import new_id
from bevyly.privacy.retention import purge
from bevyly.settings import Settings
from pipelines.repositories.recent_changes import keep_changes
from tests.integration.api.canaries import place
from tests.integration.api.conftest import Api
from tests.support.event_streams import change, store

NOW = datetime.now(UTC)


async def test_what_was_kept_long_enough_goes_and_nothing_else(api: Api) -> None:
    old, young = (place(api, tenant) for tenant in (api.a, api.b))
    ages = {
        "idempotency_records": "expires_at", "one_time_tokens": "expires_at", "refresh_tokens": "expires_at",
        "invitations": "revoked_at", "imports": "updated_at", "inbound_events": "received_at",
        "raw.dead_letters": "resolved_at", "privacy_requests": "expires_at", "activities": "deleted_at",
        "opportunities": "deleted_at", "leads": "deleted_at", "contacts": "deleted_at", "accounts": "deleted_at",
    }  # fmt: skip
    api.sql("update raw.dead_letters set status = 'discarded'")
    for table, column in ages.items():
        for tenant, days in ((api.a, 100), (api.b, -1 if column == "expires_at" else 1)):
            at = NOW - timedelta(days=days)
            api.sql(f"update {table} set {column} = %s where customer_id = %s", at, tenant.customer_id)
    before = {
        table: api.sql(f"select count(*) from {table} where customer_id = %s", api.b.customer_id) for table in ages
    }

    with psycopg.connect(api.database.pipeline_url, autocommit=True) as connection:
        counts = purge(connection, Settings(), NOW, batch=1)
        again = purge(connection, Settings(), NOW)

    files = {"import_chunks", "import_errors", "import_effects", "privacy_files"}
    assert counts.keys() == (ages.keys() - {"imports"}) | files
    assert again == {}
    gone = ages.keys() - {"imports", "privacy_requests"} | files
    assert {table: len(api.rows(table, order="1")) for table in gone} == dict.fromkeys(gone, 0)
    assert before == {
        table: api.sql(f"select count(*) from {table} where customer_id = %s", api.b.customer_id) for table in ages
    }
    assert api.sql("select status from privacy_requests where id = %s", old["request_id"]) == [("expired",)]
    assert api.sql("select status from privacy_requests where id = %s", young["request_id"]) == [("done",)]


def test_changes_that_streams_keep_go_when_raw_events_have_them(api: Api) -> None:
    stored, waiting, forgotten = (
        msgspec.structs.replace(
            change(api.a.customer_id, new_id(), before={"value_minor": 1}, after={"value_minor": 2}),
            recorded_time=NOW - timedelta(days=days),
        )
        for days in (1, 1, 100)
    )
    with psycopg.connect(api.database.pipeline_url, autocommit=True) as connection:
        keep_changes(connection, [stored, waiting, waiting, forgotten])
        store(connection, [stored])
        assert purge(connection, Settings(), NOW) == {"recent_changes": 2}
    assert api.sql("select event_id from recent_changes") == [(waiting.id,)]


async def test_a_deleted_record_can_be_purged_now(api: Api) -> None:
    async with api.client(api.a) as client:
        account = (await client.post("/api/v1/accounts", json={"name": "x"})).json()["id"]
        contact = (await client.post("/api/v1/contacts", json={"last_name": "x", "account_id": account})).json()["id"]
        deal = {"name": "x", "account_id": account, "contact_id": contact}
        opportunity = (await client.post("/api/v1/opportunities", json=deal)).json()["id"]

        async def purged(kind: str, record_id: str, *, deleted: bool = True) -> int:
            if deleted:
                plural = {"opportunity": "opportunities"}.get(kind, f"{kind}s")
                assert (await client.delete(f"/api/v1/{plural}/{record_id}")).status_code == 204
            body = {"kind": kind, "record_id": record_id}
            return (await client.post("/api/v1/privacy/purge", json=body)).status_code

        assert await purged("contact", contact, deleted=False) == 404
        assert await purged("contact", contact) == 204
        assert await purged("contact", contact, deleted=False) == 404
        assert (await client.get(f"/api/v1/opportunities/{opportunity}")).json()["contact_id"] is None
        assert await purged("account", account) == 409
        assert await purged("opportunity", opportunity) == 204
        assert await purged("account", account, deleted=False) == 204
    assert api.rows("opportunity_history") == []
    assert api.sql(
        "select count(*) from audit where customer_id = %s and action like '%%.purged'", api.a.customer_id
    ) == [(3,)]
