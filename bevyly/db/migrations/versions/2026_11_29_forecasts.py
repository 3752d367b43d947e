"""Forecasts of open deals: a series beside that of scores, by versions of a model in the same register."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, narrow_where, protect

revision = "2026_11_29_forecasts"
down_revision = "2026_11_29_offers"
branch_labels = None
depends_on = None

TABLE = [
    """
create table opportunity_forecasts (
    opportunity_id varchar(36) not null,
    as_of timestamp with time zone not null,
    win_probability double precision not null,
    basis varchar(50) not null,
    score_id varchar(36),
    dependence double precision not null,
    close_low date not null,
    close_median date not null,
    close_high date not null,
    close_days double precision[] not null,
    currency char(3),
    value_minor bigint,
    amount_low_minor bigint,
    amount_median_minor bigint,
    amount_high_minor bigint,
    amounts_minor bigint[],
    model_version_id varchar(36) not null,
    feature_hash varchar(64) not null,
    is_current boolean default 'true' not null,
    computed_at timestamp with time zone default now() not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_opportunity_forecasts primary key (customer_id, id),
    constraint ck_opportunity_forecasts_basis check (basis in ('score','history')),
    constraint ck_opportunity_forecasts_amounts check (num_nulls(amount_low_minor, amount_median_minor,
      amount_high_minor, amounts_minor) in (0, 4) and (amounts_minor is null or currency is not null)),
    constraint fk_opportunity_forecasts_opportunity_id foreign key(customer_id, opportunity_id)
      references opportunities (customer_id, id) on delete cascade,
    constraint fk_opportunity_forecasts_model_version_id foreign key(model_version_id) references model_versions (id),
    constraint fk_opportunity_forecasts_customer_id foreign key(customer_id) references customers (id)
)
    """,
    "comment on column opportunity_forecasts.basis is 'where the probability is from: the win score, or what became of "
    "deals at this stage and age'",
    "comment on column opportunity_forecasts.dependence is 'correlation of deals of the tenant, for intervals of sums'",
    "comment on column opportunity_forecasts.close_days is 'days after as_of at which each twentieth of the chance to be "
    "won is reached'",
    "comment on column opportunity_forecasts.value_minor is 'the amount as it was known'",
    "comment on column opportunity_forecasts.amounts_minor is 'twenty amounts of equal chance; null without an amount'",
    "create unique index uq_opportunity_forecasts_current on opportunity_forecasts (customer_id, opportunity_id) "
    "where is_current",
    "create index ix_opportunity_forecasts_series on opportunity_forecasts (customer_id, opportunity_id, as_of)",
]
GRANTS = [
    f"grant select, insert, update, delete on opportunity_forecasts to {PIPELINE_ROLE}",
    f"grant select on opportunity_forecasts to {APP_ROLE}",
]


def _score_types(names: str) -> list[str]:
    return [
        "alter table model_versions drop constraint ck_model_versions_score_type",
        f"alter table model_versions add constraint ck_model_versions_score_type check (score_type in ({names}))",
    ]


def upgrade() -> None:
    seen = narrow_where("opportunity_forecasts", "sees_record(customer_id, 'opportunity', opportunity_id)")
    known = _score_types("'fit','intent','conversion','win','forecast'")
    for statement in (*known, *TABLE, *protect("opportunity_forecasts"), *seen, *GRANTS):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table opportunity_forecasts")
    op.execute("delete from display_changes where score_type = 'forecast'")
    op.execute("delete from model_versions where score_type = 'forecast'")
    for statement in _score_types("'fit','intent','conversion','win'"):
        op.execute(statement)
