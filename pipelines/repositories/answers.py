"""What people answered to recommendations, by kind, as rankings and scoreboards read it.

Belongs here: what an answer means. Nothing that was answered after the instant asked for is read.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from models.ranking.usefulness import ANSWERS
from pipelines.repositories.staging import Connection, rows

REMEMBERED = timedelta(days=365)
"""How long an answer counts for the ranking: people and their work change."""
REASON = "btrim(regexp_replace(lower(r.feedback ->> 'reason'), '[^a-z]+', '_', 'g'), '_')"
"""The reason of an answer as a code: `Not useful: not true` is `not_useful_not_true`."""
WRONG = "('wrong', 'not_true', 'not_useful_not_true')"
"""Reasons that say: what it stands on is not so."""
_ELSEWHERE = "('done_elsewhere', 'already_done')"

ANSWERED = "r.acted_by is not null and r.acted_at <= %(at)s and r.status in ('accepted', 'completed', 'dismissed')"
# As `models.ranking.findings` names what calls for an action.
_FINDING = """
coalesce(s.signal_type, case when starts_with(p.pattern_type, 'cluster_') then 'cluster' || p.polarity
                             else p.pattern_type end)
"""
_ANSWERS = f"""
select r.customer_id, r.acted_by, r.action_type, {_FINDING} as finding,
       count(*) filter (where r.status <> 'dismissed' and coalesce({REASON} not in {WRONG}, true)
                        or {REASON} in {_ELSEWHERE}),
       count(*)
from recommendations r
left join signals s on s.customer_id = r.customer_id and s.id = r.signal_id
left join patterns p on p.customer_id = r.customer_id and p.id = r.pattern_id
where r.customer_id = any(%(customers)s) and {ANSWERED} and r.acted_at > %(since)s
  and coalesce(s.signal_type, p.pattern_type) is not null
group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""


def answers(connection: Connection, customers: Sequence[str], *, at: datetime) -> pl.DataFrame:
    """`models.ranking.usefulness.ANSWERS` of `customers`, as they stood at `at`.

    Useful is what was accepted, completed, or dismissed because it was done elsewhere; put off is no answer.
    """
    parameters = {"customers": list(customers), "at": at, "since": at - REMEMBERED}
    return rows(connection, _ANSWERS, parameters, ANSWERS)
