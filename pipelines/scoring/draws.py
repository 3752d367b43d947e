"""What scores and the forecast are learned from and judged on, as it is read from the marts.

Belongs here: reading no more than teaches something. Entities of a tenant, and of the pool, are drawn by a hash of
their ids: even over time, blind to outcomes, much the same from one training to the next.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from models.contracts import without_leaking_fields
from models.schema import FORECAST, RECIPES, inputs
from models.training import Marts
from pipelines.resources import Warehouse

OWN = 10_000  # entities of a tenant, open ones among them
LENT, POOL = 2_000, 20_000  # entities that a tenant, and all together, give to what is shared
EACH, TOGETHER = 5_000, 50_000  # entities of a tenant, and of all, where tenants are learned from at once
_OWN = """
select customer_id, {entity}_id from marts.{outcomes} where customer_id = any($1)
order by md5({entity}_id), {entity}_id limit $2
"""
# Each tenant gives as many as any other, as long as it has them.
_POOL = """
select customer_id, {entity}_id from (
  select customer_id, {entity}_id,
    row_number() over (partition by customer_id order by md5({entity}_id), {entity}_id) as place
  from marts.{outcomes} where customer_id = any($1)
) placed
where place <= $2 order by place, customer_id limit $3
"""
# Entities that became known after `$2`, and some that did a little before.
_LATER = "select customer_id, {entity}_id from marts.{outcomes} where customer_id = any($1) and {known_later}"
_SINCE = "select distinct customer_id, {entity}_id from marts.{snapshots} where customer_id = any($1) and as_of > $2"
_READ = "select found.* from ({drawn}) drawn join marts.{mart} found using (customer_id, {entity}_id)"
_COUNTS = """
select customer_id, count(*) as entities, count(*) filter (where outcome <> 'open') as decided
from marts.{outcomes} group by 1 order by 1
"""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The draws for one score type, or the forecast."""

    warehouse: Warehouse
    score_type: str

    def counts(self) -> pl.DataFrame:
        """customer_id, entities, decided: what each tenant has, drawn or not."""
        return self.warehouse.read(_COUNTS.format(outcomes=inputs(self.score_type)[2]))

    def own(self, customer_id: str) -> Marts:
        """Snapshots and outcomes of a tenant."""
        return self._read(_OWN, [customer_id], OWN)

    def pool(self, customers: Collection[str], *, each: int = LENT, together: int = POOL) -> Marts:
        """Snapshots and outcomes of up to `each` entities of `customers`, and of no more than so many `together`."""
        return self._read(_POOL, customers, each, together)

    def later(self, customers: Collection[str], since: datetime) -> Marts:
        """Snapshots and outcomes of every entity that may have become known after `since` (aware), and of few more."""
        return self._read(_LATER, customers, since)

    def since(self, customers: Collection[str], at: datetime) -> Marts:
        """Snapshots and outcomes of every entity that has a snapshot after `at` (aware)."""
        return self._read(_SINCE, customers, at)

    def _read(self, drawn: str, customers: Collection[str], *others: int | datetime) -> Marts:
        snapshots, _, outcomes = inputs(self.score_type)
        drawn = drawn.format(entity=self._entity, snapshots=snapshots, outcomes=outcomes, known_later=self._known_later)
        seen, ended = (
            self.warehouse.read(_READ.format(drawn=drawn, mart=mart, entity=self._entity), [sorted(customers), *others])
            for mart in (snapshots, outcomes)
        )
        return without_leaking_fields(seen), ended

    @property
    def _entity(self) -> str:
        return "opportunity" if self.score_type == FORECAST else RECIPES[self.score_type].entity

    @property
    def _known_later(self) -> str:
        """That an entity was decided after `$2`, or was created so late that its horizon ends after it."""
        recipe = RECIPES.get(self.score_type)
        if recipe is None or recipe.horizon_days is None:
            return "outcome <> 'open' and decided_at > $2"
        # a first snapshot is taken up to a day late
        return f"{recipe.contract.created} > $2 - interval '{recipe.horizon_days + 1} days'"
