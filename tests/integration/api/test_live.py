"""The live stream: what is told to whom, in order, once, across disconnects and restarts, and when it ends."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import orjson
import psycopg
import pytest
from prometheus_client import REGISTRY

from api import server
from api.modules.live import seats, stream
from api.permissions import PERMISSIONS
from bevyly.clock import FixedClock, SystemClock
from bevyly.events.contracts import EXAMPLES
from bevyly.events.envelope import Event
from bevyly.events.live import TOPICS
from bevyly.ids import new_id
from pipelines.streams.relay import live as relay
from tests.integration.api.conftest import Api, Tenant
from tests.support.serving import serving

LIVE = "/api/v1/live"


def an_event(type_: str, tenant: Tenant, **data: Any) -> Event:
    """The full example of a type, as an event of `tenant`."""
    document = orjson.loads((EXAMPLES / type_ / "1" / "full.json").read_bytes())
    document |= {"id": new_id(), "tenantid": tenant.customer_id, "data": document["data"] | data}
    return Event.from_json(orjson.dumps(document))


def publish(api: Api, *events: Event) -> list[str]:
    """What the relay does with a batch that Kafka has acknowledged; the ids of the events."""
    with psycopg.connect(api.database.pipeline_url) as connection:
        relay.keep(connection, [(event.tenant_id, event.to_json().decode()) for event in events])
    return [event.id for event in events]


class Told(NamedTuple):
    """One block of a stream."""

    event: str | None
    id: str | None
    data: dict[str, Any] | None


async def blocks(lines: AsyncIterator[str]) -> AsyncIterator[Told]:
    """The blocks of a stream, as a browser reads them."""
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            data = orjson.loads(fields["data"]) if "data" in fields else None
            yield Told(fields.get("event"), fields.get("id"), data)
            fields = {}


async def told(client: httpx.AsyncClient, last: str | None = "0-99999999999", **query: str) -> list[Told]:
    """All that is there after `last`; the beginning unless said otherwise."""
    headers = {} if last is None else {"last-event-id": last}
    answer = await client.get(LIVE, params={"follow": "false"} | query, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"

    async def lines() -> AsyncIterator[str]:
        for line in answer.text.split("\n"):
            yield line

    return [block async for block in blocks(lines())]


def names(found: Iterable[Told]) -> list[str]:
    return [one.event for one in found if one.event]


@asynccontextmanager
async def following(url: str, token: str, last: str | None = None, **query: str) -> AsyncIterator[AsyncIterator[Told]]:
    """An open stream."""
    headers = {"authorization": f"Bearer {token}"} | ({"last-event-id": last} if last else {})
    async with (
        httpx.AsyncClient(base_url=url, timeout=20) as client,
        client.stream("GET", LIVE, headers=headers, params=query) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        yield blocks(answer.aiter_lines())


async def test_each_topic_has_its_events_in_order(api: Api) -> None:
    types = ["signal.raised", "recommendation.created", "signal.closed", "lead.created", "recommendation.accepted"]
    events = [an_event(type_, api.a) for type_ in types]
    events.append(an_event("briefing.published", api.a, user_id=api.a.users["viewer"]))
    ids = publish(api, *events)
    async with api.client(api.a, "viewer") as client:
        all_of_it = await told(client)
        assert names(all_of_it) == ["open", *types[:3], "recommendation.accepted", "briefing.published"]
        assert [one.data["id"] for one in all_of_it[1:-1] if one.data] == ids[:3] + ids[4:]
        assert all_of_it[1].data == orjson.loads(events[0].to_json())
        assert names(await told(client, topics="signals")) == ["open", "signal.raised", "signal.closed"]
        assert names(await told(client, topics="briefing,signals"))[-1] == "briefing.published"
        assert names(await told(client, last=all_of_it[2].id)) == names(all_of_it)[:1] + names(all_of_it)[3:]
        assert names(await told(client, last=None)) == ["open"], "without a position it begins now"


async def test_what_is_not_mine_is_not_told(api: Api) -> None:
    publish(api, an_event("signal.raised", api.b), an_event("briefing.published", api.a, user_id=api.a.users["owner"]))
    async with api.client(api.a, "viewer") as viewer, api.client(api.a) as owner, api.client(api.b) as other:
        assert names(await told(viewer)) == ["open"]
        assert names(await told(owner)) == ["open", "briefing.published"]
        assert names(await told(other)) == ["open", "signal.raised"]


async def test_a_key_is_told_what_its_scopes_may_read(api: Api) -> None:
    publish(api, an_event("signal.raised", api.a))
    async with api.client(api.a) as owner:
        made = [
            (await owner.post("/api/v1/api-keys", json={"name": "k", "scopes": scopes})).json()["key"]
            for scopes in (["live:read"], ["live:read", "intent:read"])
        ]
    async with api.client(**{"x-api-key": made[0]}) as narrow, api.client(**{"x-api-key": made[1]}) as wide:
        assert names(await told(narrow)) == ["open"]
        refused = await narrow.get(LIVE, params={"topics": "signals", "follow": "false"})
        assert (refused.status_code, refused.json()["permission"]) == (403, "intent:read")
        assert names(await told(wide)) == ["open", "signal.raised"]
    assert stream.PERMISSION_OF.keys() == set(TOPICS)
    assert set(stream.PERMISSION_OF.values()) - {"imports:read"} <= PERMISSIONS.keys()


@pytest.mark.parametrize("last", ["x", "1", "1-", "-1-1", "1-1-1", "9" * 30 + "-1", "٣-١"])
async def test_a_position_that_is_not_ours_is_refused(api: Api, last: str) -> None:
    async with api.client(api.a) as client:
        answer = await client.get(LIVE, params={"follow": "false"}, headers={"last-event-id": last.encode()})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_position")
        assert (await client.get(LIVE, params={"topics": "weather"})).status_code == 422


async def test_a_published_event_that_is_repeated_is_told_once(api: Api) -> None:
    event = an_event("signal.raised", api.a)
    publish(api, event)
    publish(api, event, an_event("signal.closed", api.a))
    async with api.client(api.a) as client:
        assert names(await told(client)) == ["open", "signal.raised", "signal.closed"]


async def test_after_a_day_the_gap_is_named(api: Api) -> None:
    publish(api, an_event("signal.raised", api.a), an_event("signal.closed", api.a))
    async with api.client(api.a) as client:
        now = int(time.time())
        recent = await told(client, last=f"0-{now - 23 * 3600}")
        assert names(recent) == ["open", "signal.raised", "signal.closed"]
        late = await told(client, last=f"0-{now - 25 * 3600}")
        assert names(late) == ["reset", "signal.raised", "signal.closed"]


async def test_streams_that_ask_the_same_share_a_statement(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    feed, read = api.app.state.live.feed, []
    once = feed._reader.one

    async def counting(function: str, *arguments: Any) -> Any:
        read.append(function)
        return await once(function, *arguments)

    monkeypatch.setattr(feed._reader, "one", counting)
    with feed.listener(api.a.customer_id):
        pages = await asyncio.gather(*(feed.after(api.a.customer_id, 0) for _ in range(20)))
    assert (read, [page.entries for page in pages]) == (["api_live_events"], [[]] * 20)


async def test_nothing_is_lost_or_doubled_whatever_breaks(api: Api) -> None:
    chosen = random.Random(20_261_128)
    sent: list[str] = []
    seen: list[str] = []
    token, last, done = api.token(api.a), f"0-{int(time.time())}", asyncio.Event()

    async def send() -> None:
        for _ in range(60):
            batch = [
                an_event("signal.raised", chosen.choice((api.a, api.a, api.b)))
                for _ in range(chosen.choice((1, 1, 3, 40)))
            ]
            await asyncio.to_thread(publish, api, *batch)
            sent.extend(event.id for event in batch if event.tenant_id == api.a.customer_id)
            await asyncio.sleep(0)
        done.set()

    async def read(url: str, blocks_to_read: int) -> str:
        position = last
        async with following(url, token, last) as found:
            async for one in found:
                if one.data and one.event == "signal.raised":
                    seen.append(one.data["id"])
                position = one.id or position
                blocks_to_read -= 1
                if blocks_to_read == 0 or (done.is_set() and len(seen) >= len(sent)):
                    break
        return position

    sending, servers, ports = asyncio.create_task(send()), 0, set()
    async with asyncio.timeout(60):
        while not done.is_set() or len(seen) < len(sent):
            async with serving(api.app) as url:
                servers += 1
                ports.add(url)
                for _ in range(chosen.randint(1, 2)):
                    last = await read(url, chosen.choice((1, 2, 7, 60)))
    await sending
    assert seen == sent
    assert len(sent) > 200
    assert servers >= 3


async def test_a_stopping_server_lets_go_of_its_streams_and_another_goes_on(api: Api) -> None:
    token = api.token(api.a)
    async with serving(api.app) as first, serving(api.app) as second:
        async with serving(api.app) as stopping, following(stopping, token) as found:
            opened = await anext(found)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        ids = publish(api, an_event("signal.raised", api.a))
        for url in (first, second):
            async with following(url, token, opened.id) as found:
                assert (await anext(found)).event == "open"
                one = await anext(found)
                assert one.data is not None
                assert one.data["id"] == ids[0]


async def test_a_stream_is_told_at_once_and_is_no_request_in_flight(api: Api) -> None:
    seconds = []
    async with serving(api.app) as url, following(url, api.token(api.a)) as found:
        assert (await anext(found)).event == "open"
        assert REGISTRY.get_sample_value("bevyly_http_in_flight") == 0
        assert REGISTRY.get_sample_value("bevyly_live_streams") == 1
        for _ in range(5):
            began = time.monotonic()
            await asyncio.to_thread(publish, api, an_event("signal.raised", api.a))
            assert (await anext(found)).event == "signal.raised"
            seconds.append(time.monotonic() - began)
    assert sorted(seconds)[2] < 1.0


async def test_heartbeats_carry_the_position_and_the_right_to_read_is_asked_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(seats, "LEASE_SECONDS", 30)
    async with serving(api.app) as url, following(url, api.token(api.a, "viewer"), topics="signals") as found:
        opened = await anext(found)
        publish(api, an_event("recommendation.created", api.a))
        while (heartbeat := await anext(found)).id == opened.id or heartbeat.id.startswith("0-"):
            pass
        assert heartbeat.event is None, "another topic's event moves the position and is not told"
        api.sql("update users set disabled_at = now() where id = %s", api.a.users["viewer"])
        api.app.state.resources.gate.authenticator._known.clear()
        while (last := await anext(found)).event is None:
            pass
        assert (last.event, last.data) == ("closed", {"reason": "unauthorized"})
        with pytest.raises(StopAsyncIteration):
            await anext(found)


async def test_an_expired_token_ends_the_stream(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.05)
    authenticator = api.app.state.resources.gate.authenticator
    async with serving(api.app) as url, following(url, api.token(api.a)) as found:
        assert (await anext(found)).event == "open"
        later = FixedClock(SystemClock().now().replace(year=2036))
        monkeypatch.setattr(authenticator, "_clock", later)
        monkeypatch.setattr(api.app.state.resources.tokens, "_clock", later)
        publish(api, an_event("signal.raised", api.a))
        while (last := await anext(found)).event is None:
            pass
        assert (last.event, last.data) == ("closed", {"reason": "unauthorized"}), "and what came after is not told"


async def test_a_client_that_does_not_read_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WRITE_SECONDS", 0.3)
    long = "x" * 200
    async with serving(api.app) as url:
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(
                f"GET {LIVE} HTTP/1.1\r\nhost: x\r\nlast-event-id: 0-{int(time.time())}\r\n"
                f"authorization: Bearer {api.token(api.a)}\r\n\r\n".encode()
            )
            here = api.app.state.live.seats._here
            async with asyncio.timeout(30):
                while not here.total():
                    await asyncio.sleep(0.01)
                while here.total():
                    events = [an_event("signal.raised", api.a, title=long) for _ in range(2_000)]
                    await asyncio.to_thread(publish, api, *events)
            deaf.setblocking(False)
    async with api.client(api.a) as client:
        assert len(await told(client)) > 100, "what was not read is there to resume"


async def test_a_user_has_so_many_streams(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats, "PER_USER", 2)
    live, user = api.app.state.live, api.a.users["owner"]
    elsewhere = seats.Seats(api.app.state.resources.redis, SystemClock())
    first = await elsewhere.take(user)
    second = await live.seats.take(user)
    async with api.client(api.a) as client:
        refused = await client.get(LIVE)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        elsewhere.give_back(first)
        await elsewhere.close()
        assert names(await told(client)) == ["open"]
        live.seats.give_back(second)
        monkeypatch.setattr(seats, "PER_PROCESS", 0)
        assert (await client.get(LIVE)).status_code == 503
