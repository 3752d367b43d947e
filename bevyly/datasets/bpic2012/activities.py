"""Forms, offers, replies, calls and internal work as activities."""

from typing import Final

import polars as pl

from bevyly.ids import derived_id

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


def moments(work: pl.DataFrame) -> pl.DataFrame:
    """Forms, offers and replies: each at one instant."""
    meaning = pl.DataFrame(
        [(activity, *rest) for activity, rest in _MOMENTS.items()],
        schema=["activity", "type", "kind", "direction", "subject"],
        orient="row",
    )
    return _activities(work.join(meaning, on="activity", how="inner", maintain_order="left"))


def work_done(work: pl.DataFrame) -> pl.DataFrame:
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
