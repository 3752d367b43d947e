from datetime import UTC, datetime, timedelta

import pytest

from bevyly.events import contracts
from bevyly.ids import new_id
from bevyly.integrations.apollo.answers import Organization, Organizations, RateLimits
from bevyly.integrations.apollo.errors import ApolloAnswerLost, ApolloFailure, ApolloServerError
from pipelines.enrichment.outcomes import LARGEST_NUMBER, Lifetimes, answered, completed, failed
from pipelines.repositories.enrichments import DueDomain

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
CUSTOMER, FIRST, TWIN, MISSED = (new_id() for _ in range(4))
BATCH = [DueDomain("missed.example", (MISSED,)), DueDomain("works.example", (FIRST, TWIN))]
WORKS = Organization(
    name="Works",
    primary_domain="works.example",
    industry="retail",
    estimated_num_employees=42,
    annual_revenue=1_500_000,
)


def answer(organization: Organization = WORKS, credits_: int = 1) -> Organizations:
    found = {"works.example": organization, "missed.example": None}
    return Organizations(provider="apollo", by_domain=found, credits=credits_, limits=RateLimits())


def test_every_account_gets_a_row_and_one_pays_for_its_twins() -> None:
    rows = answered(CUSTOMER, BATCH, answer(), at=AT, lifetimes=Lifetimes())
    assert [(row["entity_id"], row["status"], row["credits"]) for row in rows] == [
        (MISSED, "not_found", 0),
        (FIRST, "matched", 1),
        (TWIN, "matched", 0),
    ]
    assert [row["expires_at"] - AT for row in rows] == [timedelta(days=30), timedelta(days=90), timedelta(days=90)]
    assert len({row["id"] for row in rows}) == 3


@pytest.mark.parametrize("credits_", [0, 1, 2])
def test_the_rows_cost_what_the_answer_cost(credits_: int) -> None:
    rows = answered(CUSTOMER, BATCH, answer(credits_=credits_), at=AT, lifetimes=Lifetimes())
    assert sum(row["credits"] for row in rows) == credits_


def test_each_field_says_where_it_came_from_and_unknown_ones_are_absent() -> None:
    fields = answered(CUSTOMER, BATCH, answer(), at=AT, lifetimes=Lifetimes())[1]["fields"]
    assert fields["industry"] == {"value": "retail", "provider": "apollo", "fetched_at": "2026-11-23T09:30:00+00:00"}
    assert {name: field["value"] for name, field in fields.items()} == {
        "queried_domain": "works.example",
        "name": "Works",
        "domain": "works.example",
        "industry": "retail",
        "employee_count": 42,
        "annual_revenue_minor": 150_000_000,
        "currency": "USD",
    }


def test_values_that_no_table_could_hold_are_cut_or_left_out() -> None:
    hostile = Organization(name="W\0orks" + "x" * 999, industry=" \0 ", estimated_num_employees=LARGEST_NUMBER + 1)
    row = answered(CUSTOMER, BATCH, answer(hostile), at=AT, lifetimes=Lifetimes())[1]
    assert set(row["fields"]) == {"queried_domain", "name"}
    assert len(row["fields"]["name"]["value"]) == 255
    contracts.validate(completed(row))


@pytest.mark.parametrize(("error", "cost"), [(ApolloServerError("no"), 0), (ApolloAnswerLost("gone"), 1)])
def test_a_lost_answer_is_booked_as_if_charged(error: ApolloFailure, cost: int) -> None:
    rows = failed(CUSTOMER, BATCH, error, provider="apollo", at=AT, lifetimes=Lifetimes())
    assert [row["credits"] for row in rows] == [cost, cost, 0]
    assert {row["status"] for row in rows} == {"failed"}
    assert {row["expires_at"] - AT for row in rows} == {timedelta(hours=1)}
    assert rows[0]["error"] == f"{error.code}: {error.detail}"


def test_long_errors_fit_their_column() -> None:
    rows = failed(CUSTOMER, BATCH, ApolloServerError("x" * 900), provider="apollo", at=AT, lifetimes=Lifetimes())
    assert len(rows[0]["error"]) == 500


def test_the_event_keeps_its_contract_and_names_the_enrichment() -> None:
    for row in answered(CUSTOMER, BATCH, answer(), at=AT, lifetimes=Lifetimes()):
        event = completed(row)
        contracts.validate(event)
        assert (event.subject, event.tenant_id, event.time) == (f"enrichment/{row['id']}", CUSTOMER, AT)
        assert event.data["entity_id"] == row["entity_id"]
        assert event.data["fields"] == {name: field["value"] for name, field in row["fields"].items()}
