"""What people answer over the API moves the order of the next refresh: of such recommendations, and of no others."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import psycopg

from bevyly.ids import new_id
from models.patterns.find import PATTERN_SCHEMA
from models.ranking.effects import priors
from models.ranking.rank import rank
from models.ranking.usefulness import ANSWERS
from models.signals.detect import detect
from models.signals.frames import Frames
from pipelines.repositories.answers import REMEMBERED, answers
from pipelines.repositories.patterns import MEMBER_SCHEMA
from pipelines.repositories.recommendations import decisions, replace_recommendations
from pipelines.repositories.signal_passes import open_signals
from pipelines.repositories.signals import upsert_signals
from tests.integration.api.conftest import Api
from tests.unit.models.ranking.test_rank import OFFER
from tests.unit.models.signals.builders import opportunities, stage_norms

FIRST = datetime.now(UTC)
NEXT = FIRST + timedelta(days=1)
WAITING = [new_id() for _ in range(12)]
IDLE = new_id()


def refresh(api: Api, *, at: datetime) -> dict[str, int]:
    """Twelve offers without an answer and a deal that both sides are silent about, ranked for the owner; ranks by
    deal."""
    tenant, owner = api.a.customer_id, api.a.users["owner"]
    own = {"customer_id": tenant, "owner_id": owner, "as_of": at}
    # nobody to write to: a call is all that can be done
    alone = OFFER | own | {"value_minor": 1_500_000, "contact_id": None, "contact_email": None}
    waiting = [alone | {"opportunity_id": deal} for deal in WAITING]
    idle = own | {"opportunity_id": IDLE, "days_since_last_activity": 20.0, "value_minor": 1_100_000,
                  "contact_id": None, "contact_email": None}  # fmt: skip
    frames = Frames(opportunities=opportunities(*waiting, idle), stage_norms=stage_norms({"customer_id": tenant}))
    with psycopg.connect(api.database.pipeline_url) as connection:
        upsert_signals(connection, detect(frames, as_of=at), found_by="batch", at=at)
        ranked = rank(
            open_signals(connection, [tenant]),
            pl.DataFrame(schema=PATTERN_SCHEMA),
            pl.DataFrame(schema=MEMBER_SCHEMA),
            frames,
            effects=priors([tenant]),
            tenants=pl.DataFrame({"customer_id": [tenant], "currency": ["EUR"], "median_won_minor": [1e6]}),
            decisions=decisions(connection, [tenant], at=at),
            answers=answers(connection, [tenant], at=at),
        )
        replace_recommendations(connection, ranked.recommendations, customers=[tenant], at=at)
    return dict(ranked.recommendations.select("entity_id", "rank").rows())


async def answer(api: Api, deal: str, verb: str, **body: str) -> None:
    [(advice,)] = api.sql("select id from recommendations where entity_id = %s and status = 'pending'", deal)
    async with api.client(api.a) as client:
        said = await client.post(f"/api/v1/intent/recommendations/{advice}/{verb}", json=body)
    assert said.status_code == 200, said.text


def counted(api: Api, *, at: datetime) -> list[tuple[Any, ...]]:
    with psycopg.connect(api.database.pipeline_url) as connection:
        return answers(connection, [api.a.customer_id, api.b.customer_id], at=at).rows()


async def test_what_people_do_not_find_useful_falls_behind_with_the_next_refresh(api: Api) -> None:
    before = refresh(api, at=FIRST)
    asked, last = WAITING[:-1], WAITING[-1]
    assert before[last] < before[IDLE]
    for deal in asked:
        await answer(api, deal, "dismiss", reason="not useful")
    assert counted(api, at=FIRST - timedelta(seconds=1)) == [], "a ranking reads what was answered by then"
    assert counted(api, at=NEXT + REMEMBERED) == [], "and forgets in time"
    after = refresh(api, at=NEXT)
    assert after[IDLE] < after[last]
    [(rationale, usefulness, low)] = api.sql(
        "select rationale, usefulness, expected_value_low_minor from recommendations where entity_id = %s", last
    )
    assert rationale.endswith(" People here found 0 of 11 of these useful, whose it is 0 of 11.")
    assert (usefulness, low) == (0.5, low)
    async with api.client(api.a) as client:
        listed = await client.get("/api/v1/intent/recommendations", params={"filter": f'entity_id eq "{last}"'})
    assert [item["usefulness"] for item in listed.json()["data"]] == [0.5]
    [(untouched,)] = api.sql("select usefulness from recommendations where entity_id = %s", IDLE)
    assert untouched is None


async def test_what_each_answer_counts_as(api: Api) -> None:
    refresh(api, at=FIRST)
    said = [
        ("accept", {}), ("complete", {"reason": "Done elsewhere"}), ("dismiss", {"reason": "done elsewhere"}),
        ("dismiss", {"reason": "Not useful: not true"}), ("dismiss", {}), ("complete", {"reason": "wrong"}),
        ("snooze", {"until": "2199-01-01T00:00:00Z"}),
    ]  # fmt: skip
    for deal, (verb, body) in zip(WAITING, said, strict=False):
        await answer(api, deal, verb, **body)
    expected = (api.a.customer_id, api.a.users["owner"], "call", "ghosted", 3, 6)
    assert counted(api, at=NEXT) == [expected]
    assert len(expected) == len(ANSWERS)
