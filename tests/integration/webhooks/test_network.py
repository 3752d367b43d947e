"""A webhook never reaches what is not public, however its URL, its name or its receiver lead there.

Real sockets: the receiver on loopback plays the inner service that must see nothing. The controls take the guard away
and see it reached.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpcore
import pytest

from bevyly.webhooks.addresses import Address, AddressRules, Target
from pipelines.webhooks import network
from tests.integration.webhooks.certificates import Authority
from tests.integration.webhooks.conftest import World
from tests.integration.webhooks.receiver import Receiver, Reply, receiving

PUBLIC = "93.184.215.14"
ERRORS = "select last_error from webhook_deliveries order by id"


class AnyPort(AddressRules):
    """The rules in force, but for scheme and port, so that a receiver of the test could be reached."""

    def target(self, url: str) -> Target:
        return AddressRules(private=True).target(url)


class NoGuard(AnyPort):
    """The control: addresses are not looked at."""

    def _allows(self, address: Address) -> bool:
        return True


@dataclass
class Names:
    """A resolver whose answers are told: the first look-up gets the first of them, and so on."""

    answers: list[list[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


async def attempt(world: World, url: str, rules: AddressRules, names: Names) -> str | None:
    """The error of one delivery to `url`."""
    world.endpoint(url)
    world.happen(world.event())
    async with world.delivering(rules=rules, resolve=names) as deliverer:
        await deliverer.pass_()
    return str(world.rows(ERRORS)[-1][0])


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["::ffff:127.0.0.1"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        ["10.0.0.1"],
        ["169.254.169.254"],
    ],
)
async def test_a_name_that_leads_inside_is_refused(world: World, receiver: Receiver, answers: list[str]) -> None:
    names = Names([answers])
    assert await attempt(world, receiver.url(host="receiver.example"), AnyPort(), names) == "no_public_address"
    assert names.asked == ["receiver.example"]
    assert receiver.got == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"])
async def test_an_address_inside_is_refused(world: World, receiver: Receiver, host: str) -> None:
    assert await attempt(world, receiver.url(host=host), AnyPort(), Names([[]])) == "private_address"
    assert receiver.got == []


async def test_without_the_guard_the_inner_service_is_reached(world: World, receiver: Receiver) -> None:
    assert await attempt(world, receiver.url(host="receiver.example"), NoGuard(), Names([["127.0.0.1"]])) == "None"
    assert [got.headers["host"] for got in receiver.got] == [f"receiver.example:{receiver.port}"]


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Where connections went: public addresses lead to loopback, so that a test can tell who would have answered."""
    went: list[str] = []
    connect = httpcore.AnyIOBackend.connect_tcp

    async def dial(self: httpcore.AnyIOBackend, host: str, *rest: Any) -> httpcore.AsyncNetworkStream:
        went.append(host)
        if host == PUBLIC:
            raise httpcore.ConnectError("nobody is there")
        return await connect(self, host, *rest)

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", dial)
    yield went


async def test_a_name_that_turns_inside_after_the_check_gains_nothing(
    world: World, receiver: Receiver, dialled: list[str]
) -> None:
    """DNS rebinding: public when it is checked, private when it would be looked up again. There is no second time."""
    names = Names([[PUBLIC], ["127.0.0.1"]])
    assert await attempt(world, receiver.url(host="rebind.example"), AnyPort(), names) == "connect_failed"
    assert (names.asked, dialled, receiver.got) == (["rebind.example"], [PUBLIC], [])
    world.later(minutes=1)
    async with world.delivering(rules=AnyPort(), resolve=names) as deliverer:
        await deliverer.pass_()
    assert [row[0] for row in world.rows(ERRORS)] == ["no_public_address"]
    assert (dialled, receiver.got) == ([PUBLIC], [])


async def test_a_check_apart_from_the_connection_would_be_rebound(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: checked here, connected by name there."""

    async def check_then_look_up_again(self: Any, host: str, port: int, **_: Any) -> httpcore.AsyncNetworkStream:
        await self._rules.addresses(host, port, self._resolve)
        [address] = await self._resolve(host, port)
        return await httpcore.AnyIOBackend().connect_tcp(address, port)

    monkeypatch.setattr(network.CheckedNetwork, "connect_tcp", check_then_look_up_again)
    names = Names([[PUBLIC], ["127.0.0.1"]])
    assert await attempt(world, receiver.url(host="rebind.example"), AnyPort(), names) == "None"
    assert len(receiver.got) == 1


async def test_a_redirect_inside_is_not_followed(world: World) -> None:
    async with receiving() as outside, receiving() as inside:
        outside.replies["/hook"] = lambda _: Reply(status=307, headers={"Location": inside.url()})
        assert await attempt(world, outside.url(), AddressRules(private=True), Names([[]])) == "redirect_refused"
        assert (len(outside.got), inside.got) == (1, [])


async def test_proxies_of_the_environment_are_not_used(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        monkeypatch.delenv("no_proxy", raising=False)
        assert await attempt(world, receiver.url(), AddressRules(private=True), Names([[]])) == "None"
        assert (len(receiver.got), proxy.got) == (1, [])


async def test_another_address_is_tried_where_the_first_is_down(world: World, receiver: Receiver) -> None:
    names = Names([["127.0.0.2", "127.0.0.1"]])
    assert await attempt(world, receiver.url(host="two.example"), AddressRules(private=True), names) == "None"
    assert [got.path for got in receiver.got] == ["/hook"]


async def test_tls_verifies_the_name_although_the_address_is_dialled(world: World, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    errors = []
    async with receiving(authority.server("good.example")) as receiver:
        for host in ("good.example", "other.example"):
            world.endpoint(receiver.url(f"/{host}", host=host))
        world.happen(world.event())
        names = Names([["127.0.0.1"]])
        async with world.delivering(resolve=names, tls=authority.client()) as deliverer:
            await deliverer.pass_()
        errors = world.rows(
            "select e.url, d.last_error from webhook_deliveries d join webhook_endpoints e on e.id = d.endpoint_id"
        )
        assert {url.rpartition("/")[2]: error for url, error in errors} == {
            "good.example": None,
            "other.example": "tls_failed",
        }
        assert [got.path for got in receiver.got] == ["/good.example"]


async def test_a_certificate_that_nobody_signed_is_refused(world: World, tmp_path: Path) -> None:
    async with receiving(Authority(tmp_path).server("good.example")) as receiver:
        assert (
            await attempt(world, receiver.url(host="good.example"), AddressRules(private=True), Names([["127.0.0.1"]]))
            == "tls_failed"
        )
        assert receiver.got == []


async def test_rules_of_the_url_hold_at_each_delivery(world: World, receiver: Receiver) -> None:
    """A row that was stored under other rules is refused as well."""
    assert await attempt(world, receiver.url(), AddressRules(), Names([[]])) == "not_https"
    assert receiver.got == []
