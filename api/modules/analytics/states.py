"""Deals as they were at two moments, as SQL, and what a change from one to the other is: said once, for sums and rows.

A moment sees what was so just before it. Stage, amount and date of then come from the history, the rest is as now.
"""

FIELDS = {"stage": "stage", "value": "value", "expected_close_date": "close"}
"""What the history keeps of a deal, and what it is called here."""


def _as_of(field: str, moment: str) -> str:
    return (
        f"max(h.new_value) filter (where h.field = '{field}' and h.valid_from < {moment} "
        f"and (h.valid_to is null or h.valid_to >= {moment}))"
    )


def states(source: str, since: str, until: str) -> str:
    """The `with` of a statement: `states` has the deals of `source` that were there at `until`, with their changes."""
    columns = ", ".join(
        f"{_as_of(field, moment)} as {name}_{when}"
        for field, name in FIELDS.items()
        for moment, when in ((since, "before"), (until, "after"))
    )
    return f"""
with deals as materialized (select r.id, r.name, r.currency, r.created_at {source}),
seen as materialized (
  select h.opportunity_id, {columns} from opportunity_history h
  where h.customer_id = $1 and h.valid_from < {until} and (h.valid_to is null or h.valid_to >= {since})
  group by 1
),
known as (
  select d.*, s.stage_before, s.stage_after, s.close_before, s.close_after,
    s.value_before::bigint as value_before, s.value_after::bigint as value_after,
    coalesce(s.value_before::bigint, 0) as amount_before, coalesce(s.value_after::bigint, 0) as amount_after,
    (select k.kind from pipeline_stages k where k.customer_id = $1 and k.key = s.stage_before) as kind_before,
    (select k.kind from pipeline_stages k where k.customer_id = $1 and k.key = s.stage_after) as kind_after
  from deals d join seen s on s.opportunity_id = d.id
  where s.stage_after is not null
),
states as (
  select k.*, stage_before is null as opened, kind_before = 'open' as was_open, kind_after = 'open' as is_open,
    kind_before = 'open' and kind_after = 'open' as stayed_open,
    coalesce(kind_before, 'open') = 'open' as could_end
  from known k
)"""


_ENDED = "case when was_open then amount_before else amount_after end"
CHANGES = {
    "opened": ("opened", "amount_after"),
    "reopened": ("is_open and kind_before <> 'open'", "amount_after"),
    "won": ("could_end and kind_after = 'won'", _ENDED),
    "lost": ("could_end and kind_after = 'lost'", _ENDED),
    "amount_changed": ("stayed_open and amount_before <> amount_after", "amount_after - amount_before"),
    "moved": ("stayed_open and stage_before <> stage_after", "amount_after"),
    "slipped": ("stayed_open and close_after > close_before", "amount_after"),
}
"""Of each change: which deals it is, and what of them is added up."""
SUMS = ", ".join(
    f"count(*) filter (where {which}) as {name}_count, "
    f"coalesce(sum({amount}) filter (where {which}), 0)::bigint as {name}_amount"
    for name, (which, amount) in (
        CHANGES | {"before": ("was_open", "amount_before"), "after": ("is_open", "amount_after")}
    ).items()
)
SHOWN = (
    "id, name, currency, stage_before, stage_after, value_before as value_before_minor, "
    "value_after as value_after_minor, close_before as expected_close_date_before, "
    "close_after as expected_close_date_after"
)
