"""Events of other systems, sent at the same time, in bulk, and against what only the database knows."""

import asyncio
import random
from typing import Any

import pytest

from api.modules.events.repository import IngestRepository
from api.modules.events.service import EventIngest
from api.routing import LONG_CALLS
from tests.integration.api.conftest import Api
from tests.integration.api.ingest import BATCH, PATH, company, event, funnel, send, statuses

RACERS = 16


async def test_the_same_batch_from_16_senders_has_one_effect(api: Api) -> None:
    rows = funnel() + [event(f"n{number}", "note.created", activity_id=f"N{number}") for number in range(40)]
    async with api.client(api.a, patient=True) as client:
        everyone = await asyncio.gather(*(send(client, *rows) for _ in range(RACERS)))
    for row in range(len(rows)):
        found = [statuses(results)[row] for results in everyone]
        assert found.count("duplicate") == RACERS - 1, found
        assert len({tuple(results[row]["event_ids"]) for results in everyone}) == 1
    assert len(api.events()) == len(rows)
    assert len(api.rows("activities")) == 41
    assert len(api.rows("opportunity_history")) == 4
    assert len({told.id for told in api.events()}) == len(rows)


async def test_batches_that_overlap_in_any_order_neither_block_nor_lose(api: Api) -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    companies = [company(number) for number in range(30)]
    changes = [
        event(f"c{racer}-{number}", "account.updated", account_id=f"A{number}", custom={f"r{racer}": number})
        for racer in range(RACERS)
        for number in range(30)
    ]
    async with api.client(api.a, patient=True) as client:
        await send(client, *companies)
        batches = [changes[racer * 30 : racer * 30 + 30] + companies for racer in range(RACERS)]
        for batch in batches:
            dice.shuffle(batch)
        everyone = await asyncio.gather(*(send(client, *batch) for batch in batches))
    seen = [status for results in everyone for status in statuses(results)]
    assert seen.count("duplicate") == seen.count("updated") == 30 * RACERS, f"seed {seed}"
    versions = api.sql("select sum(version) from accounts where customer_id = %s", api.a.customer_id)
    assert versions == [(30 + 30 * RACERS,)], f"seed {seed}"
    assert len(api.events()) == 30 + 30 * RACERS


async def test_whatever_the_order_of_arrival_the_newest_state_stays(api: Api) -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    async with api.client(api.a) as client:
        for record in range(10):
            rows = [
                event(
                    f"{record}-{day}",
                    "lead.created",
                    f"2026-01-{day:02}T00:00:00Z",
                    lead_id=str(record),
                    source=str(day),
                )
                for day in range(1, 7)
            ]
            for row in rows:
                row["data"]["source"], row["source"] = row["source"], "crm"
            dice.shuffle(rows)
            if dice.random() < 0.5:
                await send(client, *rows)
            else:
                for row in rows:
                    await send(client, row)
    assert api.sql("select distinct source from leads where customer_id = %s", api.a.customer_id) == [("6",)], seed
    times: dict[str, list[Any]] = {}
    for told in api.events():
        times.setdefault(told.subject, []).append((told.sequence, told.time))
    assert len(times) == 10
    assert all(steps == sorted(steps) and steps[0][0] == 1 for steps in times.values()), seed


async def test_what_only_the_database_refuses_is_refused_alone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sure(self: IngestRepository, kind: str, ids: set[str]) -> dict[str, str]:
        return {record_id: record_id for record_id in ids}

    monkeypatch.setattr(IngestRepository, "existing", sure)
    rows = [event(f"n{number}", "note.created", activity_id=f"N{number}") for number in range(20)]
    rows[13]["data"]["account_id"] = "nobody's"
    async with api.client(api.a) as client:
        results = await send(client, *rows)
        assert statuses(results) == ["created"] * 13 + ["reference_not_found"] + ["created"] * 6
        again = await send(client, *rows)
        assert statuses(again).count("duplicate") == 19
    assert len(api.rows("activities")) == len(api.events()) == 19


async def test_a_thousand_rows_with_bad_ones_among_them(api: Api) -> None:
    rows = [company(number) for number in range(10)]
    rows += [
        event(f"t{number}", "call.completed", activity_id=f"T{number}", account_id=f"A{number % 11}")
        for number in range(990)
    ]
    dice = random.Random(1)
    dice.shuffle(rows)
    async with api.client(api.a) as client:
        results = await send(client, *rows)
    assert statuses(results).count("reference_not_found") == 90
    assert statuses(results).count("created") == 910
    assert len(api.events()) == 910


async def test_an_idempotency_key_keeps_the_answer_of_a_batch(api: Api) -> None:
    async with api.client(api.a) as client:
        answers = [
            await client.post(PATH, json=[company()], headers=BATCH | {"idempotency-key": "once"}) for _ in range(2)
        ]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert answers[1].json()["counts"] == {"created": 1}


async def test_another_request_is_answered_while_a_batch_is_worked_on(api: Api) -> None:
    rows = [event(f"n{number}", "note.created", activity_id=f"N{number}") for number in range(1000)]
    async with api.client(api.a) as client:
        batch = asyncio.create_task(send(client, *rows))
        between = 0
        while not batch.done():
            assert (await client.get("/healthz")).status_code == 200
            between += 1
            await asyncio.sleep(0)
        await batch
    assert between >= 20


async def test_batches_leave_connections_to_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0
    ingest = EventIngest.ingest

    async def counted(self: EventIngest, rows: Any) -> Any:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        try:
            return await ingest(self, rows)
        finally:
            running -= 1

    monkeypatch.setattr(EventIngest, "ingest", counted)
    async with api.client(api.a) as client:
        batches = [
            [event(f"{n}-{m}", "note.created", activity_id=f"{n}-{m}") for m in range(20)] for n in range(RACERS)
        ]
        everyone = await asyncio.gather(*(send(client, *batch) for batch in batches))
    assert all(statuses(results) == ["created"] * 20 for results in everyone)
    assert most == LONG_CALLS
