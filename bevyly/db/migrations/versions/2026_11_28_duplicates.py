"""Duplicates: keys that the database derives from names, domains, mailboxes and phones, and what the API asks of them.

Keys are stored columns, not expressions of an index: under row-level security an expression of ours may not be evaluated
before the tenant is known, so its index would not be used; equality of a column may.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_duplicates"
down_revision = "2026_11_28_merges"
branch_labels = None
depends_on = None

LEGAL_FORMS = (
    "gmbh|mbh|ggmbh|ug|haftungsbeschrankt|ag|kg|kgaa|ohg|gbr|ek|eg|ev|se|inc|incorporated|llc|llp|lp|ltd|limited|corp|"
    "corporation|co|company|plc|sa|sas|sarl|srl|spa|bv|nv|ab|as|asa|oy|oyj|aps|pty|pte|kk|sl|sro|doo|zoo|and"
)
SECOND_LEVEL = "co|com|org|net|ac|gov|edu|gob|gouv|or|ne|go"

# Each is immutable and strict: a value always has one key, and nothing has none.
FUNCTIONS = [
    r"""
create function match_text(value text) returns text language sql immutable strict parallel safe as $$
  select nullif(btrim(regexp_replace(
    replace(replace(replace(
      translate(
        replace(replace(replace(replace(
          regexp_replace(normalize(lower(value), nfkd), '[\u0300-\u036f]', '', 'g'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), '&', ' and '),
        'øłđ.''’`', 'old'),
      'ae', 'a'), 'oe', 'o'), 'ue', 'u'),
    '[[:punct:][:space:]]+', ' ', 'g')), '')
$$""",
    f"""
create function match_name(value text) returns text language sql immutable strict parallel safe as $$
  select coalesce(
    nullif(btrim(regexp_replace(regexp_replace(match_text(value), '^the ', ''), '( ({LEGAL_FORMS}))+$', '')), ''), match_text(value)
  )
$$""",
    """
create function match_person(one text, other text) returns text language sql immutable parallel safe as $$
  select match_text(nullif(btrim(coalesce(one, '') || ' ' || coalesce(other, '')), ''))
$$""",
    f"""
create function match_domain(value text) returns text language sql immutable strict parallel safe as $$
  select nullif(coalesce(
    substring(lower(value) from '([^.]+[.]({SECOND_LEVEL})[.][a-z]{{2}})$'), substring(lower(value) from '([^.]+[.][^.]+)$'), lower(value)
  ), '')
$$""",
    """
create function match_email(value text) returns text language sql immutable strict parallel safe as $$
  select nullif(lower(btrim(value)), '')
$$""",
    r"""
create function match_phone(value text) returns text language sql immutable strict parallel safe as $$
  select case when length(digits) >= 7 then right(digits, 9) end
  from (
    select ltrim(regexp_replace(regexp_replace(split_part(lower(value), 'x', 1), '\(0\)', '', 'g'), '[^0-9]', '', 'g'), '0') as digits
  ) as given
$$""",
    r"""
create function match_block(value text) returns text language sql immutable strict parallel safe as $$
  select left(coalesce(nullif(regexp_replace(
    translate(replace(replace(replace(split_part(value, ' ', 1), 'ph', 'f'), 'ck', 'k'), 'dt', 't'), 'czvaeiouyhw', 'ksf'),
    '(.)\1+', '\1', 'g'), ''), value), 4)
$$""",
]
COLUMNS = {
    "accounts": {
        "name": "match_name(name)",
        "domain": "match_domain(domain)",
        "block": "match_block(match_name(name))",
    },
    "contacts": {
        "name": "match_person(first_name, last_name)",
        "email": "match_email(email)",
        "phone": "match_phone(phone)",
        "block": "match_block(match_person(last_name, first_name))",
    },
    "leads": {
        "name": "match_person(contact_name, match_name(company_name))",
        "email": "match_email(contact_email)",
        "phone": "match_phone(phone)",
        "block": "match_block(coalesce(match_name(company_name), match_person(contact_name, null)))",
    },
}
TABLES = [
    """
create table duplicate_dismissals (
    customer_id varchar(36) not null,
    kind varchar(50) not null,
    first_id varchar(36) not null,
    second_id varchar(36) not null,
    dismissed_by varchar(36) not null,
    created_at timestamp with time zone default now() not null,
    constraint pk_duplicate_dismissals primary key (customer_id, kind, first_id, second_id),
    constraint ck_duplicate_dismissals_kind check (kind in ('account','contact','lead')),
    constraint ck_duplicate_dismissals_order check (first_id < second_id),
    constraint fk_duplicate_dismissals_customer_id foreign key(customer_id) references customers (id)
)
    """,
]
GRANTS = [
    f"grant select, insert on duplicate_dismissals to {APP_ROLE}",
    f"grant select, insert, update, delete on duplicate_dismissals to {PIPELINE_ROLE}",
]

# kind: table, what scores read of a row, which keys make a candidate, which rows are looked at
KINDS = {
    "account": (
        "accounts",
        "'title', {0}.name, 'name', {0}.match_name, 'domain', {0}.match_domain, 'city', match_text({0}.city)",
        ("domain", "name", "block"),
        "",
    ),
    "contact": (
        "contacts",
        "'title', coalesce(nullif(btrim(concat_ws(' ', {0}.first_name, {0}.last_name)), ''), {0}.email), 'name', {0}.match_name, "
        "'email', {0}.match_email, 'phone', {0}.match_phone, 'account', {0}.account_id",
        ("email", "phone", "name", "block"),
        "",
    ),
    "lead": (
        "leads",
        "'title', coalesce({0}.company_name, {0}.contact_name, {0}.contact_email), 'name', {0}.match_name, "
        "'email', {0}.match_email, 'phone', {0}.match_phone, 'person', {0}.contact_name is not null and {0}.company_name is not null",
        ("email", "phone", "name", "block"),
        " and {0}.status <> 'converted'",
    ),
}
MOST_CANDIDATES = 50
MOST_LOOKED_AT = 100


def _candidates(kind: str, before: str = "") -> str:
    """The rows that share a key with `r`, the strongest key first, as one JSON list."""
    table, shown, keys, only = KINDS[kind]
    shared = " or ".join(f"o.match_{key} = r.match_{key}" for key in keys)
    order = ", ".join(f"(o.match_{key} = r.match_{key}) desc nulls last" for key in keys[:-1])
    return f"""
    select coalesce(json_agg(c.shown), '[]') as found from (
      select json_build_object('id', o.id, {shown.format("o")}) as shown
      from {table} o
      where o.customer_id = $1 and o.id <> r.id and o.deleted_at is null{only.format("o")} and ({shared}){before}
        and not exists (
          select from duplicate_dismissals d where d.customer_id = $1 and d.kind = '{kind}'
            and d.first_id = least(o.id, r.id) and d.second_id = greatest(o.id, r.id)
        )
      order by {order}, o.created_at desc, o.id desc limit {MOST_CANDIDATES}
    ) c"""


def find_function(kind: str) -> str:
    """`api_find_duplicates_<kind>(tenant, id)`: the record and what shares a key with it."""
    table, shown, _, only = KINDS[kind]
    return f"""
create function api_find_duplicates_{kind}(tenant text, row_id text, out body text) language plpgsql stable as $$
begin
  select json_build_object('record', json_build_object('id', r.id, {shown.format("r")}), 'candidates', c.found)::text into body
  from {table} r, lateral ({_candidates(kind)}) c
  where r.customer_id = $1 and r.id = $2 and r.deleted_at is null{only.format("r")};
end $$"""


def list_function(kind: str) -> str:
    """`api_list_duplicates_<kind>(tenant, before, before id, limit)`: records with what came before and shares a key.

    A call looks at a bounded number of records, so that a tenant without duplicates costs no more than one with many.
    """
    table, shown, _, only = KINDS[kind]
    older = " and (o.created_at, o.id) < (r.created_at, r.id)"
    looked_at = f"""from {table} r
    where r.customer_id = $1 and (r.created_at, r.id) < ($2, $3) and r.deleted_at is null{only.format("r")}
    order by r.created_at desc, r.id desc"""
    return f"""
create function api_list_duplicates_{kind}(
  tenant text, before timestamptz, before_id text, row_limit int, out body text, out next_at timestamptz, out next_id text
) language plpgsql stable as $$
declare
  documents text[];
  times timestamptz[];
  ids text[];
begin
  select
    array_agg(json_build_object('record', page.shown, 'candidates', page.found)::text), array_agg(page.created_at), array_agg(page.id)
  into documents, times, ids
  from (
    select r.id, r.created_at, json_build_object('id', r.id, {shown.format("r")}) as shown, c.found
    from (select r.* {looked_at} limit {MOST_LOOKED_AT}) r, lateral ({_candidates(kind, older)}) c
    where c.found::text <> '[]'
    order by r.created_at desc, r.id desc limit $4 + 1
  ) page;
  body := coalesce(array_to_string(documents[1:$4], ','), '');
  if array_length(ids, 1) > $4 then
    next_at := times[$4];
    next_id := ids[$4];
  else
    select r.created_at, r.id into next_at, next_id {looked_at} offset {MOST_LOOKED_AT - 1} limit 1;
  end if;
end $$"""


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute(function)
    for table, columns in COLUMNS.items():
        added = ", ".join(f"add match_{key} text generated always as ({how}) stored" for key, how in columns.items())
        op.execute(f"alter table {table} {added}")
        for key in columns:
            name = f"match_{key}"
            op.execute(f"create index ix_{table}_{name} on {table} (customer_id, {name}) where {name} is not null")
    for statement in (*TABLES, *protect("duplicate_dismissals"), *GRANTS):
        op.execute(statement)
    for kind in KINDS:
        op.execute(find_function(kind))
        op.execute(list_function(kind))
        for signature in (
            f"find_duplicates_{kind}(text, text)",
            f"list_duplicates_{kind}(text, timestamptz, text, int)",
        ):
            op.execute(f"revoke all on function api_{signature} from public")
            op.execute(f"grant execute on function api_{signature} to {APP_ROLE}")


def downgrade() -> None:
    for kind in KINDS:
        op.execute(f"drop function api_list_duplicates_{kind}")
        op.execute(f"drop function api_find_duplicates_{kind}")
    op.execute("drop table duplicate_dismissals")
    for table, columns in COLUMNS.items():
        for key in columns:
            op.execute(f"alter table {table} drop column match_{key}")
    for name in (
        "match_block",
        "match_phone",
        "match_email",
        "match_domain",
        "match_person",
        "match_name",
        "match_text",
    ):
        op.execute(f"drop function {name}")
