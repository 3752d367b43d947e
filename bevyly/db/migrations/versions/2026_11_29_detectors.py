"""The scoreboard of detectors: figures and learned lines by the pipeline, a person's word about one by the API."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_29_detectors"
down_revision = "2026_11_29_briefing_seen"
branch_labels = None
depends_on = None

NAMES = ("detector_standings", "detector_overrides", "detector_lines")
TABLES = [
    """
create table detector_standings (
    customer_id varchar(36) not null,
    signal_type varchar(50) not null,
    n integer not null,
    hits integer not null,
    votes double precision not null,
    votes_right double precision not null,
    expected double precision not null,
    precision double precision,
    precision_low double precision,
    precision_high double precision,
    lift double precision,
    lift_low double precision,
    lift_high double precision,
    odds double precision not null,
    odds_high double precision not null,
    lead_days double precision,
    lead_days_low double precision,
    lead_days_high double precision,
    answered integer not null,
    wrong integer not null,
    not_useful integer not null,
    weight double precision not null,
    muted boolean not null,
    reason text,
    since timestamp with time zone not null,
    computed_at timestamp with time zone not null,
    constraint pk_detector_standings primary key (customer_id, signal_type),
    constraint fk_detector_standings_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "comment on column detector_standings.odds is 'times those of records that were alike'",
    "comment on column detector_standings.answered is 'answers of people to recommendations that stood on it'",
    "comment on column detector_standings.weight is 'how loud it is: 1 where nothing is known'",
    "comment on column detector_standings.muted is "
    "'by the rule; a person''s word goes before: see the view muted_detectors'",
    """
create table detector_overrides (
    customer_id varchar(36) not null,
    signal_type varchar(50) not null,
    muted boolean not null,
    reason text,
    set_by varchar(36) not null,
    set_at timestamp with time zone not null,
    constraint pk_detector_overrides primary key (customer_id, signal_type),
    constraint fk_detector_overrides_set_by foreign key(customer_id, set_by) references users (customer_id, id),
    constraint fk_detector_overrides_customer_id foreign key(customer_id) references customers (id)
)
    """,
    """
create table detector_lines (
    customer_id varchar(36) not null,
    name varchar(50) not null,
    stage varchar(50) not null,
    value double precision not null,
    n integer not null,
    gain double precision not null,
    learned_at timestamp with time zone not null,
    constraint pk_detector_lines primary key (customer_id, name, stage),
    constraint fk_detector_lines_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "comment on column detector_lines.gain is 'over the default, in standard deviations of chance'",
]
# Row security is that of the one who asks.
VIEW = """
create view muted_detectors with (security_invoker = true) as
select customer_id, signal_type
from detector_standings s
full join detector_overrides o using (customer_id, signal_type)
where coalesce(o.muted, s.muted)
"""
GRANTS = [
    f"grant select, insert, update, delete on {', '.join(NAMES)} to {PIPELINE_ROLE}",
    f"grant select, insert, update, delete on detector_overrides to {APP_ROLE}",
    f"grant select on muted_detectors to {PIPELINE_ROLE}",
    f"grant select on detector_standings, detector_lines, muted_detectors to {APP_ROLE}",
]
GET = """
create function api_get_detectors(tenant text, out body text) language plpgsql stable as $function$
begin
  select json_build_object(
    'standings', coalesce((
      select json_object_agg(s.signal_type, row_to_json(s)) from detector_standings s where s.customer_id = $1), '{}'),
    'overrides', coalesce((
      select json_object_agg(o.signal_type, json_build_object(
        'muted', o.muted, 'reason', o.reason, 'set_by', o.set_by, 'set_at', o.set_at))
      from detector_overrides o where o.customer_id = $1), '{}'),
    'lines', coalesce((
      select json_agg(json_build_object('name', l.name, 'stage', l.stage, 'value', l.value, 'n', l.n,
        'learned_at', l.learned_at) order by l.name, l.stage)
      from detector_lines l where l.customer_id = $1), '[]'),
    'settings', coalesce((select c.settings -> 'signals' from customers c where c.id = $1), '{}')
  )::text into body;
end $function$"""

SHOWN = "r.close_reason"
SHOWN_NOW = """r.close_reason, (exists (
    select from muted_detectors m where m.customer_id = r.customer_id and m.signal_type = r.signal_type
  )) as muted"""


def _replace(old: str, new: str) -> None:
    """Have the list of signals answer one column more, or less."""
    op.execute(
        f"""do $do$ begin execute (
          select replace(pg_get_functiondef(p.oid), $o${old}$o$, $o${new}$o$) from pg_proc p
          where p.proname = 'api_list_signals' and p.pronamespace = 'public'::regnamespace
        ); end $do$"""
    )


def upgrade() -> None:
    protections = [one for name in NAMES for one in protect(name)]
    for statement in (*TABLES, *protections, VIEW, *GRANTS, GET):
        op.execute(statement)
    _replace(SHOWN, SHOWN_NOW)
    op.execute("revoke all on function api_get_detectors(text) from public")
    op.execute(f"grant execute on function api_get_detectors(text) to {APP_ROLE}")


def downgrade() -> None:
    _replace(SHOWN_NOW, SHOWN)
    op.execute("drop function api_get_detectors(text)")
    op.execute("drop view muted_detectors")
    for name in reversed(NAMES):
        op.execute(f"drop table {name}")
