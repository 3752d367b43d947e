"""Pipelines: a deal is where its tenant's stages allow, a stage that ends leaves its history, nobody loses a deal."""

import asyncio
from typing import Any

import httpx
import pytest

from api.modules.pipelines import service
from bevyly.ids import new_id
from tests.integration.api.conftest import Api

PIPELINES = "/api/v1/pipelines"
EVENT = {"specversion": "1.0", "source": "crm"}


async def default(client: httpx.AsyncClient) -> tuple[str, dict[str, str]]:
    """The address of the default pipeline, and its stages by key."""
    data = (await client.get(PIPELINES)).json()["data"]
    (pipeline,) = [one for one in data if one["is_default"]]
    return f"{PIPELINES}/{pipeline['id']}", {stage["key"]: stage["id"] for stage in pipeline["stages"]}


async def deal(client: httpx.AsyncClient, **values: Any) -> httpx.Response:
    account = (await client.post("/api/v1/accounts", json={"name": "Acme"})).json()["id"]
    return await client.post("/api/v1/opportunities", json={"name": "Deal", "account_id": account} | values)


def renewals(**values: Any) -> dict[str, Any]:
    kinds = {"renewal_due": "open", "renewed": "won", "churned": "lost"}
    stages = [{"key": key, "name": key.title(), "probability": 0.5, "kind": kind} for key, kind in kinds.items()]
    return {"name": "Renewals", "stages": stages} | values


async def test_a_new_tenant_has_a_pipeline_and_a_deal_begins_in_its_first_stage(api: Api) -> None:
    async with api.client(api.a) as client:
        _, stages = await default(client)
        assert list(stages) == ["prospecting", "qualification", "proposal", "negotiation", "won", "lost"]
        made = (await deal(client)).json()
    assert (made["stage"], made["status"]) == ("prospecting", "open")


async def test_the_kind_of_a_stage_says_whether_a_deal_is_decided(api: Api) -> None:
    async with api.client(api.a) as client:
        made = await client.post(PIPELINES, json=renewals())
        assert made.status_code == 201, made.text
        one = f"/api/v1/opportunities/{(await deal(client, stage='renewal_due')).json()['id']}"
        for stage, status in (("renewed", "won"), ("churned", "lost"), ("renewal_due", "open"), ("won", "won")):
            answer = (await client.patch(one, json={"stage": stage})).json()
            assert (answer["status"], answer["closed_at"] is None) == (status, status == "open")
        await client.patch(f"{PIPELINES}/{made.json()['id']}", json={"is_default": True})
        assert (await deal(client)).json()["stage"] == "renewal_due"
        assert len([row for row in (await client.get(PIPELINES)).json()["data"] if row["is_default"]]) == 1
    async with api.client(api.b) as other:
        assert (await deal(other, stage="renewal_due")).status_code == 422


async def test_a_stage_that_the_tenant_does_not_have_is_refused_with_those_it_has(api: Api) -> None:
    async with api.client(api.a) as client:
        one = f"/api/v1/opportunities/{(await deal(client)).json()['id']}"
        for answer in (
            await deal(client, stage="maybe"),
            await client.patch(one, json={"stage": "Maybe"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (422, "unknown_stage")
            assert answer.json()["errors"][0]["field"] == "body.stage"
            assert answer.json()["allowed"][:2] == ["prospecting", "qualification"]


async def test_a_stage_ends_when_its_deals_have_gone_elsewhere(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_MOVED", 2)
    async with api.client(api.a) as client:
        pipeline, stages = await default(client)
        deals = [(await deal(client, stage="proposal")).json()["id"] for _ in range(3)]
        decided = (await deal(client, stage="proposal")).json()["id"]
        await client.patch(f"/api/v1/opportunities/{decided}", json={"stage": "won"})
        archive = f"{pipeline}/stages/{stages['proposal']}/archive"
        in_use = await client.post(archive, json={})
        assert (in_use.status_code, in_use.json()["code"], in_use.json()["open_deals"]) == (409, "stage_in_use", 3)
        for to in (stages["won"], new_id()):
            assert (await client.post(archive, json={"move_to": to})).status_code == 404
        assert (await client.post(archive, json={"move_to": stages["proposal"]})).status_code == 409
        answers = [(await client.post(archive, json={"move_to": stages["negotiation"]})).json() for _ in range(2)]
        assert answers == [
            {"moved": 2, "remaining": 1, "archived": False},
            {"moved": 1, "remaining": 0, "archived": True},
        ]
        assert (await client.post(archive, json={})).status_code == 404, "it has ended"
        assert (await deal(client, stage="proposal")).status_code == 422
        for moved in deals:
            history = (await client.get(f"/api/v1/opportunities/{moved}/history")).json()["data"]
            told = [(row["old_value"], row["new_value"]) for row in history if row["field"] == "stage"]
            assert told == [(None, "proposal"), ("proposal", "negotiation")]
        kept = (await client.get(pipeline)).json()["stages"][-1]
        assert (kept["key"], kept["archived_at"] is None) == ("proposal", False)
        same = await client.post(f"{pipeline}/stages", json={"key": "proposal", "name": "x", "probability": 0})
        assert same.status_code == 409, "its key means what it meant"
    sequences = [(event.subject, event.sequence) for event in api.events()]
    assert len(set(sequences)) == len(sequences)


async def test_a_deal_that_enters_while_its_stage_ends_is_not_left_behind(api: Api) -> None:
    async with api.client(api.a, patient=True) as client:
        pipeline, stages = await default(client)
        archive = f"{pipeline}/stages/{stages['qualification']}/archive"
        calls = [deal(client, stage="qualification") for _ in range(8)]
        answers = await asyncio.gather(
            *calls[:4], client.post(archive, json={"move_to": stages["proposal"]}), *calls[4:]
        )
        assert {answer.status_code for answer in answers} <= {200, 201, 422}
        state = (await client.get(pipeline)).json()["stages"][-1]
    stranded = api.sql(
        "select count(*) from opportunities where customer_id = %s and stage = 'qualification'", api.a.customer_id
    )
    assert (state["key"], stranded) == ("qualification", [(0,)])


async def test_a_pipeline_keeps_what_it_needs(api: Api) -> None:
    async with api.client(api.a) as client:
        pipeline, stages = await default(client)
        for body in (renewals(stages=renewals()["stages"][:2]), renewals(stages=renewals()["stages"] * 2)):
            assert (await client.post(PIPELINES, json=body)).status_code == 422
        only = await client.post(f"{pipeline}/stages/{stages['won']}/archive", json={})
        assert (only.status_code, only.json()["code"]) == (409, "stage_needed")
        assert (await client.delete(pipeline)).status_code == 409
        other = f"{PIPELINES}/{(await client.post(PIPELINES, json=renewals())).json()['id']}"
        held = (await deal(client, stage="renewal_due")).json()["id"]
        assert (await client.delete(other)).json()["code"] == "stage_in_use"
        await client.patch(f"/api/v1/opportunities/{held}", json={"stage": "churned"})
        assert (await client.delete(other)).status_code == 204
        assert (await deal(client, stage="renewal_due")).status_code == 422


async def test_stages_are_added_renamed_and_put_in_another_order(api: Api) -> None:
    async with api.client(api.a) as client:
        pipeline, stages = await default(client)
        added = await client.post(f"{pipeline}/stages", json={"key": "demo", "name": "Demo", "probability": 0.3})
        assert [stage["key"] for stage in added.json()["stages"]][4:] == ["demo", "won", "lost"]
        demo = added.json()["stages"][4]["id"]
        changed = await client.patch(f"{pipeline}/stages/{demo}", json={"name": "Show", "probability": 0.4})
        assert (changed.json()["stages"][4]["name"], changed.headers["etag"]) == ("Show", '"3"')
        order = [demo, *stages.values()]
        assert (await client.post(f"{pipeline}/reorder", json={"stage_ids": order[1:]})).status_code == 409
        ordered = await client.post(f"{pipeline}/reorder", json={"stage_ids": order})
        assert [stage["id"] for stage in ordered.json()["stages"]] == order
        assert (await deal(client)).json()["stage"] == "demo"


@pytest.mark.parametrize(
    ("named", "status", "expected"),
    [
        ("negotiation", None, ("negotiation", "open")),
        ("Negotiation", "open", ("negotiation", "open")),
        ("RENEWED", "won", ("renewed", "won")),
        ("renewed", "lost", "contradicts_stage"),
        ("Somewhere", None, "unknown_stage"),
    ],
)
async def test_another_system_names_a_stage_by_key_or_name(
    api: Api, named: str, status: str | None, expected: Any
) -> None:
    told = {"account.created": {"account_id": "A", "name": "x"}}
    told["opportunity.created"] = {"opportunity_id": "O", "account_id": "A", "name": "d"}
    told["opportunity.stage_changed"] = {"opportunity_id": "O", "to_stage": named} | (
        {"status": status} if status else {}
    )
    batch = [EVENT | {"id": type_, "type": type_, "data": data} for type_, data in told.items()]
    async with api.client(api.a) as client:
        assert (await client.post(PIPELINES, json=renewals())).status_code == 201
        headers = {"content-type": "application/cloudevents-batch+json"}
        answer = await client.post("/api/v1/events", json=batch, headers=headers)
        last = answer.json()["results"][-1]
        (row,) = (await client.get("/api/v1/opportunities")).json()["data"]
    if isinstance(expected, tuple):
        assert (last["status"], (row["stage"], row["status"])) == ("updated", expected)
    else:
        assert (last["status"], last["problem"]["errors"][0]["code"]) == ("refused", expected)
        assert row["stage"] == "prospecting"
