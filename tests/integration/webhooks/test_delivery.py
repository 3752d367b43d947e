"""From a delivery to a receiver: signed, retried, bounded, fair, given up with notice, and kept in the log."""

import asyncio
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from psycopg.types.json import Jsonb
from standardwebhooks import WebhookVerificationError

from bevyly.encryption import Vault, new_key
from bevyly.events.contracts import validate
from bevyly.events.envelope import Event
from bevyly.webhooks import signing
from pipelines.repositories.webhooks import Room, claim
from pipelines.webhooks.schedule import DELAYS, SPREAD, TRIES
from tests.integration.webhooks.conftest import World
from tests.integration.webhooks.receiver import Receiver, Reply

DELIVERIES = "select status, tries, last_error, next_attempt_at, id from webhook_deliveries order by id"
ATTEMPTS = "select status_code, error, address, response_body from webhook_attempts order by started_at, id"
KEPT = ("deliveries", "events", "attempts")
HEALTH = "select enabled, disabled_reason, failures, failing_since from webhook_endpoints where id = %s"


async def test_an_event_arrives_as_published_and_signed(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver.url("/ours?a=1"))
    world.endpoint(receiver.url("/theirs"), tenant=world.theirs)
    event = world.event(activity_id="ä")
    world.happen(event)
    async with world.delivering() as deliverer:
        assert await deliverer.pass_() == 1
        assert await deliverer.pass_() == 0
    [got] = receiver.got
    assert (got.path, got.body) == ("/ours?a=1", event.to_json())
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    got.verify(world.secret)
    with pytest.raises(WebhookVerificationError):
        got.verify(signing.mint())
    got.body += b" "
    with pytest.raises(WebhookVerificationError):
        got.verify(world.secret)
    [(status, tries, error, again, delivery)] = world.rows(DELIVERIES)
    assert (status, tries, error, again, delivery) == ("delivered", 1, None, None, got.headers["webhook-id"])
    assert world.rows(ATTEMPTS) == [(200, None, "127.0.0.1", "ok")]


async def test_it_is_tried_eight_times_over_a_day_under_one_id(world: World, receiver: Receiver) -> None:
    receiver.replies["/hook"] = lambda _: Reply(status=500, body=b"no")
    world.endpoint(receiver.url())
    world.happen(world.event())
    began = world.clock.now()
    async with world.delivering() as deliverer:
        for delay in DELAYS:
            tried = world.clock.now()
            assert await deliverer.pass_() == 1
            [(status, _, error, again, _)] = world.rows(DELIVERIES)
            assert (status, error) == ("pending", "http_500")
            assert delay * (1 - SPREAD) <= again - tried <= delay * (1 + SPREAD)
            world.clock.instant = again - timedelta(milliseconds=1)
            assert await deliverer.pass_() == 0
            world.clock.instant = again
        assert await deliverer.pass_() == 1
        world.later(days=3)
        assert await deliverer.pass_() == 0
    assert TRIES == len(receiver.got) == 8
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert len({got.headers["webhook-timestamp"] for got in receiver.got}) == 8
    assert timedelta(hours=20) < world.clock.now() - timedelta(days=3) - began < timedelta(hours=34)
    assert world.rows(DELIVERIES)[0][:4] == ("failed", 8, "http_500", None)


@pytest.mark.parametrize(
    ("status", "told", "expected"), [(429, "7200", 7200), (503, "date", 3600), (429, "999999", 86_400)]
)
async def test_a_receiver_may_ask_for_time(
    world: World, receiver: Receiver, status: int, told: str, expected: int
) -> None:
    when = format_datetime(world.clock.now() + timedelta(hours=1)) if told == "date" else told
    receiver.replies["/hook"] = lambda _: Reply(status=status, headers={"Retry-After": when})
    world.endpoint(receiver.url())
    world.happen(world.event())
    async with world.delivering() as deliverer:
        await deliverer.pass_()
    again: datetime = world.rows(DELIVERIES)[0][3]
    assert again - world.clock.now() == timedelta(seconds=expected)


async def test_time_is_not_given_for_other_failures_nor_for_nonsense(world: World, receiver: Receiver) -> None:
    receiver.replies["/a"] = lambda _: Reply(status=500, headers={"Retry-After": "7200"})
    receiver.replies["/b"] = lambda _: Reply(status=429, headers={"Retry-After": "soon"})
    receiver.replies["/c"] = lambda _: Reply(status=429, headers={"Retry-After": "-5"})
    for path in ("/a", "/b", "/c"):
        world.endpoint(receiver.url(path))
    world.happen(world.event())
    async with world.delivering() as deliverer:
        assert await deliverer.pass_() == 3
    assert all(row[3] - world.clock.now() < timedelta(seconds=10) for row in world.rows(DELIVERIES))


async def test_a_redirect_is_a_failure_and_not_followed(world: World, receiver: Receiver) -> None:
    receiver.replies["/hook"] = lambda _: Reply(status=302, headers={"Location": receiver.url("/inside")})
    world.endpoint(receiver.url())
    world.happen(world.event())
    async with world.delivering() as deliverer:
        await deliverer.pass_()
    assert [got.path for got in receiver.got] == ["/hook"]
    assert world.rows(ATTEMPTS)[0][:2] == (302, "redirect_refused")


async def test_of_an_endless_answer_only_the_beginning_is_read(world: World, receiver: Receiver) -> None:
    receiver.replies["/hook"] = lambda _: Reply(endless=True, body=b"\x00\xff")
    world.endpoint(receiver.url())
    world.happen(world.event())
    async with world.delivering() as deliverer:
        await deliverer.pass_()
    [(status, error, _, body)] = world.rows(ATTEMPTS)
    assert (status, error, len(body)) == (200, None, 1024)
    assert body.startswith("\ufffd\ufffdx")
    assert receiver.sent_bytes < 20 * 2**20


async def test_a_receiver_that_says_nothing_is_given_up(world: World, receiver: Receiver) -> None:
    receiver.replies["/hook"] = lambda _: Reply(until=asyncio.Event())
    world.endpoint(receiver.url())
    world.endpoint("http://127.0.0.1:1/closed")
    world.happen(world.event())
    async with world.delivering(total_seconds=0.2) as deliverer:
        await deliverer.pass_()
    assert {row[1] for row in world.rows(ATTEMPTS)} == {"timeout", "connect_failed"}


async def test_a_slow_endpoint_delays_no_other(world: World, receiver: Receiver) -> None:
    released = asyncio.Event()
    receiver.replies["/slow"] = lambda _: Reply(until=released)
    slow = world.endpoint(receiver.url("/slow"))
    world.happen(*(world.event() for _ in range(30)))
    world.endpoint(receiver.url("/fast"), tenant=world.theirs)
    world.later(seconds=1)
    world.happen(*(world.event(tenant=world.theirs) for _ in range(30)))
    async with world.delivering(room=Room(total=8, per_tenant=8, per_endpoint=4)) as deliverer:
        everything = asyncio.create_task(deliverer.run_until(ended=60))
        await receiver.arrived(30, "/fast")
        assert len(receiver.at("/slow")) <= 4
        waiting = world.rows("select count(*) from webhook_deliveries where endpoint_id = %s and tries = 0", slow)
        assert waiting == [(30,)]
        released.set()
        await everything
    assert len(receiver.at("/slow")) == 30


async def test_a_tenant_has_only_its_share_and_a_failing_endpoint_one_at_a_time(world: World) -> None:
    failing = world.endpoint("http://127.0.0.1:1/")
    for _ in range(5):
        world.endpoint("http://127.0.0.1:1/")
    world.endpoint("http://127.0.0.1:1/", tenant=world.theirs)
    world.rows("update webhook_endpoints set failing_since = now() where id = %s", failing)
    world.happen(*(world.event(tenant=tenant) for tenant in (world.ours, world.theirs) for _ in range(10)))
    async with world.delivering() as one:
        room, lease = Room(total=100, per_tenant=12, per_endpoint=3), timedelta(seconds=60)
        claimed = await claim(one.connection, {}, room, at=world.clock.now(), lease=lease)
        busy = {claimed_one.endpoint: 1 for claimed_one in claimed}
        more = await claim(one.connection, busy, room, at=world.clock.now(), lease=lease)
    by_tenant = [sum(c.customer_id == tenant for c in claimed) for tenant in (world.ours, world.theirs)]
    assert by_tenant == [12, 3]
    assert sum(c.endpoint_id == failing for c in claimed) <= 1
    assert max(sum(c.endpoint_id == c2.endpoint_id for c in claimed) for c2 in claimed) == 3
    assert not {c.id for c in claimed} & {c.id for c in more}
    assert sum(c.endpoint_id == failing for c in more) <= 1


async def test_two_deliverers_never_hold_the_same(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver.url())
    world.happen(*(world.event() for _ in range(50)))
    async with world.delivering() as one, world.delivering() as other:
        await asyncio.gather(one.run_until(ended=50), other.run_until(ended=50))
    ids = [got.headers["webhook-id"] for got in receiver.got]
    assert len(ids) == len(set(ids)) == 50


async def test_who_lost_its_lease_has_no_say(world: World, receiver: Receiver) -> None:
    """A deliverer that stalled beyond its lease: another one sent the delivery, and its word counts."""
    released = asyncio.Event()
    receiver.replies["/hook"] = lambda n: Reply(status=500, until=released) if n == 1 else Reply()
    world.endpoint(receiver.url())
    world.happen(world.event())
    async with world.delivering() as stalled, world.delivering() as other:
        first = asyncio.create_task(stalled.pass_())
        await receiver.arrived(1)
        assert await other.pass_() == 0
        world.later(seconds=61)
        assert await other.pass_() == 1
        released.set()
        await first
    assert world.rows(DELIVERIES)[0][:3] == ("delivered", 1, None)
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1


async def test_an_endpoint_that_fails_for_days_is_switched_off_with_notice(world: World, receiver: Receiver) -> None:
    receiver.replies["/hook"] = lambda _: Reply(status=500)
    endpoint = world.endpoint(receiver.url())
    healthy = world.endpoint(receiver.url("/well"))
    async with world.delivering(disable_failures=3) as deliverer:
        for day in range(6):
            world.happen(world.event())
            while world.rows("select count(*) from webhook_deliveries where status = 'pending'") != [(0,)]:
                await deliverer.pass_()
                world.later(hours=1)
            enabled, _, failures, since = world.rows(HEALTH, endpoint)[0]
            assert failures == day + 1
            if not enabled:
                break
        assert world.clock.now() - since > timedelta(days=5)
        assert world.rows(HEALTH, endpoint)[0][:2] == (False, "failing")
        assert world.rows(HEALTH, healthy)[0] == (True, None, 0, None)
        sent = len(receiver.at("/hook"))
        world.happen(world.event())
        await deliverer.pass_()
    assert len(receiver.at("/hook")) == sent
    [(envelope,)] = world.rows("select envelope from outbox")
    event = Event.from_json(envelope)
    validate(event)
    assert (event.type, event.tenant_id) == ("webhook.endpoint_disabled", world.ours)
    assert event.data == {
        "endpoint_id": endpoint, "url": receiver.url(), "reason": "failing", "failures": failures,
    }  # fmt: skip
    audit = world.rows("select customer_id, actor_type, action, entity_id, after ->> 'disabled_reason' from audit")
    assert audit == [(world.ours, "system", "webhook.disabled", endpoint, "failing")]


async def test_one_success_clears_the_slate(world: World, receiver: Receiver) -> None:
    receiver.replies["/hook"] = lambda n: Reply(status=500 if n <= 10 else 200)
    endpoint = world.endpoint(receiver.url())
    async with world.delivering(disable_failures=1) as deliverer:
        world.happen(world.event())
        for _ in range(8):
            await deliverer.pass_()
            world.later(hours=13)
        assert world.rows(HEALTH, endpoint)[0][:3] == (True, None, 1)
        world.happen(world.event())
        for _ in range(3):
            await deliverer.pass_()
            world.later(hours=13)
    assert world.rows(HEALTH, endpoint)[0] == (True, None, 0, None)
    assert world.rows("select count(*) from outbox") == [(0,)]


async def test_a_receiver_that_is_gone_is_switched_off_at_once(world: World, receiver: Receiver) -> None:
    receiver.replies["/hook"] = lambda n: Reply(status=200 if n == 1 else 410)
    endpoint = world.endpoint(receiver.url())
    async with world.delivering(room=Room(per_endpoint=1)) as deliverer:
        world.happen(*(world.event() for _ in range(5)))
        await deliverer.pass_()
        assert world.rows(HEALTH, endpoint)[0][:2] == (False, "gone")
        assert len(receiver.got) == 2
        await deliverer.tidy()
    assert sorted(row[:3] for row in world.rows(DELIVERIES)) == [
        ("delivered", 1, None),
        *[("failed", 0, "webhook_disabled")] * 3,
        ("failed", 1, "http_410"),
    ]
    assert [Event.from_json(row[0]).data["reason"] for row in world.rows("select envelope from outbox")] == ["gone"]


async def test_both_secrets_sign_while_they_overlap(world: World, receiver: Receiver) -> None:
    endpoint, new = world.endpoint(receiver.url()), signing.mint()
    held = world.rows("select secrets from webhook_endpoints")[0][0]
    rotated = signing.rotated(held, new, world.vault, now=world.clock.now(), overlap=timedelta(minutes=4))
    world.rows("update webhook_endpoints set secrets = %s where id = %s", Jsonb(rotated), endpoint)
    async with world.delivering() as deliverer:
        world.happen(world.event())
        await deliverer.pass_()
        world.later(minutes=4)
        world.happen(world.event())
        await deliverer.pass_()
    during, after = receiver.got
    during.verify(world.secret)
    during.verify(new)
    after.verify(new)
    with pytest.raises(WebhookVerificationError):
        after.verify(world.secret)


async def test_a_lost_key_fails_the_delivery_and_says_so(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver.url())
    world.happen(world.event())
    async with world.delivering(vault=Vault([new_key()])) as deliverer:
        await deliverer.pass_()
        assert receiver.got == []
        assert world.rows(DELIVERIES)[0][:3] == ("pending", 1, "cannot_decrypt")


async def test_the_log_is_kept_as_long_as_promised(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver.url())
    receiver.replies["/waits"] = lambda _: Reply(status=500)
    world.endpoint(receiver.url("/waits"))
    for tenant in (world.ours, world.theirs):
        world.endpoint(receiver.url("/x"), tenant=tenant)
        world.happen(world.event(tenant=tenant))
    async with world.delivering() as deliverer:
        await deliverer.pass_()
        counts = "select " + ", ".join(f"(select count(*) from webhook_{name})" for name in KEPT)
        world.later(days=30)
        await deliverer.tidy()
        assert world.rows(counts) == [(4, 2, 4)]
        world.later(seconds=1)
        await deliverer.tidy()
        assert world.rows(counts) == [(1, 1, 1)]
        assert world.rows(DELIVERIES)[0][0] == "pending"


async def test_what_a_careless_receiver_leaves_behind_reaches_no_other_delivery(
    world: World, receiver: Receiver
) -> None:
    """A body after a 204 would be read as the beginning of the next answer on the same connection."""
    receiver.replies["/hook"] = lambda _: Reply(status=204, body=b"HTTP/1.1 500 X\r\n\r\n")
    world.endpoint(receiver.url())
    world.happen(*(world.event() for _ in range(5)))
    async with world.delivering(room=Room(per_endpoint=1)) as deliverer:
        await deliverer.pass_()
    assert [row[:3] for row in world.rows(DELIVERIES)] == [("delivered", 1, None)] * 5
    assert receiver.connections == 5
