"""Invented companies and people of the simulator: equal questions give equal answers, on every machine, for ever.

Everything follows from SHA-256 of the question. Names carry "(simulated)": even a copied value gives itself away.
"""

from hashlib import sha256
from typing import Any

MISSING_PERCENT = 15
"""How many of a hundred domains or people the simulator does not know."""

_INDUSTRIES = (
    "information technology & services",
    "financial services",
    "mechanical or industrial engineering",
    "hospital & health care",
    "logistics & supply chain",
    "retail",
    "construction",
    "management consulting",
    "marketing & advertising",
    "insurance",
)
_PLACES = (
    ("United States", "Chicago"),
    ("Germany", "Hamburg"),
    ("United Kingdom", "Leeds"),
    ("France", "Lyon"),
    ("Netherlands", "Utrecht"),
    ("Spain", "Valencia"),
)
_PLACE_OF_SUFFIX = {"de": 1, "uk": 2, "fr": 3, "nl": 4, "es": 5}
_HEADCOUNT_BOUNDS = (5, 20, 60, 200, 800, 3_000, 12_000)
_TITLES = (
    ("Chief Financial Officer", "c_suite"),
    ("VP Sales", "vp"),
    ("Head of Procurement", "head"),
    ("Director of Operations", "director"),
    ("IT Manager", "manager"),
    ("Office Manager", "entry"),
)


class _Dice:
    """Numbers that follow from a text alone; each `label` is a throw of its own."""

    def __init__(self, text: str) -> None:
        self._text = text

    def throw(self, label: str, sides: int) -> int:
        return int.from_bytes(sha256(f"{label}\x1f{self._text}".encode()).digest()[:8]) % sides

    def identifier(self) -> str:
        return "sim" + sha256(self._text.encode()).hexdigest()[:21]


def organization(domain: str) -> dict[str, Any] | None:
    """The company behind `domain`, in Apollo's shape; None if the simulator does not know it."""
    dice = _Dice(f"organization:{domain}")
    if dice.throw("known", 100) < MISSING_PERCENT:
        return None
    size = dice.throw("size", len(_HEADCOUNT_BOUNDS) - 1)
    low, high = _HEADCOUNT_BOUNDS[size : size + 2]
    employees = low + dice.throw("employees", high - low)
    place = _PLACE_OF_SUFFIX.get(domain.rpartition(".")[2], dice.throw("place", len(_PLACES)))
    country, city = _PLACES[place]
    industry = _INDUSTRIES[dice.throw("industry", len(_INDUSTRIES))]
    return {
        "id": dice.identifier(),
        "name": f"{domain.partition('.')[0].replace('-', ' ').title()} (simulated)",
        "website_url": f"http://www.{domain}",
        "linkedin_url": None,
        "primary_domain": domain,
        "industry": industry,
        "industries": [industry],
        "estimated_num_employees": employees,
        "founded_year": 1950 + dice.throw("founded", 73),
        "city": city,
        "state": None,
        "country": country,
        "organization_revenue": float(employees * (60_000 + 10_000 * dice.throw("revenue", 25))),
    }


def person(query: dict[str, Any]) -> dict[str, Any] | None:
    """The person whom `query` means, in Apollo's shape; None if unknown, or if the query has only a name."""
    domain = query.get("domain") or str(query.get("email") or "").partition("@")[2]
    anchor = query.get("id") or query.get("email") or query.get("linkedin_url")
    name = query.get("name") or " ".join(filter(None, (query.get("first_name"), query.get("last_name"))))
    if not anchor and not (name and domain):
        return None
    dice = _Dice(f"person:{anchor or f'{name}@{domain}'}".lower())
    if dice.throw("known", 100) < MISSING_PERCENT:
        return None
    first, _, last = (name or "Robin Example").title().partition(" ")
    title, seniority = _TITLES[dice.throw("title", len(_TITLES))]
    country, city = _PLACES[dice.throw("place", len(_PLACES))]
    return {
        "id": dice.identifier(),
        "first_name": first,
        "last_name": f"{last} (simulated)".strip(),
        "name": f"{first} {last} (simulated)",
        "title": title,
        "seniority": seniority,
        "email": query.get("email"),
        "email_status": "unverified",
        "linkedin_url": query.get("linkedin_url"),
        "city": city,
        "country": country,
        "organization_id": _Dice(f"organization:{domain}").identifier(),
    }
