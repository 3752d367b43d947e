"""Every route that changes something tells exactly the events it should, each under its subject's new version."""

from collections import defaultdict
from typing import Any

import pytest

from bevyly.events.envelope import Event
from bevyly.events.reference import subject_of
from tests.integration.api.changes import CASES, Case, World
from tests.integration.api.conftest import Api
from tests.integration.api.walk import operations

SAFE = {"GET", "HEAD", "OPTIONS"}
MUTATING = {operation.name for operation in operations() if operation.method not in SAFE}

# Routes that rightly tell nothing, and why.
SILENT = {
    "POST /api/v1/intent/briefing/seen": "how far somebody has read changes no record",
    "POST /api/v1/auth/log-in": "coming in changes no record; the audit knows",
    "POST /api/v1/auth/refresh": "a session goes on; the audit knows of misuse",
    "POST /api/v1/auth/log-out": "a session ends; the audit knows",
    "DELETE /api/v1/auth/sessions/{session_id}": "a session ends; the audit knows",
    **dict.fromkeys(
        [
            f"POST /api/v1/auth/{name}"
            for name in (
                *("forgot-password", "reset-password", "change-password"),
                *("verify-email", "send-verification", "change-email", "confirm-email"),
            )
        ],
        "how somebody proves who they are is between them and us; the audit knows",
    ),
    **dict.fromkeys(
        (f"POST /api/v1/{kind}/batch" for kind in ("accounts", "contacts", "leads", "opportunities", "activities")),
        "each row tells what a single call tells: test_batch.py",
    ),
    **dict.fromkeys(
        (
            "POST /api/v1/imports",
            "PUT /api/v1/imports/{import_id}/mapping",
            *(f"POST /api/v1/imports/{{import_id}}/{step}" for step in ("start", "cancel", "revert")),
        ),
        "the worker tells of progress, and of each record: test_imports.py",
    ),
    **dict.fromkeys(
        (
            "POST /api/v1/privacy/requests",
            *(f"POST /api/v1/privacy/requests/{{request_id}}/{step}" for step in ("confirm", "cancel")),
        ),
        "what somebody asks for is between them and the tenant; the worker tells of an erasure: test_privacy.py",
    ),
    "POST /api/v1/intent/models/{model_id}/promote": "the refresh that it asks for is told: test_models.py",
    "POST /api/v1/intent/scores/{score_id}/reproduce": "nothing is another than before",
    "POST /api/v1/agents/runs/{run_id}/cancel": "what did not begin is no event; the audit knows",
    **dict.fromkeys(
        ("POST /api/v1/approval-policies", "DELETE /api/v1/approval-policies/{policy_id}"),
        "what needs whose approval is between them and us; the audit knows",
    ),
    "POST /api/v1/privacy/purge": "that it was deleted was told then; the audit knows",
    "POST /api/v1/duplicates/dismiss": "what is not the same stays what it was; the audit knows",
    **dict.fromkeys(
        (
            "POST /api/v1/pipelines",
            "PATCH /api/v1/pipelines/{pipeline_id}",
            "DELETE /api/v1/pipelines/{pipeline_id}",
            "POST /api/v1/pipelines/{pipeline_id}/stages",
            "PATCH /api/v1/pipelines/{pipeline_id}/stages/{stage_id}",
            "POST /api/v1/pipelines/{pipeline_id}/reorder",
        ),
        "which stages there are is no event; what becomes of deals is, and the audit knows the rest",
    ),
    **dict.fromkeys(
        (
            "POST /api/v1/invitations",
            "POST /api/v1/invitations/{invitation_id}/resend",
            "DELETE /api/v1/invitations/{invitation_id}",
        ),
        "who is invited is no event; who comes is",
    ),
    **dict.fromkeys(
        (
            "POST /api/v1/custom-fields",
            "PATCH /api/v1/custom-fields/{field_id}",
            "DELETE /api/v1/custom-fields/{field_id}",
        ),
        "which fields there are is no event; the audit knows",
    ),
    **dict.fromkeys(
        (f"PUT /api/v1/agents/{agent}" for agent in ("lead_source", "enrichment", "email", "voice")),
        "how an agent is configured is no event; what it is asked to do is",
    ),
    "POST /api/v1/approvals/{approval_id}/edit": "only what is decided is told, with the hash; the audit knows",
    **dict.fromkeys(
        (
            "POST /api/v1/sequences",
            "PATCH /api/v1/sequences/{sequence_id}",
            "DELETE /api/v1/sequences/{sequence_id}",
            "POST /api/v1/sequences/{sequence_id}/restore",
            "PATCH /api/v1/mailboxes/{user_id}",
            "POST /api/v1/suppressions",
            "DELETE /api/v1/suppressions/{suppression_id}",
            "POST /api/v1/unsubscribe/{token}",
            "POST /api/v1/enrolments/{enrolment_id}/pause",
            "POST /api/v1/enrolments/{enrolment_id}/resume",
        ),
        "what is planned is no event; who begins, stops or ends is, and the audit knows the rest",
    ),
    "PATCH /api/v1/settings": "how a tenant wants to be served is no event; the audit knows",
    **dict.fromkeys(
        ("POST /api/v1/teams", "PATCH /api/v1/teams/{team_id}", "DELETE /api/v1/teams/{team_id}"),
        "who works with whom is no event; the audit knows",
    ),
    **dict.fromkeys(
        (
            "POST /api/v1/webhooks",
            "PATCH /api/v1/webhooks/{endpoint_id}",
            "DELETE /api/v1/webhooks/{endpoint_id}",
            "POST /api/v1/webhooks/{endpoint_id}/rotate-secret",
            "POST /api/v1/webhooks/{endpoint_id}/enable",
            "POST /api/v1/webhooks/{endpoint_id}/test",
            "POST /api/v1/webhooks/{endpoint_id}/replay",
            "POST /api/v1/webhooks/{endpoint_id}/deliveries/{delivery_id}/replay",
        ),
        "where events are sent is no event; the audit knows, and what was switched off for failing is told",
    ),
}


def filled(value: Any, ids: dict[str, str]) -> Any:
    """`value` with names of ids replaced by what they stand for."""
    if isinstance(value, dict):
        return {name: filled(one, ids) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, ids) for one in value]
    return ids.get(value, value) if isinstance(value, str) else value


def test_every_route_that_changes_something_is_here() -> None:
    covered = {case.route for case in CASES} | {"POST /api/v1/auth/sign-up", "POST /api/v1/invitations/accept"}
    assert covered | SILENT.keys() == MUTATING, "say what a new route tells, or why it tells nothing"
    assert not covered & SILENT.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
async def test_a_change_tells_exactly_this(api: Api, case: Case) -> None:
    async with api.client(api.a) as client:
        world = World(api, client)
        await world.populate()
        if case.before is not None:
            await case.before(world)
        known = {event.id for event in api.events()}
        method, path = filled(case.route, world.ids).split(" ")
        answer = await client.request(method, path.format(**world.ids), json=filled(case.body, world.ids))
    assert answer.status_code < 300, answer.text
    told = [event for event in api.events() if event.id not in known]
    assert [(event.type, event.sequence) for event in told] == case.told
    expected = filled(case.expect, world.ids)
    assert {name: told[-1].data.get(name) for name in expected} == expected
    if "etag" in answer.headers:
        assert answer.headers["etag"] == f'"{told[-1].sequence}"'
    assert {event.correlation_id for event in told} == {answer.headers["x-request-id"]}
    assert api.events(api.b) == []
    versions_grow(api.events())


def versions_grow(events: list[Event]) -> None:
    """No subject is told twice under one version, nor an older one after a newer."""
    versions = defaultdict(list)
    for event in events:
        versions[event.subject].append(event.sequence)
    assert {subject: found for subject, found in versions.items() if found != sorted(set(found))} == {}
    assert all(found[0] >= 1 for found in versions.values())
    assert [event.type for event in events if event.subject_type != subject_of(event.type)] == []


@pytest.mark.parametrize("case", [case for case in CASES if "_id}" in case.route], ids=lambda case: case.label)
async def test_a_change_that_is_refused_tells_nothing(api: Api, case: Case) -> None:
    async with api.client(api.a) as client:
        world = World(api, client)
        await world.populate()
    method, path = case.route.split(" ")
    async with api.client(api.b) as client:
        body = filled(case.body, world.ids)
        answer = await client.request(method, path.format(**world.ids), json=body)
    assert answer.status_code == 404, answer.text
    assert api.events(api.b) == []


async def test_the_same_values_again_tell_nothing(api: Api) -> None:
    async with api.client(api.a) as client:
        world = World(api, client)
        await world.populate()
        known = len(api.events())
        path = f"/api/v1/accounts/{world.ids['account_id']}"
        assert (await client.patch(path, json={"name": "Acme"})).headers["etag"] == '"1"'
        await client.delete(f"/api/v1/api-keys/{world.ids['key_id']}")
        await client.delete(f"/api/v1/api-keys/{world.ids['key_id']}")
    assert [event.type for event in api.events()[known:]] == ["api_key.revoked"]


async def test_a_sign_up_tells_of_its_first_user(api: Api) -> None:
    email = f"kim@{api.a.customer_id}.example"
    body = {"company": "New", "name": "Kim", "email": email.upper(), "password": "long enough to pass"}
    async with api.client() as client:
        answer = await client.post("/api/v1/auth/sign-up", json=body)
        assert answer.status_code == 201, answer.text
    tenant, user_id = api.sql("select customer_id, id from users where email = %s", email)[0]
    (row,) = api.sql("select envelope from outbox where customer_id = %s", tenant)
    event = Event.from_json(row[0])
    assert (event.type, event.subject, event.sequence) == ("user.created", f"user/{user_id}", 1)
    assert event.data == {"user_id": user_id, "email": email, "name": "Kim", "role": "owner"}
    assert answer.json()["access_token"] not in row[0]


@pytest.mark.parametrize("path", ["auth/log-in", "auth/refresh", "auth/log-out"])
async def test_sessions_tell_nothing(api: Api, path: str) -> None:
    email, password = f"{path[-3:]}@{api.b.customer_id}.example", "long enough to pass"
    async with api.client() as client:
        tokens = (
            await client.post("/api/v1/auth/sign-up", json={"company": "x", "email": email, "password": password})
        ).json()
        bodies = {
            "auth/log-in": {"email": email, "password": password},
            "auth/refresh": {"refresh_token": tokens["refresh_token"]},
            "auth/log-out": {"refresh_token": tokens["refresh_token"]},
        }
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        answer = await client.post(f"/api/v1/{path}", json=bodies[path], headers=headers)
        assert answer.status_code < 300, answer.text
    (count,) = api.sql(
        "select count(*) from outbox where customer_id = (select customer_id from users where email = %s)", email
    )
    assert count == (1,), "the sign-up alone"


async def test_settings_of_webhooks_tell_nothing(api: Api) -> None:
    async with api.client(api.a) as client:
        body = {"url": "https://93.184.215.14/hook", "event_types": ["opportunity.*"]}
        made = await client.post("/api/v1/webhooks", json=body)
        assert made.status_code == 201, made.text
        one = f"/api/v1/webhooks/{made.json()['id']}"
        sent = await client.post(f"{one}/test")
        calls = [
            ("PATCH", one, {"description": "y"}),
            ("POST", f"{one}/rotate-secret", None),
            ("POST", f"{one}/enable", None),
            ("POST", f"{one}/replay", {}),
            ("POST", f"{one}/deliveries/{sent.json()['id']}/replay", None),
            ("DELETE", one, None),
        ]
        for method, path, changes in calls:
            answer = await client.request(method, path, json=changes)
            assert answer.status_code < 300, (path, answer.text)
    assert api.events() == []
