"""What came of deals and leads after an instant: answers, wins, what people did. Read when that time has passed.

Belongs here: reads of marts and activities, beside rows that ask. What it says of a ranking is for `models` to judge.
"""

from datetime import datetime, timedelta

import polars as pl

from models.ranking.catalogue import ACTIONS
from pipelines.resources import Warehouse

HORIZON = timedelta(days=28)
"""Within which something good counts as what followed."""
_KEY = ("customer_id", "entity_type", "entity_id")
_WEEK = timedelta(days=7)
_WON = """
select customer_id, 'opportunity' as entity_type, opportunity_id as entity_id, decided_at, value_minor
from marts.opportunity_outcomes where customer_id = any($1) and outcome = 'won' and decided_at <= $2
union all
select customer_id, 'lead', lead_id, decided_at, null
from marts.lead_outcomes where customer_id = any($1) and outcome = 'won' and decided_at <= $2
"""
_KNOWN = "customer_id = any($1) and known_at <= $2 and not coalesce(hidden @> $2, false)"
# Opened mails and viewed pages are no answers.
_ANSWERS = f"""
select customer_id, entity_type, entity_id, occurred_at from intermediate.int_activities_linked
where {_KNOWN} and is_inbound and event_type in
  ('proposal.replied', 'email.received', 'form.submitted', 'meeting.scheduled', 'meeting.completed', 'call.completed')
"""
# Named as in marts.<entity>_next_actions.
_ACTS = f"""
select customer_id, entity_type, entity_id, occurred_at,
       case when event_type = 'call.completed' then 'call_7d' when event_type = 'email.sent' then 'email_7d'
            when event_type = 'task.completed' then 'task_7d' when event_type = 'proposal.sent' then 'proposal_7d'
            else 'meeting_7d' end as flag
from intermediate.int_activities_linked
where {_KNOWN} and event_type in
  ('call.completed', 'email.sent', 'meeting.scheduled', 'meeting.completed', 'task.completed', 'proposal.sent')
"""


def outcomes_of(
    warehouse: Warehouse, choices: pl.DataFrame, *, at: datetime, within: timedelta = HORIZON
) -> pl.DataFrame:
    """For each choice what happened `within` so long of its day: day, key, good (an answer or a win), value_minor.

    choices: day, customer_id, entity_type, entity_id, amount_minor. The value is that of what was won: of a deal as it
    closed, of a lead as it was known that day. Nothing that was recorded after `at` is read.
    """
    key = ["day", *_KEY]
    asked = choices.select(*key, "amount_minor")
    won = _within(asked.join(_read(warehouse, _WON, choices, at), on=_KEY), "decided_at", within)
    answered = _within(asked.join(_read(warehouse, _ANSWERS, choices, at), on=_KEY), "occurred_at", within)
    value = won.select(*key, pl.coalesce("value_minor", "amount_minor").alias("value_minor"))
    happened = pl.concat([won.select(key), answered.select(key)]).unique().with_columns(good=pl.lit(value=True))
    return (
        asked.drop("amount_minor")
        .join(happened, on=key, how="left")
        .join(value, on=key, how="left")
        .with_columns(pl.col("good").fill_null(value=False), pl.col("value_minor").cast(pl.Float64).fill_null(0.0))
    )


def done_of(warehouse: Warehouse, choices: pl.DataFrame, *, at: datetime) -> pl.DataFrame:
    """Which of the advised actions were done within a week of each day: day, key, action_type."""
    flags = {action.flag: action.action_type for action in ACTIONS if action.flag}
    acts = _read(warehouse, _ACTS, choices, at)
    done = acts.with_columns(action_type=pl.col("flag").replace_strict(flags, default=None))
    advised = choices.filter("shown").select("day", *_KEY, "action_type")
    met = advised.join(done, on=[*_KEY, "action_type"])
    return _within(met, "occurred_at", _WEEK).select("day", *_KEY, "action_type").unique()


def _read(warehouse: Warehouse, query: str, choices: pl.DataFrame, at: datetime) -> pl.DataFrame:
    customers = choices["customer_id"].unique().sort().to_list()
    return warehouse.read(query, [customers, at])


def _within(rows: pl.DataFrame, when: str, span: timedelta) -> pl.DataFrame:
    return rows.filter((pl.col(when) > pl.col("day")) & (pl.col(when) <= pl.col("day") + span))
