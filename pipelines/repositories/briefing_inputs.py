"""Reads of public and raw tables for the briefing: people, names of entities, events that are proof, models in use.

Belongs here: reads in the shapes of `pipelines.briefing.inputs`. Feature marts are read by the assets.
"""

from collections.abc import Sequence

import orjson
import polars as pl

from pipelines.briefing.inputs import COUNTS, ENTITIES, EVENTS, LATEST, LEFT_OUT, MODELS, USERS, Inputs
from pipelines.repositories.briefings import latest_briefings
from pipelines.repositories.patterns import open_patterns
from pipelines.repositories.recommendations import open_recommendations
from pipelines.repositories.signal_passes import open_signals
from pipelines.repositories.staging import Connection, rows, stage
from pipelines.repositories.wordings import used_wordings
from pipelines.wording.prompt import PROMPT

_USERS = """
select u.customer_id, u.id, coalesce(u.name, u.email), u.role,
       coalesce(u.attention_budget, (c.settings ->> 'attention_budget')::int)
from users u
join customers c on c.id = u.customer_id
where u.customer_id = any(%(customers)s) and u.disabled_at is null
order by u.customer_id, u.id
"""
_ENTITIES = """
select o.customer_id, 'opportunity', o.id, o.name, o.account_id, a.name, o.stage, o.status, o.owner_id, u.name,
       o.currency, o.value
from opportunities o
left join accounts a on a.customer_id = o.customer_id and a.id = o.account_id
left join users u on u.customer_id = o.customer_id and u.id = o.owner_id
where o.customer_id = any(%(customers)s) and o.status = 'open' and o.deleted_at is null
  and (%(ids)s::varchar[] is null or o.id = any(%(ids)s))
union all
select l.customer_id, 'lead', l.id, coalesce(l.company_name, l.contact_name, l.contact_email), l.account_id, a.name,
       l.status, l.status, l.owner_id, u.name, l.currency, l.value
from leads l
left join accounts a on a.customer_id = l.customer_id and a.id = l.account_id
left join users u on u.customer_id = l.customer_id and u.id = l.owner_id
where l.customer_id = any(%(customers)s) and l.status in ('new', 'working', 'qualified') and l.deleted_at is null
  and (%(ids)s::varchar[] is null or l.id = any(%(ids)s))
union all
select a.customer_id, 'account', a.id, a.name, a.id, a.name, null, null, a.owner_id, u.name, a.currency, null
from accounts a
left join users u on u.customer_id = a.customer_id and u.id = a.owner_id
where a.customer_id = any(%(customers)s) and a.deleted_at is null
  and (%(ids)s::varchar[] is null or a.id = any(%(ids)s))
order by 1, 2, 3
"""
_COUNTS = """
select customer_id, owner_id, 'opportunity', currency, count(*), sum(value)::bigint
from opportunities
where customer_id = any(%(customers)s) and status = 'open' and deleted_at is null
group by customer_id, owner_id, currency
union all
select customer_id, owner_id, 'lead', null, count(*), null
from leads
where customer_id = any(%(customers)s) and status in ('new', 'working', 'qualified') and deleted_at is null
group by customer_id, owner_id
union all
select customer_id, owner_id, 'pending', null, count(*), null
from recommendations
where customer_id = any(%(customers)s) and status = 'pending'
group by customer_id, owner_id
union all
select customer_id, owner_id, 'in_hand', null, count(*), null
from recommendations
where customer_id = any(%(customers)s) and status in ('accepted', 'snoozed')
group by customer_id, owner_id
"""
_EVENTS = """
select e.customer_id, e.event_id, e.type, e.data::text, e.occurred_at
from evidence_wanted w
join raw.events e on e.customer_id = w.customer_id and e.event_id = w.event_id
order by 1, 2
"""
# A tenant's own model goes before the pooled one of the same score.
_MODELS = """
select distinct on (c.id, m.score_type) c.id, m.score_type, m.id, m.trained_from, m.trained_to, m.n_rows
from customers c
join model_versions m on m.status = 'champion' and (m.customer_id is null or m.customer_id = c.id)
where c.id = any(%(customers)s)
order by c.id, m.score_type, m.customer_id nulls last, m.id
"""
_TENANTS = """
select id, currency, settings::text from customers where id = any(%(customers)s) order by id
"""


def tenants(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """customer_id, currency and settings (JSON text) of `customers`."""
    schema = dict.fromkeys(("customer_id", "currency", "settings"), pl.String)
    return rows(connection, _TENANTS, {"customers": list(customers)}, schema)


def read_inputs(connection: Connection, customers: Sequence[str], left_out: pl.DataFrame | None = None) -> Inputs:
    """Everything that the briefings of `customers` are composed from, after recommendations were written."""
    parameters = {"customers": list(customers)}
    recommendations = open_recommendations(connection, customers)
    signals = open_signals(connection, customers)
    return Inputs(
        users=rows(connection, _USERS, parameters, USERS),
        entities=entities(connection, customers),
        recommendations=recommendations,
        signals=signals,
        patterns=open_patterns(connection, customers).select(
            "customer_id", "id", "entity_type", "entity_id", "pattern_type", "title", "polarity", "dedupe_key"
        ),
        events=evidence(connection, recommendations, signals),
        models=models_in_use(connection, customers),
        latest=latest_briefings(connection, customers).select(list(LATEST)),
        left_out=pl.DataFrame(schema=dict(LEFT_OUT)) if left_out is None else left_out,
        counts=counts(connection, customers),
        wordings=wordings(connection, customers),
    )


def entities(connection: Connection, customers: Sequence[str], ids: Sequence[str] | None = None) -> pl.DataFrame:
    """Undecided deals and leads of `customers`, and their accounts; all or those of `ids`."""
    return rows(connection, _ENTITIES, {"customers": list(customers), "ids": ids}, ENTITIES)


def counts(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """How much there is of what a briefing sums up, by owner."""
    return rows(connection, _COUNTS, {"customers": list(customers)}, COUNTS)


def wordings(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """What a model wrote for those of `customers` that want it."""
    return used_wordings(connection, customers, prompt=PROMPT)


def models_in_use(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """What scores `customers`."""
    return rows(connection, _MODELS, {"customers": list(customers)}, MODELS)


def evidence(connection: Connection, recommendations: pl.DataFrame, signals: pl.DataFrame) -> pl.DataFrame:
    """The events that recommendations and good news are proven by."""
    of_items = recommendations.select("customer_id", pl.col("evidence").str.json_decode(pl.List(pl.String)))
    of_news = signals.filter(pl.col("polarity") == "+").select("customer_id", "evidence")
    wanted = pl.concat([of_items, of_news]).explode("evidence", empty_as_null=False, keep_nulls=False).unique()
    stage(
        connection,
        "evidence_wanted",
        wanted.rename({"evidence": "event_id"}),
        {"customer_id": "varchar(36)", "event_id": "varchar(36)"},
    )
    return rows(connection, _EVENTS, {}, EVENTS)


def thresholds_of(settings: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Signal thresholds that tenants have set (`settings.signals`), as `models.signals.frames.Frames` takes them."""
    decoded = settings.select(
        "customer_id", pl.col("settings").str.json_path_match("$.signals").alias("signals")
    ).drop_nulls()
    return {row["customer_id"]: _numbers(row["signals"]) for row in decoded.iter_rows(named=True)}


def _numbers(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in orjson.loads(text).items()}
