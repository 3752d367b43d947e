"""Row-level security as statements: the two roles, and the policies that every table of a tenant gets.

Migrations and the test that walks the catalogue use these; dbt has the same statements as a macro, because it
replaces its tables. A table with `customer_id` and without these policies fails the tests.
"""

APP_ROLE = "bevyly_app"
PIPELINE_ROLE = "bevyly_pipeline"
TENANT_SETTING = "bevyly.customer_id"
OWNERS_SETTING = "bevyly.visible_owners"
CURRENT_TENANT = f"nullif(current_setting('{TENANT_SETTING}', true), '')"

VISIBLE_OWNERS = f"(select string_to_array(nullif(current_setting('{OWNERS_SETTING}', true), ''), ','))::text[]"
"""The owners whose records the transaction sees, or null for all: asked once a statement, not once a row."""


def create_roles() -> list[str]:
    """Statements that create both roles where they are missing and let the current login act as them."""
    return [
        statement
        for role in (APP_ROLE, PIPELINE_ROLE)
        for statement in (
            f"""
            do $$ begin
              create role {role} nologin nobypassrls;
            exception when duplicate_object or unique_violation then null;
            end $$
            """,
            f"""
            do $$ begin
              if not pg_has_role(current_user, '{role}', 'member') then
                execute format('grant {role} to %I', current_user);
              end if;
            end $$
            """,
        )
    ]


def protect(table: str, *, tenant_column: str = "customer_id", shared_rows: bool = False) -> list[str]:
    """Statements that force row-level security on `table`.

    The app sees and writes the current tenant's rows; the pipeline works for all tenants. With `shared_rows` the app
    may also read rows that belong to no tenant (pooled models).
    """
    own = f"{tenant_column} = {CURRENT_TENANT}"
    visible = f"({own} or {tenant_column} is null)" if shared_rows else own
    return [
        f"alter table {table} enable row level security",
        f"alter table {table} force row level security",
        f"create policy tenant on {table} to {APP_ROLE} using ({visible}) with check ({own})",
        f"create policy pipeline on {table} to {PIPELINE_ROLE} using (true) with check (true)",
    ]


def narrow(table: str, *, seen: str | None = None) -> list[str]:
    """Statements that show the app only rows of `table` whose owner it may see, where the transaction is narrowed.

    `seen` is another reason to see a row. A row that would be out of sight cannot be written either.
    """
    owned = f"coalesce(owner_id, '-') = any({VISIBLE_OWNERS})"
    return narrow_where(table, owned if seen is None else f"{owned} or {seen}")


def only_reader(column: str) -> str:
    """A condition for `narrow_where`: `column` is the user who asks, who is the first of the visible owners."""
    return f"{column} = ({VISIBLE_OWNERS})[1]"


def narrow_where(table: str, seen: str) -> list[str]:
    """Statements that show the app only rows of `table` for which `seen` holds, where the transaction is narrowed.

    Written as a test for null, of which the planner expects that nearly every row passes: plans stay what they are
    for everybody who sees everything.
    """
    condition = f"(case when {VISIBLE_OWNERS} is null then true when {seen} then true end) is not null"
    return [f"create policy narrowed on {table} as restrictive to {APP_ROLE} using ({condition})"]
