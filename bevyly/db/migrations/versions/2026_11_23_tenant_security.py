"""Roles, row-level security and grants: the app sees one tenant, the pipeline works for all, neither owns a table."""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, create_roles, protect

revision = "2026_11_23_tenant_security"
down_revision = "2026_11_23_spine"
branch_labels = None
depends_on = None

APP_WRITES = [
    "users",
    "api_keys",
    "refresh_tokens",
    "idempotency_records",
    "accounts",
    "contacts",
    "opportunities",
    "opportunity_history",
    "leads",
    "activities",
    "activity_participants",
    "agent_configs",
    "agent_runs",
    "approval_items",
]
APP_APPENDS = ["audit", "outbox"]
APP_READS = ["scores", "signals", "patterns", "pattern_signals", "briefings", "enrichments"]
PIPELINE_ONLY = ["raw.events"]

# What a person's log-in needs before the tenant is known. Runs as the pipeline role, returns nothing but this.
FIND_LOGINS = f"""
create function find_logins(login_email text)
returns table (customer_id varchar, user_id varchar, password_hash varchar)
language sql stable security definer set search_path = public, pg_temp
as $$
  select u.customer_id, u.id, u.password_hash from public.users u
  where u.email = lower(login_email) and u.disabled_at is null and u.password_hash is not null
  order by u.created_at
$$;
alter function find_logins(text) owner to {PIPELINE_ROLE};
revoke all on function find_logins(text) from public;
grant execute on function find_logins(text) to {APP_ROLE};
"""


def upgrade() -> None:
    for statement in create_roles():
        op.execute(statement)
    for table in [*APP_WRITES, *APP_APPENDS, *APP_READS, *PIPELINE_ONLY, "recommendations"]:
        _execute(protect(table))
    _execute(protect("customers", tenant_column="id"))
    _execute(protect("model_versions", shared_rows=True))
    _grant_app()
    _grant_pipeline()
    op.execute(FIND_LOGINS)


def _grant_app() -> None:
    _execute(
        [
            f"grant usage on schema public to {APP_ROLE}",
            f"grant select, insert, update on customers to {APP_ROLE}",
            f"grant select, insert, update, delete on {', '.join(APP_WRITES)} to {APP_ROLE}",
            f"grant select, insert on audit to {APP_ROLE}",
            f"grant insert on outbox to {APP_ROLE}",
            f"grant select on {', '.join(APP_READS)}, model_versions to {APP_ROLE}",
            f"grant select, update on recommendations to {APP_ROLE}",
        ]
    )


def _grant_pipeline() -> None:
    _execute(
        [
            f"grant usage, create on schema public, raw to {PIPELINE_ROLE}",
            f"grant select, insert, update, delete on all tables in schema public, raw to {PIPELINE_ROLE}",
            f"grant usage on all sequences in schema public, raw to {PIPELINE_ROLE}",
            # dbt makes its own schemas, as the pipeline role
            f"do $$ begin execute format('grant create, temporary on database %I to {PIPELINE_ROLE}', "
            "current_database()); end $$",
        ]
    )


def _execute(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("security is not taken away again: restore a backup instead")
