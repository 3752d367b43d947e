"""An export becomes a tenant: read, mapped and sent to an API with a database behind it."""

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from starlette.testclient import TestClient
from typer.testing import CliRunner

from api.main import create_app
from bevyly.db.engine import make_engine
from bevyly.errors import Unavailable
from bevyly.identity.keys import create_api_key
from bevyly.imports import commands
from bevyly.imports.events import Engine, Prepared
from bevyly.imports.exports import Export
from bevyly.imports.mapping import mappings_of
from bevyly.imports.sending import Refused, Sender, Tally
from bevyly.settings import Settings, get_settings
from tests.integration.api.conftest import SECRET, UNLIMITED, Api, two_tenants
from tests.support.databases import Database

EXPORTS = Path(__file__).parent / "exports"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def api(database: Database, redis_url: str) -> Iterator[Api]:
    """An API with two tenants; `api.app` answers while the fixture lives."""
    app = create_app(
        Settings(database_url=database.owner_url, redis_url=redis_url, jwt_secret=SECRET), limits=UNLIMITED
    )
    a, b = two_tenants(database)
    with TestClient(app) as client:
        api = Api(app, database, a, b)
        api.app.state.client = client
        api.sql("update users set email = 'owner@sender.example' where id = %s", a.users["member"])
        yield api


def send(
    api: Api, system: str, *, batch: int = 500, folder: Path | None = None, **options: str
) -> tuple[Engine, Tally]:
    """Import an export of ours into tenant A."""
    engine = make_engine(api.database.app_url, pool_size=1)
    key = create_api_key(engine, api.a.customer_id, api.a.users["owner"], "import", ["events:write"])
    engine.dispose()
    client: httpx.Client = api.app.state.client
    client.headers["x-api-key"] = key
    read = Engine(mappings_of(system), Export(folder or EXPORTS / system), currency="EUR", now=NOW, **options)
    return read, Sender(client, source=system, batch=batch).send(read.events())


def test_a_salesforce_export_becomes_a_funnel(api: Api) -> None:
    engine, tally = send(api, "salesforce")
    assert [(one.file, one.row, one.code) for one in tally.problems] == []
    assert len(engine.problems) == 2
    deals = api.sql(
        "select external_id, stage, status, value, currency, closed_at from opportunities where customer_id = %s "
        "order by external_id",
        api.a.customer_id,
    )
    assert [row[:5] for row in deals] == [
        ("006A", "won", "won", 2_400_000, "EUR"),
        ("006B", "negotiation", "open", 500_000, "JPY"),
        ("006C", "lost", "lost", 10_000, "EUR"),
    ]
    assert deals[0][5] == datetime(2026, 3, 15, 16, tzinfo=UTC)
    stages = api.sql(
        "select h.new_value, h.valid_from::date::text, h.recorded_at::date::text from opportunity_history h "
        "join opportunities o on o.customer_id = h.customer_id and o.id = h.opportunity_id "
        "where h.customer_id = %s and o.external_id = '006A' and h.field = 'stage' order by h.valid_from",
        api.a.customer_id,
    )
    assert stages == [
        ("qualification", "2026-02-01", "2026-02-01"),
        ("proposal", "2026-02-20", "2026-02-20"),
        ("won", "2026-03-15", "2026-03-15"),
    ]
    leads = api.sql("select external_id, status from leads where customer_id = %s order by 1", api.a.customer_id)
    assert leads == [("00QA", "converted"), ("00QB", "working")]
    owners = api.sql("select external_id, owner_id from accounts where customer_id = %s order by 1", api.a.customer_id)
    assert owners == [("001A", api.a.users["member"]), ("001B", None)]
    assert tally.unknown_owners == {"gone@sender.example": 1}
    assert tally.dropped == {"contact.created account_id": 1}
    assert api.sql("select count(*) from accounts where customer_id = %s", api.b.customer_id) == [(0,)]
    told = Counter(event.type for event in api.events())
    assert told["opportunity.stage_changed"] == 4
    assert all(event.recorded_time == event.time for event in api.events())


def test_a_hubspot_export_becomes_a_funnel(api: Api) -> None:
    _, tally = send(api, "hubspot")
    assert [(one.file, one.row, one.column, one.code) for one in tally.problems] == [
        ("deal_data.csv", 3, "account_id", "invalid_event"),
        ("deal_data.csv", 3, "", "record_unknown"),
    ]
    deals = api.sql(
        "select external_id, stage, value from opportunities where customer_id = %s order by 1", api.a.customer_id
    )
    assert deals == [("301", "won", 500_000), ("302", "proposal", 80_050)]
    kinds = api.sql(
        "select kind, count(*) from activities where customer_id = %s group by 1 order by 1", api.a.customer_id
    )
    assert kinds == [("call", 1), ("email", 2), ("meeting", 2), ("note", 1), ("task", 1)]
    accounts = api.sql(
        "select name, annual_revenue_minor, custom from accounts where customer_id = %s order by 1", api.a.customer_id
    )
    assert accounts == [("Brick Works", 150_000_000, {"Segment": "mid"}), ("Tile House", None, {})]


@pytest.mark.parametrize("system", ["salesforce", "hubspot"])
def test_again_and_in_other_batches_nothing_changes(api: Api, system: str) -> None:
    _, first = send(api, system, company="No company")
    told = len(api.events())
    _, again = send(api, system, batch=3, company="No company")
    assert first.problems == again.problems == []
    assert set(again.statuses) == {"duplicate"}
    assert sum(again.statuses.values()) == sum(first.statuses.values())
    assert len(api.events()) == told


def test_an_import_that_was_cut_off_goes_on(api: Api) -> None:
    engine = Engine(mappings_of("salesforce"), Export(EXPORTS / "salesforce"), currency=None, now=NOW)
    events = list(engine.events())

    class CutOff(Exception):
        pass

    def some() -> Iterator[Prepared]:
        yield from events[:9]
        raise CutOff

    make_key = make_engine(api.database.app_url, pool_size=1)
    key = create_api_key(make_key, api.a.customer_id, api.a.users["owner"], "import", ["events:write"])
    make_key.dispose()
    client: httpx.Client = api.app.state.client
    client.headers["x-api-key"] = key
    with pytest.raises(CutOff):
        Sender(client, source="salesforce", batch=2).send(some())
    _, tally = send(api, "salesforce")
    assert tally.statuses["duplicate"] == 8
    assert api.sql("select count(*) from opportunities where customer_id = %s", api.a.customer_id) == [(3,)]


def answering(*answers: httpx.Response) -> tuple[httpx.Client, list[httpx.Request]]:
    """A client of an API that gives these answers, one after the other."""
    left, asked = list(answers), []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return left.pop(0)

    return httpx.Client(transport=httpx.MockTransport(handle), base_url="http://api.test"), asked


def one_event() -> list[Prepared]:
    return [Prepared("f.csv", 1, "account", "1", "account.created", None, {"account_id": "1", "name": "x"})]


def test_the_sender_is_patient_and_gives_up_in_the_end() -> None:
    done = httpx.Response(200, json={"results": [{"index": 0, "status": "created"}]})
    pauses: list[float] = []
    busy = httpx.Response(503, headers={"retry-after": "3"}, json={"detail": "busy"})
    client, _ = answering(busy, httpx.Response(502, text="?"), done)
    tally = Sender(client, source="s", sleep=pauses.append).send(one_event())
    assert (tally.statuses, pauses) == ({"created": 1}, [3.0, 1.0])
    client, asked = answering(*[busy] * 8)
    with pytest.raises(Unavailable, match="Run the import again"):
        Sender(client, source="s", sleep=pauses.append).send(one_event())
    assert len(asked) == 8


def test_what_the_api_refuses_as_a_whole_ends_the_import() -> None:
    client, _ = answering(httpx.Response(401, json={"detail": "A valid access token or API key is needed."}))
    with pytest.raises(Refused, match="401: A valid access token"):
        Sender(client, source="s").send(one_event())


def test_a_batch_that_is_too_large_is_halved() -> None:
    def results(count: int) -> httpx.Response:
        return httpx.Response(200, json={"results": [{"index": n, "status": "created"} for n in range(count)]})

    client, asked = answering(httpx.Response(413, json={"detail": "large"}), results(1), results(1))
    assert Sender(client, source="s").send(one_event() * 2).statuses == {"created": 2}
    assert len(asked) == 3


def test_the_command_says_what_it_would_send_and_what_is_wrong(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(commands.import_files)
    errors = tmp_path / "errors.csv"
    run = CliRunner().invoke(app, ["salesforce", str(EXPORTS / "salesforce"), "--dry-run", "--errors", str(errors)])
    assert run.exit_code == 1, run.output
    assert "3  opportunity.created" in run.output
    assert "Fields of your own from Account.csv: Tier__c." in run.output
    assert "Files that no mapping asks for: Case.csv." in run.output
    assert "Contact.csv Email: bad_value, as in row 3" in run.output
    with errors.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["row"], row["column"]) for row in rows] == [
        ("Contact.csv", "3", "Email"),
        ("Lead.csv", "3", "Status"),
    ]
    assert CliRunner().invoke(app, ["pipedrive", str(tmp_path)]).exit_code == 2


def test_the_command_sends_as_the_owner_of_a_tenant(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, Any] = {}

    def keep(events: Any, source: str, api_url: str | None, key: str) -> Tally:
        sent.update(events=list(events), source=source, key=key)
        return Tally()

    monkeypatch.setattr(commands, "_send", keep)
    monkeypatch.setenv("DATABASE_URL", api.database.owner_url)
    get_settings.cache_clear()
    app = typer.Typer()
    app.command()(commands.import_files)
    run = CliRunner().invoke(
        app, ["hubspot", str(EXPORTS / "hubspot"), "--tenant", api.a.customer_id, "--currency", "EUR"]
    )
    get_settings.cache_clear()
    assert run.exit_code == 0, run.output
    answer = api.app.state.client.post("/api/v1/events", json=[], headers={"x-api-key": sent["key"]})
    assert answer.status_code == 200
    assert sent["source"] == "hubspot"
