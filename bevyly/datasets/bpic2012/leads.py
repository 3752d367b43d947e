"""Cases as leads: applicants at registration, status and owner as the log goes on."""

import polars as pl

from bevyly.datasets.bpic2012.log import CURRENCY, LOST


def new_accounts(cases: pl.DataFrame) -> pl.DataFrame:
    return cases.select(
        pl.col("account_id").alias("id"),
        pl.format("Applicant {}", "case").alias("name"),
        external_id=pl.col("case").cast(pl.String),
        created_at="ts",
        order=_registered(1),
    )


def new_contacts(cases: pl.DataFrame) -> pl.DataFrame:
    return cases.select(
        "account_id",
        pl.col("contact_id").alias("id"),
        first_name=pl.lit("Applicant"),
        last_name=pl.col("case").cast(pl.String),
        external_id=pl.col("case").cast(pl.String),
        created_at="ts",
        order=_registered(2),
    )


def new_leads(cases: pl.DataFrame) -> pl.DataFrame:
    return cases.select(
        "account_id",
        "contact_id",
        "value",
        pl.col("lead_id").alias("id"),
        contact_name=pl.format("Applicant {}", "case"),
        source=pl.lit("web form"),
        status=pl.lit("new"),
        currency=pl.lit(CURRENCY),
        external_id=pl.col("case").cast(pl.String),
        created_at="ts",
        order=_registered(3),
    )


def _registered(step: int) -> pl.Expr:
    """Order of what is created at registration, before the first row of the log in the same instant."""
    return pl.col("case") * 100_000 - 10 + step


def lead_changes(work: pl.DataFrame) -> pl.DataFrame:
    """Rows of the log that changed a lead while it was one: `status` and `owner`, before and after."""
    activity = pl.col("activity")
    is_lead = pl.col("open") & ((pl.col("sent") == 0) | ((pl.col("sent") == 1) & (activity == "O_SENT")))
    first_person = pl.col("person_id").is_not_null() & (pl.col("people") == 1)
    status = (
        pl.when(activity == "A_PREACCEPTED")
        .then(pl.lit("working"))
        .when(activity == "A_ACCEPTED")
        .then(pl.lit("qualified"))
        .when(activity.is_in(LOST))
        .then(pl.lit("disqualified"))
    )
    owner = pl.when(first_person | (activity == "A_ACCEPTED")).then(pl.col("person_id"))
    return (
        work.filter(is_lead)
        .with_columns(status_after=status, owner_after=owner)
        .filter(pl.col("status_after").is_not_null() | pl.col("owner_after").is_not_null())
        .with_columns(
            pl.col("status_after").forward_fill().over("case").fill_null("new"),
            pl.col("owner_after").forward_fill().over("case"),
        )
        .with_columns(
            status_before=pl.col("status_after").shift(1).over("case").fill_null("new"),
            owner_before=pl.col("owner_after").shift(1).over("case"),
        )
        .filter(
            (pl.col("status_after") != pl.col("status_before"))
            | pl.col("owner_after").ne_missing(pl.col("owner_before"))
        )
        .with_columns(id=pl.col("lead_id"), key=pl.col("row") + "/lead", occurred_at=pl.col("ts"))
    )


def final_leads(leads: pl.DataFrame, changes: pl.DataFrame, offers: pl.DataFrame) -> pl.DataFrame:
    latest = changes.group_by("id").agg(pl.col("status_after", "owner_after").sort_by("order").last())
    conversions = offers.select(pl.col("lead_id").alias("id"), "opportunity_id", converted_at="ts")
    return (
        leads.join(latest, on="id", how="left")
        .join(conversions, on="id", how="left")
        .with_columns(
            owner_id="owner_after",
            status=pl.when(pl.col("converted_at").is_not_null())
            .then(pl.lit("converted"))
            .otherwise(pl.coalesce("status_after", "status")),
        )
    )
