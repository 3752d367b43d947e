"""Row-level security as statements: the two roles, and the policies that every table of a tenant gets.

Migrations and the test that walks the catalogue use these; dbt has the same statements as a macro, because it
replaces its tables. A table with `customer_id` and without these policies fails the tests.
"""

APP_ROLE = "bevyly_app"
PIPELINE_ROLE = "bevyly_pipeline"
TENANT_SETTING = "bevyly.customer_id"
CURRENT_TENANT = f"nullif(current_setting('{TENANT_SETTING}', true), '')"


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
