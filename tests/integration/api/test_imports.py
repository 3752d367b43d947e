"""Imports: a file becomes records once, whatever dies meanwhile, and can be taken back."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.modules.imports import importer as importing
from api.modules.imports.importer import Importer, Policy
from bevyly.clock import FixedClock, SystemClock
from bevyly.db.engine import make_async_engine
from bevyly.ids import new_id
from tests.integration.api.conftest import Api

NOW = datetime.now(UTC)
CONTACTS = (
    "First name;Last name;E-Mail;Owner;Revenue\n"
    "Ann;Ä;ann@x.example;owner@{};1\nBob;=1+1;bob;;2\n;;;;\nCid;C;cid@x.example;;3\n"
)


async def upload(client: httpx.AsyncClient, kind: str, content: bytes | str) -> dict[str, Any]:
    raw = content if isinstance(content, bytes) else content.encode()
    answer = await client.post("/api/v1/imports", params={"kind": kind, "filename": "f.csv"}, content=raw)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def mapped(client: httpx.AsyncClient, import_id: str, **more: Any) -> dict[str, Any]:
    """Map as the preview suggests."""
    suggested = (await client.get(f"/api/v1/imports/{import_id}/preview")).json()["mapping"] | more
    answer = await client.put(f"/api/v1/imports/{import_id}/mapping", json=suggested)
    assert answer.status_code == 200, answer.text
    return dict(suggested)


async def run(api: Api, *, clock: FixedClock | None = None, **policy: Any) -> None:
    engine = make_async_engine(api.database.app_url, pool_size=2)
    worker = Importer(engine, api.database.pipeline_url, clock=clock or FixedClock(NOW), policy=Policy(**policy))
    try:
        while await worker.work_on_one():
            pass
    finally:
        await engine.dispose()


async def start(client: httpx.AsyncClient, import_id: str, *, dry_run: bool = False) -> None:
    answer = await client.post(f"/api/v1/imports/{import_id}/start", json={"dry_run": dry_run})
    assert answer.status_code == 202, answer.text


async def shown(client: httpx.AsyncClient, import_id: str) -> dict[str, Any]:
    document: dict[str, Any] = (await client.get(f"/api/v1/imports/{import_id}")).json()
    return document


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
async def test_a_file_is_understood_checked_and_imported(api: Api, encoding: str) -> None:
    async with api.client(api.a) as client:
        made = await upload(client, "contact", CONTACTS.format(f"{api.a.customer_id}.example").encode(encoding))
        assert (made["delimiter"], made["has_header"], made["encoding"]) == (";", True, encoding)
        mapping = await mapped(client, made["id"])
        assert [one["field"] for one in mapping["columns"]] == [
            *("first_name", "last_name", "email", "owner_id", "custom.Revenue")
        ]
        assert (mapping["mode"], mapping["match_by"], mapping["columns"][3]["by"]) == ("upsert", "email", "email")
        await start(client, made["id"], dry_run=True)
        await run(api)
        checked = await shown(client, made["id"])
        failures = (await client.get(f"/api/v1/imports/{made['id']}/errors.csv")).text
        assert (checked["status"], api.rows("contacts")) == ("checked", [])
        await start(client, made["id"])
        await run(api, rows=2)
        done = await shown(client, made["id"])
        assert (done["status"], done["rows_done"], done["rows_total"]) == ("done", 4, 4)
        assert done["counts"] == checked["counts"] == {"created": 2, "refused": 2}
        assert (await client.get(f"/api/v1/imports/{made['id']}/errors.csv")).text == failures
        assert (await client.get(f"/api/v1/imports/{made['id']}/preview")).status_code == 409
    assert failures.splitlines()[0] == "row,column,message,First name,Last name,E-Mail,Owner,Revenue"
    assert failures.splitlines()[1].startswith("2,E-Mail,")
    assert failures.splitlines()[1].endswith(",Bob,'=1+1,bob,,2")
    names = api.sql("select last_name, custom from contacts where customer_id = %s order by email", api.a.customer_id)
    assert names == [("Ä", {"Revenue": "1"}), ("C", {"Revenue": "3"})]
    types = [event.type for event in api.events()]
    assert types.count("contact.created") == 2
    assert types.count("import.finished") == 2


async def test_rows_find_their_records_and_are_taken_back(api: Api) -> None:
    async with api.client(api.a) as client:
        old = await client.post("/api/v1/accounts", json={"name": "Old", "domain": "old.example", "city": "Ulm"})
        touched = await client.post("/api/v1/accounts", json={"name": "Touched", "domain": "t.example"})
        text = "name,website,city\nNew,new.example,Bonn\nOlder,http://www.old.example/x,\nTouched,t.example,Kiel\n"
        made = await upload(client, "account", text + "Newer,new.example,\n")
        await mapped(client, made["id"])
        await start(client, made["id"], dry_run=True)
        await run(api, rows=1)
        checked = await shown(client, made["id"])
        await start(client, made["id"])
        await run(api, rows=1)
        done = await shown(client, made["id"])
        assert done["counts"] == checked["counts"] == {"created": 1, "updated": 3}
        await client.patch(f"/api/v1/accounts/{touched.json()['id']}", json={"city": "Köln"})
        answer = await client.post(f"/api/v1/imports/{made['id']}/revert")
        assert answer.status_code == 202
        await run(api, rows=2)
        reverted = await shown(client, made["id"])
        assert reverted["status"] == "reverted"
        assert reverted["reverted"] == {"conflict": 1, "reverted": 2}
        assert [row["record_id"] for row in reverted["conflicts"]] == [touched.json()["id"]]
        accounts = (await client.get("/api/v1/accounts")).json()["data"]
        assert {one["name"]: one["city"] for one in accounts} == {"Touched": "Köln", "Old": "Ulm"}
        again = (await client.get(f"/api/v1/accounts/{old.json()['id']}")).json()
        assert (again["version"], again["domain"]) == (3, "old.example")
        assert (await client.post(f"/api/v1/imports/{made['id']}/revert")).status_code == 409
    actions = api.sql("select action from audit where customer_id = %s and entity_type = 'import'", api.a.customer_id)
    assert {row[0] for row in actions} == {
        *("import.uploaded", "import.started", "import.checked", "import.done", "import.reverted")
    }
    assert [event.type for event in api.events()].count("account.deleted") == 1


async def test_leads_and_deals_with_amounts_days_and_names_of_others(api: Api) -> None:
    async with api.client(api.a) as client:
        await client.post("/api/v1/accounts", json={"name": "Steel & Sons", "domain": "steel.example"})
        text = (
            "Deal name,Company,Amount,Close date,Currency\n"
            'One,steel & sons,"1.234,50",24.12.2026,EUR\nTwo,nobody,1,,EUR\nThree,Steel & Sons,x,,EUR\n'
        )
        made = await upload(client, "opportunity", text)
        columns = [
            {"column": "Deal name", "field": "name"},
            {"column": "Company", "field": "account_id", "by": "name"},
            {"column": "Amount", "field": "value_minor", "decimal_comma": True},
            {"column": "Close date", "field": "expected_close_date", "date_format": "dmy"},
            {"column": "Currency", "field": "currency"},
        ]
        await mapped(client, made["id"], mode="create", match_by=None, columns=columns, defaults={"stage": "proposal"})
        await start(client, made["id"])
        await run(api)
        assert (await shown(client, made["id"]))["counts"] == {"created": 1, "refused": 2}
        (deal,) = (await client.get("/api/v1/opportunities")).json()["data"]
        assert (deal["value_minor"], deal["expected_close_date"], deal["stage"]) == (123450, "2026-12-24", "proposal")
        failures = (await client.get(f"/api/v1/imports/{made['id']}/errors.csv")).text.splitlines()
        assert [line.split(",")[1] for line in failures[1:]] == ["Company", "Amount"]


async def test_what_cannot_be_mapped_or_done_is_refused(api: Api) -> None:
    async with api.client(api.a) as client:
        for content in (b"", b"\xff\xfea", b"\n"):
            answer = await client.post("/api/v1/imports", params={"kind": "lead"}, content=content)
            assert (answer.status_code, answer.json()["code"]) == (422, "bad_file"), content
        made = await upload(client, "lead", "email\na@x.example\n")
        path = f"/api/v1/imports/{made['id']}"
        assert (await client.post(f"{path}/start", json={})).status_code == 409
        column = {"column": "email", "field": "contact_email"}
        for wrong in (
            {"columns": [column | {"column": "mail"}]},
            {"columns": [column | {"field": "version"}]},
            {"columns": [column | {"by": "name"}]},
            {"columns": [column, column]},
            {"columns": [column], "mode": "upsert"},
            {"columns": [column], "match_by": "domain"},
            {"columns": [column], "match_by": "external_id"},
            {"columns": [column], "defaults": {"status": "converted"}},
        ):
            answer = await client.put(f"{path}/mapping", json=wrong)
            assert answer.status_code == 422, wrong
        await mapped(client, made["id"])
        await start(client, made["id"])
        assert (await client.post(f"{path}/cancel")).json()["status"] == "cancelled"
        await run(api)
        assert api.rows("leads") == []
    async with api.client(api.b) as client:
        assert (await client.post(f"{path}/revert")).status_code == 404


async def test_a_large_body_is_refused_and_a_key_sends_a_file_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with api.client(api.a) as client:
        sent = [
            await client.post(
                "/api/v1/imports?kind=lead",
                content=b"email\n" + b"a@x.example\n" * 100_000,
                headers={"idempotency-key": "f"},
            )
            for _ in range(2)
        ]
        assert sent[0].content == sent[1].content
        assert api.sql("select count(*) from import_chunks where customer_id = %s", api.a.customer_id) == [(3,)]
        monkeypatch.setitem(importing_limits(), "/api/v1/imports", 1000)

        async def endless() -> Any:
            for _ in range(100):
                yield b"x" * 100

        answer = await client.post("/api/v1/imports?kind=lead", content=endless())
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def importing_limits() -> dict[str, int]:
    from api.middleware import limits

    return limits.FILES


async def test_a_killed_importer_loses_nothing_and_repeats_nothing(api: Api, tmp_path: Any) -> None:
    """Three thousand rows; the process is killed between two parts while a third is under way, another goes on."""
    rows = "".join(f"Lead {n},lead{n}@x.example\n" for n in range(3000))
    async with api.client(api.a) as client:
        made = await upload(client, "lead", "company,email\n" + rows)
        await mapped(client, made["id"], mode="create", match_by=None)
        await start(client, made["id"])
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.killed_importer"],
            env=os.environ | {"DATABASE_URL": api.database.owner_url},
        )
        assert process.wait(timeout=120) == -signal.SIGKILL
        stopped = await shown(client, made["id"])
        assert (stopped["status"], stopped["rows_done"]) == ("running", 1000)
        assert len(api.rows("leads")) == 1000
        await run(api)
        assert (await shown(client, made["id"]))["rows_done"] == 1000
        await run(api, clock=FixedClock(SystemClock().now() + timedelta(minutes=5)))
        done = await shown(client, made["id"])
        assert (done["status"], done["counts"]) == ("done", {"created": 3000})
    emails = api.sql(
        "select count(*), count(distinct contact_email) from leads where customer_id = %s", api.a.customer_id
    )
    assert emails == [(3000, 3000)]
    types = [event.type for event in api.events()]
    assert types.count("lead.created") == 3000


async def test_who_sees_less_sees_their_own_imports_alone(api: Api) -> None:
    api.sql("update customers set record_visibility = 'team' where id = %s", api.a.customer_id)
    tell = (
        "insert into live_events (customer_id, event_id, topic, type, envelope) "
        "values (%s, %s, 'imports', 'import.progressed', %s)"
    )
    async with api.client(api.a) as owner, api.client(api.a, role="member") as member:
        made = [
            await upload(client, "account", "name,domain\nNew,new.example\n,x.example\n") for client in (owner, member)
        ]
        theirs, own = (one["id"] for one in made)
        for import_id in (theirs, own):
            api.sql(tell, api.a.customer_id, new_id(), json.dumps({"data": {"import_id": import_id}}))
        for client, seen in ((owner, {theirs, own}), (member, {own})):
            listed = (await client.get("/api/v1/imports")).json()["data"]
            assert {one["id"] for one in listed} == seen
            all_there_is = {"params": {"follow": "false"}, "headers": {"last-event-id": "0-99999999999"}}
            live = (await client.get("/api/v1/live", **all_there_is)).text
            assert {one for one in (theirs, own) if one in live} == seen
        for what in ("", "/preview", "/errors.csv"):
            answers = [(await member.get(f"/api/v1/imports/{one}{what}")).status_code for one in (theirs, own)]
            assert answers == [404, 200], what
        for what in ("cancel", "revert"):
            assert (await member.post(f"/api/v1/imports/{theirs}/{what}")).status_code == 404
        await mapped(member, own)
        await start(member, own)
        await run(api)
        assert (await shown(member, own))["counts"] == {"created": 1, "refused": 1}
        refused = await member.post(f"/api/v1/imports/{own}/revert")
        assert (refused.status_code, refused.json()["permission"]) == (403, "accounts:delete")
        assert (await owner.post(f"/api/v1/imports/{own}/revert")).status_code == 202
        await run(api)
        assert (await shown(owner, own))["reverted"] == {"reverted": 1}


async def test_who_lost_the_lease_changes_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with api.client(api.a) as client:
        made = await upload(client, "lead", "email\na@x.example\n")
        await mapped(client, made["id"])
        await start(client, made["id"])
        copied = importing._copy

        async def slow(*arguments: Any) -> None:
            await copied(*arguments)
            api.sql("select 1")
            monkeypatch.setattr(importing, "_copy", copied)
            taken.append(made["id"])

        taken: list[str] = []
        monkeypatch.setattr(importing, "_copy", slow)
        original = importing._Run._part

        async def stolen(self: Any, rows: Any) -> bool:
            if taken:
                api.sql("update imports set lease = 'another' where id = %s", taken.pop())
            return await original(self, rows)

        monkeypatch.setattr(importing._Run, "_part", stolen)
        await run(api)
        assert (await shown(client, made["id"]))["status"] == "running"
        assert api.rows("leads") == []
