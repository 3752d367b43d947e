import pytest

from bevyly.integrations.apollo.answers import Organization, by_domain

A = Organization(name="A", primary_domain="a.example")
B = Organization(name="B", website_url="https://WWW.b.example/start")
MOVED = Organization(name="Moved", primary_domain="new-name.example")


@pytest.mark.parametrize(
    ("organizations", "expected"),
    [
        ([A, B], {"a.example": A, "b.example": B}),
        ([B, A], {"a.example": A, "b.example": B}),
        ([None, B], {"a.example": None, "b.example": B}),
        ([B], {"a.example": None, "b.example": B}),
        ([], {"a.example": None, "b.example": None}),
        ([MOVED, B], {"a.example": MOVED, "b.example": B}),
        ([MOVED], {"a.example": None, "b.example": None}),
        ([B, MOVED], {"a.example": None, "b.example": B}),
    ],
    ids=["in order", "shuffled", "null", "left out", "empty", "moved", "place unknown", "place taken"],
)
def test_which_company_belongs_to_which_domain(
    organizations: list[Organization | None], expected: dict[str, Organization | None]
) -> None:
    assert by_domain(["a.example", "b.example"], organizations) == expected


@pytest.mark.parametrize(
    ("organization", "revenue"),
    [
        (Organization(annual_revenue=100_000_000), 100_000_000),
        (Organization(annual_revenue=0, organization_revenue=5.5), 5),
        (Organization(organization_revenue=0.0), None),
        (Organization(), None),
    ],
)
def test_zero_revenue_is_unknown(organization: Organization, revenue: int | None) -> None:
    assert organization.revenue_usd == revenue
