"""What each figure counts, said once: as a filter of the query language.

The figure is compiled from it, and its `drill` carries it as text: the list answers exactly the rows that were counted.
Does not belong here: any SQL.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode

from api.modules.activities.listing import ACTIVITIES
from api.modules.analytics.schemas import Asked
from api.modules.leads.listing import LEADS
from api.modules.opportunities.listing import OPPORTUNITIES
from api.query.errors import InvalidQuery
from api.query.listing import Listing
from api.query.parse import parse
from api.query.times import Asker, Span, span
from api.query.tree import And, Condition, Day, Expression, Instant, Literal, Not, Number, Or, Path, Text


@dataclass(frozen=True)
class Rows:
    """Some rows of a list, and the link to them."""

    listing: Listing
    path: str
    parts: tuple[Expression, ...] = ()
    zone: str | None = None

    def also(self, *parts: Expression) -> "Rows":
        """Those of the rows for which `parts` hold as well."""
        return replace(self, parts=(*self.parts, *parts))

    @property
    def link(self) -> str:
        """The list that returns these rows."""
        whole = self.parts[0] if len(self.parts) == 1 else And(self.parts)
        query = ({"filter": str(whole)} if self.parts else {}) | ({"timezone": self.zone} if self.zone else {})
        return self.path + (f"?{urlencode(query)}" if query else "")


DEALS = Rows(OPPORTUNITIES, "/api/v1/opportunities")
ALL_LEADS = Rows(LEADS, "/api/v1/leads")
TOUCHES = Rows(ACTIVITIES, "/api/v1/activities")


def equals(field: str, value: str | None) -> Expression:
    """`field` has this value, or none."""
    path = Path((field,))
    return Condition(path, "is null") if value is None else Condition(path, "eq", (Text(value),))


def number(field: str, value: int) -> Expression:
    """`field` is this number."""
    return Condition(Path((field,)), "eq", (Number(Decimal(value)),))


def filled(field: str) -> Expression:
    """`field` has a value."""
    return Not(Condition(Path((field,)), "is null"))


def is_in(field: str, values: list[str]) -> Expression:
    """`field` is one of these values."""
    return Condition(Path((field,)), "in", tuple(Text(value) for value in values))


def has_any(field: str, values: list[str]) -> Expression:
    """The list `field` has one of these values."""
    return Condition(Path((field,)), "has any", tuple(Text(value) for value in values))


def between(field: str, start: Literal | None, end: Literal | None) -> list[Expression]:
    """`field` lies from `start` until before `end`."""
    path = Path((field,))
    bounds = (("ge", start), ("lt", end))
    return [Condition(path, operator, (value,)) for operator, value in bounds if value is not None]


def owned(asked: Asked) -> list[Expression]:
    """Whose rows are asked for."""
    team = [] if asked.team_id is None else [Condition(Path(("owner_team_ids",)), "has", (Text(asked.team_id),))]
    return [*([] if asked.owner_id is None else [equals("owner_id", asked.owner_id)]), *team]


HAPPENED = Or((Condition(Path(("due_at",)), "is null"), filled("completed_at")))
"""An activity that was planned counts once it is done."""


@dataclass(frozen=True)
class Period:
    """From `start` until before `end`, in the zone of the asker; open where there is none."""

    start: datetime | None
    end: datetime | None

    def instants(self, field: str) -> list[Expression]:
        """A field of instants lies in the period."""
        return between(
            field, *(None if one is None else Instant(one.astimezone(UTC)) for one in (self.start, self.end))
        )

    def days(self, field: str) -> list[Expression]:
        """A field of days lies in the period."""
        return between(field, *(None if one is None else Day(one.date()) for one in (self.start, self.end)))


def period(since: str | None, until: str | None, asker: Asker) -> Period:
    """The period between two words of the query language; raises `InvalidQuery`."""
    first = None if since is None else _span(since, "since", asker)
    last = None if until is None else _span(until, "until", asker)
    return Period(None if first is None else first.start, None if last is None else last.end or last.start)


def _span(text: str, parameter: str, asker: Asker) -> Span:
    found = None
    try:
        # nothing but one literal makes this one comparison
        condition = parse(f"created_at ge {text}")
        if isinstance(condition, Condition):
            found = span(condition.values[0], asker)
    except InvalidQuery:
        found = None
    if found is None:
        raise InvalidQuery("Take a date, an instant, or a word such as -90d or this_quarter.", parameter=parameter)
    return found
