"""The permission matrix: every route for every role, for keys with exactly one scope, and for nobody."""

import pytest

from api.main import create_app
from api.permissions import PERMISSIONS, PUBLIC, ROLES, permissions_of
from api.routing import GuardedRoute
from bevyly.db.engine import make_engine
from bevyly.identity.keys import create_api_key
from bevyly.ids import new_id
from bevyly.settings import Settings
from tests.integration.api.conftest import Api
from tests.integration.api.walk import Operation, operations

OPERATIONS = operations()
GUARDED = [operation for operation in OPERATIONS if operation.permission != PUBLIC]
MISSING = {
    name: new_id()
    for operation in OPERATIONS
    for name in operation.path_ids
}  # fmt: skip


async def status(client: object, operation: Operation) -> int:
    answer = await client.request(operation.method, operation.url(MISSING), json=operation.body())
    return int(answer.status_code)


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_reaches_what_the_table_grants(api: Api, role: str) -> None:
    async with api.client(api.a, role) as client:
        for operation in GUARDED:
            granted = role in PERMISSIONS[operation.permission]
            assert (await status(client, operation) != 403) == granted, (operation.name, role)


async def test_nobody_reaches_anything_but_what_is_public(api: Api) -> None:
    async with api.client() as client:
        for operation in GUARDED:
            assert await status(client, operation) == 401, operation.name
    assert sorted(operation.path for operation in OPERATIONS if operation.permission == PUBLIC) == [
        "/api/v1/auth/confirm-email",
        "/api/v1/auth/forgot-password",
        "/api/v1/auth/log-in",
        "/api/v1/auth/refresh",
        "/api/v1/auth/reset-password",
        "/api/v1/auth/sign-up",
        "/api/v1/auth/verify-email",
        "/api/v1/invitations/accept",
        "/api/v1/unsubscribe/{token}",
        "/api/v1/unsubscribe/{token}",
    ]


async def test_a_key_reaches_its_scopes_and_no_further(api: Api) -> None:
    engine = make_engine(api.database.app_url, pool_size=1)
    owner, everything = api.a.users["owner"], permissions_of("owner")
    for permission in sorted({operation.permission for operation in GUARDED}):
        only = create_api_key(engine, api.a.customer_id, owner, "only", [permission])
        but = create_api_key(engine, api.a.customer_id, owner, "but", sorted(everything - {permission}))
        for operation in GUARDED:
            if operation.permission != permission:
                continue
            async with api.client(**{"x-api-key": only}) as client:
                assert await status(client, operation) not in (401, 403), operation.name
            async with api.client(**{"x-api-key": but}) as client:
                assert await status(client, operation) == 403, operation.name
    engine.dispose()


def test_a_route_without_permission_does_not_start() -> None:
    async def forgotten() -> None:
        return None

    with pytest.raises(TypeError, match="declares no permission"):
        GuardedRoute("/forgotten", forgotten)


def test_every_route_under_the_api_is_guarded() -> None:
    routes = [route for route in create_app(Settings()).routes if getattr(route, "path", "").startswith("/api/")]
    assert all(isinstance(route, GuardedRoute) for route in routes)
    assert len(routes) == len(OPERATIONS)
