"""Definitions and values of custom fields, and a tenant that has some of every type."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from psycopg.types.json import Jsonb

from api.modules.custom_fields import values
from bevyly.ids import new_id
from tests.integration.api.conftest import Api, Tenant

FIELDS, ACCOUNTS = "/api/v1/custom-fields", "/api/v1/accounts"
Document = dict[str, Any]


def options(*values: str, archived: tuple[str, ...] = ()) -> list[Document]:
    return [{"value": one, "label": one.title(), "archived": one in archived} for one in values]


TODAY = datetime.now(UTC).date()
NOW = datetime.now(UTC).replace(microsecond=0)
TYPED: dict[str, tuple[str, dict[str, Any]]] = {
    "words": ("text", {}),
    "seats": ("number", {}),
    "hot": ("boolean", {}),
    "renews": ("date", {}),
    "seen": ("datetime", {}),
    "tier": ("select", {"options": options("gold", "silver", "tin")}),
    "tags": ("multi_select", {"options": options("red", "blue", "green")}),
    "site": ("url", {}),
    "mail": ("email", {}),
}
ROWS: dict[str, Document] = {
    "One": {
        "words": "Ünder 50%", "seats": 9, "hot": True, "renews": TODAY.isoformat(), "seen": NOW.isoformat(),
        "tier": "gold", "tags": ["red", "blue"], "site": "https://one.example/", "mail": "ann@one.example",
    },
    "Two": {
        "words": "apple", "seats": 10.5, "hot": False, "renews": (TODAY - timedelta(days=40)).isoformat(),
        "seen": (NOW - timedelta(hours=30)).isoformat(), "tier": "silver", "tags": ["green"],
        "site": "https://two.example/", "mail": "bo@two.example",
    },
    "Three": {"seats": 100, "renews": (TODAY + timedelta(days=400)).isoformat(), "tier": "gold"},
    "None": {},
}  # fmt: skip
# from before the definitions: of no type, and some of them dates that do not exist
OLD: Document = {
    "words": 7, "seats": "11", "hot": "yes", "renews": "2026-02-31", "seen": "2026-13-01T00:00:00Z", "tier": ["gold"],
    "tags": "red", "site": 1, "mail": False,
}  # fmt: skip


async def define(client: httpx.AsyncClient, key: str, type_: str, object_: str = "account", **more: Any) -> Document:
    body = {"object": object_, "key": key, "label": key.title(), "type": type_} | more
    answer = await client.post(FIELDS, json=body)
    assert answer.status_code == 201, answer.text
    made: Document = answer.json()
    return made


async def account(client: httpx.AsyncClient, **custom: Any) -> Document:
    answer = await client.post(ACCOUNTS, json={"name": "Acme", "custom": custom})
    assert answer.status_code == 201, answer.text
    made: Document = answer.json()
    return made


def refused(answer: httpx.Response, code: str = "invalid_custom_value", key: str = "seats") -> None:
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_custom_values"), answer.text
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [(f"body.custom.{key}", code)]


async def crowd(api: Api, tenant: Tenant) -> None:
    """A tenant with rows of every type, one of them from before the definitions."""
    async with api.client(tenant) as client:
        api.sql(
            "insert into accounts (customer_id, id, name, custom) values (%s, %s, 'Old', %s)",
            tenant.customer_id, new_id(), Jsonb(OLD),
        )  # fmt: skip
        for key, (type_, more) in TYPED.items():
            await define(client, key, type_, **more)
        rows = [{"op": "create", "name": name, "custom": custom} for name, custom in ROWS.items()]
        answer = (await client.post(f"{ACCOUNTS}/batch", json={"rows": rows})).json()
        assert answer["counts"] == {"created": len(ROWS)}, answer


async def names(client: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await client.get(ACCOUNTS, params=query)
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["data"]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Kinds of records whose definitions the database was asked for, question by question."""
    found, real = [], values.rules_of

    async def counted(session: Any, customer_id: str, kind: str) -> Any:
        found.append(kind)
        return await real(session, customer_id, kind)

    monkeypatch.setattr(values, "rules_of", counted)
    return found
