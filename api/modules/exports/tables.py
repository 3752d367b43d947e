"""What a file of each kind holds: its columns with their labels, its scores, what it may be narrowed by."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.sql import SQL, Composed, Identifier, Literal

from api.modules.exports.own import CSV_TEXT, OwnField


@dataclass(frozen=True)
class Export:
    """One kind of file. `columns` are label and SQL; those of `texts` are written by people.

    `entity` is the kind of its records, where they have scores or fields of the tenant's own.
    """

    table: str
    columns: tuple[tuple[str, str], ...]
    texts: tuple[tuple[str, str], ...]
    entity: str | None = None
    scores: tuple[str, ...] = ()
    status: str | None = None
    deletable: bool = True


def _columns(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name.replace("_", " ").capitalize(), f"r.{name}") for name in names)


_IDS = _columns("id", "version", "created_at", "updated_at", "owner_id")
_OWN = (*_columns("external_id"), ("Custom fields", "nullif(r.custom, '{}')::text"))
_VALUE = (("Value (minor units)", "r.value"),)

EXPORTS = {
    "accounts": Export(
        "accounts",
        (*_IDS, *_columns("employee_count", "annual_revenue_minor", "currency")),
        (*_columns("name", "domain", "industry", "country", "city"), *_OWN),
        entity="account",
        scores=("fit", "intent"),
    ),
    "contacts": Export(
        "contacts",
        (*_IDS, *_columns("account_id")),
        (*_columns("first_name", "last_name", "email", "phone", "title", "seniority", "role"), *_OWN),
        entity="contact",
    ),
    "leads": Export(
        "leads",
        (*_IDS, *_columns("status", "currency", "account_id", "contact_id", "opportunity_id", "converted_at"), *_VALUE),
        (*_columns("company_name", "contact_name", "contact_email", "phone", "source"), *_OWN),
        entity="lead",
        scores=("fit", "intent", "conversion"),
        status="status",
    ),
    "opportunities": Export(
        "opportunities",
        (
            *_IDS,
            *_columns("account_id", "contact_id", "lead_id", "stage", "status", "currency", "expected_close_date"),
            *_columns("stage_entered_at", "closed_at"),
            *_VALUE,
        ),
        (*_columns("name"), *_OWN),
        entity="opportunity",
        scores=("win",),
        status="status",
    ),
    "activities": Export(
        "activities",
        (
            *_IDS,
            *_columns("kind", "direction", "occurred_at", "recorded_at", "due_at", "completed_at", "duration_seconds"),
            *_columns("account_id", "contact_id", "opportunity_id", "lead_id"),
        ),
        (*_columns("subject", "body"), *_OWN),
        entity="activity",
    ),
    "recommendations": Export(
        "recommendations",
        (
            *_IDS,
            *_columns("entity_type", "entity_id", "action_type", "priority", "rank", "status", "probability"),
            *_columns("probability_low", "probability_high", "amount_minor", "currency", "expected_value_minor"),
            *_columns("basis", "as_of", "expires_at", "acted_at"),
        ),
        (*_columns("title", "rationale"), ("Reasons", "r.reasons::text")),
        status="status",
        deletable=False,
    ),
}


def statement(export: Export, own: Sequence[OwnField] = (), *, spreadsheet: bool) -> Composed:
    """The rows of a file. Parameters: tenant, then owner, status and instant of change, each twice, or null.

    `own` are fields of the tenant's own: each has a column of its type, besides the one with all of `custom`.
    """
    columns = [SQL("{} as {}").format(_sql(sql), Identifier(label)) for label, sql in export.columns]
    for label, sql in export.texts:
        text = CSV_TEXT.format(sql) if spreadsheet else sql
        columns.append(SQL("{} as {}").format(_sql(text), Identifier(label)))
    columns += [SQL("{} as {}").format(_sql(one.sql(spreadsheet=spreadsheet)), Identifier(one.label)) for one in own]
    joins = []
    for kind in export.scores:
        alias = Identifier(f"score_{kind}")
        for label, name in (("probability", "probability"), ("band", "band"), ("points", "points"), ("score id", "id")):
            columns.append(
                SQL("{}.{} as {}").format(alias, Identifier(name), Identifier(f"{kind.capitalize()} {label}"))
            )
        columns.append(SQL("{}.reasons::text as {}").format(alias, Identifier(f"{kind.capitalize()} reasons")))
        joins.append(
            SQL(
                "left join scores {0} on {0}.customer_id = r.customer_id and {0}.entity_type = {1} "
                "and {0}.entity_id = r.id and {0}.score_type = {2} and {0}.is_current"
            ).format(alias, Literal(export.entity), Literal(kind))
        )
    return SQL(
        "select {} from {} r {} where r.customer_id = %s and {} and (%s::text is null or r.owner_id = %s) "
        "and (%s::text is null or {} = %s) and (%s::timestamptz is null or r.updated_at >= %s)"
    ).format(
        SQL(", ").join(columns),
        Identifier(export.table),
        SQL(" ").join(joins),
        SQL("r.deleted_at is null" if export.deletable else "true"),
        SQL("r.status") if export.status else SQL("null"),
    )


def _sql(text: str) -> SQL:
    return SQL(text)
