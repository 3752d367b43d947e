"""Statements on scores as a whole: which are due, which are over, and how the current ones stand among each other.

Belongs here: what compares the scores of a type with the marts, set-based. Writing given rows is `scores`.
"""

from collections.abc import Collection

from pipelines.repositories.staging import Connection

# The version in use is the tenant's own, else that of all. A row is due where its features or its version are new.
_DUE = """
select f.customer_id, f.{entity}_id as entity_id from marts.{mart} f
left join public.model_versions own
  on own.customer_id = f.customer_id and own.score_type = $1 and own.status = 'champion'
left join public.model_versions shared
  on shared.customer_id is null and shared.score_type = $1 and shared.status = 'champion'
where not exists (
  select from public.scores s
  where s.customer_id = f.customer_id and s.entity_type = '{entity}' and s.entity_id = f.{entity}_id
    and s.score_type = $1 and s.is_current
    and s.feature_hash = f.feature_hash and s.model_version_id = coalesce(own.id, shared.id)
)
"""
# Found in the index of current rows; of the others only those that are over are read.
_RETIRE_GONE = """
with gone as materialized (
  select s.customer_id, s.entity_type, s.entity_id, s.score_type from scores s
  where s.entity_type = '{entity}' and s.score_type = %(type)s and s.is_current and not exists (
    select from marts.{mart} f where f.customer_id = s.customer_id and f.{entity}_id = s.entity_id
  )
)
update scores s set is_current = false
from gone
where s.customer_id = gone.customer_id and s.entity_type = gone.entity_type and s.entity_id = gone.entity_id
  and s.score_type = gone.score_type and s.is_current
returning s.customer_id
"""
_STAND = """
update scores s set rank = placed.place
from (
  select customer_id, id,
         row_number() over (partition by customer_id order by logit desc, entity_id collate "C") as place
  from scores where customer_id = any(%(customers)s) and score_type = %(type)s and is_current
) placed
where s.customer_id = placed.customer_id and s.id = placed.id and s.rank is distinct from placed.place
"""
# Of leads alone, and of scores that were just written: what did not change is shown already.
_SHOW = """
update leads l set {column} = s.points
from scores_given given
join scores s on s.customer_id = given.customer_id and s.id = given.id and s.is_current
where l.customer_id = s.customer_id and l.id = s.entity_id and l.{column} is distinct from s.points
"""
_SHOWN = {"fit": "fit_score", "intent": "intent_score"}


def due(mart: str, entity: str) -> str:
    """The query for customer_id, entity_id of rows of `mart` without a current score of `$1` by the version in use."""
    return _DUE.format(mart=mart, entity=entity)


def retire_gone(connection: Connection, score_type: str, mart: str, entity: str) -> list[str]:
    """Take the current row from entities that the mart no longer has (they are decided). The series stays.

    Returns the tenant of each such row.
    """
    gone = connection.execute(_RETIRE_GONE.format(mart=mart, entity=entity).encode(), {"type": score_type})
    return [row[0] for row in gone]


def stand(connection: Connection, score_type: str, customers: Collection[str]) -> int:
    """Rank the current rows of each of `customers` anew, by logit and then by id as a model does; how many moved."""
    return connection.execute(_STAND, {"type": score_type, "customers": list(customers)}).rowcount


def show_on_leads(connection: Connection, score_type: str) -> int:
    """Keep the points of scores that were just written with their leads, where lists show them; how many changed."""
    column = _SHOWN.get(score_type)
    return connection.execute(_SHOW.format(column=column).encode()).rowcount if column else 0
