"""The audit: every write leaves a row that says what was and what is; who manages may look it up and take it along."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.modules.audit import export
from bevyly.ids import new_id
from tests.integration.api.conftest import Api
from tests.integration.api.seeds import seed
from tests.integration.api.walk import Operation, operations

AUDIT = "/api/v1/audit"
MONDAY = datetime(2026, 11, 23, 8, tzinfo=UTC)
WRITES = [one for one in operations() if one.method not in ("GET", "HEAD")]

# Routes that leave no before and after, and why.
EXCEPTIONS = {
    **dict.fromkeys(
        (
            *(f"POST /api/v1/auth/{name}" for name in ("sign-up", "log-in", "refresh", "log-out")),
            "DELETE /api/v1/auth/sessions/{session_id}",
        ),
        "a session, not a change: the row says who came or went",
    ),
    **dict.fromkeys(
        (
            *(f"POST /api/v1/auth/{name}" for name in ("forgot-password", "reset-password", "change-password")),
            *(f"POST /api/v1/auth/{name}" for name in ("verify-email", "confirm-email", "send-verification")),
            "POST /api/v1/auth/change-email",
        ),
        "secrets and proofs by mail: the row says what was done, never which password or token",
    ),
    **dict.fromkeys(
        (
            "POST /api/v1/webhooks/{endpoint_id}/test",
            "POST /api/v1/webhooks/{endpoint_id}/replay",
            "POST /api/v1/webhooks/{endpoint_id}/deliveries/{delivery_id}/replay",
        ),
        "something is sent once more, and nothing is another than before",
    ),
    **dict.fromkeys(
        (
            *(f"POST /api/v1/{kind}s/{{{kind}_id}}/merge" for kind in ("account", "contact", "lead")),
            *(f"POST /api/v1/{kind}s/{{{kind}_id}}/unmerge" for kind in ("account", "contact", "lead")),
            "POST /api/v1/duplicates/dismiss",
        ),
        "needs records that are alike: test_merges.py and test_duplicates.py look at its rows",
    ),
    **dict.fromkeys(
        (
            *(
                f"POST /api/v1/{kind}/batch"
                for kind in ("accounts", "contacts", "leads", "opportunities", "activities")
            ),
            "PUT /api/v1/imports/{import_id}/mapping",
            *(f"POST /api/v1/imports/{{import_id}}/{step}" for step in ("start", "cancel", "revert")),
        ),
        "needs rows, or an import that is so far: test_batch.py and test_imports.py look at its rows",
    ),
    "POST /api/v1/intent/briefing/seen": "how far somebody has read is no record",
    "POST /api/v1/intent/scores/{score_id}/reproduce": "a score is made once more, and nothing is another than before",
    "POST /api/v1/sequences/{sequence_id}/enrolments": "needs people: test_sequences.py looks at its rows",
    "POST /api/v1/unsubscribe/{token}": "needs the link of a mail: test_sequence_stops.py looks at its rows",
    "POST /api/v1/invitations/accept": "needs the token of a mail: test_invitations.py looks at its rows",
    "POST /api/v1/webhooks/{endpoint_id}/rotate-secret": "secrets are written down nowhere",
}
_DELETED = {"account": "accounts", "contact": "contacts", "lead": "leads", "opportunity": "opportunities"}
# What must be so before a route changes anything, as a statement on the seeded tenant.
FIRST = {
    **{
        f"POST /api/v1/{table}/{{{kind}_id}}/restore": f"update {table} set deleted_at = now() where customer_id = %s"
        for kind, table in (_DELETED | {"activity": "activities"}).items()
    },
    "POST /api/v1/activities/{activity_id}/reopen": "update activities set completed_at = now() where customer_id = %s",
    "POST /api/v1/users/{user_id}/enable": "update users set disabled_at = now() where customer_id = %s "
    "and role = 'member'",
    "POST /api/v1/users/{user_id}/transfer": "update leads set owner_id = (select u.id from users u where "
    "u.customer_id = leads.customer_id and u.role = 'member') where customer_id = %s",
    **dict.fromkeys(
        ("POST /api/v1/tags/rename", "POST /api/v1/tags/delete"),
        "update contacts set tags = '{x}' where customer_id = %s",
    ),
    **dict.fromkeys(
        (f"POST /api/v1/privacy/requests/{{request_id}}/{step}" for step in ("confirm", "cancel")),
        "update privacy_requests set kind = 'erasure', status = 'previewed' where customer_id = %s",
    ),
    "POST /api/v1/intent/models/{model_id}/promote": "update model_versions set status = 'retired' "
    "where customer_id = %s",
    "POST /api/v1/privacy/purge": "update contacts set deleted_at = now() where customer_id = %s",
    "POST /api/v1/sequences/{sequence_id}/restore": "update sequences set deleted_at = now() where customer_id = %s",
    "POST /api/v1/enrolments/{enrolment_id}/resume": "update sequence_enrolments set status = 'paused' "
    "where customer_id = %s",
    "POST /api/v1/webhooks/{endpoint_id}/enable": "update webhook_endpoints set enabled = false where customer_id = %s",
}


def test_exceptions_are_routes_that_exist() -> None:
    assert EXCEPTIONS.keys() <= {one.name for one in WRITES}


@pytest.mark.parametrize("operation", [one for one in WRITES if one.name not in EXCEPTIONS], ids=lambda one: one.name)
async def test_a_write_leaves_what_was_and_what_is(api: Api, operation: Operation) -> None:
    ids = seed(api.database.pipeline_url, api.a.customer_id, api.a.users["owner"])
    ids["user_id"] = api.a.users["member"]
    if operation.name in FIRST:
        api.sql(FIRST[operation.name], api.a.customer_id)
    body = operation.body() or {}
    if "stage_ids" in body:
        stages = api.sql("select id from pipeline_stages where pipeline_id = %s order by key desc", ids["pipeline_id"])
        body["stage_ids"] = [row[0] for row in stages]
    body |= {
        name: ids[name] for name in operation.body_ids if not operation.path_ids and name in ("account_id", "record_id")
    }
    if "content_hash" in body:
        body["content_hash"] = ids["content_hash"]
    if "content" in body:
        body["content"] |= {"account_id": ids["account_id"]}
    if "sponsor_id" in body:
        body["sponsor_id"] = ids["user_id"]
    if "transfer_to" in body:
        body["transfer_to"] = api.a.users["owner"]
    known = {row[0] for row in api.sql("select id from audit")}
    async with api.client(api.a) as client:
        answer = await client.request(operation.method, operation.url(ids), json=body if operation.has_body else None)
    assert answer.status_code < 300, answer.text
    rows = api.sql(
        "select id, before, after, request_id, actor_id from audit where customer_id = %s and actor_type <> 'sequence'",
        api.a.customer_id,
    )
    written = [row for row in rows if row[0] not in known]
    assert {row[3:] for row in written} == {(answer.headers["x-request-id"], api.a.users["owner"])}
    changes = operation.path_ids or operation.method == "PATCH"
    needs_before, needs_after = bool(changes), operation.method != "DELETE"
    assert any((row[1] or not needs_before) and (row[2] or not needs_after) for row in written), written


@pytest.fixture
async def history(api: Api) -> dict[str, Any]:
    """Seven changes by two users, an hour apart, beside those of another tenant."""
    entity = new_id()
    for tenant in (api.a, api.b):
        for number in range(7):
            api.sql(
                "insert into audit (customer_id, id, actor_type, actor_id, action, entity_type, entity_id, before, "
                "after, occurred_at) values (%s, %s, 'user', %s, %s, %s, %s, '{\"x\": 1}', '{\"x\": \"=cmd()\"}', %s)",
                tenant.customer_id,
                new_id(),
                tenant.users[("owner", "admin")[number % 2]],
                ("account.updated", "account.deleted", "lead.updated")[number % 3],
                ("account", "account", "lead")[number % 3],
                entity,
                MONDAY + timedelta(hours=number),
            )
    return {"entity_id": entity, "admin": api.a.users["admin"]}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 7),
        ({"action": "account.updated"}, 3),
        ({"action": "account."}, 5),
        ({"action": "account"}, 0),
        ({"actor_id": "admin"}, 3),
        ({"entity_type": "lead"}, 2),
        ({"entity_id": "entity_id", "entity_type": "lead"}, 2),
        ({"since": "2026-11-23T10:00:00Z"}, 5),
        ({"until": "2026-11-23T10:00:00Z"}, 3),
        ({"since": "2026-11-23T10:00:00+01:00", "until": "2026-11-23T10:00:00Z"}, 2),
    ],
)
async def test_the_audit_is_found_by_what_one_knows(
    api: Api, history: dict[str, Any], query: dict[str, str], count: int
) -> None:
    asked = {name: history.get(value, value) for name, value in query.items()}
    found: list[dict[str, Any]] = []
    async with api.client(api.a, "admin") as client:
        cursor: dict[str, str] = {}
        while cursor is not None:
            page = (await client.get(AUDIT, params=asked | {"limit": "2"} | cursor)).json()
            found += page["data"]
            cursor = {"cursor": page["page"]["next_cursor"]} if page["page"]["next_cursor"] else None
        exported = await client.get(f"{AUDIT}/export", params=asked)
    assert len(found) == len({row["id"] for row in found}) == count
    assert [row["occurred_at"] for row in found] == sorted((row["occurred_at"] for row in found), reverse=True)
    assert [json.loads(line) for line in exported.text.splitlines()] == found


async def test_an_export_holds_one_page_at_a_time(
    api: Api, history: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    monkeypatch.setattr(export, "MAX_EXPORTED", 5)
    found = export.pages(api.app.state.resources.reader, api.a.customer_id, [None] * 6)
    assert [len(page) async for page in found] == [2, 2, 1]


async def test_a_spreadsheet_gets_no_formula(api: Api, history: dict[str, Any]) -> None:
    api.sql("update audit set request_id = '=1+1' where customer_id = %s", api.a.customer_id)
    async with api.client(api.a) as client:
        answer = await client.get(f"{AUDIT}/export", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert (len(rows), rows[0]["request_id"], json.loads(rows[0]["after"])) == (7, "'=1+1", {"x": "=cmd()"})
