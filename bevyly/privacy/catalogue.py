"""The catalogue of personal data: every table with rows of tenants, and where in it a person can be.

A table that is missing here fails a test. To add one: `Store(table=…, nothing="why nobody can be in it")`, or name the
columns with ids of contacts or leads in `about` (the row goes with the person) or `near` (it stays), and those with
free text or JSON in `texts`. Children stand before their parents: rows are deleted in this order. Tables of dbt follow
from their columns (`warehouse`). Does not belong here: how any of it is done.
"""

from collections.abc import Iterable

from bevyly.privacy.store import Store

ERASED = '{"erased": true}'
"""What the journal holds of an event that was erased: it was there, under this id."""

_TOLD = ("contact.erased", "lead.erased", "user.disabled")
"""Events of an erasure: ids, and nothing else."""
_NOTICES = f"""substring(t.envelope from '"type":"([a-z_.]+)"') = any('{{{",".join(_TOLD)}}}')"""
_SUBJECT = """substring(t.envelope from '"subject":"[a-z_]+/([^"]+)"')"""
_NEWER = {"version": "version + 1", "updated_at": "now()"}
_KEPT_DATA = (
    *("activity_id", "kind", "direction", "account_id", "opportunity_id", "owner_id", "duration_seconds", "due_at"),
    *("completed_at", "erased"),
)
# An activity stays as a touch of the account or the deal; of a contact, a lead or a user nothing stays.
_WITHOUT_DATA = f"""(
  select coalesce(jsonb_object_agg(key, value), '{{}}') from jsonb_each(t.data)
  where key = any('{{{",".join(_KEPT_DATA)}}}')
)"""
_NOT_OF_A_DEAL = "case when t.subject_type not in ('opportunity', 'account') then t.data ->> '{}' end"


def _hushed(column: str) -> str:
    """Which fields changed stays; from what to what does not."""
    return (
        f"case when jsonb_typeof(t.{column}) = 'object' "
        f"then (select jsonb_object_agg(key, '[erased]') from jsonb_each(t.{column})) end"
    )


# A file is kept in parts, and an address may lie across two of them. UTF-16 is why the pattern is loose.
_FILES = """(
  select part.import_id from import_chunks part left join import_chunks next on next.customer_id = part.customer_id
    and next.import_id = part.import_id and next.number = part.number + 1
  where part.customer_id = %(tenant)s
    and encode(part.content || coalesce(substring(next.content for 1024), ''), 'escape') ~* %(loose)s
)"""
_OF_MARK = "(select r.id from privacy_requests r where r.customer_id = %(tenant)s and r.mark = any(%(marks)s))"

STORES: tuple[Store, ...] = (
    # what Bevyly concludes
    Store(table="briefing_seen", about=("t.user_id",)),
    Store(table="briefings", about=("t.user_id",), texts=("document",), bump={"etag": "md5(clock_timestamp()::text)"}),
    Store(
        table="recommendations",
        about=("t.entity_id",),
        texts=("payload", "title", "rationale", "reasons", "evidence", "feedback"),
        bump=_NEWER,
    ),
    Store(
        # redacted, it would say what was not checked
        table="wordings",
        about=("t.entity_id",),
        whole=True,
        texts=("text", "reason"),
    ),
    Store(table="recommendation_offers", about=("t.entity_id",)),
    Store(table="briefing_backlog", nothing="ids of what was touched, for seconds"),
    Store(table="recent_changes", nothing="dates and amounts of deals, sizes of companies"),
    Store(table="rankings", nothing="counts by user and reason"),
    Store(table="pattern_signals", nothing="two ids, which go with their pattern and signal"),
    Store(table="patterns", about=("t.entity_id",), texts=("title", "data")),
    Store(table="signals", about=("t.entity_id",), texts=("title", "data", "evidence")),
    Store(
        # redacted, it would no longer be what the score was made from
        table="score_inputs",
        about=("t.entity_id",),
        whole=True,
        texts=("document",),
    ),
    Store(table="opportunity_forecasts", nothing="days and amounts of deals; they go with their deal"),
    Store(table="scores", about=("t.entity_id",), texts=("reasons",)),
    Store(table="enrichments", about=("t.entity_id",), texts=("fields", "error")),
    Store(table="model_versions", nothing="figures over many"),
    Store(table="model_monitors", nothing="figures over many"),
    Store(table="detector_standings", nothing="figures over many"),
    Store(table="detector_lines", nothing="figures over many"),
    Store(table="detector_overrides", nothing="what became of detectors, and by which login"),
    Store(table="display_changes", nothing="what became of models, and by which login"),
    Store(table="score_readiness", nothing="figures over many"),
    # the decision log
    Store(
        # redacted, it would no longer be what the log has the hash of
        table="decision_details",
        whole=True,
        texts=("document",),
        secret=("salt",),
    ),
    Store(table="decisions", nothing="ids, codes and salted hashes of what is in the details"),
    Store(table="decision_heads", nothing="where the log ends"),
    Store(table="decisions_pending", nothing="empty when a transaction has ended"),
    # agents
    Store(
        table="approval_items",
        whole=True,
        texts=("content",),
        becomes={"content": "'{}'", "status": "case when t.status = 'pending' then 'expired' else t.status end"},
    ),
    Store(
        table="agent_runs",
        whole=True,
        texts=("input", "output", "error"),
        becomes={"input": "'{}'", "output": "null", "error": "null"},
    ),
    Store(table="approval_policies", nothing="what a person must allow, and which user said so"),
    Store(table="agent_configs", nothing="how agents work for the tenant"),
    # sequences
    Store(
        table="sequence_step_runs",
        named=("address",),
        match="t.enrolment_id in (select e.id from sequence_enrolments e where e.customer_id = %(tenant)s "
        "and (e.contact_id = any(%(ids)s) or e.lead_id = any(%(ids)s)))",
        secret=("unsubscribe_hash",),
    ),
    Store(table="sequence_enrolments", about=("t.contact_id", "t.lead_id"), named=("address",)),
    Store(table="suppressions", named=("email",)),
    Store(table="suppression_marks", nothing="keyed hashes, which are what keeps an objection"),
    Store(table="sequence_mailboxes", nothing="how much may be sent in the name of a user"),
    Store(table="sequences", texts=("name", "description", "steps"), bump=_NEWER),
    # the CRM
    Store(table="activity_participants", about=("t.contact_id", "t.user_id"), named=("email",)),
    Store(
        table="activities",
        about=("t.id",),
        near=("t.id",),
        texts=("subject", "body", "custom", "external_id", "message_id", "in_reply_to", "subject_key"),
        becomes={
            **dict.fromkeys(("subject", "body", "external_id", "message_id", "in_reply_to", "subject_key"), "null"),
            **dict.fromkeys(("contact_id", "lead_id"), "null"),
            "custom": "'{}'",
        }
        | _NEWER,
        bump=_NEWER,
    ),
    Store(
        table="opportunity_history",
        near=tuple(
            f"(select o.{name} from opportunities o where (o.customer_id, o.id) = (t.customer_id, t.opportunity_id))"
            for name in ("contact_id", "lead_id")
        ),
    ),
    Store(
        table="opportunities",
        near=("t.contact_id", "t.lead_id"),
        texts=("name", "custom", "external_id", "tags"),
        bump=_NEWER,
    ),
    Store(
        table="leads",
        about=("t.id",),
        named=("contact_email",),
        texts=("company_name", "custom", "external_id", "tags", "source"),
        bump=_NEWER,
    ),
    Store(
        table="contacts",
        about=("t.id",),
        named=("email",),
        texts=("custom", "external_id", "tags", "title"),
        bump=_NEWER,
    ),
    Store(table="accounts", texts=("name", "domain", "custom", "external_id", "tags"), bump=_NEWER),
    Store(table="search_entries", about=("t.id",), texts=("title", "subtitle", "fields", "words")),
    Store(
        table="merges",
        match="t.survivor_id = any(%(ids)s) or t.absorbed_ids::text[] && %(ids)s",
        texts=("before", "after"),
    ),
    Store(table="duplicate_dismissals", about=("t.first_id", "t.second_id")),
    Store(table="custom_fields", nothing="names and types of fields"),
    Store(table="pipelines", nothing="names of ways"),
    Store(table="pipeline_stages", nothing="names of stages"),
    # files and other systems
    Store(table="import_effects", about=("t.record_id",), texts=("before", "after")),
    Store(table="import_errors", whole=True, texts=("cells", "message")),
    Store(table="import_chunks", match=f"t.import_id in {_FILES}", secret=("content",)),
    Store(
        table="imports",
        match=f"t.id in {_FILES}",
        texts=("filename", "columns", "mapping", "error"),
        becomes={
            "status": "case when t.status in ('uploaded','mapped','checked','queued','running') "
            "then 'cancelled' else t.status end",
            "error": "'The file held data of a person who was erased.'",
            "lease": "null",
            "leased_until": "null",
        }
        | _NEWER,
    ),
    Store(table="inbound_events", near=("t.entity_id",), texts=("event_id", "source")),
    Store(table="inbound_records", near=("t.id",), texts=("external_id", "source")),
    Store(table="idempotency_records", texts=("response_body", "response_headers")),
    Store(
        table="privacy_files",
        match=f"t.request_id in {_OF_MARK}",
        secret=("content",),
    ),
    Store(
        table="privacy_requests",
        match="t.mark = any(%(marks)s) and t.kind = 'export'",
        becomes={"subject": "null", "status": "'expired'", "version": "version + 1"},
        secret=("subject", "mark"),
    ),
    Store(table="erased_marks", nothing="keyed hashes, which are what keeps an erasure"),
    # events
    Store(table="webhook_attempts", texts=("response_body",)),
    Store(table="webhook_deliveries", nothing="ids; they go with their event"),
    Store(table="webhook_events", about=(_SUBJECT,), texts=("envelope",), spare=_NOTICES),
    Store(table="webhook_endpoints", texts=("description", "url", "filters"), secret=("secrets",)),
    Store(table="live_events", whole=True, texts=("envelope",), spare=_NOTICES),
    Store(table="outbox", about=(_SUBJECT,), texts=("envelope",), spare=_NOTICES),
    Store(table="event_journal", whole=True, texts=("envelope",), spare=_NOTICES, function="erase_from_journal"),
    Store(
        table="raw.events",
        about=("t.subject_id", *(_NOT_OF_A_DEAL.format(name) for name in ("contact_id", "lead_id", "entity_id"))),
        near=("t.data ->> 'contact_id'", "t.data ->> 'lead_id'"),
        texts=("data", "source", "causation_id", "correlation_id"),
        becomes={"data": _WITHOUT_DATA},
        spare=f"t.type in {_TOLD} or t.data = '{{}}'",
    ),
    Store(
        table="raw.dead_letters",
        about=("split_part(t.subject, '/', 2)",),
        whole=True,
        texts=("payload", "headers", "reason", "key"),
        becomes={
            "payload": "''",
            "key": "null",
            "headers": "'[]'",
            "reason": "'[erased]'",
            "status": "'discarded'",
            "resolved_at": "coalesce(t.resolved_at, now())",
            "resolution": "coalesce(t.resolution, 'it held data of a person who was erased')",
        },
        spare="t.payload = ''",
    ),
    Store(table="tenant_spreads", nothing="how a tenant's events are keyed"),
    # the trail
    Store(
        table="audit",
        about=("t.entity_id",),
        texts=("before", "after"),
        becomes={"before": _hushed("before"), "after": _hushed("after")},
    ),
    # people of the tenant
    Store(table="mails", named=("recipient",), texts=("last_error",), secret=("body",)),
    Store(table="invitations", about=("t.user_id",), named=("email",), secret=("token_hash",)),
    Store(table="one_time_tokens", about=("t.user_id",), named=("email",), secret=("token_hash",)),
    Store(table="refresh_tokens", about=("t.user_id",), secret=("token_hash",)),
    Store(
        table="api_keys",
        about=("t.user_id",),
        texts=("name",),
        becomes={"name": "'[erased]'", "revoked_at": "coalesce(t.revoked_at, now())"},
        secret=("secret_hash",),
    ),
    Store(table="team_members", about=("t.user_id",)),
    Store(table="teams", nothing="names of teams"),
    Store(
        table="users",
        about=("t.id",),
        named=("email",),
        becomes={
            "email": "'erased-' || t.id || '@erased.invalid'",
            **dict.fromkeys(
                ("name", "password_hash", "external_id", "timezone", "locale", "working_hours", "email_verified_at"),
                "null",
            ),
            "notifications": "'{}'",
            "disabled_at": "coalesce(t.disabled_at, now())",
            "token_version": "t.token_version + 1",
            "version": "t.version + 1",
        },
        secret=("password_hash",),
    ),
    Store(table="customers", nothing="the company itself, and what it chose"),
)

WAREHOUSE = ("intermediate", "marts")
"""Schemas that dbt fills."""
_GRAINS = (("lead", "lead_id"), ("contact", "contact_id"))


def warehouse(table: str, columns: Iterable[str]) -> Store:
    """The store of a table of dbt: rows about a contact or lead go, others lose its id, and all texts are redacted."""
    known = set(columns)
    grains = {column for word, column in _GRAINS if word in table.partition(".")[2]} | {"entity_id", "survivor_id"}
    about = sorted(grains & known)
    persons = {name for name in known if name == "lead_id" or name.endswith(("contact_id", "contact_ids"))}
    cut = sorted(persons - set(about))
    ids = tuple(name for name in sorted(known) if name.endswith(("_id", "_ids")) or name == "customer_id")
    return Store(
        table=table,
        about=tuple(f"t.{name}" for name in about),
        cut=tuple(cut),
        texts=tuple(sorted(known - set(ids))),
        spare=f"t.event_type in {_TOLD}" if "event_type" in known else "",
    )
