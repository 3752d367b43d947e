"""A tenant with a canary wherever somebody can be, and the search for it in everything that is stored."""

import json

import psycopg

from bevyly.privacy.catalogue import STORES
from tests.integration.api.conftest import Api, Tenant
from tests.integration.api.seeds import seed
from tests.integration.api.test_tenancy import TENANT_TABLES

CANARY = "Canary.Bird+1@Nest.Example"
NAME = "Tweety O'Bird"
COLUMNS = """
select n.nspname || '.' || c.relname, a.attname, t.typname, n.nspname = 'public' and c.relname = 'customers'
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_type t on true
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.atttypid = t.oid
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema')
  and t.typname in ('text', 'varchar', 'bpchar', 'json', 'jsonb', 'bytea', '_text', '_varchar')
"""


def hits(api: Api, tenant: Tenant, text: str = CANARY) -> dict[str, int]:
    """Rows of a tenant that say `text`, in any column of any table of any schema, in any case."""
    found: dict[str, int] = {}
    with psycopg.connect(api.database.owner_url, autocommit=True) as connection:
        tenants = {row[0] for row in connection.execute(TENANT_TABLES.encode()).fetchall()}
        for table, column, kind, is_customers in connection.execute(COLUMNS.encode()).fetchall():
            shown_as = f"encode({column}, 'escape')" if kind == "bytea" else f"{column}::text"
            key = "id" if is_customers else "customer_id" if table in tenants else "''"
            statement = f"select count(*) from {table} where {key} in (%s, '') and strpos(lower({shown_as}), %s) > 0"
            row = connection.execute(statement.encode(), (tenant.customer_id, text.lower())).fetchone()
            if row and row[0]:
                found[f"{table}.{column}"] = row[0]
    return found


def place(api: Api, tenant: Tenant) -> dict[str, str]:
    """A row in every table, and the canary in every column where somebody can be."""
    ids = seed(api.database.pipeline_url, tenant.customer_id, tenant.users["owner"])
    said = json.dumps({"note": f"line\n{CANARY.upper()}, {NAME}."})
    values = {"text": f"\tsee {CANARY}", "varchar": CANARY, "jsonb": said, "bytea": said.encode(), "_text": [CANARY]}
    types = {(table.removeprefix("public."), name): kind for table, name, kind, _ in api.sql(COLUMNS)}
    with psycopg.connect(api.database.owner_url) as connection:
        for store in STORES:
            for column in (*store.texts, *store.named):
                if store.table not in ("contacts", "leads", "users") or column not in store.named:
                    value = values[types[store.table, column]]
                    if (store.table, column) == ("mails", "recipient") or column in store.named:
                        value = CANARY.lower()
                    statement = f"update {store.table} set {column} = %s where customer_id = %s"
                    # what a log says is changed past its trigger
                    role = "replica" if store.table == "decision_details" else "origin"
                    connection.execute(f"set local session_replication_role = {role}".encode())
                    connection.execute(statement.encode(), (value, tenant.customer_id))
        connection.execute("set local session_replication_role = origin")
        connection.execute(
            "update contacts set email = %s, first_name = 'Tweety', last_name = %s where customer_id = %s",
            (CANARY, NAME.partition(" ")[2], tenant.customer_id),
        )
        connection.execute(
            "insert into event_journal "
            "(published_at, position, customer_id, event_id, topic, key, envelope, created_at) "
            "values (now(), %s, %s, %s, 'bevyly.domain', 'k', %s, now())",
            (len(ids) + int(tenant.customer_id[-8:], 16), tenant.customer_id, ids["lead_id"], said),
        )
        connection.execute(
            'insert into raw.dead_letters (id, consumer, topic, partition, "offset", customer_id, code, reason, tries, '
            "payload, headers) values (%s, 'raw', 't', 0, %s, %s, 'x', 'x', 1, %s, '[]')",
            (ids["lead_id"], int(tenant.customer_id[-8:], 16), tenant.customer_id, b"\xff\x00" + said.encode()),
        )
        connection.execute(
            "update leads set contact_id = %s, converted_at = now(), status = 'converted' where customer_id = %s",
            (ids["contact_id"], tenant.customer_id),
        )
        connection.execute(
            "update opportunities set contact_id = %s, lead_id = %s where customer_id = %s",
            (ids["contact_id"], ids["lead_id"], tenant.customer_id),
        )
        connection.execute(
            "insert into audit (customer_id, id, actor_type, action, entity_type, entity_id, before, after) "
            "values (%s, %s, 'user', 'contact.updated', 'contact', %s, %s, %s)",
            (
                tenant.customer_id,
                ids["account_id"],
                ids["contact_id"],
                json.dumps({"email": "x"}),
                json.dumps({"email": CANARY}),
            ),
        )
    return ids
