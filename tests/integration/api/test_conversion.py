"""Conversion of leads: one winner of many, matching what exists, one transaction."""

import asyncio
from typing import Any

import pytest

from tests.integration.api.conftest import Api

LEADS = "/api/v1/leads"


async def lead(client: Any, **values: Any) -> str:
    answer = await client.post(LEADS, json=values)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def convert(client: Any, lead_id: str, **wanted: Any) -> Any:
    return await client.post(f"{LEADS}/{lead_id}/convert", json=wanted)


async def test_a_lead_becomes_account_contact_and_opportunity(api: Api) -> None:
    async with api.client(api.a, "member") as client:
        lead_id = await lead(
            client,
            company_name="Acme",
            contact_name="Ann Lee",
            contact_email="ann@acme.example",
            value_minor=5,
            currency="EUR",
        )
        answer = await convert(client, lead_id, opportunity={"stage": "qualification"})
        assert answer.status_code == 200, answer.text
        became = answer.json()
        assert became["account_created"]
        assert became["contact_created"]
        account = (await client.get(f"/api/v1/accounts/{became['account_id']}")).json()
        assert (account["name"], account["domain"], account["owner_id"]) == (
            "Acme",
            "acme.example",
            api.a.users["member"],
        )
        contact = (await client.get(f"/api/v1/contacts/{became['contact_id']}")).json()
        assert (contact["first_name"], contact["last_name"], contact["account_id"]) == ("Ann", "Lee", account["id"])
        deal = (await client.get(f"/api/v1/opportunities/{became['opportunity_id']}")).json()
        assert (deal["stage"], deal["lead_id"], deal["value_minor"]) == ("qualification", lead_id, 5)
        converted = (await client.get(f"{LEADS}/{lead_id}")).json()
        assert (converted["status"], converted["opportunity_id"], converted["version"]) == ("converted", deal["id"], 2)
        again = await convert(client, lead_id)
        assert (again.status_code, again.json()["code"]) == (409, "lead_already_converted")
        assert again.json()["opportunity_id"] == deal["id"]
        assert (await client.patch(f"{LEADS}/{lead_id}", json={"status": "new"})).status_code == 409
    told = [event.type for event in api.events()]
    assert told == ["lead.created", "account.created", "contact.created", "opportunity.created", "lead.converted"]


async def test_of_sixteen_exactly_one_wins(api: Api) -> None:
    async with api.client(api.a, patient=True) as client:
        for _ in range(5):
            lead_id = await lead(client, company_name="Acme", contact_email="ann@acme.example")
            answers = await asyncio.gather(*(convert(client, lead_id, opportunity={}) for _ in range(16)))
            assert sorted(answer.status_code for answer in answers) == [200] + [409] * 15
    assert len(api.rows("opportunities")) == 5
    assert len(api.rows("accounts")) == len(api.rows("contacts")) == 1
    assert [event.type for event in api.events()].count("lead.converted") == 5


async def test_two_leads_of_one_company_at_once_make_one_account(api: Api) -> None:
    async with api.client(api.a, patient=True) as client:
        leads = [await lead(client, company_name="Acme", contact_email=f"{n}@acme.example") for n in range(8)]
        answers = await asyncio.gather(*(convert(client, lead_id) for lead_id in leads))
    assert {answer.status_code for answer in answers} == {200}
    assert len(api.rows("accounts")) == 1
    assert len(api.rows("contacts")) == 8


@pytest.mark.parametrize(
    ("account", "values", "matches"),
    [
        (
            {"name": "Other", "domain": "acme.example"},
            {"company_name": "Acme", "contact_email": "a@ACME.example"},
            True,
        ),
        ({"name": "ACME"}, {"company_name": "acme"}, True),
        ({"name": "Müller Bau GmbH"}, {"company_name": "Mueller Bau"}, True),
        ({"name": "Other", "domain": "acme.com"}, {"company_name": "Acme", "contact_email": "a@mail.acme.com"}, True),
        ({"name": "Gmail", "domain": "gmail.com"}, {"company_name": "Acme", "contact_email": "a@gmail.com"}, False),
        ({"name": "Acme Two"}, {"company_name": "Acme"}, False),
    ],
)
async def test_an_account_that_exists_is_taken(
    api: Api, account: dict[str, str], values: dict[str, str], matches: bool
) -> None:
    async with api.client(api.a) as client:
        made = (await client.post("/api/v1/accounts", json=account)).json()["id"]
        async with api.client(api.b) as other:
            await other.post("/api/v1/accounts", json=account)
        became = (await convert(client, await lead(client, **values))).json()
    assert (became["account_id"] == made) == matches
    assert became["account_created"] != matches


async def test_a_disqualified_lead_stays_and_a_failed_conversion_leaves_nothing(api: Api) -> None:
    async with api.client(api.a) as client:
        lost = await lead(client, company_name="Acme", status="disqualified")
        answer = await convert(client, lost)
        assert (answer.status_code, answer.json()["code"]) == (409, "lead_not_convertible")
        nobody = await lead(client, source="fair")
        answer = await convert(client, nobody, opportunity={"name": "x"})
        assert (answer.status_code, answer.json()["code"]) == (409, "lead_not_convertible")
        assert (await client.get(f"{LEADS}/{nobody}")).json()["status"] == "new"
        alone = await convert(client, nobody)
        assert (alone.status_code, alone.json()["account_id"]) == (200, None)
    assert api.rows("accounts") == api.rows("opportunities") == []
