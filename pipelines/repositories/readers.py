"""Reads for the briefings of a few people: who reads of an entity, and no more rows than their documents need.

Belongs here: `pipelines.briefing.inputs.Inputs` narrowed to readers. Whole tenants are read in `briefing_inputs`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import polars as pl

from models.ranking.catalogue import BY_TYPE
from pipelines.briefing.compose import SEES_ALL
from pipelines.briefing.inputs import LATEST, PATTERNS, USERS, Inputs
from pipelines.briefing.selection import BUDGET, MAX_GOOD_NEWS
from pipelines.repositories.briefing_inputs import counts, entities, evidence, models_in_use, wordings
from pipelines.repositories.open_items import Entity
from pipelines.repositories.patterns import open_patterns
from pipelines.repositories.rankings import left_out_of
from pipelines.repositories.recommendations import open_recommendations
from pipelines.repositories.signal_passes import HEARD, open_signals
from pipelines.repositories.staging import Connection, rows

Person = tuple[str, str]

_READERS = """
with given as (
  select * from jsonb_to_recordset(%(entities)s::jsonb) as e (
    customer_id varchar, entity_type varchar, entity_id varchar
  )
),
touched as (
  select * from given
  union
  select o.customer_id, 'opportunity', o.id
  from given g
  join opportunities o on o.customer_id = g.customer_id and o.account_id = g.entity_id
  where g.entity_type = 'account'
  union
  select l.customer_id, 'lead', l.id
  from given g
  join leads l on l.customer_id = g.customer_id and l.account_id = g.entity_id
  where g.entity_type = 'account'
),
owners as (
  select o.customer_id, o.owner_id
  from touched t
  join opportunities o on o.customer_id = t.customer_id and o.id = t.entity_id
  where t.entity_type = 'opportunity'
  union
  select l.customer_id, l.owner_id
  from touched t
  join leads l on l.customer_id = t.customer_id and l.id = t.entity_id
  where t.entity_type = 'lead'
  union
  select a.customer_id, a.owner_id
  from touched t
  join accounts a on a.customer_id = t.customer_id and a.id = t.entity_id
  where t.entity_type = 'account'
  union
  -- a recommendation stays with whom it was made for
  select r.customer_id, r.owner_id
  from touched t
  join recommendations r
    on r.customer_id = t.customer_id and r.entity_type = t.entity_type and r.entity_id = t.entity_id
  where r.status in ('pending', 'accepted', 'snoozed')
  union
  select p.customer_id, p.user_id
  from jsonb_to_recordset(%(people)s::jsonb) as p (customer_id varchar, user_id varchar)
)
select u.customer_id, u.id, coalesce(u.name, u.email), u.role,
       coalesce(u.attention_budget, (c.settings ->> 'attention_budget')::int)
from users u
join customers c on c.id = u.customer_id
where u.disabled_at is null and (
  (u.customer_id, u.id) in (select customer_id, owner_id from owners)
  or (u.role = any(%(sees_all)s)
    and u.customer_id in (select customer_id from given union select customer_id from owners))
)
order by u.customer_id, u.id
"""
# Few rows that everybody reads all the time: they are in memory, and so is the way to them.
_NEAR = "select set_config('random_page_cost', '1.1', true)"
# Of each action no more than fit into the whole budget can be chosen.
_BEST = """
with readers as (
  select * from jsonb_to_recordset(%(readers)s::jsonb) as r (
    customer_id varchar, user_id varchar, sees_all boolean, budget int
  )
)
select r.id
from readers u
cross join unnest(%(actions)s::varchar[]) as action (type)
cross join lateral (
  select id from recommendations
  where u.sees_all and customer_id = u.customer_id and status = 'pending' and action_type = action.type
  order by rank, dedupe_key limit u.budget
) r
union
select r.id
from readers u
cross join unnest(%(actions)s::varchar[]) as action (type)
cross join lateral (
  select id from recommendations
  where not u.sees_all and customer_id = u.customer_id and owner_id = u.user_id and status = 'pending'
    and action_type = action.type
  order by rank, dedupe_key limit u.budget
) r
"""
_ORDER = "order by s.signal_type <> 'high_intent_action', s.strength desc, s.dedupe_key"
_KNOWN = """
  left join opportunities o on s.entity_type = 'opportunity' and o.customer_id = s.customer_id and o.id = s.entity_id
    and o.status = 'open' and o.deleted_at is null
  left join leads l on s.entity_type = 'lead' and l.customer_id = s.customer_id and l.id = s.entity_id
    and l.status in ('new', 'working', 'qualified') and l.deleted_at is null
  left join accounts a on s.entity_type = 'account' and a.customer_id = s.customer_id and a.id = s.entity_id
    and a.deleted_at is null
"""
_GIVEN = """
with readers as (
  select * from jsonb_to_recordset(%(readers)s::jsonb) as r (customer_id varchar, user_id varchar, sees_all boolean)
)
"""
# All three in the order of `selection.good_news`; a company may come more than once. Whoever sees all is told from the
# best signal on; everybody else from what they own, or from all good news at once, whichever is less to look at.
_NEWS_OF_ALL = f"""{_GIVEN}
select u.customer_id, u.user_id, g.entity_id, g.company
from readers u
cross join lateral (
  select s.entity_id, coalesce(o.account_id, l.account_id, s.entity_id) as company
  from ({HEARD}) s {_KNOWN}
  where s.customer_id = u.customer_id and s.polarity = '+' and coalesce(o.id, l.id, a.id) is not null
  {_ORDER} limit %(depth)s
) g
where u.sees_all
"""
_NEWS_OF_OWN = f"""{_GIVEN}
select u.customer_id, u.user_id, g.entity_id, g.company
from readers u
cross join lateral (
  select s.entity_id, coalesce(own.account_id, s.entity_id) as company
  from (
    select 'opportunity' as entity_type, id, account_id from opportunities
    where customer_id = u.customer_id and owner_id = u.user_id and status = 'open' and deleted_at is null
    union all
    select 'lead', id, account_id from leads
    where customer_id = u.customer_id and owner_id = u.user_id and deleted_at is null
      and status in ('new', 'working', 'qualified')
    union all
    select 'account', id, id from accounts
    where customer_id = u.customer_id and owner_id = u.user_id and deleted_at is null
  ) own
  join ({HEARD}) s on s.entity_type = own.entity_type and s.entity_id = own.id
  where s.customer_id = u.customer_id and s.polarity = '+'
  {_ORDER} limit %(depth)s
) g
where not u.sees_all
"""
# Materialized: joined with the readers first, each would look at all of them.
_NEWS_BY_OWNER = f"""{_GIVEN},
good as materialized (
  select s.*, coalesce(o.owner_id, l.owner_id, a.owner_id) as owner_id,
         coalesce(o.account_id, l.account_id, s.entity_id) as company
  from ({HEARD}) s {_KNOWN}
  where s.polarity = '+' and coalesce(o.id, l.id, a.id) is not null
)
select customer_id, user_id, entity_id, company
from (
  select u.customer_id, u.user_id, s.entity_id, s.company,
         row_number() over (partition by u.customer_id, u.user_id {_ORDER}) as place
  from good s
  join readers u on u.customer_id = s.customer_id and u.user_id = s.owner_id
  where not u.sees_all
) g
where place <= %(depth)s
"""
_LOOKS = 4
"""Rows that are read for each good news in `_NEWS_BY_OWNER`: it, and what it may be of."""
_GOOD = "select count(*) from signals where customer_id = any(%(customers)s) and closed_at is null and polarity = '+'"
_LATEST = f"""
select {", ".join(f"b.{name}" for name in LATEST)}
from jsonb_to_recordset(%(readers)s::jsonb) as u (customer_id varchar, user_id varchar)
cross join lateral (
  select * from briefings
  where customer_id = u.customer_id and user_id = u.user_id order by version desc limit 1
) b
"""


def readers_of(connection: Connection, told: Iterable[Entity], people: Iterable[Person]) -> pl.DataFrame:
    """Who may read of the entities in `told`: owners, `people`, and whoever sees all of these tenants (`USERS`)."""
    parameters = {
        "entities": _document([one._asdict() for one in set(told)]),
        "people": _document([{"customer_id": customer, "user_id": user} for customer, user in set(people)]),
        "sees_all": list(SEES_ALL),
    }
    return rows(connection, _READERS, parameters, USERS)


def read_own_inputs(connection: Connection, users: pl.DataFrame) -> Inputs:
    """What the briefings of `users` (`USERS`) are composed from; `compose` makes of it what it makes of all rows."""
    customers = users["customer_id"].unique().sort().to_list()
    connection.execute(_NEAR)
    asked = users.select(
        "customer_id",
        "user_id",
        pl.col("role").is_in(SEES_ALL).alias("sees_all"),
        # as `compose` reads it: none and nothing are the usual one
        pl.when(pl.col("budget") != 0).then("budget").otherwise(pl.lit(BUDGET)).fill_null(BUDGET).alias("budget"),
    )
    parameters = {"readers": _document(asked.to_dicts()), "actions": list(BY_TYPE), "customers": customers}
    best = _ids(connection, _BEST, parameters)
    recommendations = open_recommendations(connection, customers, best)
    counted = counts(connection, customers)
    named = {*recommendations["entity_id"], *_good_entities(connection, parameters, _held(asked, counted))}
    signals = open_signals(connection, customers, sorted(named))
    return Inputs(
        users=users,
        entities=entities(connection, customers, sorted(named)),
        recommendations=recommendations,
        signals=signals,
        patterns=open_patterns(connection, customers, sorted(named)).select(list(PATTERNS)),
        events=evidence(connection, recommendations, signals),
        models=models_in_use(connection, customers),
        latest=rows(connection, _LATEST, parameters, LATEST),
        left_out=left_out_of(connection, customers),
        counts=counted,
        wordings=wordings(connection, customers),
    )


def _held(asked: pl.DataFrame, counted: pl.DataFrame) -> int:
    """How many deals and leads those of `asked` own who see nothing else."""
    own = asked.filter(~pl.col("sees_all"))
    held = counted.filter(pl.col("counted").is_in(["opportunity", "lead"]))
    return int(held.join(own, left_on=["customer_id", "owner_id"], right_on=["customer_id", "user_id"])["n"].sum())


def _good_entities(connection: Connection, parameters: dict[str, Any], held: int) -> set[str]:
    """Entities that may be good news to a reader, who own `held` deals and leads in all."""
    [(good,)] = connection.execute(_GOOD.encode(), parameters).fetchall()
    own = _NEWS_BY_OWNER if held > _LOOKS * good else _NEWS_OF_OWN
    return _deep_enough(connection, _NEWS_OF_ALL, parameters) | _deep_enough(connection, own, parameters)


def _deep_enough(
    connection: Connection, statement: str, parameters: dict[str, Any], *, depth: int = 5 * MAX_GOOD_NEWS
) -> set[str]:
    """What `statement` finds: deeper until everybody's good news are told, or nothing is left."""
    entities: set[str] = set()
    companies: dict[Person, list[str]] = defaultdict(list)
    asked = parameters | {"entities": None, "depth": depth}
    for customer, user, entity, company in connection.execute(statement.encode(), asked).fetchall():
        entities.add(entity)
        companies[customer, user].append(company)
    if any(len(own) == depth and len(set(own)) < MAX_GOOD_NEWS for own in companies.values()):
        return _deep_enough(connection, statement, parameters, depth=4 * depth)
    return entities


def _ids(connection: Connection, statement: str, parameters: dict[str, Any]) -> Sequence[str]:
    return [row[0] for row in connection.execute(statement.encode(), parameters).fetchall()]


def _document(value: Any) -> str:
    return orjson.dumps(value).decode()
