"""What single events show to be done is what comparing totals shows: the stream and the refresh complete the same."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ranking.catalogue import ACTIONS
from models.ranking.done import done
from models.ranking.noticed import GROWTH_SCHEMA, LEVELS, TURNED, noticed
from models.signals.detector import ACCOUNT, LEAD, OPPORTUNITY
from models.signals.frames import Frames

MADE = datetime(2026, 11, 23, 6, tzinfo=UTC)
DAY = date(2026, 12, 1)
COUNTERS = sorted({name for action in ACTIONS for name in action.counters})
# what each mart has of them
HAS = {
    OPPORTUNITY: [name for name in COUNTERS if name != "opportunities_total"],
    LEAD: ["calls_total", "emails_sent", "meetings_total", "has_next_step", "contacts_engaged_30d"],
    ACCOUNT: ["contacts_total", "opportunities_total"],
}
ENTITIES = [(kind, f"{kind}{number}") for kind in HAS for number in range(2)]
ANOTHER = [(kind, entity, name) for kind, entity in ENTITIES for name in HAS[kind] if name not in LEVELS]
Growing = list[tuple[tuple[str, str, str], int]]


def item(kind: str, entity: str, action: Any) -> dict[str, Any]:
    payload = {"baseline": {name: 1.0 if name in HAS[kind] else None for name in action.counters},
               "from": DAY.isoformat()}  # fmt: skip
    return {"customer_id": "t", "entity_type": kind, "entity_id": entity, "action_type": action.action_type,
            "dedupe_key": f"{action.action_type}:{entity}", "payload": orjson.dumps(payload).decode(),
            "as_of": MADE}  # fmt: skip


ITEMS = [item(kind, entity, action) for action in ACTIONS for kind, entity in ENTITIES if kind in action.entity_types]


def grown(growing: Growing, turned: list[str]) -> pl.DataFrame:
    rows = [("t", *of, MADE + timedelta(hours=hours)) for of, hours in growing]
    rows += [("t", LEAD, lead, TURNED, MADE + timedelta(hours=1)) for lead in turned]
    return pl.DataFrame(rows, schema=dict(GROWTH_SCHEMA), orient="row")


def counted(kind: str, growing: Growing, engaged: float, **columns: Any) -> pl.DataFrame:
    """The mart after everything that was recorded: what was so at `MADE` is the baseline."""
    rows = []
    for of, entity in ENTITIES:
        if of == kind:
            new = [name for (_, grew, name), hours in growing if grew == entity and hours > 0]
            totals = {name: engaged if name in LEVELS else 1.0 + new.count(name) for name in HAS[kind]}
            rows.append({"customer_id": "t", f"{kind}_id": entity, **totals, **columns})
    return pl.DataFrame(rows)


@settings(deadline=None, max_examples=40)
@given(
    growing=st.lists(st.tuples(st.sampled_from(ANOTHER), st.integers(-2, 2))),
    turned=st.lists(st.sampled_from(["lead0", "lead1"]), unique=True),
    engaged=st.sampled_from([0.0, 1.0, 2.0]),
    close=st.sampled_from([DAY, DAY + timedelta(days=9), None]),
    value=st.sampled_from([None, 0, 500]),
)
def test_events_and_totals_agree(
    growing: Growing, turned: list[str], engaged: float, close: date | None, value: int | None
) -> None:
    state = {"expected_close_date": close, "value_minor": value, "contacts_engaged_30d": engaged, "status": "open"}
    types = {"expected_close_date": pl.Date, "value_minor": pl.Int64, "status": pl.String}
    items = pl.DataFrame([row | state for row in ITEMS], schema_overrides=types)
    deals = counted(OPPORTUNITY, growing, engaged, expected_close_date=close, value_minor=value).cast(
        {"expected_close_date": pl.Date, "value_minor": pl.Int64}
    )
    leads = counted(LEAD, growing, engaged).with_columns(
        opportunity_id=pl.when(pl.col("lead_id").is_in(turned)).then(pl.lit("some"))
    )
    frames = Frames(opportunities=deals, leads=leads, accounts=counted(ACCOUNT, growing, engaged))
    none = pl.DataFrame(schema={"customer_id": pl.String, "entity_id": pl.String})
    expected = done(items.drop(*state), frames, lost=none, converted=none)
    assert noticed(items, grown(growing, turned)).rows() == expected.rows()


def test_a_lost_deal_is_closed_and_a_converted_lead_turned() -> None:
    state = {"expected_close_date": DAY, "value_minor": None, "contacts_engaged_30d": 0.0}
    rows = [
        row | state | {"status": "lost" if row["entity_id"] == "opportunity0" else "converted"}
        for row in ITEMS
        if row["action_type"] in {"close_lost", "convert_or_create_opportunity"}
    ]
    items = pl.DataFrame(rows, schema_overrides={"value_minor": pl.Int64})
    found = noticed(items, pl.DataFrame(schema=dict(GROWTH_SCHEMA)))["dedupe_key"].to_list()
    assert found == [
        "close_lost:opportunity0",
        "convert_or_create_opportunity:lead0",
        "convert_or_create_opportunity:lead1",
    ]
