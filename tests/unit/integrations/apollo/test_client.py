import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import structlog
from pydantic import SecretStr

from bevyly.clock import FixedClock
from bevyly.integrations.apollo.answers import PersonQuery
from bevyly.integrations.apollo.client import TIMEOUT, ApolloClient
from bevyly.integrations.apollo.connect import connect_apollo, simulated_apollo
from bevyly.integrations.apollo.errors import (
    ApolloAnswerLost,
    ApolloFailure,
    ApolloRateLimited,
    ApolloRefused,
    ApolloServerError,
    ApolloUnauthorized,
    ApolloUnreachable,
)
from bevyly.integrations.apollo.simulator import ApolloSimulator, Fault
from bevyly.integrations.breaker import CircuitOpen
from bevyly.settings import Settings

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
DOMAINS = [f"company-{n}.example" for n in range(10)]
KEY = "a-very-secret-key"


def client_of(simulator: ApolloSimulator, *, clock: FixedClock | None = None) -> ApolloClient:
    return simulated_apollo(simulator, clock=clock or FixedClock(NOW))


def client_answering(*answers: httpx.Response | Exception) -> tuple[ApolloClient, list[httpx.Request], list[float]]:
    """A client of the real Apollo whose transport gives `answers` in turn; its requests and its pauses."""
    requests: list[httpx.Request] = []
    pauses: list[float] = []
    queue = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        answer = queue.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = ApolloClient(
        api_key=SecretStr(KEY),
        base_url="https://api.apollo.io/api/v1",
        clock=FixedClock(NOW),
        transport=httpx.MockTransport(handle),
        sleep=pauses.append,
    )
    return client, requests, pauses


def found_nothing(headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.Response(200, json={"status": "success", "organizations": [None]}, headers=headers)


@pytest.mark.parametrize("fault", [Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.NO_CONNECTION])
def test_tries_again_what_was_surely_not_carried_out(fault: Fault) -> None:
    simulator = ApolloSimulator(faults=[fault, fault])
    answer = client_of(simulator).enrich_organizations(DOMAINS)
    assert simulator.calls == 3
    assert answer.credits == simulator.credits > 0


@pytest.mark.parametrize("fault", [Fault.TIMEOUT, Fault.TRUNCATED])
def test_never_asks_twice_when_the_first_answer_was_lost(fault: Fault) -> None:
    simulator = ApolloSimulator(faults=[fault])
    with pytest.raises(ApolloAnswerLost) as caught:
        client_of(simulator).enrich_organizations(DOMAINS)
    assert simulator.calls == 1
    assert caught.value.charge_unknown


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.RATE_LIMITED, ApolloRateLimited),
        (Fault.SERVER_ERROR, ApolloServerError),
        (Fault.NO_CONNECTION, ApolloUnreachable),
    ],
)
def test_gives_up_after_four_attempts_with_a_named_error(fault: Fault, error: type[ApolloFailure]) -> None:
    simulator = ApolloSimulator(faults=[fault] * 9)
    with pytest.raises(error):
        client_of(simulator).enrich_organizations(DOMAINS)
    assert simulator.calls == 4


def test_pauses_grow_and_are_spread() -> None:
    waits = []
    for _ in range(20):
        simulator = ApolloSimulator(faults=[Fault.SERVER_ERROR] * 3)
        client_of(simulator).enrich_organizations(DOMAINS)
        waits.append(simulator.waits)
    for attempt, base in enumerate((0.5, 1.0, 2.0)):
        pauses = {wait[attempt] for wait in waits}
        assert all(base <= pause <= base + 1 for pause in pauses)
        assert len(pauses) > 1, "no jitter"


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("7", 7), ((NOW + timedelta(seconds=11)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 11), ("0", 0)],
)
def test_waits_as_long_as_apollo_asks(told: str, seconds: float) -> None:
    client, _, pauses = client_answering(httpx.Response(429, headers={"retry-after": told}), found_nothing())
    client.enrich_organizations(["a.example"])
    assert len(pauses) == 1
    assert seconds <= pauses[0] <= seconds + 1


def test_clients_that_were_told_the_same_pause_do_not_return_at_once() -> None:
    pauses = set()
    for _ in range(10):
        simulator = ApolloSimulator(faults=[Fault.RATE_LIMITED], retry_after="5")
        client_of(simulator).enrich_organizations(DOMAINS)
        pauses.update(simulator.waits)
    assert len(pauses) > 1


def test_unreadable_retry_after_falls_back_to_the_usual_pause() -> None:
    client, _, pauses = client_answering(httpx.Response(429, headers={"retry-after": "soon"}), found_nothing())
    client.enrich_organizations(["a.example"])
    assert 0.5 <= pauses[0] <= 1.5


def test_does_not_wait_for_an_hour() -> None:
    client, requests, pauses = client_answering(httpx.Response(429, headers={"retry-after": "3600"}))
    with pytest.raises(ApolloRateLimited) as caught:
        client.enrich_organizations(["a.example"])
    assert (len(requests), pauses) == (1, [])
    assert caught.value.retry_after == 3600
    assert caught.value.halts


@pytest.mark.parametrize(
    ("status", "error", "halts"),
    [(401, ApolloUnauthorized, True), (403, ApolloUnauthorized, True), (422, ApolloRefused, False)],
)
def test_refusals_are_named_and_not_repeated(status: int, error: type[ApolloFailure], halts: bool) -> None:
    client, requests, _ = client_answering(httpx.Response(status, json={"error_message": "because"}))
    with pytest.raises(error) as caught:
        client.enrich_organizations(["a.example"])
    assert len(requests) == 1
    assert caught.value.halts is halts


@pytest.mark.parametrize(
    "dropped", [httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut"), httpx.ReadError("cut")]
)
def test_dropped_connections_are_lost_answers(dropped: Exception) -> None:
    client, requests, _ = client_answering(dropped)
    with pytest.raises(ApolloAnswerLost):
        client.enrich_organizations(["a.example"])
    assert len(requests) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"organizations": 7}', b'{"status": "success"}', b"[]"])
def test_unreadable_answers_are_lost_answers(body: bytes) -> None:
    client, _, _ = client_answering(httpx.Response(200, content=body))
    with pytest.raises(ApolloAnswerLost):
        client.enrich_organizations(["a.example"])


def test_no_step_of_a_call_may_take_longer_than_ten_seconds() -> None:
    client, requests, _ = client_answering(found_nothing())
    client.enrich_organizations(["a.example"])
    limits = requests[0].extensions["timeout"]
    assert limits == TIMEOUT.as_dict()
    assert all(0 < seconds <= 10 for seconds in limits.values())


def test_three_failed_calls_open_the_circuit_until_it_recovers() -> None:
    clock = FixedClock(NOW)
    simulator = ApolloSimulator(faults=[Fault.TIMEOUT] * 3)
    client = client_of(simulator, clock=clock)
    for _ in range(3):
        with pytest.raises(ApolloAnswerLost):
            client.enrich_organizations(DOMAINS)
    with pytest.raises(CircuitOpen):
        client.enrich_organizations(DOMAINS)
    assert simulator.calls == 3
    clock.instant += timedelta(seconds=60)
    assert client.enrich_organizations(DOMAINS).credits > 0


def test_rate_limits_do_not_open_the_circuit() -> None:
    simulator = ApolloSimulator(faults=[Fault.RATE_LIMITED] * 16)
    client = client_of(simulator)
    for _ in range(4):
        with pytest.raises(ApolloRateLimited):
            client.enrich_organizations(DOMAINS)
    assert client.enrich_organizations(DOMAINS).credits > 0


@pytest.mark.parametrize(
    ("headers", "left", "exhausted"),
    [
        (
            {"x-minute-requests-left": "0", "x-hourly-requests-left": "5", "x-24-hour-requests-left": "9"},
            (0, 5, 9),
            False,
        ),
        ({"x-hourly-requests-left": "0"}, (None, 0, None), True),
        ({"x-daily-requests-left": "0"}, (None, None, 0), True),
        ({"x-24-hour-requests-left": "?"}, (None, None, None), False),
    ],
)
def test_reads_the_limits_of_an_answer(
    headers: dict[str, str], left: tuple[int | None, int | None, int | None], exhausted: bool
) -> None:
    client, _, _ = client_answering(found_nothing(headers))
    limits = client.enrich_organizations(["a.example"]).limits
    assert (limits.minute_left, limits.hour_left, limits.day_left) == left
    assert limits.exhausted is exhausted


@pytest.mark.parametrize("domains", [[], [f"d{n}.example" for n in range(11)], ["a.example", "a.example"]])
def test_refuses_batches_that_apollo_would_not_take(domains: list[str]) -> None:
    simulator = ApolloSimulator()
    with pytest.raises(ValueError, match=r"asks about|once"):
        client_of(simulator).enrich_organizations(domains)
    assert simulator.calls == 0


def test_people_come_back_in_the_order_of_the_questions() -> None:
    queries = [PersonQuery(email=f"person{n}@works.example") for n in range(10)]
    answer = client_of(ApolloSimulator()).match_people(queries)
    assert answer.provider == "apollo-simulator"
    assert {person.email for person in answer.matches if person} < {query.email for query in queries}
    for query, person in zip(queries, answer.matches, strict=True):
        assert person is None or person.email == query.email


def test_matches_that_cannot_be_told_apart_are_a_lost_answer() -> None:
    client, _, _ = client_answering(httpx.Response(200, json={"matches": [{"id": "1", "name": "Who"}]}))
    with pytest.raises(ApolloAnswerLost):
        client.match_people([PersonQuery(email="a@b.example"), PersonQuery(email="c@d.example")])


@pytest.mark.parametrize(
    "trouble",
    [
        lambda: httpx.Response(401, text=KEY),
        lambda: httpx.Response(500, text="oops"),
        lambda: httpx.ConnectError("no route"),
        lambda: httpx.ReadTimeout("slow"),
    ],
)
def test_the_key_is_never_shown(
    trouble: Callable[[], httpx.Response | Exception],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    client, requests, _ = client_answering(*[trouble() for _ in range(4)])
    with structlog.testing.capture_logs() as events, pytest.raises(ApolloFailure) as caught:
        client.enrich_organizations(["a.example"])
    assert requests[0].headers["x-api-key"] == KEY
    shown = [repr(client), repr(vars(client)), str(caught.value), repr(caught.value), str(requests[0].url)]
    shown += [str(events), caplog.text, *capfd.readouterr()]
    assert not any(KEY in text for text in shown)


def test_without_a_key_the_simulator_answers_and_says_so() -> None:
    with connect_apollo(Settings(), clock=FixedClock(NOW)) as client:
        answer = client.enrich_organizations(DOMAINS)
    assert (client.provider, answer.provider) == ("apollo-simulator", "apollo-simulator")


def test_with_a_key_the_provider_is_apollo() -> None:
    with connect_apollo(Settings(apollo_api_key=SecretStr(KEY)), clock=FixedClock(NOW)) as client:
        assert client.provider == "apollo"
