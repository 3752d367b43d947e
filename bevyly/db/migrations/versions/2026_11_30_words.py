"""What people's answers make of a recommendation's worth; sentences that a model wrote, and whether a tenant wants them."""

import sqlalchemy as sa
from alembic import op

from bevyly.db.rls import PIPELINE_ROLE, protect

revision = "2026_11_30_words"
down_revision = "2026_11_30_due_scores"
branch_labels = None
depends_on = None

USEFULNESS: sa.Column[float] = sa.Column(
    "usefulness", sa.REAL(), comment="what people's answers multiply the worth by; null where nobody has answered"
)
SHOWN = ("r.urgency,", "r.urgency, r.usefulness,")
TABLE = """
create table wordings (
    customer_id varchar(36) not null,
    facts varchar(64) not null,
    model varchar(100) not null,
    prompt varchar(20) not null,
    entity_type varchar(50) not null,
    entity_id varchar(36) not null,
    status varchar(50) not null,
    text text,
    reason varchar(300),
    asked_at timestamp with time zone not null,
    constraint pk_wordings primary key (customer_id, facts, model, prompt),
    constraint ck_wordings_status check (status in ('asked','used','refused')),
    constraint ck_wordings_text check ((status = 'used') = (text is not null)),
    constraint fk_wordings_customer_id foreign key(customer_id) references customers (id)
)"""
COMMENTS = [
    "comment on column wordings.facts is 'SHA-256 of all that the model was told'",
    "comment on column wordings.prompt is 'version of what it was asked to do'",
    "comment on column wordings.reason is 'why its answer is not used'",
]
INDEX = "create index ix_wordings_asked_at on wordings (customer_id, asked_at)"


def _reads_of_recommendations(old: str, new: str) -> None:
    op.execute(
        f"""do $do$ begin execute (
          select string_agg(replace(pg_get_functiondef(p.oid), '{old}', '{new}'), ';') from pg_proc p
          where p.proname in ('api_get_recommendation', 'api_list_recommendations')
            and p.pronamespace = 'public'::regnamespace
        ); end $do$"""
    )


def _settings(more: str) -> str:
    return f"""
create or replace function api_get_settings(tenant text, row_id text, out body text, out version int)
language plpgsql stable as $$
begin
  select row_to_json(one)::text, one.version into body, version
  from (
    select r.name, r.domain, r.currency, r.timezone, r.settings -> 'working_hours' as working_hours,
      coalesce((r.settings ->> 'fiscal_year_start_month')::int, 1) as fiscal_year_start_month, r.record_visibility,
      coalesce((r.settings ->> 'strict_custom_fields')::boolean, false) as strict_custom_fields,
      (r.settings ->> 'attention_budget')::int as attention_budget,
      coalesce(r.settings -> 'signals', '{{}}') as signal_thresholds,
      coalesce(r.settings -> 'exploration', '{{"holdout": 0, "explored": 0}}') as exploration,{more}
      r.pooling, r.version
    from customers r where r.id = $1 and r.id = $2
  ) one;
end $$"""


def upgrade() -> None:
    op.add_column("recommendations", USEFULNESS)
    _reads_of_recommendations(*SHOWN)
    for statement in (TABLE, *COMMENTS, INDEX, *protect("wordings")):
        op.execute(statement)
    op.execute(f"grant select, insert, update, delete on wordings to {PIPELINE_ROLE}")
    op.execute(_settings(" coalesce((r.settings ->> 'model_wording')::boolean, false) as model_wording,"))


def downgrade() -> None:
    op.execute(_settings(""))
    op.execute("drop table wordings")
    _reads_of_recommendations(*reversed(SHOWN))
    op.drop_column("recommendations", "usefulness")
