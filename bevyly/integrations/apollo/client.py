"""The Apollo client: two bulk endpoints with a bounded wait, retries that listen, a breaker, typed answers.

Only what surely was not carried out is tried again (no connection, 429, 5xx): a lost answer may have been charged, and
Apollo has no idempotency key. Bodies carry the questions, so that no URL in a log names a customer's prospect.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypeVar

import httpx
import msgspec
import structlog
from prometheus_client import Counter
from pydantic import SecretStr
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential_jitter, wait_random

from bevyly.clock import Clock
from bevyly.integrations.apollo.answers import (
    Organizations,
    OrganizationsBody,
    People,
    PeopleBody,
    PersonQuery,
    RateLimits,
    by_domain,
)
from bevyly.integrations.apollo.errors import (
    ApolloAnswerLost,
    ApolloFailure,
    ApolloRateLimited,
    ApolloRefused,
    ApolloServerError,
    ApolloUnauthorized,
    ApolloUnreachable,
)
from bevyly.integrations.breaker import CircuitBreaker

PROVIDER = "apollo"
BATCH_SIZE = 10
"""Most domains or people that one call may ask about."""
MAX_ATTEMPTS = 4
LONGEST_WAIT = 30.0
"""Seconds; when Apollo asks for more, the call fails instead of waiting."""
TIMEOUT = httpx.Timeout(10.0, connect=3.0)

_TRANSIENT = (ApolloUnreachable, ApolloServerError, ApolloRateLimited)
_BREAKING = (ApolloUnreachable, ApolloServerError, ApolloAnswerLost)
_backoff = wait_exponential_jitter(multiplier=0.5, max=8, jitter=1)
_spread = wait_random(0, 1)
_log = structlog.get_logger(__name__)
_requests = Counter("bevyly_apollo_requests", "Calls to Apollo by outcome", ["provider", "endpoint", "outcome"])

Body = TypeVar("Body")


class ApolloClient:
    """Asks Apollo. `provider` names who answers: it goes into every answer and into everything stored from it."""

    def __init__(
        self,
        *,
        api_key: SecretStr,
        base_url: str,
        clock: Clock,
        provider: str = PROVIDER,
        transport: httpx.BaseTransport | None = None,
        breaker: CircuitBreaker | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.provider = provider
        self._clock = clock
        self._sleep = sleep
        self._breaker = breaker or CircuitBreaker("Apollo", clock=clock, failures=_BREAKING)
        headers = {"x-api-key": api_key.get_secret_value(), "accept": "application/json", "cache-control": "no-cache"}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def enrich_organizations(self, domains: Sequence[str]) -> Organizations:
        """What Apollo knows of the companies behind `domains` (bare, lower case, distinct, at most ten).

        Raises an `ApolloFailure`, or `CircuitOpen` without having asked.
        """
        _check_batch(domains)
        if len(set(domains)) < len(domains):
            raise ValueError("each domain once: Apollo answers and charges repeated ones once")
        body, limits = self._ask(
            "organizations/bulk_enrich", {"details": [{"domain": domain} for domain in domains]}, OrganizationsBody
        )
        found = by_domain(domains, body.organizations or [])
        matched = sum(organization is not None for organization in found.values())
        credits_ = max(matched, body.unique_enriched_records or 0)
        return Organizations(provider=self.provider, by_domain=found, credits=credits_, limits=limits)

    def match_people(self, queries: Sequence[PersonQuery]) -> People:
        """Whom Apollo finds for `queries` (at most ten), in their order.

        Raises an `ApolloFailure`, or `CircuitOpen` without having asked.
        """
        _check_batch(queries)
        body, limits = self._ask("people/bulk_match", {"details": list(queries)}, PeopleBody)
        matches = body.matches or []
        if len(matches) != len(queries):
            raise ApolloAnswerLost(f"{len(matches)} matches for {len(queries)} people: cannot tell who is who")
        found = Decimal(sum(person is not None for person in matches))
        credits_ = found if body.credits_consumed is None else body.credits_consumed
        return People(provider=self.provider, matches=matches, credits=credits_, limits=limits)

    def _ask(self, endpoint: str, question: dict[str, Any], expected: type[Body]) -> tuple[Body, RateLimits]:
        retrying = Retrying(
            stop=stop_after_attempt(MAX_ATTEMPTS),
            retry=retry_if_exception(_worth_retrying),
            wait=_wait,
            sleep=self._sleep,
            before_sleep=self._log_retry,
            reraise=True,
        )
        with self._breaker:
            return retrying(self._ask_once, endpoint, question, expected)

    def _ask_once(self, endpoint: str, question: dict[str, Any], expected: type[Body]) -> tuple[Body, RateLimits]:
        outcome = "answered"
        try:
            response = self._send(endpoint, msgspec.json.encode(question))
            self._raise_for(response)
            return _decode(response.content, expected), RateLimits.from_headers(response.headers)
        except ApolloFailure as error:
            outcome = error.code
            raise
        finally:
            _requests.labels(self.provider, endpoint, outcome).inc()

    def _send(self, endpoint: str, content: bytes) -> httpx.Response:
        try:
            return self._http.post(f"/{endpoint}", content=content, headers={"content-type": "application/json"})
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ApolloUnreachable(f"no connection to Apollo ({type(error).__name__})") from error
        except httpx.RequestError as error:
            raise ApolloAnswerLost(f"no whole answer from Apollo ({type(error).__name__})") from error

    def _raise_for(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == httpx.codes.OK:
            return
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise ApolloUnauthorized(f"Apollo refused the API key ({status}): check APOLLO_API_KEY and its scope")
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise ApolloRateLimited("Apollo's rate limit is reached (429)", retry_after=self._retry_after(response))
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise ApolloServerError(f"Apollo failed ({status})", retry_after=self._retry_after(response))
        raise ApolloRefused(f"Apollo refused the request ({status}): {_reason(response.content)}")

    def _retry_after(self, response: httpx.Response) -> float | None:
        told = str(response.headers.get("retry-after", "")).strip()
        if not told:
            return None
        if told.isdecimal():
            return float(told)
        try:
            instant = parsedate_to_datetime(told)
        except ValueError:
            return None
        aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        seconds: float = (aware - self._clock.now()).total_seconds()
        return max(0.0, seconds)

    def _log_retry(self, state: RetryCallState) -> None:
        error = _error_of(state)
        wait = state.next_action.sleep if state.next_action else 0.0
        _log.warning("apollo.retry", provider=self.provider, attempt=state.attempt_number, wait=wait, error=str(error))


def _check_batch(items: Sequence[object]) -> None:
    if not 1 <= len(items) <= BATCH_SIZE:
        raise ValueError(f"one call asks about 1 to {BATCH_SIZE}, not {len(items)}")


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _worth_retrying(error: BaseException) -> bool:
    return isinstance(error, _TRANSIENT) and (error.retry_after or 0.0) <= LONGEST_WAIT


def _wait(state: RetryCallState) -> float:
    told = getattr(_error_of(state), "retry_after", None)
    return _backoff(state) if told is None else float(told) + _spread(state)


def _decode(content: bytes, expected: type[Body]) -> Body:
    try:
        return msgspec.json.decode(content, type=expected, strict=False)
    except msgspec.MsgspecError as error:
        raise ApolloAnswerLost(f"Apollo's answer is not readable: {error}") from error


def _reason(content: bytes) -> str:
    try:
        body = msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.MsgspecError:
        return "no reason given"
    return str(body.get("error_message") or body.get("error") or body.get("message") or "no reason given")[:200]
