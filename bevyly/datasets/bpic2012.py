"""BPI Challenge 2012 (B. F. van Dongen, doi:10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f) as a sales funnel.

A case of the log is a lead; its first `O_SENT` converts it and opens an opportunity. What the log does not say is not
made up: applicants have numbers for names, no mail addresses, no expected close dates, no next steps.

The answer (`outcome`, `offer_sent`) is not even read from the file: it appears only as the events that decided a case,
when they happened. Everything looks backwards in the log only, so that a log that ends earlier gives the same events
up to there. `recorded_at` is the log's own time: the log *is* the system of record.

Choices where the log leaves room:
- Calls are the pairs START → COMPLETE of three kinds of work; a COMPLETE without START is dropped. Durations are as
  logged, some of them overnight. `W_Afhandelen leads` and `W_Valideren aanvraag` are work without a known conversation:
  internal notes, so that a lead somebody works on does not look untouched. Fraud checks are left out.
- Owner of a lead: the first person (never 112, the automatic system) who works on it; then whoever accepts it. Owner of
  an opportunity: who sent the offer; it changes with the sender of a later offer. Call agents rotate from call to call
  and become owners of nothing by calling.
- An amount of 0 is kept: the applicant asked for that.
"""

from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from bevyly.datasets import payloads
from bevyly.datasets.calendar import end_of, shifted, weeks_to_present
from bevyly.datasets.dataset import Dataset, Draft, Tenant, assemble
from bevyly.datasets.source import read_csv
from bevyly.ids import derived_id

NAME: Final = "bpic2012"
CASES: Final = "bpic2012_cases.csv"
EVENTS: Final = "bpic2012_events.csv.gz"
CURRENCY: Final = "EUR"

_AUTOMATIC: Final = 112
_WON: Final = ("A_APPROVED", "A_REGISTERED", "A_ACTIVATED")
_LOST: Final = ("A_DECLINED", "A_CANCELLED")
_CALLS: Final = {
    "W_Nabellen offertes": "Follow up the offer",
    "W_Nabellen incomplete dossiers": "Ask for missing documents",
    "W_Completeren aanvraag": "Complete the application",
}
_NOTES: Final = {"W_Afhandelen leads": "Worked on the fresh lead", "W_Valideren aanvraag": "Checked the application"}
_MOMENTS: Final = {
    "A_SUBMITTED": ("form.submitted", "form", "inbound", "Application submitted"),
    "O_SENT": ("proposal.sent", "proposal", "outbound", "Offer sent"),
    "O_SENT_BACK": ("proposal.replied", "proposal", "inbound", "Offer returned by the applicant"),
}


def read(
    folder: Path, *, tenant: Tenant, now: datetime, until: date | None = None, shift_weeks: int | None = None
) -> Dataset:
    """The data set up to the end of `until` (a day of the log's own calendar), moved so that it ends about `now`."""
    log = _read_log(folder)
    last = log["ts"].max()
    assert isinstance(last, datetime)
    weeks = weeks_to_present(last=last, now=now) if shift_weeks is None else shift_weeks
    known = pl.col("ts") < end_of(until)
    cases = _read_cases(folder, tenant).filter(known).with_columns(ts=shifted(pl.col("ts"), weeks))
    log = log.filter(known).with_columns(ts=shifted(pl.col("ts"), weeks))
    users = _users(log, cases, tenant)
    work = _with_state(log.join(cases.drop("ts"), on="case"), users)
    return assemble(_draft(cases, work, users), name=NAME, tenant=tenant, shift_weeks=weeks)


def _read_log(folder: Path) -> pl.DataFrame:
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


def _read_cases(folder: Path, tenant: Tenant) -> pl.DataFrame:
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


def _users(log: pl.DataFrame, cases: pl.DataFrame, tenant: Tenant) -> pl.DataFrame:
    people = log.select("resource").filter(pl.col("resource") != _AUTOMATIC).unique().sort("resource")
    return people.with_columns(
        tenant.ids(NAME, "user", keys=people["resource"]).alias("id"),
        email=pl.format(tenant.email("agent-{}"), "resource"),
        name=pl.format("Agent {}", "resource"),
        role=pl.lit("member"),
        external_id=pl.col("resource").cast(pl.String),
        created_at=pl.lit(cases["ts"].min()),
    )


def _with_state(log: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """The log with what was so at each of its rows: `sent` offers and `decided` events, this row included."""
    people = users.select("resource", pl.col("id").alias("person_id"))
    return (
        log.join(people, on="resource", how="left", maintain_order="left")
        .with_columns(
            sent=(pl.col("activity") == "O_SENT").cum_sum().over("case"),
            decided=pl.col("activity").is_in([*_WON, *_LOST]).cum_sum().over("case"),
            people=pl.col("person_id").is_not_null().cum_sum().over("case"),
            order=pl.col("case") * 100_000 + pl.col("idx") * 10,
            row=pl.format("{}/{}", "case", "idx"),
        )
        .with_columns(open=(pl.col("decided") - pl.col("activity").is_in([*_WON, *_LOST]).cast(pl.UInt32)) == 0)
    )


def _draft(cases: pl.DataFrame, work: pl.DataFrame, users: pl.DataFrame) -> Draft:
    lead_changes = _lead_changes(work)
    offers = _first_offers(work)
    moves = _stage_moves(work)
    owners = _owner_changes(work)
    accounts, contacts, leads = _new_accounts(cases), _new_contacts(cases), _new_leads(cases)
    opportunities = _new_opportunities(offers)
    lead_fields = {"status": "status", "owner_id": "owner"}
    return Draft(
        users=users,
        accounts=accounts,
        contacts=contacts,
        leads=_final_leads(leads, lead_changes, offers),
        opportunities=_final_opportunities(opportunities, moves, owners),
        activities=pl.concat([_moments(work), _work_done(work)], how="diagonal"),
        changes=_value_changes(opportunities, moves),
        events=[
            payloads.created(accounts, "account"),
            payloads.created(contacts, "contact"),
            payloads.created(leads, "lead"),
            payloads.updated(lead_changes, "lead", lead_fields),
            payloads.created(opportunities, "opportunity"),
            payloads.converted(_conversions(offers)),
            payloads.updated(owners, "opportunity", {"owner_id": "owner"}),
            payloads.stage_changed(moves),
        ],
    )


# -- leads ----------------------------------------------------------------------------------------------------------


def _new_accounts(cases: pl.DataFrame) -> pl.DataFrame:
    return cases.select(
        pl.col("account_id").alias("id"),
        pl.format("Applicant {}", "case").alias("name"),
        external_id=pl.col("case").cast(pl.String),
        created_at="ts",
        order=_registered(1),
    )


def _new_contacts(cases: pl.DataFrame) -> pl.DataFrame:
    return cases.select(
        "account_id",
        pl.col("contact_id").alias("id"),
        first_name=pl.lit("Applicant"),
        last_name=pl.col("case").cast(pl.String),
        external_id=pl.col("case").cast(pl.String),
        created_at="ts",
        order=_registered(2),
    )


def _new_leads(cases: pl.DataFrame) -> pl.DataFrame:
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


def _lead_changes(work: pl.DataFrame) -> pl.DataFrame:
    """Rows of the log that changed status or owner of a lead, while it was one: `status` and `owner`, before and after."""
    activity = pl.col("activity")
    is_lead = pl.col("open") & ((pl.col("sent") == 0) | ((pl.col("sent") == 1) & (activity == "O_SENT")))
    first_person = pl.col("person_id").is_not_null() & (pl.col("people") == 1)
    status = (
        pl.when(activity == "A_PREACCEPTED")
        .then(pl.lit("working"))
        .when(activity == "A_ACCEPTED")
        .then(pl.lit("qualified"))
        .when(activity.is_in(_LOST))
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


def _final_leads(leads: pl.DataFrame, changes: pl.DataFrame, offers: pl.DataFrame) -> pl.DataFrame:
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


# -- opportunities --------------------------------------------------------------------------------------------------


def _first_offers(work: pl.DataFrame) -> pl.DataFrame:
    """The row of each case that converted its lead."""
    return work.filter((pl.col("activity") == "O_SENT") & (pl.col("sent") == 1)).with_columns(occurred_at="ts")


def _conversions(offers: pl.DataFrame) -> pl.DataFrame:
    return offers.with_columns(id=pl.col("lead_id"), key=pl.col("row") + "/converted", order=pl.col("order") + 2)


def _new_opportunities(offers: pl.DataFrame) -> pl.DataFrame:
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


def _owner_changes(work: pl.DataFrame) -> pl.DataFrame:
    """Later offers that somebody else sent."""
    return (
        work.filter((pl.col("activity") == "O_SENT") & pl.col("open") & pl.col("person_id").is_not_null())
        .with_columns(owner_after=pl.col("person_id"), owner_before=pl.col("person_id").shift(1).over("case"))
        .filter((pl.col("sent") > 1) & pl.col("owner_after").ne_missing(pl.col("owner_before")))
        .with_columns(id=pl.col("opportunity_id"), key=pl.col("row") + "/owner", occurred_at=pl.col("ts"))
    )


def _stage_moves(work: pl.DataFrame) -> pl.DataFrame:
    """The first reply to an offer, and the decision."""
    activity = pl.col("activity")
    replied = (activity == "O_SENT_BACK") & ((activity == "O_SENT_BACK").cum_sum().over("case") == 1)
    stage = (
        pl.when(activity.is_in(_WON)).then(pl.lit("won")).when(activity.is_in(_LOST)).then(pl.lit("lost"))
    ).otherwise(pl.lit("negotiation"))
    return (
        work.filter(pl.col("sent") > 0)
        .filter(pl.col("open") & (replied | activity.is_in([*_WON, *_LOST])))
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


def _final_opportunities(opportunities: pl.DataFrame, moves: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
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


def _value_changes(opportunities: pl.DataFrame, moves: pl.DataFrame) -> pl.DataFrame:
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


# -- activities -----------------------------------------------------------------------------------------------------


def _moments(work: pl.DataFrame) -> pl.DataFrame:
    """Forms, offers and replies: each at one instant."""
    meaning = pl.DataFrame(
        [(activity, *rest) for activity, rest in _MOMENTS.items()],
        schema=["activity", "type", "kind", "direction", "subject"],
        orient="row",
    )
    return _activities(work.join(meaning, on="activity", how="inner", maintain_order="left"))


def _work_done(work: pl.DataFrame) -> pl.DataFrame:
    """Calls and internal work: pairs of START and COMPLETE of the same kind of work on the same case."""
    subjects = _CALLS | _NOTES
    is_call = pl.col("activity").is_in(list(_CALLS))
    same_work = ["case", "activity"]
    pairs = (
        work.filter(pl.col("activity").is_in(list(subjects)) & pl.col("lifecycle").is_in(["START", "COMPLETE"]))
        .with_columns(
            started=pl.col("ts").shift(1).over(same_work),
            before=pl.col("lifecycle").shift(1).over(same_work),
            starter_id=pl.col("person_id").shift(1).over(same_work),
        )
        .filter((pl.col("lifecycle") == "COMPLETE") & (pl.col("before") == "START"))
    )
    return _activities(
        pairs.with_columns(
            type=pl.when(is_call).then(pl.lit("call.completed")).otherwise(pl.lit("note.created")),
            kind=pl.when(is_call).then(pl.lit("call")).otherwise(pl.lit("note")),
            direction=pl.when(is_call).then(pl.lit("outbound")).otherwise(pl.lit("internal")),
            subject=pl.col("activity").replace_strict(subjects),
            person_id=pl.coalesce("person_id", "starter_id"),
            duration_seconds=(pl.col("ts") - pl.col("started")).dt.total_seconds(),
        )
    )


def _activities(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of activities; they belong to the opportunity, too, once there is one."""
    # the id of the lead depends on the tenant, and so does what is derived from it
    ids = [derived_id(lead, "activity", row) for lead, row in rows.select("lead_id", "row").iter_rows()]
    return rows.with_columns(pl.Series("id", ids, pl.String)).select(
        "id",
        "type",
        "kind",
        "direction",
        "subject",
        "account_id",
        "contact_id",
        "lead_id",
        *(["duration_seconds"] if "duration_seconds" in rows.columns else []),
        opportunity_id=pl.when(pl.col("sent") > 0).then("opportunity_id"),
        owner_id="person_id",
        contact_role=pl.lit("applicant"),
        occurred_at="ts",
        completed_at="ts",
        external_id="row",
        key=pl.col("row") + "/touch",
        order=pl.col("order") + 3,
    )
