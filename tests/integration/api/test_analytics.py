"""Figures: each is what its rows say, and its link returns exactly the rows that were counted, for whoever asks."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from bevyly.ids import new_id
from tests.integration.api.conftest import Api
from tests.integration.api.seeds import NOW as SEEDED

NOW = datetime.now(UTC).replace(microsecond=0)
BASE = "/api/v1/analytics"
STAGES = ("prospecting", "qualification", "proposal", "negotiation", "won", "lost")
QUERIES: list[tuple[str, dict[str, str]]] = [
    ("funnel", {}),
    ("funnel", {"since": "-45d", "until": "-10d", "owner_id": "owner"}),
    ("funnel", {"team_id": "team"}),
    *(("conversion", {"by": by}) for by in ("source", "owner", "week", "month")),
    ("conversion", {"by": "month", "since": "last_month", "until": "last_month", "team_id": "team"}),
    ("activity", {}),
    ("activity", {"since": "-4w", "owner_id": "owner", "team_id": "team"}),
    ("forecast", {}),
    ("forecast", {"by": "quarter", "group_by": "owner"}),
    ("forecast", {"since": "today", "until": "+90d", "pipeline_id": "pipeline", "owner_id": "owner"}),
]
Row = dict[str, Any]


@dataclass
class World:
    """A tenant whose rows are put in as the database keeps them."""

    api: Api
    connection: psycopg.Connection[tuple[Any, ...]]
    account: str = ""
    model: str = ""

    def insert(self, table: str, **values: Any) -> str:
        values = {"customer_id": self.api.a.customer_id, "id": new_id()} | values
        holes = ", ".join(["%s"] * len(values))
        statement = f"insert into {table} ({', '.join(values)}) values ({holes})"
        self.connection.execute(statement, list(values.values()))
        return str(values["id"])

    def deal(self, *way: tuple[str, float], **values: Any) -> str:
        """A deal that entered each stage so many days ago, and is in the last one."""
        entered = [(stage, NOW - timedelta(days=days)) for stage, days in way]
        stage, since = entered[-1]
        status = stage if stage in ("won", "lost") else "open"
        values = {"created_at": entered[0][1], "owner_id": None} | values
        deal = self.insert(
            "opportunities", account_id=self.account, name="d", stage=stage, status=status, stage_entered_at=since,
            closed_at=None if status == "open" else since, **values,
        )  # fmt: skip
        ends = [at for _, at in entered[1:]] + [None]
        for (name, at), end in zip(entered, ends, strict=True):
            self.insert(
                "opportunity_history", opportunity_id=deal, field="stage", new_value=name, valid_from=at, valid_to=end
            )
        return deal

    def score(self, deal: str, probability: float) -> None:
        numbers = dict.fromkeys(("probability", "probability_low", "probability_high"), probability)
        numbers |= {"logit": 0.0, "baseline_logit": 0.0, "points": 1, "rank": 1}
        self.insert(
            "scores", entity_type="opportunity", entity_id=deal, score_type="win", as_of=NOW, band="B", reasons="[]",
            model_version_id=self.model, feature_hash="h", **numbers,
        )  # fmt: skip

    def forecast(self, deal: str, *, value: int, currency: str, probability: float = 0.5, **more: Any) -> None:
        """That it is won, if at all, on any of the next 200 days alike, for half or one and a half of its amount."""
        day = NOW.date()
        values = {
            "opportunity_id": deal, "as_of": NOW, "win_probability": probability, "basis": "history", "dependence": 0.1,
            "close_low": day, "close_median": day, "close_high": day, "close_days": [10.0 * n for n in range(21)],
            "currency": currency, "value_minor": value, "amount_low_minor": value, "amount_median_minor": value,
            "amount_high_minor": value, "amounts_minor": [value // 2] * 10 + [value + value // 2] * 10,
            "model_version_id": self.model, "feature_hash": "h",
        }  # fmt: skip
        self.insert("opportunity_forecasts", **(values | more))


@pytest.fixture
def world(api: Api) -> Iterator[World]:
    with psycopg.connect(api.database.pipeline_url, autocommit=True) as connection:
        made = World(api, connection)
        made.account = made.insert("accounts", name="Acme")
        made.model = made.insert(
            "model_versions", score_type="win", status="champion", display="probability", n_rows=1, n_outcomes=1,
            metrics="{}", card="", artefact="x", trained_display="probability",
        )  # fmt: skip
        yield made


async def asked(api: Api, figure: str, role: str = "owner", **query: str) -> Row:
    async with api.client(api.a, role) as client:
        answer = await client.get(f"{BASE}/{figure}", params=query)
    assert answer.status_code == 200, answer.text
    found: Row = answer.json()
    return found


def numbers(value: Any) -> Any:
    """An answer without its links."""
    if isinstance(value, dict):
        return {key: numbers(one) for key, one in value.items() if key != "drill"}
    return [numbers(one) for one in value] if isinstance(value, list) else value


def counted(value: Any) -> Iterator[tuple[int, str]]:
    """Every count in an answer with its link."""
    if isinstance(value, dict):
        if "drill" in value:
            yield value["count"], value["drill"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from counted(one)


async def test_a_funnel_counts_who_came_went_on_and_how_long_they_stayed(world: World) -> None:
    world.deal(("prospecting", 20), ("qualification", 18), ("won", 10), value=500, currency="EUR")
    world.deal(("prospecting", 20), ("qualification", 10), value=100, currency="EUR")
    world.deal(("prospecting", 20), value=70, currency="USD")
    world.deal(("qualification", 20), ("lost", 2))
    world.deal(("prospecting", 400), ("won", 1), value=1, currency="EUR")
    world.deal(("prospecting", 20), deleted_at=NOW)
    found = {row["stage"]: numbers(row) for row in (await asked(world.api, "funnel", since="-30d"))["data"]}
    assert list(found) == list(STAGES)
    assert found["prospecting"] == {
        "stage": "prospecting", "name": "Prospecting", "kind": "open", "current": {"count": 1},
        "amounts": [{"currency": "USD", "amount_minor": 70, "count": 1}], "entered": {"count": 3},
        "reached": {"count": 4}, "conversion_to_next": 0.75, "median_days": 6.0,
    }  # fmt: skip
    assert (found["qualification"]["entered"], found["qualification"]["reached"]) == ({"count": 3}, {"count": 3})
    assert found["qualification"]["median_days"] == 13.0
    assert found["proposal"]["entered"] == {"count": 0}, "the deal that was won left it out"
    assert found["proposal"]["reached"] == {"count": 1}, "and yet came further"
    assert found["won"]["amounts"] == [{"currency": "EUR", "amount_minor": 500, "count": 1}]
    assert (found["lost"]["current"], found["lost"]["reached"]) == ({"count": 1}, None)


async def test_leads_of_a_month_are_those_of_the_tenants_month(world: World) -> None:
    world.connection.execute("update customers set timezone = 'Asia/Tokyo' where id = %s", [world.api.a.customer_id])
    for created, converted in (
        ("2026-03-31T14:59:59Z", "2026-04-02T14:59:59Z"),
        ("2026-03-31T15:00:00Z", "2026-04-04T15:00:00Z"),
        ("2026-04-30T14:59:59Z", None),
        ("2026-04-30T15:00:00Z", None),
    ):
        world.insert(
            "leads", company_name="x", created_at=created, converted_at=converted, source="fair",
            status="converted" if converted else "new",
        )  # fmt: skip
    found = await asked(world.api, "conversion", since="2026-04-01", until="2026-04-30")
    assert numbers(found) == {
        "by": "month", "timezone": "Asia/Tokyo", "complete": True,
        "data": [
            {
                "key": "2026-04-01", "leads": {"count": 2}, "converted": {"count": 1}, "disqualified": {"count": 0},
                "rate": 0.5, "median_days_to_convert": 4.0,
            }
        ],
    }  # fmt: skip
    by_source = await asked(world.api, "conversion", since="2026-01-01", until="2026-12-31", by="source")
    assert [(row["key"], row["leads"]["count"]) for row in by_source["data"]] == [("fair", 4)]


async def test_hours_are_those_of_the_tenants_clock_whatever_the_season(world: World) -> None:
    world.connection.execute("update customers set timezone = 'Europe/Berlin' where id = %s", [world.api.a.customer_id])
    for at, more in (
        ("2026-01-05T08:30:00Z", {}),
        ("2026-07-06T07:30:00Z", {}),
        ("2026-07-06T07:31:00Z", {"due_at": "2026-07-06T07:31:00Z"}),
        ("2026-07-05T22:00:00Z", {"due_at": "2026-07-06T07:31:00Z", "completed_at": "2026-07-06T07:31:00Z"}),
    ):
        world.insert("activities", kind="call", direction="outbound", occurred_at=at, **more)
    found = await asked(world.api, "activity", since="2026-01-01", until="2026-12-31")
    assert numbers(found) == {
        "timezone": "Europe/Berlin",
        "data": [
            {"weekday": 1, "hour": 0, "kind": "call", "count": 1},
            {"weekday": 1, "hour": 9, "kind": "call", "count": 2},
        ],
    }


async def test_a_forecast_says_what_it_is_weighted_by_and_mixes_no_currencies(world: World) -> None:
    day = date(2026, 12, 31)
    statement = "select probability from pipeline_stages where customer_id = %s and key = 'proposal'"
    likely = world.api.sql(statement, world.api.a.customer_id)[0][0]
    scored = world.deal(("proposal", 1), value=1001, currency="EUR", expected_close_date=day)
    world.score(scored, 0.5)
    world.deal(("proposal", 1), value=1000, currency="EUR", expected_close_date=day.replace(day=1))
    world.deal(("proposal", 1), value=9, currency="USD", expected_close_date=day)
    world.deal(("proposal", 1), value=5, currency="EUR")
    world.deal(("won", 1), value=10**6, currency="EUR", expected_close_date=day)
    first, second, last = numbers((await asked(world.api, "forecast"))["data"])
    staged = round(1000 * likely)
    assert first == {
        "month": "2026-12", "currency": "EUR", "count": 2, "amount_minor": 2001, "weighted_minor": 501 + staged,
        "by_score": {"count": 1, "amount_minor": 1001, "weighted_minor": 501},
        "by_stage": {"count": 1, "amount_minor": 1000, "weighted_minor": staged},
    }  # fmt: skip
    assert (second["currency"], second["amount_minor"], last["month"], last["amount_minor"]) == ("USD", 9, None, 5)
    world.connection.execute("update model_versions set display = 'band' where id = %s", [world.model])
    first = (await asked(world.api, "forecast"))["data"][0]
    assert (first["by_score"]["count"], first["by_stage"]["count"]) == (0, 2), "what may not be shown does not weigh"


def whole(found: Row, *names: str) -> dict[tuple[Any, ...], int]:
    """Sums over owners of each figure, by period and currency."""
    sums: dict[tuple[Any, ...], int] = {}
    for row in found["periods"]:
        for name in names:
            key = (row["starts_on"], row["currency"], name)
            sums[key] = sums.get(key, 0) + (row[name] if name.endswith("minor") else row[name]["amount_minor"])
    return sums


async def test_what_is_won_and_what_is_expected_is_the_forecast_of_owners_and_of_all(world: World) -> None:
    dice = random.Random(7)
    crowd(world, dice)
    names = ("won", "open", "expected_minor", "forecast_minor")
    for unit, periods in (("week", 13), ("month", 12), ("quarter", 4)):
        everybody = await asked(world.api, "forecast", by=unit)
        owners = await asked(world.api, "forecast", by=unit, group_by="owner")
        assert len({row["starts_on"] for row in everybody["periods"]}) == periods
        assert len({row["owner_id"] for row in owners["periods"]}) > 2
        assert whole(everybody, *names) == whole(owners, *names)
        for row in everybody["periods"] + owners["periods"]:
            assert row["won"]["amount_minor"] + row["expected_minor"] == row["forecast_minor"]
            assert row["won"]["amount_minor"] <= row["forecast_low_minor"] <= row["forecast_high_minor"]
    months, quarters = [
        await asked(world.api, "forecast", by=unit, until="this_quarter") for unit in ("month", "quarter")
    ]
    for currency in ("EUR", "USD"):
        told = [
            sum(row["expected_minor"] for row in one["periods"] if row["currency"] == currency)
            for one in (months, quarters)
        ]
        assert told[0] == told[1] > 0, "the months of a quarter are the quarter, to the last cent"


async def test_a_forecast_of_one_deal_is_its_chance_times_its_amount(world: World) -> None:
    deal = world.deal(("proposal", 1), value=1000, currency="EUR")
    world.forecast(deal, value=1000, currency="EUR", probability=0.5)
    found = await asked(world.api, "forecast", by="quarter")
    assert sum(row["expected_minor"] for row in found["periods"]) == 500
    assert {(row["expected_low_minor"], row["expected_high_minor"]) for row in found["periods"]} <= {
        (0, 0),
        (0, 500),
        (0, 1500),
    }
    assert found["periods"][0]["open"] == {
        "count": 1, "amount_minor": 1000,
        "drill": "/api/v1/opportunities?filter=status+eq+%22open%22+and+currency+eq+%22EUR%22+and+not+"
        "forecast_amount_minor+is+null",
    }  # fmt: skip
    async with world.api.client(world.api.a, "owner") as client:
        answer = await client.get(
            f'/api/v1/opportunities?fields=id,forecast_close_date,forecast_amount_minor&filter=id eq "{deal}"'
        )
    assert answer.json()["data"][0]["forecast_amount_minor"] == 1000


async def test_what_is_in_no_sum_is_counted_and_listed(world: World) -> None:
    """Without an amount, without a forecast yet, and in another currency than when it was made."""
    world.forecast(
        world.deal(("proposal", 1)), value=0, currency="EUR", amounts_minor=None, amount_low_minor=None,
        amount_median_minor=None, amount_high_minor=None,
    )  # fmt: skip
    world.deal(("proposal", 1), value=700, currency="EUR")
    changed = world.deal(("proposal", 1), value=900, currency="USD")
    world.forecast(changed, value=900, currency="EUR")
    found = await asked(world.api, "forecast")
    assert found["periods"] == []
    assert found["left_out"]["count"] == 3
    async with world.api.client(world.api.a, "owner") as client:
        rows = (await client.get(found["left_out"]["drill"])).json()["data"]
    assert changed in {row["id"] for row in rows}


def crowd(world: World, dice: random.Random) -> dict[str, str]:
    """Deals, leads and activities of everybody at random; ids by the names that queries give them."""
    api = world.api
    team = world.insert("teams", name="t", updated_at=SEEDED)
    for role in ("owner", "member"):
        world.connection.execute(
            "insert into team_members (customer_id, team_id, user_id) values (%s, %s, %s)",
            [api.a.customer_id, team, api.a.users[role]],
        )
    owners = [None, *api.a.users.values()]
    for _ in range(30):
        days = sorted((dice.uniform(0, 60) for _ in range(dice.randint(1, 4))), reverse=True)
        way = [(dice.choice(STAGES), day) for day in days]
        value = dice.choice([None, dice.randrange(10**6)])
        deal = world.deal(
            *way, owner_id=dice.choice(owners), value=value, currency=value and dice.choice(["EUR", "USD"]),
            expected_close_date=dice.choice([None, (NOW + timedelta(days=dice.randrange(-40, 120))).date()]),
        )  # fmt: skip
        if dice.random() < 0.5:
            world.score(deal, dice.random())
        if value and dice.random() < 0.8:
            currency = api.sql("select currency from opportunities where id = %s", deal)[0][0]
            world.forecast(deal, value=value, currency=currency, probability=dice.random())
    for number in range(30):
        created = NOW - timedelta(days=dice.uniform(1, 80))
        status = dice.choice(["new", "converted", "disqualified"])
        world.insert(
            "leads", company_name=f"x{number}", created_at=created, owner_id=dice.choice(owners), status=status,
            source=dice.choice([None, "fair", 'a "quoted" one']), converted_at=NOW if status == "converted" else None,
        )  # fmt: skip
        at = {"occurred_at": NOW - timedelta(hours=dice.randrange(24 * 80)), "owner_id": dice.choice(owners)}
        world.insert("activities", kind=dice.choice(["call", "note"]), direction="internal", **at)
    pipeline = api.sql("select id from pipelines where customer_id = %s", api.a.customer_id)[0][0]
    return {"owner": api.a.users["owner"], "team": team, "pipeline": pipeline}


@pytest.mark.parametrize(
    ("seed", "role", "visibility"), [(1, "admin", "own"), (2, "member", "own"), (3, "member", "team")]
)
async def test_every_figure_is_the_number_of_rows_behind_its_link(
    world: World, seed: int, role: str, visibility: str
) -> None:
    ids = crowd(world, random.Random(seed))
    change = "update customers set timezone = 'America/New_York', record_visibility = %s where id = %s"
    world.connection.execute(change, [visibility, world.api.a.customer_id])
    links = 0
    async with world.api.client(world.api.a, role) as client:
        for figure, query in QUERIES:
            named = {name: ids[one] if name.endswith("_id") else one for name, one in query.items()}
            document = await asked(world.api, figure, role, **named)
            for count, link in counted(document):
                answer = await client.get(f"{link}&count=exact&limit=1")
                assert answer.status_code == 200, (link, answer.text)
                assert answer.json()["page"]["total"] == count, link
                links += 1
    assert links > 100


async def test_whoever_sees_less_counts_less(world: World) -> None:
    """The positive control of the row scope: the same question, another answer."""
    crowd(world, random.Random(4))
    world.connection.execute("update customers set record_visibility = 'own' where id = %s", [world.api.a.customer_id])
    for figure in ("funnel", "conversion", "activity", "forecast"):
        everything, own = [await asked(world.api, figure, role) for role in ("owner", "member")]
        mine = await asked(world.api, figure, "owner", owner_id=world.api.a.users["member"])
        assert numbers(own) == numbers(mine) != numbers(everything), figure


@pytest.mark.parametrize(
    ("figure", "query"),
    [
        ("funnel", {"since": "yesterday or id is null"}),
        ("funnel", {"since": '"x"'}),
        ("conversion", {"until": "9999-99-99"}),
        ("conversion", {"by": "name"}),
        ("activity", {"since": "me"}),
        ("forecast", {"owner_id": "x"}),
        ("forecast", {"surprise": "x"}),
    ],
)
async def test_what_is_no_period_or_no_name_is_refused(api: Api, figure: str, query: dict[str, str]) -> None:
    async with api.client(api.a) as client:
        answer = await client.get(f"{BASE}/{figure}", params=query)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == f"query.{next(iter(query))}"
