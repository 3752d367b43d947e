"""Stands in for Apollo behind the same client: an HTTP transport that invents answers and counts calls and credits.

It follows the published shapes, statuses and limits, and can be told to misbehave. What it says is invented: the client
over it names the provider `apollo-simulator` in every answer. Not here: the inventions themselves.
"""

from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import httpx
import msgspec

from bevyly.integrations.apollo import inventions

SIMULATOR = "apollo-simulator"
_MINUTE, _HOUR, _DAY = 1_000, 6_000, 50_000


class Fault(StrEnum):
    """One way in which a call goes wrong. The last two are charged although no answer arrives."""

    RATE_LIMITED = "429"
    SERVER_ERROR = "500"
    NO_CONNECTION = "no connection"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"


class ApolloSimulator(httpx.BaseTransport):
    """Each call consumes one of `faults` (None: none); when they are used up, all is well.

    `retry_after` is what a 429 says; `waits` records the pauses that the client took.
    """

    def __init__(
        self, *, faults: Iterable[Fault | None] = (), retry_after: str | None = "1", calls_per_day: int = _DAY
    ) -> None:
        self._faults = deque(faults)
        self._retry_after = retry_after
        self._calls_per_day = calls_per_day
        self.calls = 0
        self.credits = 0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Takes the place of `time.sleep`: nothing is there to wait for."""
        self.waits.append(seconds)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        fault = self._faults.popleft() if self._faults else None
        if fault is Fault.NO_CONNECTION:
            raise httpx.ConnectError("simulated", request=request)
        if fault is Fault.SERVER_ERROR:
            return _json(500, {"error": "simulated"})
        if fault is Fault.RATE_LIMITED:
            return self._too_many(request)
        response = self._answer(request)
        if fault is Fault.TIMEOUT:
            raise httpx.ReadTimeout("simulated", request=request)
        if fault is Fault.TRUNCATED:
            return httpx.Response(200, headers=self._limits(), content=response.content[: len(response.content) // 2])
        return response

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if not request.headers.get("x-api-key"):
            return httpx.Response(401, text="Invalid API key.")
        if self.calls > self._calls_per_day:
            return self._too_many(request)
        endpoint = request.url.path.removeprefix("/api/v1/")
        answer = {"organizations/bulk_enrich": self._organizations, "people/bulk_match": self._people}.get(endpoint)
        if answer is None or request.method != "POST":
            return _json(404, {"error": "no such endpoint"})
        details = _details(request)
        if not details:
            return _failed(400, "INVALID_REQUEST", "invalid request, missing details")
        if len(details) > 10:
            return _failed(400, "RECORD_LIMIT_EXCEEDED", "count cannot be more than 10")
        return _json(200, answer(details), headers=self._limits())

    def _organizations(self, details: list[dict[str, Any]]) -> dict[str, Any]:
        domains = list(dict.fromkeys(str(detail.get("domain", "")) for detail in details))
        found = [inventions.organization(domain) for domain in domains]
        matched = sum(item is not None for item in found)
        self.credits += matched
        return _success() | {
            "total_requested_records": len(details),
            "total_requested_domains": None,
            "unique_domains": None,
            "unique_records": len(domains),
            "unique_enriched_records": matched,
            "missing_records": len(domains) - matched,
            "organizations": found,
        }

    def _people(self, details: list[dict[str, Any]]) -> dict[str, Any]:
        found = [inventions.person(detail) for detail in details]
        matched = sum(item is not None for item in found)
        self.credits += matched
        return _success() | {
            "total_requested_enrichments": len(details),
            "unique_enriched_records": matched,
            "missing_records": len(details) - matched,
            "credits_consumed": matched,
            "matches": found,
        }

    def _too_many(self, request: httpx.Request) -> httpx.Response:
        told = {} if self._retry_after is None else {"retry-after": self._retry_after}
        path = request.url.path.removeprefix("/")
        message = f"The maximum number of api calls allowed for {path} is reached."
        return _json(429, {"message": message}, headers=self._limits() | told)

    def _limits(self) -> dict[str, str]:
        windows = {"minute": _MINUTE, "hourly": _HOUR, "24-hour": self._calls_per_day}
        return {
            name: str(value)
            for window, limit in windows.items()
            for name, value in (
                (f"x-rate-limit-{window}", limit),
                (f"x-{window}-usage", self.calls),
                (f"x-{window}-requests-left", max(0, limit - self.calls)),
            )
        }


def _details(request: httpx.Request) -> list[dict[str, Any]]:
    try:
        body = msgspec.json.decode(request.content, type=dict[str, list[dict[str, Any]]])
    except msgspec.MsgspecError:
        return []
    return body.get("details", [])


def _success() -> dict[str, Any]:
    return {"status": "success", "error_code": None, "error_message": None}


def _failed(status: int, code: str, message: str) -> httpx.Response:
    return _json(status, {"status": "failed", "error_code": code, "error_message": message})


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
    content = msgspec.json.encode(body)
    return httpx.Response(status, headers={"content-type": "application/json"} | (headers or {}), content=content)
