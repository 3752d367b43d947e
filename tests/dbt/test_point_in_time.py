"""A row as of an instant is what was recorded by then: whatever is recorded later leaves it as it was, bit for bit."""

from datetime import timedelta

import pytest

from bevyly.ids import new_id
from tests.dbt.histories import START, History
from tests.dbt.warehouse import Warehouse

INSTANT = START + timedelta(days=45)
LATER = START + timedelta(days=70)
# norms are kept of the first of each month; those of a briefing day go with it
DATED = {
    "marts.lead_snapshots": "as_of <= %s",
    "marts.opportunity_snapshots": "as_of <= %s",
    "marts.stage_norms": "as_of_day <= %s and extract(day from as_of_day) = 1",
    "intermediate.int_tenants_profiled": "as_of_day <= %s and extract(day from as_of_day) = 1",
}


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
    then, dated = warehouse.contents(), rows_until_then(warehouse)
    assert all(then.values())
    assert all(dated.values())

    warehouse.load(later)
    warehouse.dbt("run", now=INSTANT.isoformat())
    assert warehouse.contents() == then

    warehouse.dbt("run", "--full-refresh", now=LATER.isoformat())
    assert rows_until_then(warehouse) == dated


def rows_until_then(warehouse: Warehouse) -> dict[str, list[str]]:
    """Rows as of instants up to `INSTANT`, as text."""
    return {
        table: [
            row["text"]
            for row in warehouse.rows(f"select t::text as text from {table} as t where {until} order by 1", (INSTANT,))
        ]
        for table, until in DATED.items()
    }
