"""Rights of people: an erasure leaves nothing anywhere, an export has everything, whatever dies meanwhile."""

import io
import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest

from bevyly.clock import FixedClock
from bevyly.db.schema import Base
from bevyly.encryption import Vault
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.privacy.catalogue import STORES
from bevyly.privacy.late import LateEvents, is_late, last_erasures
from bevyly.privacy.marks import Marks
from bevyly.privacy.worker import Policy, Worker
from tests.integration.api.canaries import CANARY, COLUMNS, NAME, hits, place
from tests.integration.api.conftest import ENCRYPTION_KEY, Api, Tenant
from tests.integration.api.sequences import EMAIL, Way
from tests.integration.api.test_tenancy import TENANT_TABLES

NOW = datetime.now(UTC)


def worker(api: Api, folder: Path, clock: FixedClock | None = None) -> Worker:
    return Worker(
        api.database.pipeline_url,
        vault=Vault([ENCRYPTION_KEY]),
        marks=Marks([ENCRYPTION_KEY]),
        clock=clock or FixedClock(NOW),
        exports=folder,
        policy=Policy(settle=timedelta(minutes=1)),
    )


def work(api: Api, folder: Path, clock: FixedClock | None = None) -> None:
    one = worker(api, folder, clock)
    while one.work_on_one():
        pass


async def ask(client: httpx.AsyncClient, kind: str, **whom: str) -> dict[str, Any]:
    answer = await client.post("/api/v1/privacy/requests", json={"kind": kind, **whom})
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def shown(client: httpx.AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = (await client.get(f"/api/v1/privacy/requests/{request['id']}")).json()
    return document


async def erase(api: Api, folder: Path, **whom: str) -> dict[str, Any]:
    """Ask, look, confirm, and wait until it has settled."""
    clock = FixedClock(NOW)
    async with api.client(api.a) as client:
        request = await ask(client, "erasure", **whom)
        work(api, folder, clock)
        previewed = await shown(client, request)
        assert previewed["status"] == "previewed", previewed
        answer = await client.post(f"/api/v1/privacy/requests/{request['id']}/confirm")
        assert answer.status_code == 202, answer.text
        work(api, folder, clock)
        erased = await shown(client, request)
        if erased["status"] == "failed":
            return erased
        assert erased["status"] == "settling", erased
        clock.instant += timedelta(minutes=2)
        work(api, folder, clock)
        done = await shown(client, request)
        assert done["status"] == "done", done
        assert done["counts"] == previewed["counts"]
        return done


def checksums(api: Api, tenant: Tenant) -> dict[str, Any]:
    statement = "select count(*), md5(string_agg(r::text, '|' order by r::text)) from {} r where customer_id = %s"
    return {
        row[0]: api.sql(statement.format(row[0]), tenant.customer_id)[0]
        for row in api.sql(TENANT_TABLES)
    }  # fmt: skip


def test_every_table_of_tenants_is_in_the_catalogue(api: Api) -> None:
    named = [store.table for store in STORES]
    there = {row[0].removeprefix("public.") for row in api.sql(TENANT_TABLES)} | {"customers"}
    declared = {table.fullname for table in Base.metadata.tables.values() if "customer_id" in table.c} | {"customers"}
    assert sorted(named) == sorted(set(named)) == sorted(there) == sorted(declared)
    columns = {(table.removeprefix("public."), name) for table, name, _, _ in api.sql(COLUMNS)}
    silent = [store.table for store in STORES if store.nothing and (store.about or store.texts or store.named)]
    unknown = [
        f"{store.table}.{name}"
        for store in STORES
        for name in (*store.texts, *store.named, *store.secret)
        if (store.table, name) not in columns
    ]
    assert (silent, unknown) == ([], [])


async def test_an_erasure_leaves_nothing_anywhere(api: Api, tmp_path: Path) -> None:
    ids = place(api, api.a)
    place(api, api.b)
    frame = {
        "customer_id": [api.a.customer_id, api.a.customer_id, api.b.customer_id],
        "title": [f"x {CANARY}", "kept", CANARY],
    }
    pl.DataFrame(frame).write_parquet(tmp_path / "signals.parquet")
    api.sql(
        "insert into audit "
        "(customer_id, id, actor_type, actor_id, action, entity_type, entity_id, before, occurred_at) "
        "values (%s, 'x', 'user', 'x', 'contact.created', 'contact', %s, 'null', now())",  # as older rows may have it
        api.a.customer_id,
        ids["contact_id"],
    )
    theirs, trail = checksums(api, api.b), len(api.rows("audit"))
    before = hits(api, api.a)
    assert len({name.rpartition(".")[0] for name in before}) >= 30, "the control: it is there to be found"

    done = await erase(api, tmp_path, email=CANARY.lower())

    assert hits(api, api.a) == {}
    assert hits(api, api.a, NAME) == {}
    assert done["found"] == {"contacts": [ids["contact_id"]], "leads": [ids["lead_id"]]}
    assert api.rows("contacts") == []
    assert api.rows("wordings", order="facts") == [], "what a model wrote of the lead is gone with it"
    assert pl.read_parquet(tmp_path / "signals.parquet")["title"].to_list() == ["kept", CANARY]
    assert checksums(api, api.b) == theirs
    assert hits(api, api.b).keys() >= before.keys() - {"raw.dead_letters.payload"}
    # the deal, its history and the touches stay; so does the trail, which says that something was changed
    assert len(api.rows("opportunities")) == len(api.rows("opportunity_history")) == 1
    hushed = api.sql(
        "select before, after from audit where customer_id = %s and entity_id = %s and action = 'contact.updated'",
        api.a.customer_id, ids["contact_id"],
    )  # fmt: skip
    assert hushed == [({"email": "[erased]"}, {"email": "[erased]"})]
    assert len(api.rows("audit")) > trail
    told = api.sql(
        "select envelope from outbox where customer_id = %s and envelope ~ 'type\":\"[a-z]+[.]erased'",
        api.a.customer_id,
    )
    subjects = {Event.from_json(row[0]).subject for row in told}
    assert subjects == {f"contact/{ids['contact_id']}", f"lead/{ids['lead_id']}"}
    assert api.sql("select subject from privacy_requests where id = %s", done["id"]) == [(None,)]


async def test_an_export_has_every_row_and_no_secret(api: Api, tmp_path: Path) -> None:
    ids = place(api, api.a)
    place(api, api.b)
    async with api.client(api.a, "admin") as client:
        request = await ask(client, "export", contact_id=ids["contact_id"])
        assert (await ask(client, "export", contact_id=ids["contact_id"]))["id"] == request["id"]
        assert (await client.get(f"/api/v1/privacy/requests/{request['id']}/file")).status_code == 409
        work(api, tmp_path)
        done = await shown(client, request)
        answer = await client.get(f"/api/v1/privacy/requests/{request['id']}/file")
    assert (answer.status_code, len(answer.content)) == (200, done["size_bytes"])
    file = zipfile.ZipFile(io.BytesIO(answer.content))
    rows = {name.removesuffix(".jsonl"): file.read(name).splitlines() for name in file.namelist()}
    assert json.loads(b"\n".join(rows.pop("manifest.json")))["rows"] == done["counts"]
    assert {table: len(lines) for table, lines in rows.items()} == done["counts"]
    said = {name.removeprefix("public.").rpartition(".")[0] for name in hits(api, api.a)}
    assert said - rows.keys() == set(), "every table that says the address"
    assert rows.keys() >= {"opportunities", "opportunity_history", "leads", "scores", "signals", "recommendations"}
    everything = b"\n".join(line for lines in rows.values() for line in lines)
    assert api.b.customer_id.encode() not in everything
    assert b"token_hash" not in everything
    assert b"secret_hash" not in everything
    assert [row[0] for row in api.sql("select action from audit where entity_id = %s order by id", request["id"])] == [
        "privacy_request.created", "privacy_request.exported", "privacy_request.downloaded",
    ]  # fmt: skip


async def test_nobody_is_erased_without_a_confirmation_of_what_was_seen(api: Api, tmp_path: Path) -> None:
    place(api, api.a)
    before = hits(api, api.a)
    async with api.client(api.a) as client:
        request = await ask(client, "erasure", email=CANARY)
        early = await client.post(f"/api/v1/privacy/requests/{request['id']}/confirm")
        work(api, tmp_path)
        stale = await client.post(f"/api/v1/privacy/requests/{request['id']}/confirm", headers={"if-match": '"1"'})
        assert (early.status_code, stale.status_code) == (409, 412)
        work(api, tmp_path)
        assert hits(api, api.a) == before
        assert (await client.post(f"/api/v1/privacy/requests/{request['id']}/cancel")).json()["status"] == "cancelled"
        assert (await client.post(f"/api/v1/privacy/requests/{request['id']}/confirm")).status_code == 409
    assert api.sql("select subject from privacy_requests where id = %s", request["id"]) == [(None,)]


async def test_nobody_waits_for_a_request_that_is_being_worked_on(api: Api) -> None:
    async with api.client(api.a) as client:
        request = await ask(client, "erasure", email=CANARY)
        with psycopg.connect(api.database.pipeline_url) as at_work:
            at_work.execute("select from privacy_requests where id = %s for update", (request["id"],))
            for verb in ("confirm", "cancel"):
                answer = await client.post(f"/api/v1/privacy/requests/{request['id']}/{verb}")
                assert (answer.status_code, answer.json()["code"]) == (409, "privacy_request_busy")
        cancelled = await client.post(f"/api/v1/privacy/requests/{request['id']}/cancel")
        assert cancelled.status_code == 202, cancelled.text


async def test_who_objected_is_not_written_to_after_an_erasure_either(api: Api, tmp_path: Path) -> None:
    """The objection stays, the address does not; when the person wishes it, the objection goes as well."""
    way = Way(api, FixedClock(NOW))
    sequence = await way.sequence(EMAIL)
    await way.call("POST", "suppressions", {"email": CANARY, "reason": "complained"})
    await erase(api, tmp_path, email=CANARY)
    assert hits(api, api.a) == {}
    marks = "suppression_marks where customer_id = %s"
    assert api.sql(f"select reason from {marks}", api.a.customer_id) == [("complained",)]
    again = {"contact_id": await way.contact(email=CANARY)}
    [refused] = await way.enrol(sequence, again)
    assert refused["problem"]["code"] == "complained"
    assert api.sql(f"delete from {marks} returning reason", api.a.customer_id) == [("complained",)]
    [enrolled] = await way.enrol(sequence, again)
    mark = Marks([ENCRYPTION_KEY]).mark(api.a.customer_id, CANARY)
    api.sql("insert into suppression_marks values (%s, %s, 'unsubscribed', now())", api.a.customer_id, mark)
    await way.work(days=1)
    assert await way.state(enrolled["id"]) == ("stopped", "unsubscribed")
    made = await way.call("POST", "suppressions", {"email": CANARY, "reason": "manual"})
    await way.call("DELETE", f"suppressions/{made['id']}")
    assert api.sql(f"select mark from {marks}", api.a.customer_id) == []


async def test_a_user_is_disabled_under_another_name_but_never_the_last_owner(api: Api, tmp_path: Path) -> None:
    owner, member = (f"{role}@{api.a.customer_id}.example" for role in ("owner", "member"))
    refused = await erase(api, tmp_path, email=owner)
    assert (refused["status"], refused["error"].partition(":")[0]) == ("failed", "The person is the last owner")
    assert hits(api, api.a, owner) == {"public.users.email": 1}
    await erase(api, tmp_path, email=member)
    assert hits(api, api.a, member) == {}
    left = api.sql("select name, disabled_at is null from users where id = %s", api.a.users["member"])
    assert left == [(None, False)]
    assert [event.type for event in api.events()] == ["user.disabled"]


async def test_addresses_of_merged_records_and_of_a_part_in_a_meeting_are_found(api: Api, tmp_path: Path) -> None:
    async with api.client(api.a) as client:

        async def made(path: str, **body: Any) -> str:
            answer = await client.post(f"/api/v1/{path}", json=body)
            assert answer.status_code in (200, 201), answer.text
            return str(answer.json().get("id"))

        stays = await made("contacts", first_name="Ann", last_name="Ek", email="ann@new.example", phone="+46 70 123")
        goes = await made("contacts", first_name="Ann", last_name="Ek", email="ann@old.example")
        await made(f"contacts/{stays}/merge", other_ids=[goes])
        await made("contacts", last_name="Other", email="joann@old.example", custom={"note": "of Ann Ek"})
        account = await made("accounts", name="Old", custom={"who": "Ask ann@old.example. Not ann@old.example.com"})
        talk = await made("activities", kind="note", account_id=account, subject="Ann Ek", body="b", contact_id=stays)
        met = await made(
            "activities",
            kind="meeting",
            account_id=account,
            subject="With Ann Ek",
            participants=[{"email": "ANN@old.example"}],
        )
    done = await erase(api, tmp_path, email="ann@new.example")
    assert done["found"] == {"contacts": sorted([stays, goes])}
    assert api.rows("accounts")[0] is not None
    said = api.sql("select custom from accounts where id = %s", account)[0][0]
    assert said == {"who": "Ask [erased]. Not ann@old.example.com"}
    kept = dict(api.sql("select id, subject from activities where customer_id = %s", api.a.customer_id))
    assert kept == {talk: None, met: "With [erased]"}
    assert api.sql("select email, custom from contacts where customer_id = %s", api.a.customer_id) == [
        ("joann@old.example", {"note": "of Ann Ek"})
    ]
    assert hits(api, api.a, "ann@new.example") == {}


async def test_a_worker_that_is_killed_has_done_nothing_and_the_next_one_does_all(api: Api, tmp_path: Path) -> None:
    place(api, api.a)
    before = hits(api, api.a)
    async with api.client(api.a) as client:
        request = await ask(client, "erasure", email=CANARY)
        work(api, tmp_path)
        await client.post(f"/api/v1/privacy/requests/{request['id']}/confirm")
        environment = os.environ | {
            "BEVYLY_HOME": str(tmp_path),
            "DATABASE_URL": api.database.owner_url,
            "ENCRYPTION_KEYS": ENCRYPTION_KEY,
            "BEVYLY_FAILPOINT": "before_commit:1",
        }
        process = [sys.executable, "-m", "api.modules.imports"]
        killed = subprocess.run(process, check=False, env=environment, timeout=60)
        assert killed.returncode == -9
        assert (await shown(client, request))["status"] == "confirmed"
        assert hits(api, api.a) == before
        work(api, tmp_path)
        assert (await shown(client, request))["status"] == "settling"
    assert hits(api, api.a) == {}


async def test_what_cannot_be_done_is_told_after_some_tries(api: Api, tmp_path: Path) -> None:
    async with api.client(api.a) as client:
        request = await ask(client, "export", email=CANARY)
        api.sql("update privacy_requests set attempts = 5 where id = %s", request["id"])
        work(api, tmp_path)
        assert (await shown(client, request))["status"] == "failed"
        nobody = await client.post("/api/v1/privacy/requests", json={"kind": "export"})
    assert nobody.status_code == 422


def test_an_event_that_comes_late_does_not_bring_them_back(api: Api) -> None:
    """One that was recorded after the erasure is another story; so is one of another tenant."""
    marks, gone, data = Marks([ENCRYPTION_KEY]), new_id(), {"email": CANARY, "activity_id": new_id(), "body": "Hi"}
    early, late = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    events = [
        (api.a.customer_id, new_id(), gone, early, {"contact_id": gone, "first_name": "Tweety"}, {}),
        (
            api.a.customer_id,
            new_id(),
            new_id(),
            early,
            data | {"contact_id": gone},
            {"activity_id": data["activity_id"]},
        ),
        (api.a.customer_id, new_id(), new_id(), early, {"body": f"\n{CANARY}."}, {"body": "\n[erased]."}),
        (api.a.customer_id, new_id(), gone, late, data, data),
        (api.b.customer_id, new_id(), gone, early, data, data),
    ]
    with psycopg.connect(api.database.pipeline_url) as connection:
        for value in (gone, CANARY):
            connection.execute(
                "insert into erased_marks values (%s, %s, %s)",
                (api.a.customer_id, marks.mark(api.a.customer_id, value), NOW),
            )
        for tenant, event_id, subject_id, at, said, _ in events:
            connection.execute(
                "insert into raw.events "
                "(customer_id, event_id, type, schema_version, subject_type, subject_id, sequence, "
                'occurred_at, recorded_at, data, source, topic, partition, "offset") '
                "values (%s, %s, 'x', 1, 'contact', %s, 1, %s, %s, %s, 'x', 't', 0, 0)",
                (tenant, event_id, subject_id, at, at, json.dumps(said)),
            )
        erasures = last_erasures(connection)
        told = [
            (tenant, event_id, subject_id, at, json.dumps(said).encode())
            for tenant, event_id, subject_id, at, said, _ in events
            if is_late(erasures, tenant, at)
        ]
        assert len(told) == 3
        assert LateEvents(connection, lambda: marks).empty(told) == 3
        for _, event_id, *_, expected in events:
            stored = connection.execute("select data from raw.events where event_id = %s", (event_id,)).fetchone()
            assert stored == (expected,)


@pytest.mark.parametrize("role", ["member", "viewer"])
async def test_only_managers_may_ask(api: Api, role: str) -> None:
    async with api.client(api.a, role) as client:
        answer = await client.post("/api/v1/privacy/requests", json={"kind": "export", "email": CANARY})
    assert answer.status_code == 403
