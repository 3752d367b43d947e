"""Offers as opportunities: opened by the first one, moved by replies, closed by the decision."""

import polars as pl

from bevyly.datasets.bpic2012.log import CURRENCY, LOST, WON


def first_offers(work: pl.DataFrame) -> pl.DataFrame:
    """The row of each case that converted its lead."""
    return work.filter((pl.col("activity") == "O_SENT") & (pl.col("sent") == 1)).with_columns(occurred_at="ts")


def conversions(offers: pl.DataFrame) -> pl.DataFrame:
    return offers.with_columns(id=pl.col("lead_id"), key=pl.col("row") + "/converted", order=pl.col("order") + 2)


def new_opportunities(offers: pl.DataFrame) -> pl.DataFrame:
    return offers.select(
        "account_id",
        "contact_id",
        "lead_id",
        "value",
        pl.col("opportunity_id").alias("id"),
        name=pl.format("Loan application {}", "case"),
        stage=pl.lit("proposal"),
        status=pl.lit("open"),
        currency=pl.lit(CURRENCY),
        owner_id="person_id",
        stage_entered_at="ts",
        external_id=pl.col("case").cast(pl.String),
        created_at="ts",
        order=pl.col("order") + 1,
    )


def owner_changes(work: pl.DataFrame) -> pl.DataFrame:
    """Later offers that somebody else sent."""
    return (
        work.filter((pl.col("activity") == "O_SENT") & pl.col("open") & pl.col("person_id").is_not_null())
        .with_columns(owner_after=pl.col("person_id"), owner_before=pl.col("person_id").shift(1).over("case"))
        .filter((pl.col("sent") > 1) & pl.col("owner_after").ne_missing(pl.col("owner_before")))
        .with_columns(id=pl.col("opportunity_id"), key=pl.col("row") + "/owner", occurred_at=pl.col("ts"))
    )


def stage_moves(work: pl.DataFrame) -> pl.DataFrame:
    """The first reply to an offer, and the decision."""
    activity = pl.col("activity")
    replied = (activity == "O_SENT_BACK") & ((activity == "O_SENT_BACK").cum_sum().over("case") == 1)
    stage = (
        pl.when(activity.is_in(WON)).then(pl.lit("won")).when(activity.is_in(LOST)).then(pl.lit("lost"))
    ).otherwise(pl.lit("negotiation"))
    return (
        work.filter(pl.col("sent") > 0)
        .filter(pl.col("open") & (replied | activity.is_in([*WON, *LOST])))
        .with_columns(to_stage=stage, currency=pl.lit(CURRENCY))
        .with_columns(
            from_stage=pl.col("to_stage").shift(1).over("case").fill_null("proposal"),
            status=pl.when(pl.col("to_stage") == "negotiation").then(pl.lit("open")).otherwise("to_stage"),
        )
        .with_columns(
            id=pl.col("opportunity_id"),
            key=pl.col("row") + "/stage",
            occurred_at=pl.col("ts"),
            order=pl.col("order") + 5,
        )
    )


def final_opportunities(opportunities: pl.DataFrame, moves: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    latest = moves.group_by("id").agg(pl.col("to_stage", "status", "ts").sort_by("order").last())
    owner = owners.group_by("id").agg(pl.col("owner_after").sort_by("order").last())
    closed = pl.col("status_right").is_in(["won", "lost"])
    return (
        opportunities.join(latest, on="id", how="left")
        .join(owner, on="id", how="left")
        .with_columns(
            stage=pl.coalesce("to_stage", "stage"),
            status=pl.coalesce("status_right", "status"),
            stage_entered_at=pl.coalesce("ts", "stage_entered_at"),
            closed_at=pl.when(closed).then("ts"),
            owner_id=pl.coalesce("owner_after", "owner_id"),
        )
    )


def value_changes(opportunities: pl.DataFrame, moves: pl.DataFrame) -> pl.DataFrame:
    opened = opportunities.select(
        "order",
        opportunity_id="id",
        field=pl.lit("stage"),
        new_value="stage",
        valid_from="created_at",
        key=pl.lit("opportunity.created/") + pl.col("id"),
    )
    amount = opened.join(opportunities.select("value", opportunity_id="id"), on="opportunity_id").with_columns(
        field=pl.lit("value"), new_value=pl.col("value").cast(pl.String)
    )
    moved = moves.select(
        "order", opportunity_id="id", field=pl.lit("stage"), new_value="to_stage", valid_from="ts", key="key"
    )
    return pl.concat([opened, amount.select(opened.columns), moved.select(opened.columns)])
