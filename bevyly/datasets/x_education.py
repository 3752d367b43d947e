"""X Education lead scoring: leads with where they came from and what they did on the website.

The file has no dates. Leads are created in the order of their `Lead Number`, one a minute: their times say which came
first and nothing else. Everything that has no time at all is put at one instant after the last of them, the moment of
the export: there a lead is converted (without opportunity: it bought) or disqualified.

Columns that were written after sales contact (`Tags`, `Lead Quality`, `Lead Profile`, the four `Asymmetrique` ones) are
never read. `Last Activity`, `Last Notable Activity`, occupation and "What matters most" may have been: they are read
only when asked for, as custom fields that start with `doubtful_`; then `Last Activity` is an event at the export, too.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from bevyly.datasets import payloads
from bevyly.datasets.calendar import shifted, weeks_to_present
from bevyly.datasets.dataset import Dataset, Draft, Tenant, assemble
from bevyly.datasets.jsontext import json_object
from bevyly.datasets.source import read_csv

NAME: Final = "x_education"
FILE: Final = "x_education.csv"

_DAY_ZERO: Final = datetime(2020, 1, 6, tzinfo=UTC)
_UNTOUCHED: Final = "Select"
_TEXTS: Final = {
    "Lead Origin": "lead_origin",
    "Lead Source": "lead_source",
    "Country": "country",
    "Specialization": "specialization",
    "City": "city",
    "How did you hear about X Education": "how_did_you_hear",
}
_NUMBERS: Final = {
    "TotalVisits": "total_visits",
    "Total Time Spent on Website": "total_time_on_website",
    "Page Views Per Visit": "page_views_per_visit",
}
_NUMBER_TYPES: Final = {"total_visits": pl.Int64(), "total_time_on_website": pl.Int64()}
_FLAGS: Final = {
    "Do Not Email": "do_not_email",
    "Do Not Call": "do_not_call",
    "Search": "seen_in_search",
    "Magazine": "seen_in_magazine",
    "Newspaper Article": "seen_in_newspaper_article",
    "X Education Forums": "seen_in_forums",
    "Newspaper": "seen_in_newspaper",
    "Digital Advertisement": "seen_in_digital_advertisement",
    "Through Recommendations": "came_by_recommendation",
    "Receive More Updates About Our Courses": "wants_course_updates",
    "Update me on Supply Chain Content": "wants_supply_chain_content",
    "Get updates on DM Content": "wants_marketing_content",
    "I agree to pay the amount through cheque": "pays_by_cheque",
    "A free copy of Mastering The Interview": "wants_free_copy",
}
_DOUBTFUL: Final = {
    "Last Activity": "doubtful_last_activity",
    "Last Notable Activity": "doubtful_last_notable_activity",
    "What is your current occupation": "doubtful_occupation",
    "What matters most to you in choosing a course": "doubtful_what_matters_most",
}
_LAST_ACTIVITY: Final = [
    ("Email Opened", "email.opened", "email", "inbound"),
    ("Email Link Clicked", "email.clicked", "email", "inbound"),
    ("Email Received", "email.received", "email", "inbound"),
    ("Page Visited on Website", "page.viewed", "page_view", "inbound"),
    ("View in browser link Clicked", "email.clicked", "email", "inbound"),
    ("Form Submitted on Website", "form.submitted", "form", "inbound"),
    ("Had a Phone Conversation", "call.completed", "call", "outbound"),
]


def read(
    folder: Path, *, tenant: Tenant, now: datetime, with_doubtful: bool = False, shift_weeks: int | None = None
) -> Dataset:
    """The data set, moved so that the export was in the seven days before `now`."""
    raw = _read_rows(folder, with_doubtful=with_doubtful)
    exported = _DAY_ZERO + timedelta(minutes=raw.height)
    weeks = weeks_to_present(last=exported, now=now) if shift_weeks is None else shift_weeks
    leads = _leads(raw, tenant, weeks, with_doubtful=with_doubtful)
    export = pl.lit(exported, pl.Datetime("us", "UTC"))
    decided = leads.with_columns(occurred_at=shifted(export, weeks))
    return assemble(
        _draft(leads, decided, tenant, with_doubtful=with_doubtful),
        name=NAME,
        tenant=tenant,
        shift_weeks=weeks,
        options={"with_doubtful": True} if with_doubtful else {},
    )


def _read_rows(folder: Path, *, with_doubtful: bool) -> pl.DataFrame:
    texts = [*_TEXTS, *_FLAGS, *(_DOUBTFUL if with_doubtful else ())]
    columns = {"Prospect ID": pl.String(), "Lead Number": pl.Int64(), "Converted": pl.Int64()}
    columns |= {name: pl.String() for name in texts} | {name: pl.Float64() for name in _NUMBERS}
    return read_csv(folder / FILE, columns).sort("Lead Number").with_row_index("ordinal")


def _leads(raw: pl.DataFrame, tenant: Tenant, weeks: int, *, with_doubtful: bool) -> pl.DataFrame:
    """Leads as they were created, with `converted` and, if asked for, `last_activity` beside them."""
    numbers = raw["Lead Number"]
    created = pl.lit(_DAY_ZERO, pl.Datetime("us", "UTC")) + pl.duration(minutes=pl.col("ordinal"))
    return raw.select(
        tenant.ids(NAME, "lead", keys=numbers).alias("id"),
        tenant.ids(NAME, "contact", keys=numbers).alias("contact_id"),
        contact_name=pl.format("Prospect {}", "Lead Number"),
        source=_chosen("Lead Source"),
        status=pl.lit("new"),
        custom=json_object(_custom_fields(with_doubtful=with_doubtful)),
        external_id=pl.col("Lead Number").cast(pl.String),
        created_at=shifted(created, weeks),
        order=pl.col("ordinal").cast(pl.Int64) * 10 + 2,
        prospect="Prospect ID",
        number="Lead Number",
        converted=pl.col("Converted") == 1,
        last_activity=_chosen("Last Activity") if with_doubtful else pl.lit(None, pl.String),
    )


def _custom_fields(*, with_doubtful: bool) -> dict[str, pl.Expr]:
    texts = _TEXTS | (_DOUBTFUL if with_doubtful else {})
    return (
        {key: _chosen(name) for name, key in texts.items()}
        | {key: pl.col(name).cast(_NUMBER_TYPES.get(key, pl.Float64())) for name, key in _NUMBERS.items()}
        | {key: pl.col(name) == "Yes" for name, key in _FLAGS.items()}
    )


def _chosen(name: str) -> pl.Expr:
    """The column. A list left at its first line is "not chosen": the form was seen, of which null says nothing."""
    return pl.col(name).str.strip_chars().replace({_UNTOUCHED: "not chosen", "google": "Google"})


def _draft(leads: pl.DataFrame, decided: pl.DataFrame, tenant: Tenant, *, with_doubtful: bool) -> Draft:
    contacts = leads.select(
        "created_at",
        pl.col("contact_id").alias("id"),
        first_name=pl.lit("Prospect"),
        last_name=pl.col("number").cast(pl.String),
        external_id="prospect",
        order=pl.col("order") - 1,
    )
    won = decided.filter("converted").with_columns(key=pl.col("id") + "/converted")
    lost = decided.filter(~pl.col("converted")).with_columns(
        key=pl.col("id") + "/status", status_before=pl.lit("new"), status_after=pl.lit("disqualified")
    )
    final = decided.with_columns(
        status=pl.when("converted").then(pl.lit("converted")).otherwise(pl.lit("disqualified")),
        converted_at=pl.when("converted").then("occurred_at"),
    )
    return Draft(
        contacts=contacts,
        leads=final,
        activities=_last_activities(decided, tenant) if with_doubtful else pl.DataFrame(),
        events=[
            payloads.created(contacts, "contact"),
            payloads.created(leads, "lead"),
            payloads.converted(won),
            payloads.updated(lost, "lead", {"status": "status"}),
        ],
    )


def _last_activities(decided: pl.DataFrame, tenant: Tenant) -> pl.DataFrame:
    """`Last Activity` where it is a kind of event that we know: at the export, before the decision."""
    names = ["last_activity", "type", "kind", "direction"]
    known = decided.join(pl.DataFrame(_LAST_ACTIVITY, schema=names, orient="row"), on="last_activity")
    return known.select(
        "type",
        "kind",
        "direction",
        "contact_id",
        "occurred_at",
        tenant.ids(NAME, "activity", keys=known["number"]).alias("id"),
        lead_id="id",
        subject="last_activity",
        completed_at="occurred_at",
        key=pl.col("id") + "/last_activity",
        order=pl.col("order") - 1,
    )
