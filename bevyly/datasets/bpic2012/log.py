"""The log as it is: its files, its people, and what was so at each of its rows. Not what a row means for the CRM."""

from pathlib import Path
from typing import Final

import polars as pl

from bevyly.datasets.dataset import Tenant
from bevyly.datasets.source import read_csv

NAME: Final = "bpic2012"
CASES: Final = "bpic2012_cases.csv"
EVENTS: Final = "bpic2012_events.csv.gz"
CURRENCY: Final = "EUR"

WON: Final = ("A_APPROVED", "A_REGISTERED", "A_ACTIVATED")
LOST: Final = ("A_DECLINED", "A_CANCELLED")
_AUTOMATIC: Final = 112


def read_log(folder: Path) -> pl.DataFrame:
    columns = {
        "case": pl.Int64(),
        "idx": pl.Int64(),
        "activity": pl.String(),
        "lifecycle": pl.String(),
        "ts": pl.String(),
        "resource": pl.Float64(),
    }
    raw = read_csv(folder / EVENTS, columns)
    return raw.with_columns(_instant("ts"), pl.col("resource").cast(pl.Int64)).sort("case", "idx")


def read_cases(folder: Path, tenant: Tenant) -> pl.DataFrame:
    """Cases with the ids of what becomes of them; `ts` is when they were registered."""
    raw = read_csv(folder / CASES, {"case": pl.Int64(), "reg_date": pl.String(), "amount_req": pl.Float64()})
    keys = raw["case"]
    return raw.select(
        "case",
        _instant("reg_date").alias("ts"),
        (pl.col("amount_req") * 100).round().cast(pl.Int64).alias("value"),
        *(
            tenant.ids(NAME, kind, keys=keys).alias(f"{kind}_id")
            for kind in ("account", "contact", "lead", "opportunity")
        ),
    )


def _instant(column: str) -> pl.Expr:
    return pl.col(column).str.to_datetime(time_unit="us", time_zone="UTC")


def users_of(log: pl.DataFrame, cases: pl.DataFrame, tenant: Tenant) -> pl.DataFrame:
    people = log.select("resource").filter(pl.col("resource") != _AUTOMATIC).unique().sort("resource")
    return people.with_columns(
        tenant.ids(NAME, "user", keys=people["resource"]).alias("id"),
        email=pl.format(tenant.email("agent-{}"), "resource"),
        name=pl.format("Agent {}", "resource"),
        role=pl.lit("member"),
        external_id=pl.col("resource").cast(pl.String),
        created_at=pl.lit(cases["ts"].min()),
    )


def with_state(log: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """The log with what was so at each of its rows: `sent` offers and `decided` events, this row included."""
    people = users.select("resource", pl.col("id").alias("person_id"))
    return (
        log.join(people, on="resource", how="left", maintain_order="left")
        .with_columns(
            sent=(pl.col("activity") == "O_SENT").cum_sum().over("case"),
            decided=pl.col("activity").is_in([*WON, *LOST]).cum_sum().over("case"),
            people=pl.col("person_id").is_not_null().cum_sum().over("case"),
            order=pl.col("case") * 100_000 + pl.col("idx") * 10,
            row=pl.format("{}/{}", "case", "idx"),
        )
        .with_columns(open=(pl.col("decided") - pl.col("activity").is_in([*WON, *LOST]).cast(pl.UInt32)) == 0)
    )
