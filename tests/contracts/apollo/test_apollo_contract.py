"""Every request that we send and every answer of our simulator fits what Apollo published.

The schemas beside this file are ours: the part of Apollo's OpenAPI that we use, written down by hand.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from pydantic import SecretStr

from bevyly.clock import FixedClock
from bevyly.integrations.apollo.answers import PersonQuery
from bevyly.integrations.apollo.client import ApolloClient
from bevyly.integrations.apollo.simulator import ApolloSimulator, Fault

SCHEMAS = Path(__file__).parent / "schemas"
CLOCK = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
KEY = "key-of-a-test"


def schema(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads((SCHEMAS / f"{name}.json").read_text()))


class Judge(httpx.BaseTransport):
    """Hands requests on and validates both directions; `verdicts` counts what was judged."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport
        self.verdicts: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        assert request.headers["x-api-key"] == KEY
        assert request.headers["content-type"] == "application/json"
        assert request.url.query == b"", "no personal emails, no phone numbers, no waterfall"
        name = request.url.path.removeprefix("/api/v1/").replace("/", "_")
        schema(f"{name}.request").validate(json.loads(request.content))
        response = self._transport.handle_request(request)
        schema(f"{name}.response" if response.status_code == 200 else "failure.response").validate(
            json.loads(response.content)
        )
        self.verdicts.append(f"{name} {response.status_code}")
        return response


def client_over(transport: httpx.BaseTransport, simulator: ApolloSimulator) -> ApolloClient:
    return ApolloClient(
        api_key=SecretStr(KEY),
        base_url="https://api.apollo.io/api/v1",
        clock=CLOCK,
        transport=transport,
        sleep=simulator.sleep,
    )


def test_organizations_requests_and_answers_fit_the_contract() -> None:
    simulator = ApolloSimulator(faults=[Fault.RATE_LIMITED])
    judge = Judge(simulator)
    answer = client_over(judge, simulator).enrich_organizations([f"company-{n}.example" for n in range(10)])
    assert judge.verdicts == ["organizations_bulk_enrich 429", "organizations_bulk_enrich 200"]
    assert len(answer.by_domain) == 10


def test_people_requests_and_answers_fit_the_contract() -> None:
    simulator = ApolloSimulator()
    judge = Judge(simulator)
    queries = [
        PersonQuery(first_name="Ada", last_name="Byron", domain="company-1.example"),
        PersonQuery(email="grace@company-2.example"),
        PersonQuery(name="Only A Name"),
    ]
    answer = client_over(judge, simulator).match_people(queries)
    assert judge.verdicts == ["people_bulk_match 200"]
    assert answer.matches[2] is None


@pytest.mark.parametrize("details", [[], [{"domain": f"d{n}.example"} for n in range(11)]])
def test_simulator_refuses_what_apollo_refuses(details: list[dict[str, str]]) -> None:
    response = httpx.Client(transport=ApolloSimulator(), headers={"x-api-key": KEY}).post(
        "https://api.apollo.io/api/v1/organizations/bulk_enrich", json={"details": details}
    )
    assert response.status_code == 400
    schema("failure.response").validate(response.json())


def test_client_reads_an_answer_in_the_published_shape() -> None:
    body: dict[str, Any] = {
        "status": "success",
        "error_code": None,
        "error_message": None,
        "total_requested_records": 3,
        "unique_enriched_records": 1,
        "missing_records": 2,
        "organizations": [
            {
                "id": "5e66b6381e05b4008c8331b8",
                "name": "Example Works",
                "website_url": "http://www.works.example",
                "primary_phone": {},
                "languages": [],
                "founded_year": 2015,
                "primary_domain": "works.example",
                "industry": "information technology & services",
                "estimated_num_employees": 1600,
                "country": "United States",
                "organization_revenue": 0.0,
            },
            None,
        ],
    }
    schema("organizations_bulk_enrich.response").validate(body)
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=body))
    answer = client_over(transport, ApolloSimulator()).enrich_organizations(["a.example", "works.example", "b.example"])
    assert answer.provider == "apollo"
    assert answer.credits == 1
    assert {domain: found and found.estimated_num_employees for domain, found in answer.by_domain.items()} == {
        "a.example": None,
        "works.example": 1600,
        "b.example": None,
    }
    found = answer.by_domain["works.example"]
    assert found is not None and found.revenue_usd is None


def test_fractions_of_credits_are_kept() -> None:
    body = {"status": "success", "credits_consumed": 0.5, "matches": [{"id": "1", "name": "Ada Byron"}]}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=body))
    answer = client_over(transport, ApolloSimulator()).match_people([PersonQuery(email="ada@works.example")])
    assert answer.credits == Decimal("0.5")
