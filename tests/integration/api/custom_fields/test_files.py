"""Files that go out have a column of each type, and come in again."""

import csv
import io
from datetime import date

import polars as pl

from tests.integration.api.conftest import Api
from tests.integration.api.custom_fields.conftest import ACCOUNTS, FIELDS, NOW, TODAY, TYPED, account, crowd, define
from tests.integration.api.test_imports import mapped, run, start, upload


async def test_files_have_a_column_of_each_type(api: Api) -> None:
    await crowd(api, api.a)
    async with api.client(api.a) as client, api.client(api.b) as other:
        gone = await define(client, "unused", "text")
        await client.patch(f"{FIELDS}/{gone['id']}", json={"archived": True})
        await account(client, words="=cmd()", seats=-3)
        await account(other, seats=3)
        text = (await client.get("/api/v1/exports/accounts.csv")).text
        rows = {row["Name"]: row for row in csv.DictReader(io.StringIO(text))}
        assert {key for key in rows["One"] if key.startswith("custom.")} == {f"custom.{key}" for key in TYPED}
        assert {key: rows["One"][f"custom.{key}"] for key in ("seats", "hot", "renews", "tags", "tier")} == {
            "seats": "9", "hot": "t", "renews": TODAY.isoformat(), "tags": "red;blue", "tier": "gold",
        }  # fmt: skip
        assert (rows["Acme"]["custom.words"], rows["Acme"]["custom.seats"]) == ("'=cmd()", "-3")
        assert {rows["Old"][f"custom.{key}"] for key in TYPED} == {""}
        assert '"seats": "11"' in rows["Old"]["Custom fields"]
        frame = pl.read_parquet(io.BytesIO((await client.get("/api/v1/exports/accounts.parquet")).content))
        types = {key: frame[f"custom.{key}"].dtype for key in ("seats", "hot", "renews", "tags", "words")}
        assert types == {
            "seats": pl.Float64, "hot": pl.Boolean, "renews": pl.Date, "tags": pl.List(pl.String), "words": pl.String,
        }  # fmt: skip
        one = frame.filter(pl.col("Name") == "One").to_dicts()[0]
        assert (one["custom.renews"], one["custom.seen"], one["custom.tags"]) == (TODAY, NOW, ["red", "blue"])
        assert isinstance(one["custom.renews"], date)
        theirs = (await other.get("/api/v1/exports/accounts.csv")).text.splitlines()[0]
        assert "custom." not in theirs


async def test_a_file_that_went_out_comes_in_again(api: Api) -> None:
    await crowd(api, api.a)
    async with api.client(api.a) as client:
        before = {row["name"]: row["custom"] for row in (await client.get(ACCOUNTS)).json()["data"]}
        text = (await client.get("/api/v1/exports/accounts.csv")).text
        api.sql("delete from accounts where customer_id = %s", api.a.customer_id)
        made = await upload(client, "account", text)
        suggested = (await client.get(f"/api/v1/imports/{made['id']}/preview")).json()["mapping"]["columns"]
        columns = [one for one in suggested if one["field"].split(".")[-1] in ("name", *TYPED)]
        await mapped(client, made["id"], columns=columns, mode="create", match_by=None)
        await start(client, made["id"])
        await run(api)
        rows = (await client.get(ACCOUNTS)).json()["data"]
        assert {row["name"]: row["custom"] for row in rows} == before | {"Old": {}}
