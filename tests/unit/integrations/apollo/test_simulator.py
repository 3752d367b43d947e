from datetime import UTC, datetime
from typing import Any

import httpx

from bevyly.clock import FixedClock
from bevyly.integrations.apollo import inventions
from bevyly.integrations.apollo.connect import simulated_apollo
from bevyly.integrations.apollo.simulator import ApolloSimulator

CLOCK = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
DOMAINS = [f"company-{n}.example" for n in range(2_000)]


def call(simulator: ApolloSimulator, **details: Any) -> httpx.Response:
    with httpx.Client(transport=simulator, headers={"x-api-key": "any"}) as client:
        return client.post("http://apollo.simulator/api/v1/organizations/bulk_enrich", json=details)


def test_the_same_domain_gives_the_same_company_from_every_simulator() -> None:
    first, second = (simulated_apollo(ApolloSimulator(), clock=CLOCK) for _ in range(2))
    assert first.enrich_organizations(DOMAINS[:10]).by_domain == {
        domain: second.enrich_organizations([domain]).by_domain[domain] for domain in reversed(DOMAINS[:10])
    }


def test_what_it_invents_today_it_invents_on_every_machine() -> None:
    known = inventions.organization("works.de")
    assert known is not None
    assert {name: known[name] for name in ("name", "industry", "estimated_num_employees", "country")} == {
        "name": "Works (simulated)",
        "industry": "retail",
        "estimated_num_employees": 106,
        "country": "Germany",
    }


def test_about_fifteen_percent_are_unknown() -> None:
    unknown = sum(inventions.organization(domain) is None for domain in DOMAINS)
    assert 0.12 < unknown / len(DOMAINS) < 0.18


def test_companies_are_plausible_and_give_themselves_away() -> None:
    companies = [company for domain in DOMAINS if (company := inventions.organization(domain))]
    assert len({company["industry"] for company in companies}) > 5
    assert len({company["country"] for company in companies}) > 3
    for company in companies:
        assert company["name"].endswith("(simulated)")
        assert 5 <= company["estimated_num_employees"] < 12_000
        assert 1950 <= company["founded_year"] <= 2022
        per_head = company["organization_revenue"] / company["estimated_num_employees"]
        assert 60_000 <= per_head <= 300_000


def test_it_counts_credits_for_distinct_companies_found() -> None:
    simulator = ApolloSimulator()
    known = next(domain for domain in DOMAINS if inventions.organization(domain))
    unknown = next(domain for domain in DOMAINS if inventions.organization(domain) is None)
    body = call(simulator, details=[{"domain": known}, {"domain": known}, {"domain": unknown}]).json()
    assert (body["total_requested_records"], body["unique_records"]) == (3, 2)
    assert (body["unique_enriched_records"], body["missing_records"], simulator.credits) == (1, 1, 1)


def test_a_name_alone_finds_nobody() -> None:
    assert inventions.person({"name": "Ada Byron"}) is None
    people = [inventions.person({"name": "Ada Byron", "domain": domain}) for domain in DOMAINS[:50]]
    assert any(people)
    assert all(person["name"] == "Ada Byron (simulated)" for person in people if person)


def test_limits_run_out() -> None:
    simulator = ApolloSimulator(calls_per_day=1)
    first = call(simulator, details=[{"domain": "works.example"}])
    assert (first.status_code, first.headers["x-24-hour-requests-left"]) == (200, "0")
    assert call(simulator, details=[{"domain": "works.example"}]).status_code == 429


def test_it_refuses_strangers() -> None:
    with httpx.Client(transport=ApolloSimulator()) as client:
        assert client.post("http://apollo.simulator/api/v1/organizations/bulk_enrich").status_code == 401
