"""Nobody assigns what is ours: every route that takes a body, each field that we set ourselves."""

from typing import Any

from tests.integration.api.conftest import Api
from tests.integration.api.test_tenancy import checksums
from tests.integration.api.walk import Operation, operations
from tests.support.documents import document

OURS: dict[str, Any] = {
    "id": "00000000-0000-7000-8000-000000000000",
    "customer_id": "00000000-0000-7000-8000-000000000000",
    "tenant_id": "x",
    "user_id": "00000000-0000-7000-8000-000000000000",
    "role": "owner",
    "permissions": ["settings:billing"],
    "version": 99,
    "token_version": 99,
    "password_hash": "x",
    "secret_hash": "x",
    "created_at": "2020-01-01T00:00:00Z",
    "updated_at": "2020-01-01T00:00:00Z",
    "deleted_at": None,
    "email_verified_at": "2020-01-01T00:00:00Z",
    "revoked_at": None,
    "disabled_at": None,
    "score": 1.0,
    "fit_score": 1.0,
    "probability": 1.0,
    "expected_value_minor": 1,
    "rank": 1,
    "__proto__": {"role": "owner"},
}


def taken(operation: Operation) -> set[str]:
    """Fields that a body may have."""
    described = document()["paths"][operation.path][operation.method.lower()]
    reference = described["requestBody"]["content"]["application/json"]["schema"].get("$ref", "")
    return set(document()["components"]["schemas"].get(reference.rpartition("/")[2], {}).get("properties", {}))


def judged_by_row(operation: Operation) -> bool:
    """Events of other systems have a shape of their own, with a result for each; a file has rows, and a mapping."""
    return (operation.method, operation.path) in {("POST", "/api/v1/events"), ("POST", "/api/v1/imports")}


async def test_what_is_ours_is_refused_everywhere_and_changes_nothing(api: Api, ours: dict[str, str]) -> None:
    walked = 0
    before = [checksums(api), tenant_a(api)]
    async with api.client(api.a) as client:
        for operation in operations():
            if not operation.has_body or judged_by_row(operation):
                continue
            fields = OURS.keys() - taken(operation)
            body = {**(operation.body() or {}), **{field: OURS[field] for field in fields}}
            answer = await client.request(operation.method, operation.url(ours), json=body)
            assert answer.status_code == 422, (operation.name, answer.text)
            found = {one["field"] for one in answer.json()["errors"] if one["code"] == "extra_forbidden"}
            assert found == {f"body.{field}" for field in fields}, operation.name
            walked += 1
    assert walked >= 25
    assert [checksums(api), tenant_a(api)] == before


def tenant_a(api: Api) -> dict[str, Any]:
    """What tenant A has."""
    return {
        table: api.rows(table) for table in ("accounts", "contacts", "leads", "opportunities", "activities", "users")
    }


async def test_the_same_bodies_without_it_do_change_something(api: Api, ours: dict[str, str]) -> None:
    """The positive control."""
    before = tenant_a(api)
    async with api.client(api.a) as client:
        for operation in operations():
            if operation.method == "PATCH":
                answer = await client.patch(operation.url(ours), json=operation.body())
                assert answer.status_code == 200, (operation.name, answer.text)
    assert tenant_a(api) != before


def test_no_part_of_a_body_is_open() -> None:
    """Objects inside of bodies too: each takes the fields that it names, or is a map that is meant as one."""
    # CloudEvents allow attributes of others, which are not kept; its `data` is judged row by row
    checked: set[str] = {"CloudEvent"}

    def check(schema: Any) -> None:
        if isinstance(schema, list):
            for one in schema:
                check(one)
        if not isinstance(schema, dict):
            return
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and name not in checked:
            checked.add(name)
            found = document()["components"]["schemas"][name]
            assert "properties" not in found or found.get("additionalProperties") is False, name
            check(found)
        for one in schema.values():
            check(one)

    for methods in document()["paths"].values():
        for described in methods.values():
            check(described.get("requestBody", {}))
    assert len(checked) >= 25
