"""Statements on what a model wrote: reserved before it is asked, settled when it answered, read when composing.

A row never changes once it is settled, so equal facts have equal words.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from pipelines.briefing.inputs import WORDINGS
from pipelines.repositories.staging import Connection, rows

_WANTED = "coalesce((c.settings ->> 'model_wording')::boolean, false)"
_TENANTS = f"""
select c.id from customers c
where (%(customers)s::varchar[] is null or c.id = any(%(customers)s)) and {_WANTED} order by 1
"""
_USED = f"""
select distinct on (w.customer_id, w.facts) w.customer_id, w.facts, w.model, w.text
from wordings w
join customers c on c.id = w.customer_id and {_WANTED}
where w.customer_id = any(%(customers)s) and w.status = 'used' and w.prompt = %(prompt)s
order by w.customer_id, w.facts, w.asked_at desc, w.model
"""
# What had no answer may be asked about again, on another day.
_KNOWN = """
select facts from wordings
where customer_id = %(customer)s and model = %(model)s and prompt = %(prompt)s
  and (status <> 'asked' or asked_at >= %(midnight)s)
"""
_ASKED_TODAY = "select count(*) from wordings where customer_id = %(customer)s and asked_at >= %(midnight)s"
_RESERVE = """
insert into wordings (customer_id, facts, model, prompt, entity_type, entity_id, status, asked_at)
values (%(customer)s, %(facts)s, %(model)s, %(prompt)s, %(entity_type)s, %(entity_id)s, 'asked', %(at)s)
on conflict (customer_id, facts, model, prompt) do update set asked_at = excluded.asked_at
where wordings.status = 'asked' and wordings.asked_at < %(midnight)s
"""
# An erasure takes the reservation with it.
_SETTLE = """
update wordings set status = %(status)s, text = %(text)s, reason = %(reason)s
where customer_id = %(customer)s and facts = %(facts)s and model = %(model)s and prompt = %(prompt)s
  and status = 'asked'
"""


def tenants_that_want_it(connection: Connection, customers: Sequence[str] | None) -> list[str]:
    """Those of `customers`, or of all, that turned wording on."""
    parameters = {"customers": None if customers is None else list(customers)}
    return [row[0] for row in connection.execute(_TENANTS.encode(), parameters).fetchall()]


def used_wordings(connection: Connection, customers: Sequence[str], *, prompt: str) -> pl.DataFrame:
    """`WORDINGS` that may be used for those of `customers` that want them: the latest of each facts."""
    return rows(connection, _USED, {"customers": list(customers), "prompt": prompt}, WORDINGS)


def known_facts(connection: Connection, customer_id: str, *, model: str, prompt: str, midnight: datetime) -> set[str]:
    """Digests that need not be asked about (again today)."""
    parameters = {"customer": customer_id, "model": model, "prompt": prompt, "midnight": midnight}
    return {row[0] for row in connection.execute(_KNOWN, parameters).fetchall()}


def asked_since(connection: Connection, customer_id: str, *, midnight: datetime) -> int:
    """How often the model was asked for the tenant since `midnight`."""
    row = connection.execute(_ASKED_TODAY, {"customer": customer_id, "midnight": midnight}).fetchone()
    return int(row[0]) if row else 0


def reserve(connection: Connection, row: dict[str, str | datetime]) -> bool:
    """Note that the model is about to be asked; False where another run does so."""
    return connection.execute(_RESERVE, row).rowcount == 1


def settle(connection: Connection, row: dict[str, str | datetime], *, text: str | None, reason: str | None) -> bool:
    """Keep an answer, or why it is not used; False where the reservation was erased meanwhile."""
    told = {"status": "refused" if text is None else "used", "text": text, "reason": reason}
    return connection.execute(_SETTLE, row | told).rowcount == 1
