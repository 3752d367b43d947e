"""Emails become threads: by the ids that they carry in whatever order they arrive, else by subject and people."""

import asyncio
import itertools
from collections import defaultdict
from typing import Any

import httpx
import pytest

from api.modules.activities.threads import subject_key
from bevyly.ids import new_id
from tests.integration.api.conftest import Api


async def send(client: httpx.AsyncClient, subject: str | None = "Offer", **values: Any) -> dict[str, Any]:
    body = {"kind": "email", "direction": "outbound", "subject": subject} | values
    answer = await client.post("/api/v1/activities", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


CHAIN: list[dict[str, Any]] = [
    {"message_id": "<1@x>"},
    {"message_id": "<2@x>", "in_reply_to": "<1@x>"},
    {"message_id": "<3@x>", "in_reply_to": "<2@x>", "references": ["<1@x>", "<2@x>"]},
]


async def test_a_chain_is_one_thread_in_whatever_order_it_arrives(api: Api) -> None:
    async with api.client(api.a) as client:
        for number, order in enumerate(itertools.permutations(CHAIN)):
            emails = [
                {
                    name: [one.replace("@x", f"@{number}") for one in value]
                    if isinstance(value, list)
                    else value.replace("@x", f"@{number}")
                    for name, value in email.items()
                }
                for email in order
            ]
            for email in emails:
                await send(client, f"s{len(email)}", **email)
    threads = defaultdict(set)
    for message, thread in api.sql(
        "select message_id, thread_id from activities where customer_id = %s", api.a.customer_id
    ):
        threads[message.partition("@")[2]].add(thread)
    assert [len(threads[name]) for name in sorted(threads)] == [1] * 6
    assert len(set.union(*threads.values())) == 6, "and chains stay apart"


async def test_without_ids_subject_and_people_tell(api: Api) -> None:
    ann, bob = [{"email": "ann@acme.example"}], [{"email": "bob@acme.example"}]
    first = {"occurred_at": "2026-03-01T00:00:00Z"}
    async with api.client(api.a) as client:
        one = await send(client, participants=ann, **first)
        same = await send(
            client,
            "AW: Re[2]: offer ",
            participants=[{"email": "ANN@acme.example"}],
            occurred_at="2026-03-31T00:00:00Z",
        )
        others = [
            await send(client, participants=bob, **first),
            await send(client, participants=ann, occurred_at="2026-05-01T00:00:00Z"),
            await send(client, "Order", participants=ann, **first),
            await send(client, None, participants=ann, **first),
            await send(client, None, participants=ann, **first),
            await send(client, participants=[], **first),
            await send(client, participants=ann, in_reply_to="<unknown@x>", **first),
        ]
    assert same["thread_id"] == one["thread_id"] == one["id"]
    assert len({one["thread_id"], *(other["thread_id"] for other in others)}) == 8
    async with api.client(api.b) as client:
        foreign = await send(client, participants=ann, **first)
        assert foreign["thread_id"] == foreign["id"]


async def test_two_emails_at_once_do_not_begin_two_threads(api: Api) -> None:
    people = [{"email": "ann@acme.example"}]
    async with api.client(api.a, patient=True) as client:
        made = await asyncio.gather(*(send(client, participants=people) for _ in range(8)))
    assert len({one["thread_id"] for one in made}) == 1


async def test_a_thread_says_who_is_to_answer(api: Api) -> None:
    async with api.client(api.a) as client:
        account = (await client.post("/api/v1/accounts", json={"name": "Acme"})).json()["id"]
        contact = (await client.post("/api/v1/contacts", json={"email": "ann@acme.example"})).json()["id"]
        people = [{"email": "ann@acme.example"}]
        day = "2026-03-0{}T00:00:00Z"
        root = await send(
            client, participants=people, occurred_at=day.format(1), message_id="<1@x>", account_id=account
        )
        await send(
            client,
            "Re: Offer",
            direction="inbound",
            participants=people,
            occurred_at=day.format(3),
            in_reply_to="<1@x>",
        )
        other = await send(client, "Lunch", occurred_at=day.format(2))

        listed = (await client.get("/api/v1/emails/threads")).json()["data"]
        assert [one["id"] for one in listed] == [root["id"], other["id"]]
        assert [one["awaiting_reply_from"] for one in listed] == ["us", "them"]
        thread = listed[0]
        counts = (thread["message_count"], thread["inbound_count"], thread["outbound_count"])
        assert counts == (2, 1, 1)
        assert (thread["subject"], thread["account_id"], thread["last_direction"]) == ("Offer", account, "inbound")
        assert thread["participants"] == [{"contact_id": contact, "user_id": None, "email": "ann@acme.example"}]

        found = []
        query: dict[str, Any] = {"limit": 1}
        for _ in range(2):
            page = (await client.get("/api/v1/emails/threads", params=query)).json()
            found += [one["id"] for one in page["data"]]
            query["cursor"] = page["page"]["next_cursor"]
        assert (found, query["cursor"]) == ([root["id"], other["id"]], None)
        for filters, expected in (
            ({"awaiting": "us"}, [root["id"]]),
            ({"awaiting": "them"}, [other["id"]]),
            ({"account_id": account}, [root["id"]]),
            ({"account_id": account, "awaiting": "them"}, []),
            ({"contact_id": new_id()}, []),
        ):
            answer = await client.get("/api/v1/emails/threads", params=filters)
            assert [one["id"] for one in answer.json()["data"]] == expected, filters

        whole = await client.get(f"/api/v1/emails/threads/{root['id']}")
        assert [one["subject"] for one in whole.json()["messages"]] == ["Offer", "Re: Offer"]
        reply = whole.json()["messages"][1]["id"]
        await client.delete(f"/api/v1/activities/{reply}")
        shrunk = (await client.get(f"/api/v1/emails/threads/{root['id']}")).json()
        assert (shrunk["message_count"], shrunk["awaiting_reply_from"]) == (1, "them")
        await client.delete(f"/api/v1/activities/{root['id']}")
        assert (await client.get(f"/api/v1/emails/threads/{root['id']}")).status_code == 404


@pytest.mark.parametrize("value", ["1@x", "<a b@x>", "<>", "<" + "x" * 997 + ">", "<a><b>"])
async def test_what_is_no_message_id_is_refused(api: Api, value: str) -> None:
    async with api.client(api.a) as client:
        answer = await client.post("/api/v1/activities", json={"kind": "email", "message_id": value})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("subject", "key"),
    [
        ("Re: FW:  aw: The   Offer ", "the offer"),
        ("Re[3]: The offer", "the offer"),
        ("Regarding: x", "regarding: x"),
        ("Re:", None),
        ("  ", None),
        (None, None),
        ("ÄNGSTE", "ängste"),
    ],
)
def test_what_replies_put_before_a_subject_is_not_part_of_it(subject: str | None, key: str | None) -> None:
    assert subject_key(subject) == key
