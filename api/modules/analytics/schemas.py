"""Shapes of figures. Each that counts rows has a `drill`: the list that returns exactly these."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.schemas import Id, Input, Output, PageInfo, PageQuery

When = Annotated[str, StringConstraints(min_length=1, max_length=40)]
_SINCE = "a date, an instant or a word of the query language, such as `-90d` or `this_quarter`"
_UNTIL = "the same; a day or a period counts as a whole"


class Asked(Input):
    """Whose rows: of one owner, or of everybody in one team."""

    owner_id: Id | None = None
    team_id: Id | None = None


class FunnelQuery(Asked):
    """Which deals: those created in a period, that are now in a stage of one pipeline."""

    since: When | None = Field(default="-1y", description=_SINCE)
    until: When | None = Field(default=None, description=_UNTIL)
    pipeline_id: Id | None = Field(default=None, description="the default pipeline unless said otherwise")


class ConversionQuery(Asked):
    """Which leads: those created in a period."""

    since: When | None = Field(default="-90d", description=_SINCE)
    until: When | None = Field(default=None, description=_UNTIL)
    by: Literal["source", "owner", "week", "month"] = "month"


class ActivityQuery(Asked):
    """Which activities: what has happened in a period."""

    since: When | None = Field(default="-90d", description=_SINCE)
    until: When | None = Field(default=None, description=_UNTIL)


class ForecastQuery(Asked):
    """Which open deals: those expected to close in a period. `by` and `group_by` are of `periods`."""

    since: When | None = Field(default=None, description=_SINCE)
    until: When | None = Field(default=None, description=_UNTIL)
    pipeline_id: Id | None = None
    by: Literal["week", "month", "quarter"] = "month"
    group_by: Literal["owner"] | None = Field(default=None, description="also by owner; together they are the whole")


Change = Literal["opened", "won", "lost", "reopened", "amount_changed", "moved", "slipped"]


class ChangesQuery(Asked):
    """Between which two moments. Whose deals, and of which pipeline, is asked of the deals as they are now."""

    since: When = Field(default="-7d", description=_SINCE)
    until: When | None = Field(default=None, description=f"{_UNTIL}; now unless said otherwise")
    pipeline_id: Id | None = None


class ChangedDealsQuery(ChangesQuery, PageQuery):
    """Which of the deals that changed."""

    change: Change = "opened"
    currency: Annotated[str, StringConstraints(pattern=r"^([A-Z]{3}|none)$")] | None = Field(
        default=None, description="`none` is of deals without one"
    )


class Counted(Output):
    """How many rows, and which."""

    count: int
    drill: str = Field(description="the list that returns these rows: a path of this API with its query")


class Amount(Counted):
    """Rows of one currency; those without an amount have none."""

    currency: str | None
    amount_minor: int


class StageFigures(Output):
    """One stage of a funnel, in the order in which deals come to them."""

    stage: str
    name: str
    kind: Literal["open", "won", "lost"]
    current: Counted = Field(description="deals that are in it now")
    amounts: list[Amount] = Field(description="the same by currency")
    entered: Counted = Field(description="deals that have ever been in it")
    reached: Counted | None = Field(description="deals that have been in it or in a later one; none of a lost stage")
    conversion_to_next: float | None = Field(description="which part of those that reached it reached the next")
    median_days: float | None = Field(description="of the stays in it that have ended")


class Funnel(Output):
    """A funnel. There is none without deals."""

    data: list[StageFigures]


class ConversionFigures(Output):
    """Leads of one source, owner, week or month, and what became of them until now."""

    key: str | None = Field(description="a source, the id of an owner, or the first day of a week or month")
    leads: Counted
    converted: Counted
    disqualified: Counted
    rate: float = Field(description="converted leads by all of them, also those that are still worked on")
    median_days_to_convert: float | None


class ConversionReport(Output):
    """Conversion of leads: periods in order, sources and owners by their number of leads."""

    by: Literal["source", "owner", "week", "month"]
    timezone: str
    data: list[ConversionFigures]
    complete: bool = Field(description="whether these are all; there are at most 200")


class Cell(Counted):
    """Activities of one kind in one hour of the week."""

    weekday: int = Field(description="1 is Monday", ge=1, le=7)
    hour: int = Field(ge=0, le=23)
    kind: str


class HeatMap(Output):
    """When things happen, by the clock of the tenant; hours in which nothing did are left out."""

    timezone: str
    data: list[Cell]


class Weighted(Counted):
    """The part of a sum that is weighted by one kind of probability."""

    amount_minor: int
    weighted_minor: int = Field(description="each amount times its probability, added and then rounded")


class ForecastFigures(Amount):
    """Open deals of one currency that should close in one month; without a month, those without a date."""

    month: str | None = Field(description="such as 2026-12")
    weighted_minor: int
    by_score: Weighted = Field(description="deals with a win probability of the model that may be shown as one")
    by_stage: Weighted = Field(description="all others, weighted by the probability of their stage")


class AddedUp(Counted):
    """Deals, and what their amounts come to."""

    amount_minor: int


class ForecastPeriod(Output):
    """What is won and what is expected of today's open deals in one period: `won + expected = forecast`.

    Of deals that are opened later it says nothing. The intervals hold the sum 8 times in 10.
    """

    starts_on: str
    ends_before: str
    currency: str
    owner_id: Id | None = Field(description="of whom; null where it is not asked for, and of deals of nobody")
    won: AddedUp = Field(description="won in the period so far")
    open: AddedUp = Field(description="open deals that the expectation is of, whenever they may close")
    expected_minor: int = Field(description="probability times share of the close days in the period times mean amount")
    expected_low_minor: int
    expected_high_minor: int
    forecast_minor: int
    forecast_low_minor: int
    forecast_high_minor: int


class Forecast(Output):
    """What may come in, by month and currency: amounts of two currencies are never added."""

    data: list[ForecastFigures]
    complete: bool = Field(description="whether these are all; there are at most 200")
    periods: list[ForecastPeriod] = Field(
        description="the present week, month or quarter and those after it: 13 weeks, 12 months or 4 quarters"
    )
    left_out: Counted = Field(
        description="open deals that are in no period: without an amount, or changed since the last refresh"
    )
    known_at: str | None = Field(description="as of when the oldest of the forecasts was made")


class Stock(Output):
    """Open deals at one moment."""

    count: int
    amount_minor: int


class Flow(Counted):
    """Deals with one kind of change."""

    amount_minor: int


class ChangeFigures(Output):
    """From the open deals before to those after: `before + opened + reopened - won - lost + amount_changed = after`."""

    currency: str | None
    before: Stock
    opened: Flow = Field(description="made in between, also where they are won or lost by now")
    reopened: Flow
    won: Flow
    lost: Flow
    amount_changed: Flow = Field(description="open before and after; the amount is the sum of the differences")
    net_minor: int
    after: Stock
    moved: Flow = Field(description="open before and after, in another stage; changes no sum")
    slipped: Flow = Field(description="open before and after, to close on a later day; changes no sum")


class ChangeReport(Output):
    """What changed between two moments, by currency. A deal that went back and forth between them did not change."""

    since: str
    until: str
    data: list[ChangeFigures]


class ChangedDeal(Output):
    """A deal as it was before and after; before it was made, all is null."""

    id: Id
    name: str
    currency: str | None
    stage_before: str | None
    stage_after: str
    value_before_minor: int | None
    value_after_minor: int | None
    expected_close_date_before: str | None
    expected_close_date_after: str | None


class ChangedDealPage(Output):
    """A page of deals that changed, the newest first."""

    data: list[ChangedDeal]
    page: PageInfo
