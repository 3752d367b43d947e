"""What we ask Apollo and what it answers, as types. Fields that we do not use are left out and ignored on the wire.

Apollo writes "unknown" as null, as an empty text or as zero; the properties here give None for all three.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from urllib.parse import urlsplit

import msgspec


class Organization(msgspec.Struct, frozen=True):
    """A company as Apollo knows it."""

    id: str | None = None
    name: str | None = None
    primary_domain: str | None = None
    website_url: str | None = None
    linkedin_url: str | None = None
    industry: str | None = None
    estimated_num_employees: int | None = None
    founded_year: int | None = None
    city: str | None = None
    country: str | None = None
    annual_revenue: float | None = None
    organization_revenue: float | None = None

    @property
    def revenue_usd(self) -> int | None:
        """Yearly revenue in whole US dollars; bulk answers name it differently from single ones."""
        return int(self.annual_revenue or self.organization_revenue or 0) or None

    @property
    def domains(self) -> set[str]:
        """Domains under which the company says it is found."""
        host = urlsplit(self.website_url or "").hostname or ""
        return {name.lower().removeprefix("www.") for name in (self.primary_domain, host) if name}


class Person(msgspec.Struct, frozen=True):
    """A person as Apollo knows them; personal email addresses and phone numbers are never asked for."""

    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    title: str | None = None
    seniority: str | None = None
    email: str | None = None
    email_status: str | None = None
    linkedin_url: str | None = None
    city: str | None = None
    country: str | None = None
    organization_id: str | None = None


class PersonQuery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a person whom Apollo shall find. A name alone finds nobody."""

    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    email: str | None = None
    organization_name: str | None = None
    domain: str | None = None
    linkedin_url: str | None = None


class RateLimits(msgspec.Struct, frozen=True):
    """Calls that are left in the present minute, hour and day; None where Apollo did not say."""

    minute_left: int | None = None
    hour_left: int | None = None
    day_left: int | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "RateLimits":
        """The limits in the headers of an answer."""

        def left(*names: str) -> int | None:
            return next((int(headers[name]) for name in names if headers.get(name, "").isdecimal()), None)

        return cls(
            minute_left=left("x-minute-requests-left"),
            hour_left=left("x-hourly-requests-left"),
            day_left=left("x-24-hour-requests-left", "x-daily-requests-left"),
        )

    @property
    def exhausted(self) -> bool:
        """Whether the hour or the day allows no further call."""
        return 0 in (self.hour_left, self.day_left)


class Organizations(msgspec.Struct, frozen=True, kw_only=True):
    """The answer about some domains: who answered, what is known of each domain, and what it cost."""

    provider: str
    by_domain: dict[str, Organization | None]
    credits: int
    limits: RateLimits


class People(msgspec.Struct, frozen=True, kw_only=True):
    """The answer about some people, in the order of the questions. Credits can be fractions on some plans."""

    provider: str
    matches: list[Person | None]
    credits: Decimal
    limits: RateLimits


class OrganizationsBody(msgspec.Struct, frozen=True):
    """Body of `organizations/bulk_enrich`."""

    organizations: list[Organization | None] | None
    unique_enriched_records: int | None = None


class PeopleBody(msgspec.Struct, frozen=True):
    """Body of `people/bulk_match`."""

    matches: list[Person | None] | None
    credits_consumed: Decimal | None = None


def by_domain(domains: Sequence[str], organizations: Sequence[Organization | None]) -> dict[str, Organization | None]:
    """Which of `organizations` belongs to which of `domains` (distinct, in the order in which they were asked).

    A company that names the domain belongs to it. One that names another (it moved) belongs to the domain at its place,
    if the answer has a place for each domain and no other company claimed that domain.
    """
    found: dict[str, Organization | None] = dict.fromkeys(domains)
    strangers: list[tuple[int, Organization]] = []
    for place, organization in enumerate(organizations):
        if organization is None:
            continue
        own = next((domain for domain in domains if domain in organization.domains), None)
        if own is None:
            strangers.append((place, organization))
        elif found[own] is None:
            found[own] = organization
    if len(organizations) == len(domains):
        for place, organization in strangers:
            found[domains[place]] = found[domains[place]] or organization
    return found
