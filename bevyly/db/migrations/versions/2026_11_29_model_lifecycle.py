"""Model versions with a life: what training allowed, judgements, monitors, changes of the display, readiness.

One statement puts a version in use, whoever asks: the pipeline for a challenger that passed, a person for any version.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_29_model_lifecycle"
down_revision = "2026_11_29_score_lineage"
branch_labels = None
depends_on = None

NAMES = ("model_monitors", "display_changes", "score_readiness")
VERSIONS = [
    "alter table model_versions add column trained_display varchar(50)",
    "update model_versions set trained_display = display",
    "alter table model_versions alter column trained_display set not null",
    "comment on column model_versions.trained_display is 'the most that its training allows'",
    "alter table model_versions add column judgement jsonb",
    "comment on column model_versions.judgement is 'the last look at it beside the one in use'",
    # there was nothing that kept two runs from leaving two in use: the newest stays
    """
update model_versions older set status = 'retired', status_reason = 'replaced'
from model_versions newer
where older.status = 'champion' and newer.status = 'champion' and older.score_type = newer.score_type
  and older.customer_id is not distinct from newer.customer_id
  and (older.created_at, older.id) < (newer.created_at, newer.id)
    """,
    "create unique index uq_model_versions_champion on model_versions (score_type, customer_id) nulls not distinct "
    "where status = 'champion'",
]
TABLES = [
    """
create table model_monitors (
    customer_id varchar(36) not null,
    model_version_id varchar(36) not null,
    monitor varchar(50) not null,
    alarm boolean not null,
    since timestamp with time zone not null,
    reason text not null,
    figures jsonb default '{}' not null,
    checked_at timestamp with time zone not null,
    constraint pk_model_monitors primary key (customer_id, model_version_id, monitor),
    constraint ck_model_monitors_monitor check (monitor in ('base_rate','features','calibration')),
    constraint fk_model_monitors_customer_id foreign key(customer_id) references customers (id),
    constraint fk_model_monitors_model_version_id foreign key(model_version_id) references model_versions (id)
)
    """,
    """
create table display_changes (
    score_type varchar(50) not null,
    model_version_id varchar(36) not null,
    from_display varchar(50),
    to_display varchar(50) not null,
    cause varchar(50) not null,
    actor_type varchar(50) not null,
    actor_id varchar(36),
    reason text not null,
    changed_at timestamp with time zone not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_display_changes primary key (customer_id, id),
    constraint ck_display_changes_cause check (cause in ('training','promotion','monitoring')),
    constraint fk_display_changes_model_version_id foreign key(model_version_id) references model_versions (id),
    constraint fk_display_changes_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "comment on column display_changes.actor_type is 'user, api_key or pipeline'",
    "create index ix_display_changes_list on display_changes (customer_id, changed_at desc, id desc)",
    """
create table score_readiness (
    customer_id varchar(36) not null,
    score_type varchar(50) not null,
    stage varchar(50) not null,
    have jsonb default '{}' not null,
    missing jsonb default '[]' not null,
    checked_at timestamp with time zone not null,
    constraint pk_score_readiness primary key (customer_id, score_type),
    constraint ck_score_readiness_stage check (stage in ('empty','prior','learning','ranking','ready')),
    constraint fk_score_readiness_customer_id foreign key(customer_id) references customers (id)
)
    """,
]
GRANTS = [
    f"grant select, insert, update, delete on {', '.join(NAMES)} to {PIPELINE_ROLE}",
    f"grant select on {', '.join(NAMES)} to {APP_ROLE}",
    f"grant insert on display_changes to {APP_ROLE}",
    f"grant update (status, status_reason) on model_versions to {APP_ROLE}",
]
# `tenant` null: the pooled version, which only the pipeline may change. A second promotion waits for the first, and then
# finds it done. What the score is shown as follows the version, and is written down where it changes.
PROMOTE = """
create function promote_model_version(
  tenant text, version text, reason text, cause text, actor_type text, actor_id text, change_id text, at timestamptz,
  out kind text, out previous text, out changed boolean)
language plpgsql as $function$
#variable_conflict use_column
declare
  wanted record;
  champion record;
begin
  select v.score_type, v.status, v.display into wanted from model_versions v
  where v.id = $2 and v.customer_id is not distinct from $1;
  if not found then
    return;
  end if;
  kind := wanted.score_type;
  perform pg_advisory_xact_lock(hashtextextended(coalesce($1, '') || ' ' || wanted.score_type, 7));
  select v.id, v.display into champion from model_versions v
  where v.status = 'champion' and v.score_type = wanted.score_type and v.customer_id is not distinct from $1;
  previous := champion.id;
  changed := previous is distinct from $2;
  if not changed then
    return;
  end if;
  update model_versions v set status = 'retired', status_reason = 'replaced by ' || $2 || ': ' || $3 where v.id = previous;
  update model_versions v set status = 'champion', status_reason = $3 where v.id = $2;
  if $1 is not null and champion.display is distinct from wanted.display then
    insert into display_changes (customer_id, id, score_type, model_version_id, from_display, to_display, cause,
      actor_type, actor_id, reason, changed_at)
    values ($1, $7, wanted.score_type, $2, champion.display, wanted.display, $4, $5, $6, $3, $8);
  end if;
end $function$"""

# of a pooled version nobody sees how much others had, or how they did
_VERSION = """
    r.id, r.score_type, r.customer_id is null as pooled, r.status, r.display, r.trained_display,
    case when r.customer_id is not null then r.status_reason end as status_reason,
    case when r.customer_id is not null then r.trained_from end as trained_from,
    case when r.customer_id is not null then r.trained_to end as trained_to,
    case when r.customer_id is not null then r.n_rows end as n_rows,
    case when r.customer_id is not null then r.n_outcomes end as n_outcomes,
    case when r.customer_id is not null then r.metrics end as metrics,
    case when r.customer_id is not null then r.judgement end as judgement,
    r.artefact_sha256, r.created_at"""
_MONITORS = """
    coalesce((
      select json_agg(json_build_object('monitor', o.monitor, 'alarm', o.alarm, 'since', o.since, 'reason', o.reason,
        'figures', o.figures, 'checked_at', o.checked_at) order by o.monitor)
      from model_monitors o where o.customer_id = $1 and o.model_version_id = r.id), '[]') as monitors"""
_CHANGE = """
    r.id, r.score_type, r.model_version_id, r.from_display, r.to_display, r.cause, r.actor_type, r.actor_id, r.reason,
    r.changed_at"""


def listing(name: str, rows: str, at: str, filters: tuple[str, ...]) -> str:
    """A page of `rows` (a select … where …), newest by `at` first, narrowed by equality."""
    arguments = "".join(f", {one} text" for one in filters)
    narrowed = "".join(f" and (${n} is null or r.{one} = ${n})" for n, one in enumerate(filters, 5))
    return f"""
create function {name}(
  tenant text, before timestamptz, before_id text, row_limit int{arguments},
  out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $function$
#variable_conflict use_column
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select array_agg(row_to_json(page)::text), array_agg(page.{at}), array_agg(page.id) into documents, times, ids
  from (
    {rows} and (r.{at}, r.id) < ($2, $3){narrowed}
    order by r.{at} desc, r.id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  end if;
end $function$"""


FUNCTIONS = [
    listing(
        "api_list_models",
        f"select {_VERSION} from model_versions r where (r.customer_id = $1 or r.customer_id is null)",
        "created_at",
        ("score_type", "status"),
    ),
    listing(
        "api_list_display_changes",
        f"select {_CHANGE} from display_changes r where r.customer_id = $1",
        "changed_at",
        ("score_type",),
    ),
    f"""
create function api_get_model(tenant text, row_id text, out body text, out version int)
language plpgsql stable as $function$
begin
  select row_to_json(one)::text, hashtext(row_to_json(one)::text) into body, version
  from (
    select {_VERSION}, r.card, {_MONITORS} from model_versions r
    where r.id = $2 and (r.customer_id = $1 or r.customer_id is null)
  ) one;
end $function$""",
    f"""
create function api_get_monitoring(tenant text, out body text) language plpgsql stable as $function$
begin
  select '[' || coalesce(string_agg(row_to_json(one)::text, ',' order by one.score_type), '') || ']' into body
  from (
    select distinct on (r.score_type) r.score_type, r.id as model_version_id, r.customer_id is null as pooled, r.display,
      r.trained_display, r.created_at, {_MONITORS}
    from model_versions r where r.status = 'champion' and (r.customer_id = $1 or r.customer_id is null)
    order by r.score_type, r.customer_id nulls last
  ) one;
end $function$""",
    """
create function api_get_readiness(tenant text, out body text) language plpgsql stable as $function$
begin
  select '[' || coalesce(string_agg(row_to_json(one)::text, ',' order by one.score_type), '') || ']' into body
  from (
    select r.score_type, r.stage, r.have, r.missing, r.checked_at from score_readiness r where r.customer_id = $1
  ) one;
end $function$""",
]
SIGNATURES = (
    "promote_model_version(text, text, text, text, text, text, text, timestamptz)",
    "api_list_models(text, timestamptz, text, int, text, text)",
    "api_get_model(text, text)",
    "api_get_monitoring(text)",
    "api_get_readiness(text)",
    "api_list_display_changes(text, timestamptz, text, int, text)",
)


def upgrade() -> None:
    protections = [one for name in NAMES for one in protect(name)]
    for statement in (*VERSIONS, *TABLES, *protections, *GRANTS, PROMOTE, *FUNCTIONS):
        op.execute(statement)
    for function in SIGNATURES:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")
    op.execute(f"grant execute on function {SIGNATURES[0]} to {PIPELINE_ROLE}")


def downgrade() -> None:
    for function in SIGNATURES:
        op.execute(f"drop function {function}")
    op.execute(f"revoke update (status, status_reason) on model_versions from {APP_ROLE}")
    for name in reversed(NAMES):
        op.execute(f"drop table {name}")
    op.execute("drop index uq_model_versions_champion")
    for column in ("judgement", "artefact_sha256", "trained_display"):
        op.execute(f"alter table model_versions drop column {column}")
