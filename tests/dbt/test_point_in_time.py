"""A row as of an instant is what was recorded by then: whatever is recorded later leaves it as it was, bit for bit."""

from datetime import timedelta

import pytest

from bevyly.ids import new_id
from tests.dbt.histories import START, History
from tests.dbt.warehouse import Warehouse

INSTANT = START + timedelta(days=45)
LATER = START + timedelta(days=70)
DATED = {"lead_snapshots": "as_of", "opportunity_snapshots": "as_of", "stage_norms": "as_of_day"}


@pytest.mark.timeout(900)
def test_what_is_recorded_later_changes_nothing_before(warehouse: Warehouse) -> None:
    histories = [History(new_id(), seed=f"point in time/{number}").generate() for number in range(6)]
    events = [event for history in histories for _, event in history]
    known = [event for event in events if (event.recorded_at or event.occurred_at) <= INSTANT]
    later = [event for event in events if event not in known]
    assert len(later) > len(events) / 10
    assert any(event.occurred_at <= INSTANT for event in later), "something happened before and was recorded after"

    warehouse.load(known)
    warehouse.dbt("run", now=INSTANT.isoformat())
    then = warehouse.contents()
    assert all(then.values())

    warehouse.load(later)
    warehouse.dbt("run", now=INSTANT.isoformat())
    assert warehouse.contents() == then

    warehouse.dbt("run", "--full-refresh", now=LATER.isoformat())
    for mart, column in DATED.items():
        query = f"select m::text as text from marts.{mart} as m where {column} <= %s order by 1"
        assert [row["text"] for row in warehouse.rows(query, (INSTANT,))] == then[mart], mart
