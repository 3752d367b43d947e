"""What the API reads: one function a question, which returns JSON as text and sees one tenant.

The caller passes `set_config('bevyly.customer_id', …, true)` as the first argument: it is evaluated before the body, so
that row-level security holds inside. A page without filters has a prepared plan; one with filters is planned with
exactly those, so that the index in the page's order is used. Strings are compared with `=` and `starts_with` alone.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE

revision = "2026_11_24_api_reads"
down_revision = "2026_11_23_tenant_security"
branch_labels = None
depends_on = None

VERSIONED = "r.version, r.external_id, r.custom, r.created_at, r.updated_at"

# name of a list: table, columns, time of its order, condition, filters (name, type, condition with its parameter as %s)
LISTS = {
    "accounts": (
        "accounts",
        f"r.id, r.name, r.domain, r.industry, r.employee_count, r.annual_revenue_minor, r.currency, r.country, r.city, r.owner_id, {VERSIONED}",
        "created_at",
        "r.deleted_at is null",
        [("owner_id", "r.owner_id = %s"), ("q", "starts_with(lower(r.name), lower(%s))")],
    ),
    "contacts": (
        "contacts",
        f"r.id, r.account_id, r.first_name, r.last_name, r.email, r.phone, r.title, r.seniority, r.role, r.owner_id, {VERSIONED}",
        "created_at",
        "r.deleted_at is null",
        [
            ("owner_id", "r.owner_id = %s"),
            ("account_id", "r.account_id = %s"),
            ("q", "(starts_with(lower(r.email), lower(%s)) or starts_with(lower(r.last_name), lower(%s)))"),
        ],
    ),
    "opportunities": (
        "opportunities",
        "r.id, r.account_id, r.contact_id, r.lead_id, r.name, r.stage, r.status, r.value as value_minor, r.currency, "
        f"r.expected_close_date, r.stage_entered_at, r.closed_at, r.owner_id, {VERSIONED}",
        "created_at",
        "r.deleted_at is null",
        [
            ("owner_id", "r.owner_id = %s"),
            ("account_id", "r.account_id = %s"),
            ("status", "r.status = %s"),
            ("stage", "r.stage = %s"),
            ("q", "starts_with(lower(r.name), lower(%s))"),
        ],
    ),
    "leads": (
        "leads",
        "r.id, r.company_name, r.contact_name, r.contact_email, r.phone, r.source, r.status, r.value as value_minor, r.currency, "
        f"r.account_id, r.contact_id, r.opportunity_id, r.converted_at, r.score_at_conversion, r.owner_id, {VERSIONED}",
        "created_at",
        "r.deleted_at is null",
        [
            ("owner_id", "r.owner_id = %s"),
            ("account_id", "r.account_id = %s"),
            ("status", "r.status = %s"),
            ("q", "(starts_with(lower(r.company_name), lower(%s)) or starts_with(lower(r.contact_email), lower(%s)))"),
        ],
    ),
    "activities": (
        "activities",
        "r.id, r.kind, r.direction, r.subject, r.body, r.occurred_at, r.recorded_at, r.due_at, r.completed_at, r.duration_seconds, "
        "r.account_id, r.contact_id, r.opportunity_id, r.lead_id, r.owner_id, "
        "coalesce((select json_agg(json_build_object('contact_id', p.contact_id, 'user_id', p.user_id, 'email', p.email, 'role', p.role) order by p.id) "
        "from activity_participants p where p.customer_id = r.customer_id and p.activity_id = r.id), '[]') as participants, "
        f"{VERSIONED}",
        "occurred_at",
        "r.deleted_at is null",
        [
            ("owner_id", "r.owner_id = %s"),
            ("account_id", "r.account_id = %s"),
            ("contact_id", "r.contact_id = %s"),
            ("opportunity_id", "r.opportunity_id = %s"),
            ("lead_id", "r.lead_id = %s"),
            ("kind", "r.kind = %s"),
        ],
    ),
    "signals": (
        "signals",
        "r.id, r.entity_type, r.entity_id, r.signal_type, r.polarity, r.severity, r.strength, r.title, r.data, r.evidence, "
        "r.detector_version, r.found_by, r.first_seen_at, r.last_seen_at, r.expires_at, r.closed_at, r.close_reason",
        "last_seen_at",
        "true",
        [
            ("entity_type", "r.entity_type = %s"),
            ("entity_id", "r.entity_id = %s"),
            ("signal_type", "r.signal_type = %s"),
            ("severity", "r.severity = %s"),
            ("open", "(r.closed_at is null) = (%s = 'true')"),
        ],
    ),
    "patterns": (
        "patterns",
        "r.id, r.entity_type, r.entity_id, r.pattern_type, r.title, r.polarity, r.confidence, r.confidence_low, r.confidence_high, "
        "r.lift, r.data, r.first_seen_at, r.last_seen_at, r.closed_at, "
        "coalesce((select json_agg(json_build_object('id', s.id, 'signal_type', s.signal_type, 'severity', s.severity, 'title', s.title) order by s.id) "
        "from pattern_signals m join signals s on s.customer_id = m.customer_id and s.id = m.signal_id "
        "where m.customer_id = r.customer_id and m.pattern_id = r.id), '[]') as signals",
        "last_seen_at",
        "true",
        [
            ("entity_type", "r.entity_type = %s"),
            ("entity_id", "r.entity_id = %s"),
            ("pattern_type", "r.pattern_type = %s"),
            ("open", "(r.closed_at is null) = (%s = 'true')"),
        ],
    ),
    "recommendations": (
        "recommendations",
        "r.id, r.entity_type, r.entity_id, r.action_type, r.payload, r.priority, r.title, r.rationale, r.reasons, r.evidence, "
        "r.probability, r.probability_low, r.probability_high, r.probability_with_action, r.amount_minor, r.currency, r.urgency, "
        "r.expected_value_minor, r.expected_value_low_minor, r.expected_value_high_minor, r.basis, r.rank, r.status, r.snoozed_until, "
        "r.expires_at, r.feedback, r.acted_by, r.acted_at, r.superseded_by, r.owner_id, r.pattern_id, r.signal_id, r.model_version_id, "
        "r.version, r.as_of, r.created_at, r.updated_at",
        "created_at",
        "true",
        [
            ("entity_type", "r.entity_type = %s"),
            ("entity_id", "r.entity_id = %s"),
            ("status", "r.status = %s"),
            ("action_type", "r.action_type = %s"),
            ("owner_id", "r.owner_id = %s"),
        ],
    ),
    "api_keys": (
        "api_keys",
        "r.id, r.name, r.prefix, r.scopes, r.user_id, r.expires_at, r.last_used_at, r.revoked_at, r.created_at",
        "created_at",
        "true",
        [("user_id", "r.user_id = %s")],
    ),
}

ONE = {
    "account": "accounts",
    "contact": "contacts",
    "opportunity": "opportunities",
    "lead": "leads",
    "activity": "activities",
    "recommendation": "recommendations",
}


def list_function(name: str) -> str:
    """`api_list_<name>(tenant, before, before id, limit, filters…)`: the page's rows, and where it ends if more follow."""
    table, columns, order, condition, filters = LISTS[name]
    page = f"""
        select array_agg(row_to_json(page)::text), array_agg(page.{order}), array_agg(page.id)
        from (
          select {columns}
          from {table} r
          where r.customer_id = $1 and (r.{order}, r.id) < ($2, $3) and {condition}{{filters}}
          order by r.{order} desc, r.id desc limit $4 + 1
        ) page"""
    parameters = ", ".join(f"{field} text" for field, _ in filters)
    given = ", ".join(f"${5 + index}" for index in range(len(filters)))
    added = "\n".join(
        f"    if ${5 + index} is not null then filters := filters || $f$ and {text.replace('%s', f'${5 + index}')}$f$; end if;"
        for index, (_, text) in enumerate(filters)
    )
    return f"""
create function api_list_{name}(
  tenant text, before timestamptz, before_id text, row_limit int, {parameters},
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $function$
declare
  filters text := '';
  documents text[];
  times timestamptz[];
  ids text[];
begin
  if num_nonnulls({given}) = 0 then
    {_into(page.format(filters=""))};
  else
{added}
    execute replace($f${page.format(filters="<filters>")}$f$, '<filters>', filters)
      into documents, times, ids using $1, $2, $3, $4, {given};
  end if;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $function$"""


def _into(page: str) -> str:
    return page.replace("from (", "into documents, times, ids from (", 1)


def one_function(name: str, listed: str) -> str:
    """`api_get_<name>(tenant, id)`: the row as in its list, and its version."""
    table, columns, _, condition, _ = LISTS[listed]
    return f"""
create function api_get_{name}(tenant text, row_id text, out body text, out version int)
language plpgsql stable as $function$
begin
  select row_to_json(one)::text, one.version into body, version
  from (select {columns} from {table} r where r.customer_id = $1 and r.id = $2 and {condition}) one;
end $function$"""


OTHERS = [
    """
create function api_get_stage_history(tenant text, opportunity text, out body text) language plpgsql stable as $function$
begin
  select '[' || coalesce(string_agg(row_to_json(one)::text, ',' order by one.valid_from, one.id), '') || ']' into body
  from (
    select r.id, r.field, r.old_value, r.new_value, r.valid_from, r.valid_to, r.recorded_at, r.event_id
    from opportunity_history r where r.customer_id = $1 and r.opportunity_id = $2
  ) one
  having exists (select from opportunities o where o.customer_id = $1 and o.id = $2 and o.deleted_at is null);
end $function$""",
    """
create function api_get_scores(tenant text, kind text, entity text, out body text) language plpgsql stable as $function$
begin
  select '[' || string_agg(row_to_json(one)::text, ',' order by one.score_type) || ']' into body
  from (
    select r.id, r.entity_type, r.entity_id, r.score_type, r.as_of, r.probability, r.probability_low, r.probability_high,
      r.logit, r.baseline_logit, r.points, r.rank, r.band, r.reasons, r.model_version_id, r.feature_hash, r.computed_at,
      m.display
    from scores r left join model_versions m on m.id = r.model_version_id
    where r.customer_id = $1 and r.entity_type = $2 and r.entity_id = $3 and r.is_current
  ) one;
end $function$""",
    """
create function api_get_briefing(tenant text, reader text, moment timestamptz, out body text, out etag text, out version int)
language plpgsql stable as $function$
begin
  if $3 is null then
    select b.document, b.etag, b.version into body, etag, version from briefings b
    where b.customer_id = $1 and b.user_id = $2 order by b.version desc limit 1;
  else
    select b.document, b.etag, b.version into body, etag, version from briefings b
    where b.customer_id = $1 and b.user_id = $2 and b.as_of <= $3 order by b.as_of desc, b.version desc limit 1;
  end if;
end $function$""",
    """
create function api_get_briefing_version(tenant text, reader text, out etag text, out version int)
language plpgsql stable as $function$
begin
  select b.etag, b.version into etag, version from briefings b
  where b.customer_id = $1 and b.user_id = $2 order by b.version desc limit 1;
end $function$""",
    """
create function api_get_user(
  tenant text, reader text, out email text, out name text, out role text, out token_version int, out disabled boolean, out customer text
) language plpgsql stable as $function$
begin
  select u.email, u.name, u.role, u.token_version, u.disabled_at is not null, c.name
  into email, name, role, token_version, disabled, customer
  from users u join customers c on c.id = u.customer_id
  where u.customer_id = $1 and u.id = $2;
end $function$""",
    """
create function api_get_key(
  tenant text, hash text, out key_id text, out scopes text[], out expires_at timestamptz, out revoked boolean,
  out last_used_at timestamptz, out user_id text, out email text, out role text, out disabled boolean
) language plpgsql stable as $function$
begin
  select k.id, k.scopes, k.expires_at, k.revoked_at is not null, k.last_used_at, u.id, u.email, u.role, u.disabled_at is not null
  into key_id, scopes, expires_at, revoked, last_used_at, user_id, email, role, disabled
  from api_keys k join users u on u.customer_id = k.customer_id and u.id = k.user_id
  where k.customer_id = $1 and k.secret_hash = $2;
end $function$""",
]


def upgrade() -> None:
    for name in LISTS:
        op.execute(list_function(name))
    for name, listed in ONE.items():
        op.execute(one_function(name, listed))
    for statement in OTHERS:
        op.execute(statement)
    _for_each_function("revoke all on function %s from public")
    _for_each_function(f"grant execute on function %s to {APP_ROLE}")


def _for_each_function(statement: str) -> None:
    op.execute(
        f"""do $$ begin execute (
          select string_agg(format('{statement}', p.oid::regprocedure), '; ') from pg_proc p
          where starts_with(p.proname, 'api_') and p.pronamespace = 'public'::regnamespace
        ); end $$"""
    )


def downgrade() -> None:
    _for_each_function("drop function %s")
