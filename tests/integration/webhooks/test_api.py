"""Webhooks as an app developer meets them: endpoints, secrets, the log, replay."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from api.modules.webhooks import service
from bevyly.encryption import Vault
from bevyly.ids import new_id
from tests.integration.api.conftest import ENCRYPTION_KEY, Api, Tenant

PATH = "/api/v1/webhooks"
URL = "https://93.184.215.14/hook"


async def created(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"url": URL, "event_types": ["opportunity.*"]} | more)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def add_deliveries(api: Api, tenant: Tenant, endpoint: str, *statuses: str) -> list[str]:
    """Deliveries of that status, a minute apart, the newest first; their ids."""
    ids = []
    for age, status in enumerate(statuses):
        event, delivery = new_id(), new_id()
        at = datetime.now(UTC) - timedelta(minutes=age)
        api.sql("insert into webhook_events values (%s, %s, 'note.created', '{}', %s)", tenant.customer_id, event, at)
        api.sql(
            "insert into webhook_deliveries "
            "(customer_id, id, endpoint_id, event_id, event_type, status, tries, created_at) "
            "values (%s, %s, %s, %s, 'note.created', %s, 8, %s)",
            *(tenant.customer_id, delivery, endpoint, event, status, at),
        )
        ids.append(delivery)
    return ids


async def test_an_endpoint_from_its_making_to_its_end(api: Api) -> None:
    stage = {"field": "stage", "op": "changed"}
    async with api.client(api.a) as client:
        answer = await client.post(
            PATH, json={"url": URL, "event_types": ["opportunity.updated"], "filters": [stage], "description": "Slack"}
        )
        made = answer.json()
        assert answer.headers["etag"] == '"1"'
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["location"] == f"{PATH}/{made['id']}"
        assert made["secret"].startswith("whsec_")
        assert (made["filters"], made["enabled"], made["failed_deliveries"]) == ([stage], True, 0)
        path = f"{PATH}/{made['id']}"
        read = await client.get(path)
        assert read.json() == {name: value for name, value in made.items() if name != "secret"}
        assert (await client.get(PATH)).json()["data"] == [read.json()]

        changed = await client.patch(path, json={"event_types": ["*"], "filters": []}, headers={"if-match": '"1"'})
        assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
        again = await client.patch(path, json={"event_types": ["*"]})
        assert again.headers["etag"] == '"2"'
        stale = await client.patch(path, json={"description": "x"}, headers={"if-match": '"1"'})
        assert stale.status_code == 412
        assert (await client.delete(path, headers={"if-match": '"1"'})).status_code == 412
        assert (await client.delete(path)).status_code == 204
        for method, where in (("GET", path), ("GET", f"{path}/deliveries"), ("POST", f"{path}/test"), ("DELETE", path)):
            assert (await client.request(method, where)).status_code == 404, where
        assert (await client.get(PATH)).json()["data"] == []
    actions = [row[0] for row in api.sql("select action from audit where entity_id = %s order by id", made["id"])]
    assert actions == ["webhook.created", "webhook.updated", "webhook.deleted"]
    assert api.sql("select secrets from webhook_endpoints where id = %s", made["id"]) == [([],)]


async def test_the_secret_is_nowhere_but_in_its_answer(api: Api) -> None:
    key = {"idempotency-key": "make-one"}
    async with api.client(api.a) as client:
        body = {"url": URL, "event_types": ["*"]}
        first = await client.post(PATH, json=body, headers=key)
        again = await client.post(PATH, json=body, headers=key)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.content == first.content
        secret = first.json()["secret"]
        rotated = await client.post(f"{PATH}/{first.json()['id']}/rotate-secret")
        assert rotated.json()["secret"] not in (secret, None)
        seen = "".join([(await client.get(PATH)).text, (await client.get(f"{PATH}/{first.json()['id']}")).text])
    assert "whsec_" not in seen
    assert "sealed" not in seen
    tables = api.sql(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where c.relkind = 'r' and n.nspname in ('public', 'raw')"
    )
    for (table,) in tables:
        for needle in (secret, secret.removeprefix("whsec_"), rotated.json()["secret"]):
            for form in (needle, needle.encode().hex()):
                statement = f"select count(*) from {table} t where position(%s in t::text) > 0"
                assert api.sql(statement, form) == [(0,)], table
    [(held,)] = api.sql("select secrets from webhook_endpoints where id = %s", first.json()["id"])
    assert [Vault([ENCRYPTION_KEY]).open(one["sealed"]) for one in held] == [rotated.json()["secret"], secret]


async def test_a_rotation_overlaps_for_a_day(api: Api) -> None:
    async with api.client(api.a) as client:
        made = await created(client)
        assert made["earlier_secrets_expire_at"] == []
        rotated = (await client.post(f"{PATH}/{made['id']}/rotate-secret", headers={"if-match": '"1"'})).json()
        assert (await client.post(f"{PATH}/{made['id']}/rotate-secret", headers={"if-match": '"1"'})).status_code == 412
    [until] = rotated["earlier_secrets_expire_at"]
    left = datetime.fromisoformat(until) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)


async def test_there_are_at_most_twenty(api: Api) -> None:
    async with api.client(api.b) as other:
        await created(other)
    async with api.client(api.a) as client:
        made = [await created(client) for _ in range(20)]
        refused = await client.post(PATH, json={"url": URL, "event_types": ["*"]})
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_webhooks")
        assert (await client.delete(f"{PATH}/{made[0]['id']}")).status_code == 204
        await created(client)
        page = (await client.get(PATH, params={"limit": 15})).json()
        rest = (await client.get(PATH, params={"limit": 15, "cursor": page["page"]["next_cursor"]})).json()
    assert len({one["id"] for one in page["data"] + rest["data"]}) == 20


async def test_many_at_once_do_not_pass_the_limit(api: Api) -> None:
    body = {"url": URL, "event_types": ["*"]}
    async with api.client(api.a) as client:
        for _ in range(18):
            await created(client)
        answers = await asyncio.gather(*(client.post(PATH, json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://93.184.215.14/", "not_https"),
        ("https://u:p@93.184.215.14/", "userinfo"),
        ("https://93.184.215.14:22/", "port"),
        ("https://127.0.0.1/", "private_address"),
        ("https://169.254.169.254/", "private_address"),
        ("https://[::ffff:127.0.0.1]/", "private_address"),
        ("https://2130706433/", "bad_host"),
        ("https://localhost/", "no_public_address"),
    ],
)
async def test_a_url_that_no_delivery_would_go_to_is_refused_at_once(api: Api, url: str, reason: str) -> None:
    async with api.client(api.a) as client:
        answer = await client.post(PATH, json={"url": url, "event_types": ["*"]})
        assert (answer.status_code, answer.json()["code"]) == (422, "webhook_address_refused"), answer.text
        assert answer.json()["errors"][0] == {"field": "body.url", "code": reason, "message": answer.json()["detail"]}
        made = await created(client)
        assert (await client.patch(f"{PATH}/{made['id']}", json={"url": url})).status_code == 422
        await client.delete(f"{PATH}/{made['id']}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"event_types": []},
        {"event_types": ["agent.*"]},
        {"event_types": ["nothing.happened"]},
        {"event_types": ["opportunity"]},
        {"filters": [{"field": "a", "op": "like", "value": "x"}]},
        {"filters": [{"field": "a", "op": "equals"}]},
        {"filters": [{"field": "a", "op": "equals", "value": {}}]},
        {"filters": [{"field": "a..b", "op": "changed"}]},
        {"filters": [{"field": "a", "op": "in", "values": []}]},
        {"filters": [{"field": "a", "op": "changed"}] * 11},
        {"secret": "whsec_mine"},
        {"url": None},
    ],
)
async def test_what_makes_no_sense_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    async with api.client(api.a) as client:
        answer = await client.post(PATH, json={"url": URL, "event_types": ["*"]} | wrong)
    assert answer.status_code == 422, answer.text


async def test_a_ping_is_a_delivery_even_to_an_endpoint_that_is_off(api: Api) -> None:
    async with api.client(api.a) as client:
        made = await created(client, enabled=False)
        assert (made["enabled"], made["disabled_reason"]) == (False, "by_user")
        answer = await client.post(f"{PATH}/{made['id']}/test")
        assert answer.status_code == 202
        delivery = answer.json()
        assert (delivery["event_type"], delivery["status"], delivery["attempts"]) == ("webhook.ping", "pending", [])
        assert delivery["event"]["data"] == {"endpoint_id": made["id"]}
        assert delivery["event"]["tenantid"] == api.a.customer_id
        assert (await client.get(answer.headers["location"])).json() == delivery


async def test_the_log_is_paged_and_filtered(api: Api) -> None:
    async with api.client(api.a) as client:
        made, other = await created(client), await created(client)
        ids = add_deliveries(api, api.a, made["id"], "delivered", "failed", "failed", "pending", "delivered")
        add_deliveries(api, api.a, other["id"], "failed")
        api.sql(
            "insert into webhook_attempts values (%s, now(), 12, 500, 'http_500', '93.184.215.14', 'no', %s, %s)",
            *(ids[1], api.a.customer_id, new_id()),
        )
        path = f"{PATH}/{made['id']}/deliveries"
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await client.get(path, params={"limit": 2, **cursor})).json()
            found += page["data"]
            if page["page"]["next_cursor"] is None:
                break
            cursor = {"cursor": page["page"]["next_cursor"]}
        assert [one["id"] for one in found] == ids
        [attempt] = found[1]["attempts"]
        assert (attempt["status_code"], attempt["error"], attempt["response_body"]) == (500, "http_500", "no")
        failed = (await client.get(path, params={"status": "failed"})).json()["data"]
        assert [one["id"] for one in failed] == ids[1:3]
        wrong = await client.get(f"{PATH}/{other['id']}/deliveries", params={"limit": 2, **cursor})
        assert wrong.status_code == 422
        assert (await client.get(f"{PATH}/{other['id']}/deliveries/{ids[0]}")).status_code == 404


async def test_what_failed_is_sent_again(api: Api) -> None:
    state = "select status, tries, next_attempt_at is not null from webhook_deliveries where id = %s"
    async with api.client(api.a) as client:
        made, other = await created(client), await created(client)
        ids = add_deliveries(api, api.a, made["id"], "failed", "delivered", "failed", "failed")
        [kept] = add_deliveries(api, api.a, other["id"], "failed")
        answer = await client.post(f"{PATH}/{made['id']}/deliveries/{ids[1]}/replay")
        assert (answer.status_code, answer.json()["status"], answer.json()["tries"]) == (202, "pending", 0)
        since = (datetime.now(UTC) - timedelta(minutes=2, seconds=30)).isoformat()
        replayed = await client.post(f"{PATH}/{made['id']}/replay", params={"since": since})
        assert (replayed.status_code, replayed.json()) == (202, {"replayed": 2, "more": False})
        assert [api.sql(state, one)[0] for one in ids] == [("pending", 0, True)] * 3 + [("failed", 8, False)]
        assert (await client.post(f"{PATH}/{made['id']}/replay")).json() == {"replayed": 1, "more": False}
        assert api.sql(state, kept) == [("failed", 8, False)]
        assert (await client.post(f"{PATH}/{other['id']}/deliveries/{ids[0]}/replay")).status_code == 404
        await client.patch(f"{PATH}/{made['id']}", json={"enabled": False})
        for path in (f"{PATH}/{made['id']}/replay", f"{PATH}/{made['id']}/deliveries/{ids[0]}/replay"):
            refused = await client.post(path)
            assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")


async def test_a_replay_moves_as_many_as_it_may_and_none_that_is_worked_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_REPLAYED", 2)
    async with api.client(api.a) as client:
        made = await created(client)
        ids = add_deliveries(api, api.a, made["id"], *["failed"] * 5)
        with psycopg.connect(api.database.pipeline_url) as connection:
            connection.execute("select from webhook_deliveries where id = %s for update", (ids[-1],))
            answer = await client.post(f"{PATH}/{made['id']}/replay")
        assert answer.json() == {"replayed": 2, "more": True}
        state = "select status from webhook_deliveries where id = %s"
        assert [api.sql(state, one)[0][0] for one in ids] == ["failed", "failed", "pending", "pending", "failed"]
        assert (await client.post(f"{PATH}/{made['id']}/replay")).json() == {"replayed": 2, "more": True}
        assert (await client.post(f"{PATH}/{made['id']}/replay")).json() == {"replayed": 1, "more": False}


async def test_an_endpoint_is_enabled_with_a_clean_slate(api: Api) -> None:
    async with api.client(api.a) as client:
        made = await created(client)
        api.sql(
            "update webhook_endpoints set enabled = false, disabled_reason = 'failing', disabled_at = now(), "
            "failures = 7, failing_since = now() where id = %s",
            made["id"],
        )
        seen = (await client.get(f"{PATH}/{made['id']}")).json()
        assert (seen["enabled"], seen["disabled_reason"], seen["failed_deliveries"]) == (False, "failing", 7)
        answer = await client.post(f"{PATH}/{made['id']}/enable")
        document = answer.json()
        assert (document["enabled"], document["disabled_reason"], document["failed_deliveries"]) == (True, None, 0)
        assert (document["failing_since"], document["version"]) == (None, 2)
        assert (await client.post(f"{PATH}/{made['id']}/enable")).json()["version"] == 2


async def test_only_managers_and_only_their_own(api: Api) -> None:
    async with api.client(api.a) as owner:
        made = await created(owner)
        [delivery] = add_deliveries(api, api.a, made["id"], "failed")
    for tenant, role, expected in ((api.a, "member", 403), (api.a, "viewer", 403), (api.b, "owner", 404)):
        async with api.client(tenant, role) as client:
            for method, path in (
                ("GET", f"{PATH}/{made['id']}"),
                ("GET", f"{PATH}/{made['id']}/deliveries/{delivery}"),
                ("POST", f"{PATH}/{made['id']}/rotate-secret"),
                ("POST", f"{PATH}/{made['id']}/replay"),
            ):
                assert (await client.request(method, path)).status_code == expected, (role, path)
    async with api.client(api.b) as client:
        assert (await client.get(PATH)).json()["data"] == []
    assert api.sql("select status from webhook_deliveries where id = %s", delivery) == [("failed",)]
