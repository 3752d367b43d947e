"""Exports: every row once, as a stream, harmless in a spreadsheet, of one tenant, and noted."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import psycopg
import pytest

from api.modules.exports.parquet import parquet, schema_of
from api.modules.exports.tables import EXPORTS
from bevyly.db.stream import BLOCK_BYTES
from tests.integration.api.conftest import Api
from tests.integration.api.seeds import seed
from tests.integration.api.test_imports import run


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("name", EXPORTS)
async def test_every_kind_in_both_forms(api: Api, name: str) -> None:
    ids = seed(api.database.pipeline_url, api.a.customer_id, api.a.users["owner"])
    seed(api.database.pipeline_url, api.b.customer_id, api.b.users["owner"])
    async with api.client(api.a) as client:
        found = lines((await client.get(f"/api/v1/exports/{name}.csv")).text)
        answer = await client.get(f"/api/v1/exports/{name}.parquet")
        frame = pl.read_parquet(io.BytesIO(answer.content))
        singular = {"activities": "activity", "opportunities": "opportunity"}.get(name, name[:-1])
        (row,) = (one for one in found if one["Id"] == ids[f"{singular}_id"])
        assert list(frame.columns) == list(row)
        assert sorted(frame["Id"]) == sorted(one["Id"] for one in found)
        if name == "leads":
            assert (row["Conversion probability"], row["Conversion band"]) == ("0.5", "B")
            assert frame["Conversion probability"].dtype == pl.Float64
        later = {"updated_since": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
        for narrowed in (later, {"owner_id": api.b.users["owner"]}):
            assert lines((await client.get(f"/api/v1/exports/{name}.csv", params=narrowed)).text) == []
        empty = (await client.get(f"/api/v1/exports/{name}.parquet", params=later)).content
        assert pl.read_parquet(io.BytesIO(empty)).height == 0
    noted = "select action, after -> 'rows' from audit where customer_id = %s and entity_type = 'export' order by id"
    assert api.sql(noted, api.a.customer_id)[:2] == [("export.started", None), ("export.finished", len(found))]


async def test_no_cell_is_taken_for_a_formula(api: Api) -> None:
    names = ["=1+1", "+1", "-1", "@a", "\ta", "fine", "a=b", 'say "x",\ny']
    async with api.client(api.a) as client:
        rows = [{"op": "create", "company_name": name, "status": "working"} for name in names]
        rows[4] = {"op": "create", "contact_name": "x", "custom": {"a": "=1"}, "phone": "=2", "status": "new"}
        await client.post("/api/v1/leads/batch", json={"rows": rows})
        answer = await client.get("/api/v1/exports/leads.csv", params={"bom": "true", "status": "working"})
        found = {row["Company name"] for row in lines(answer.content.decode("utf-8-sig"))}
        assert answer.content.startswith(b"\xef\xbb\xbf")
        assert found == {"'=1+1", "'+1", "'-1", "'@a", "fine", "a=b", 'say "x",\ny'}
        frame = pl.read_parquet(io.BytesIO((await client.get("/api/v1/exports/leads.parquet")).content))
        assert "=1+1" in frame["Company name"].to_list()


async def test_a_stream_is_read_in_blocks_and_the_connection_is_given_back(api: Api) -> None:
    api.sql(
        "insert into leads (customer_id, id, company_name) "
        "select %s, gen_random_uuid()::text, repeat('x', 200) from generate_series(1, 20000)",
        api.a.customer_id,
    )
    streams = api.app.state.resources.streams
    free = streams._free._value
    async with api.client(api.a) as client:
        answer = await client.get("/api/v1/exports/leads.csv")
    assert answer.text.count("\n") == 20_001
    from api.modules.exports.tables import statement

    parameters: list[Any] = [api.a.customer_id, *[None] * 6]
    rows, counted = statement(EXPORTS["leads"], spreadsheet=True), []
    sizes = [len(block) async for block in streams.csv(api.a.customer_id, rows, parameters, count=counted.append)]
    assert counted == [20_000]
    assert max(sizes) < 2 * BLOCK_BYTES
    assert len(sizes) > 50
    schema = schema_of(await streams.types(api.a.customer_id, rows, parameters))
    parts = [len(one) async for one in parquet(schema, streams.rows(api.a.customer_id, rows, parameters))]
    assert len(parts) == 11
    assert streams._free._value == free


async def test_who_may_not_export(api: Api) -> None:
    async with api.client(api.a, "viewer") as client:
        assert (await client.get("/api/v1/exports/leads.csv")).status_code == 403


async def test_who_sees_less_changes_and_exports_less(api: Api) -> None:
    with psycopg.connect(api.database.owner_url) as owner:
        owner.execute("update customers set record_visibility = 'own' where id = %s", (api.a.customer_id,))
    async with api.client(api.a) as client:
        made = (await client.post("/api/v1/accounts", json={"name": "hidden", "domain": "h.example"})).json()
    async with api.client(api.a, "member") as client:
        update = {"op": "update", "id": made["id"], "name": "seen"}
        refers = {"op": "create", "last_name": "x", "account_id": made["id"]}
        for kind, row in (("accounts", update), ("contacts", refers)):
            answer = (await client.post(f"/api/v1/{kind}/batch", json={"rows": [row]})).json()
            assert answer["counts"] == {"refused": 1}, kind
        assert lines((await client.get("/api/v1/exports/accounts.csv")).text) == []
        text = f"id,name\n{made['id']},seen\n"
        sent = (await client.post("/api/v1/imports?kind=account", content=text)).json()
        suggested = (await client.get(f"/api/v1/imports/{sent['id']}/preview")).json()["mapping"]
        mapping = suggested | {"mode": "update", "match_by": "id"}
        assert (await client.put(f"/api/v1/imports/{sent['id']}/mapping", json=mapping)).status_code == 200
        assert (await client.post(f"/api/v1/imports/{sent['id']}/start", json={})).status_code == 202
        await run(api)
        assert (await client.get(f"/api/v1/imports/{sent['id']}")).json()["counts"] == {"refused": 1}
    async with api.client(api.a) as client:
        (row,) = lines((await client.get("/api/v1/exports/accounts.csv")).text)
        assert row["Name"] == "hidden"
