"""What was offered of what could have been, and how likely that was; the share of it that a tenant lets be tried."""

from alembic import op

from bevyly.db.rls import PIPELINE_ROLE, protect

revision = "2026_11_29_offers"
down_revision = "2026_11_29_model_lifecycle"
branch_labels = None
depends_on = None

TABLE = """
create table recommendation_offers (
    customer_id varchar(36) not null,
    entity_type varchar(50) not null,
    entity_id varchar(36) not null,
    cause varchar(50) not null,
    period date not null,
    action_type varchar(50),
    propensity double precision not null,
    options jsonb default '[]' not null,
    as_of timestamp with time zone not null,
    created_at timestamp with time zone default now() not null,
    constraint pk_recommendation_offers primary key (customer_id, entity_type, entity_id, cause, period),
    constraint ck_recommendation_offers_propensity check (propensity > 0 and propensity <= 1),
    constraint fk_recommendation_offers_customer_id foreign key(customer_id) references customers (id)
)"""
COMMENTS = [
    "comment on column recommendation_offers.action_type is 'null: held back to measure'",
    "comment on column recommendation_offers.options is 'what could have been offered, each with its propensity and worth'",
]


def _settings(exploration: str) -> str:
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
      coalesce(r.settings -> 'signals', '{{}}') as signal_thresholds,{exploration} r.pooling, r.version
    from customers r where r.id = $1 and r.id = $2
  ) one;
end $$"""


def upgrade() -> None:
    for statement in (TABLE, *COMMENTS, *protect("recommendation_offers")):
        op.execute(statement)
    op.execute(f"grant select, insert, update, delete on recommendation_offers to {PIPELINE_ROLE}")
    op.execute(
        _settings("""
      coalesce(r.settings -> 'exploration', '{"holdout": 0, "explored": 0}') as exploration,""")
    )


def downgrade() -> None:
    op.execute(_settings(""))
    op.execute("drop table recommendation_offers")
