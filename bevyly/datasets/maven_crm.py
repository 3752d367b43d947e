"""Maven Analytics CRM Sales Opportunities: accounts, agents and deals of a fictitious company.

A null test: nothing known before a deal closes says how it will close, so a confident score on it is a defect.

- Dates have no time of day: events are at the start of their day (UTC), and what happens on one day is in the order
  engage, close.
- A deal begins when it is engaged (`engage_date`), in stage `qualification`. Deals in `Prospecting` have no date: they
  enter on the last day of the data, the only day on which we know that they existed.
- The amount of a deal is the list price of its product, known when it is engaged. What was paid (`close_value`) is the
  amount in the event that wins the deal, `close_date` when the deal closes; neither shows anywhere before. Of lost
  deals `close_value` is zero and not read. - Two thirds of the open deals name no account; they belong to one called
  "Account not recorded". - Spelling that splits one thing into two, or looks like our mistake, is corrected: see
  `_SPELLING`.
"""

from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from bevyly.datasets import payloads
from bevyly.datasets.calendar import end_of, shifted, weeks_to_present
from bevyly.datasets.dataset import Dataset, Draft, Tenant, assemble
from bevyly.datasets.jsontext import json_object
from bevyly.datasets.source import read_csv
from bevyly.datasets.tables import INSTANT

NAME: Final = "maven_crm"
FOLDER: Final = "maven_crm"
CURRENCY: Final = "USD"
NO_ACCOUNT: Final = "Account not recorded"

_SPELLING: Final = {"GTXPro": "GTX Pro", "technolgy": "technology", "Philipines": "Philippines"}
_FIRST_STAGE: Final = {"Prospecting": "prospecting", "Engaging": "qualification"}
_CLOSED: Final = {"Won": "won", "Lost": "lost"}


def read(
    folder: Path, *, tenant: Tenant, now: datetime, until: date | None = None, shift_weeks: int | None = None
) -> Dataset:
    """The data set up to the end of `until` (a day of its own calendar), moved so that it ends about `now`."""
    deals = _read_deals(folder / FOLDER)
    first, last = deals["opened_at"].min(), deals.select(pl.max_horizontal("opened_at", "decided_at").max()).item()
    assert isinstance(first, datetime)
    weeks = weeks_to_present(last=last, now=now) if shift_weeks is None else shift_weeks
    known = deals.filter(pl.col("opened_at") < end_of(until)).with_columns(
        pl.when(pl.col("decided_at") < end_of(until)).then("decided_at")
    )
    moved = known.with_columns(shifted(pl.col("opened_at", "decided_at"), weeks))
    began = shifted(pl.lit(first, INSTANT), weeks)
    return assemble(_draft(folder / FOLDER, moved, tenant, began), name=NAME, tenant=tenant, shift_weeks=weeks)


def _read_deals(folder: Path) -> pl.DataFrame:
    """Deals with product, price and team; `opened_at` and `decided_at` in the calendar of the data."""
    texts = ("opportunity_id", "sales_agent", "product", "account", "deal_stage", "engage_date", "close_date")
    types = {name: pl.String() for name in texts} | {"close_value": pl.Float64()}
    raw = read_csv(folder / "sales_pipeline.csv", types)
    products = read_csv(
        folder / "products.csv", {"product": pl.String(), "series": pl.String(), "sales_price": pl.Int64()}
    )
    return (
        raw.with_columns(
            pl.col("product").replace(_SPELLING),
            pl.col("account").fill_null(NO_ACCOUNT),
            engaged_at=_day("engage_date"),
            decided_at=_day("close_date"),
        )
        .with_columns(opened_at=pl.coalesce("engaged_at", pl.max_horizontal("engaged_at", "decided_at").max()))
        .join(products, on="product", how="left", maintain_order="left")
        .join(_read_team(folder), on="sales_agent", how="left", maintain_order="left")
        .with_row_index("line")
    )


def _day(column: str) -> pl.Expr:
    return pl.col(column).str.to_date().cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _read_team(folder: Path) -> pl.DataFrame:
    texts = ("sales_agent", "manager", "regional_office")
    return read_csv(folder / "sales_teams.csv", {name: pl.String() for name in texts})


def _draft(folder: Path, deals: pl.DataFrame, tenant: Tenant, began: pl.Expr) -> Draft:
    users = _users(_read_team(folder), tenant).with_columns(created_at=began)
    accounts = _accounts(folder, tenant).with_columns(created_at=began)
    opened = _opened(deals, tenant)
    closed = _closings(opened)
    return Draft(
        users=users,
        accounts=accounts,
        opportunities=_final(opened),
        changes=_value_changes(opened, closed),
        events=[
            payloads.created(accounts, "account"),
            payloads.created(opened, "opportunity"),
            payloads.stage_changed(closed),
        ],
    )


def _users(team: pl.DataFrame, tenant: Tenant) -> pl.DataFrame:
    """Sales agents; their managers are custom fields of the deals."""
    name = pl.col("sales_agent")
    return team.select(
        tenant.ids(NAME, "user", keys=team["sales_agent"]).alias("id"),
        email=pl.format(tenant.email("{}"), name.str.to_lowercase().str.replace_all(r"[^a-z]+", ".")),
        name=name,
        role=pl.lit("member"),
        external_id=name,
    )


def _accounts(folder: Path, tenant: Tenant) -> pl.DataFrame:
    columns = {
        "account": pl.String(),
        "sector": pl.String(),
        "year_established": pl.Int64(),
        "revenue": pl.Float64(),
        "employees": pl.Int64(),
        "office_location": pl.String(),
        "subsidiary_of": pl.String(),
    }
    missing = pl.DataFrame({"account": [NO_ACCOUNT]})
    raw = pl.concat([read_csv(folder / "accounts.csv", columns), missing], how="diagonal")
    return raw.select(
        tenant.ids(NAME, "account", keys=raw["account"]).alias("id"),
        name="account",
        industry=pl.col("sector").replace(_SPELLING),
        employee_count="employees",
        annual_revenue_minor=(pl.col("revenue") * 100_000_000).round().cast(pl.Int64),
        currency=pl.when(pl.col("revenue").is_not_null()).then(pl.lit(CURRENCY)),
        country=pl.col("office_location").replace(_SPELLING),
        external_id="account",
        custom=json_object({name: pl.col(name) for name in ("year_established", "subsidiary_of")}),
        order=pl.int_range(pl.len()),
    )


def _opened(deals: pl.DataFrame, tenant: Tenant) -> pl.DataFrame:
    """Deals as they were on their first day, with the day and the stage of their end beside them."""
    custom = ("product", "series", "sales_price", "regional_office", "manager")
    return deals.select(
        tenant.ids(NAME, "opportunity", keys=deals["opportunity_id"]).alias("id"),
        tenant.ids(NAME, "account", keys=deals["account"]).alias("account_id"),
        tenant.ids(NAME, "user", keys=deals["sales_agent"]).alias("owner_id"),
        name=pl.when(pl.col("account") == NO_ACCOUNT)
        .then("product")
        .otherwise(pl.format("{} for {}", "product", "account")),
        stage=pl.col("deal_stage").replace_strict(_FIRST_STAGE, default="qualification"),
        status=pl.lit("open"),
        value=pl.col("sales_price") * 100,
        currency=pl.lit(CURRENCY),
        external_id="opportunity_id",
        custom=json_object({name: pl.col(name) for name in custom}),
        created_at="opened_at",
        order=1_000 + pl.col("line").cast(pl.Int64) * 10,
        decided_at="decided_at",
        paid=pl.when((pl.col("deal_stage") == "Won") & pl.col("decided_at").is_not_null()).then(
            (pl.col("close_value") * 100).round().cast(pl.Int64)
        ),
        final_stage=pl.when(pl.col("decided_at").is_not_null()).then(
            pl.col("deal_stage").replace_strict(_CLOSED, default=None, return_dtype=pl.String)
        ),
    )


def _closings(opened: pl.DataFrame) -> pl.DataFrame:
    return opened.filter(pl.col("final_stage").is_not_null()).with_columns(
        from_stage="stage",
        to_stage="final_stage",
        status="final_stage",
        value=pl.coalesce("paid", "value"),
        occurred_at="decided_at",
        key=pl.col("id") + "/closed",
        order=pl.col("order") + 5,
    )


def _final(opened: pl.DataFrame) -> pl.DataFrame:
    return opened.with_columns(
        stage=pl.coalesce("final_stage", "stage"),
        status=pl.coalesce("final_stage", "status"),
        value=pl.coalesce("paid", "value"),
        stage_entered_at=pl.coalesce("decided_at", "created_at"),
        closed_at="decided_at",
    )


def _value_changes(opened: pl.DataFrame, closed: pl.DataFrame) -> pl.DataFrame:
    first = opened.select(
        "order",
        opportunity_id="id",
        field=pl.lit("stage"),
        new_value="stage",
        valid_from="created_at",
        key=pl.lit("opportunity.created/") + pl.col("id"),
    )
    amount = first.with_columns(field=pl.lit("value"), new_value=opened["value"].cast(pl.String))
    last = closed.select(
        "order",
        "key",
        opportunity_id="id",
        field=pl.lit("stage"),
        new_value="to_stage",
        valid_from="occurred_at",
    )
    paid = (
        closed.filter(pl.col("paid").is_not_null())
        .rename({"id": "opportunity_id", "occurred_at": "valid_from"})
        .with_columns(field=pl.lit("value"), new_value=pl.col("paid").cast(pl.String))
    )
    return pl.concat([first, amount, last.select(first.columns), paid.select(first.columns)])
