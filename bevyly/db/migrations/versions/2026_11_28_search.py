"""Search across kinds: one entry for each record that is there, kept by triggers, found by trigrams without extensions.

Trigrams are padded as `pg_trgm` does and hashed together with the tenant, so that each posting list of the index is one
tenant's. `@>` is not leakproof: under row-level security it could not use its index. So candidates are found by a function
of the pipeline role, which returns ids of the current tenant alone, and shown through the policies of the app.
"""

from alembic import op

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_28_search"
down_revision = "2026_11_25_raw_copy"
branch_labels = None
depends_on = None

TABLE = [
    """
create table search_entries (
    kind varchar(50) not null,
    title text not null,
    subtitle text,
    fields jsonb default '{}' not null,
    words text not null,
    grams integer[] not null,
    customer_id varchar(36) not null,
    id varchar(36) not null,
    constraint pk_search_entries primary key (customer_id, id, kind),
    constraint fk_search_entries_customer_id foreign key(customer_id) references customers (id)
)
    """,
    # a search reads what is pending entry by entry: little of it
    "create index ix_search_entries_grams on search_entries using gin (grams) with (gin_pending_list_limit = 256)",
    "comment on column search_entries.fields is 'what can be found, by the names of the API''s fields'",
    "comment on column search_entries.words is 'folded, with bars around each field'",
    f"grant select, insert, update, delete on search_entries to {APP_ROLE}, {PIPELINE_ROLE}",
]

# kind: table, title, subtitle, columns that are searched; an activity without a subject is not found
SEARCHED = {
    "account": ("accounts", "r.name", "r.domain", ("name", "domain")),
    "contact": (
        "contacts",
        "coalesce(nullif(concat_ws(' ', r.first_name, r.last_name), ''), r.email, r.phone, '')",
        "concat_ws(' · ', r.title, r.email)",
        ("first_name", "last_name", "email", "phone"),
    ),
    "opportunity": ("opportunities", "r.name", "r.stage", ("name",)),
    "lead": (
        "leads",
        "coalesce(r.company_name, r.contact_name, r.contact_email, r.phone, '')",
        "concat_ws(' · ', case when r.company_name is not null then r.contact_name end, r.contact_email)",
        ("company_name", "contact_name", "contact_email", "phone"),
    ),
    "activity": ("activities", "coalesce(r.subject, '')", "r.kind", ("subject",)),
}
_SHOWN_TOO = {"contact": ("title",), "opportunity": ("stage",), "activity": ("kind",)}

FUNCTIONS = [
    # Lower case, without accents; words of anything but ASCII punctuation and spaces, with one space between two.
    r"""
create function search_fold(value text) returns text language sql immutable parallel safe as $$
  select trim(regexp_replace(
    case when octet_length(value) = length(value) then lower(value)
    else replace(replace(replace(translate(
      regexp_replace(lower(normalize(value, NFKD)), '[\u0300-\u036f]', '', 'g'), 'øłđðħı', 'olddhi'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe')
    end,
    '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+', ' ', 'g'))
$$""",
    # What is found of one column, as words: the digits of a phone number are one word.
    r"""
create function search_words(field text, value text) returns text language sql immutable parallel safe as $$
  select case when field = 'phone' then regexp_replace(value, '[^0-9]', '', 'g') else search_fold(left(value, 255)) end
$$""",
    # A loop costs a third of what a query over the same characters does.
    """
create function search_grams(tenant text, words text) returns int[] language plpgsql immutable parallel safe as $$
declare
  found int[] := '{}';
  word text;
  count int := 0;
begin
  foreach word in array string_to_array(words, ' ') loop
    if word not in ('', '|') then
      word := '  ' || word || ' ';
      for n in 1 .. length(word) - 2 loop
        count := count + 1;
        found[count] := hashtext(tenant || substr(word, n, 3));
      end loop;
    end if;
  end loop;
  return found;
end $$""",
    # The pipeline role may see every tenant: what it looks for is hashed with the current one, and only its rows are named.
    """
create function search_candidates(every int[], neighbours int[], kinds text[], bound int) returns table (id varchar, kind varchar)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off
as $$
declare
  tenant constant text := current_setting('bevyly.customer_id');
begin
  -- concatenated, so that the index of the trigrams is the only choice
  return query
    select e.id, e.kind from search_entries e
    where e.grams @> every and e.customer_id || '' = tenant and e.kind || '' = any (kinds)
    limit bound;
  if found then
    return;
  end if;
  return query
    select distinct near.id, near.kind
    from generate_subscripts(neighbours, 1) n, lateral (
      select e.id, e.kind from search_entries e
      where e.grams @> neighbours[n:n + 1] and e.customer_id || '' = tenant and e.kind || '' = any (kinds)
      limit bound
    ) near
    where neighbours[n] is not null and neighbours[n + 1] is not null;
end $$""",
    f"alter function search_candidates(int[], int[], text[], int) owner to {PIPELINE_ROLE}",
]

# How well an entry fits, from 0 to 1: the whole of a field, the start of the title, starts of words, else shared trigrams.
SEARCH = r"""
create function api_search(tenant text, q text, kinds text[], row_limit int, out body text)
language plpgsql stable as $function$
declare
  is_number constant boolean := q ~ '^[-+0-9 ()./]{4,}$' and q ~ '([0-9][^0-9]*){4}';
  folded constant text := case when is_number then search_words('phone', left(q, 100)) else search_fold(left(q, 100)) end;
  asked constant text[] := (string_to_array(folded, ' '))[1:8];
  starts int[];
  neighbours int[];
  wanted constant int[] := search_grams(tenant, array_to_string(asked, ' '));
begin
  if folded = '' then
    body := '';
    return;
  end if;
  select array_agg(hashtext(tenant || substr(padded.word, n, 3))) into starts
  from unnest(asked) given (word), lateral (select case when is_number then '' else '  ' end || given.word) padded (word),
    generate_series(1, length(padded.word) - 2) n;
  -- two trigrams side by side survive a slip elsewhere in the word; the first of a longer word says little
  select array_agg(hashtext(tenant || gram) order by nr, n) into neighbours
  from (
    select nr, n, case when n <= length(padded.word) - 2 then substr(padded.word, n, 3) end as gram
    from unnest(asked) with ordinality given (word, nr), lateral (select '  ' || given.word || ' ') padded (word),
      generate_series(case when length(given.word) > 4 then 2 else 1 end, length(padded.word) - 1) n
    where length(given.word) > 2
  ) pieces;
  with found as (
    select e.*, ' ' || search_fold(e.title) as heading
    from search_candidates(starts, neighbours, kinds, 1000) c
    join search_entries e on e.customer_id = tenant and e.id = c.id and e.kind = c.kind
  ), scored as (
    select found.*, case
      when strpos(words, '| ' || folded || ' |') > 0 or heading = ' ' || folded then 1.0
      when starts_with(heading, ' ' || folded) then 0.9
      when (select bool_and(strpos(heading, ' ' || word) > 0) from unnest(asked) word) then 0.85
      when (select bool_and(strpos(words, ' ' || word) > 0) from unnest(asked) word) then 0.8
      when is_number and strpos(words, folded) > 0 then 0.75
      else 0.7 * (select count(*) filter (where gram = any (found.grams)) from unnest(wanted) gram) / cardinality(wanted)
      end as score
    from found
  ), best as (
    select * from scored where score > 0.23
    order by score desc, case when score <= 0.7 then (
      select count(*) from unnest(wanted) gram where gram = any (search_grams(tenant, heading))
    ) end desc, id desc
    limit row_limit
  )
  select coalesce(string_agg(row_to_json(answer)::text, ','), '') into body
  from (
    select best.kind, best.id, best.title, best.subtitle, matched.field, matched.value, round(best.score, 3) as score
    from best, lateral (
      select f.key as field, f.value
      from jsonb_each_text(best.fields) f, lateral (select ' ' || search_words(f.key, f.value)) w (plain)
      order by w.plain = ' ' || folded desc, starts_with(w.plain, ' ' || folded) desc,
        (select count(*) from unnest(asked) word where strpos(w.plain, ' ' || word) > 0) desc,
        (select count(*) from unnest(wanted) gram where gram = any (search_grams(tenant, w.plain))) desc, f.key
      limit 1
    ) matched
  ) answer;
end $function$"""


def findable(kind: str) -> str:
    """Whether the row `r` has anything to be found by."""
    return " or ".join(f"r.{name} is not null" for name in SEARCHED[kind][3])


def entry(kind: str) -> str:
    """The entry of the row `r`: title, subtitle, fields, words with bars between the fields."""
    _, title, subtitle, columns = SEARCHED[kind]
    fields = ", ".join(f"'{name}', r.{name}" for name in columns)
    words = ", ".join(f"search_words('{name}', r.{name})" for name in columns)
    return (
        f"{title}, nullif({subtitle}, ''), jsonb_strip_nulls(jsonb_build_object({fields})), "
        f"trim(concat_ws(' | ', '', {words}, ''))"
    )


def triggers(kind: str) -> list[str]:
    """Statements that keep the entries of a kind in the transaction of each change."""
    table, _, _, columns = SEARCHED[kind]
    watched = ", ".join((*columns, *_SHOWN_TOO.get(kind, ()), "deleted_at"))
    return [
        f"""
create function search_keep_{kind}() returns trigger language plpgsql as $$
declare
  r {table};
  e search_entries;
begin
  if tg_op <> 'INSERT' then
    delete from search_entries where customer_id = old.customer_id and id = old.id and kind = '{kind}';
  end if;
  r := new;
  if tg_op <> 'DELETE' and r.deleted_at is null and ({findable(kind)}) then
    e.customer_id := r.customer_id;
    e.id := r.id;
    e.kind := '{kind}';
    select {entry(kind)} into e.title, e.subtitle, e.fields, e.words;
    e.grams := search_grams(r.customer_id, e.words);
    insert into search_entries values (e.*);
  end if;
  return null;
end $$""",
        f"create trigger search_entry after insert or delete on {table} for each row execute function search_keep_{kind}()",
        f"create trigger search_entry_changed after update of {watched} on {table} for each row "
        f"when (({_all('old', watched)}) is distinct from ({_all('new', watched)})) execute function search_keep_{kind}()",
    ]


def _all(row: str, columns: str) -> str:
    return ", ".join(f"{row}.{name}" for name in columns.split(", "))


def backfill(kind: str) -> str:
    """The entries of the records that are there already."""
    table = SEARCHED[kind][0]
    return f"""
insert into search_entries (customer_id, id, kind, title, subtitle, fields, words, grams)
select e.*, search_grams(e.customer_id, e.words)
from (
  select r.customer_id, r.id, '{kind}', {entry(kind)} from {table} r where r.deleted_at is null and ({findable(kind)})
) e (customer_id, id, kind, title, subtitle, fields, words)"""


def upgrade() -> None:
    for statement in [*TABLE, *protect("search_entries"), *FUNCTIONS, SEARCH]:
        op.execute(statement)
    for name in (
        "search_fold(text)",
        "search_words(text, text)",
        "search_grams(text, text)",
        "search_candidates(int[], int[], text[], int)",
        "api_search(text, text, text[], int)",
    ):
        op.execute(f"revoke all on function {name} from public")
        op.execute(f"grant execute on function {name} to {APP_ROLE}, {PIPELINE_ROLE}")
    for kind in SEARCHED:
        for statement in triggers(kind):
            op.execute(statement)
    # whoever migrates may be bound by the policies of no tenant
    op.execute(f"set local role {PIPELINE_ROLE}")
    for kind in SEARCHED:
        op.execute(backfill(kind))
    op.execute("reset role")


def downgrade() -> None:
    for kind, (table, *_) in SEARCHED.items():
        op.execute(f"drop trigger search_entry on {table}")
        op.execute(f"drop trigger search_entry_changed on {table}")
        op.execute(f"drop function search_keep_{kind}()")
    op.execute("drop function api_search(text, text, text[], int)")
    op.execute("drop function search_candidates(int[], int[], text[], int)")
    op.execute("drop table search_entries")
    op.execute("drop function search_grams(text, text), search_words(text, text), search_fold(text)")
