"""Secrets never reach a log: a canary in each place where one can be sent, and everything that goes wrong."""

import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from sqlalchemy.exc import ProgrammingError

from bevyly.ids import new_id
from tests.integration.api.conftest import Api
from tests.integration.api.test_identity import PASSWORD as GOOD
from tests.integration.api.test_identity import bearer

CANARY = "canary-7f3a9c51e0"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """Everything that structlog and the standard library would write, rendered as in production."""
    written = StringIO()
    processors = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    old = structlog.get_config()
    structlog.configure(
        processors=processors,
        logger_factory=structlog.PrintLoggerFactory(written),
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # this test's own client, which logs what it asks for
    monkeypatch.setattr(logging.getLogger("httpx"), "disabled", True)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)
    structlog.configure(**old)


async def test_a_canary_is_in_no_log(api: Api, log: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    email, password = f"{new_id()}@example.com", f"{CANARY} and much more"
    async with api.client() as client:
        body = {"company": "Acme", "email": email, "password": password}
        tokens = (await client.post("/api/v1/auth/sign-up", json=body)).json()
        own = bearer(tokens["access_token"])
        made = {"name": "x", "scopes": ["accounts:read"]}
        key = (await client.post("/api/v1/api-keys", json=made, headers=own)).json()["key"]
        for path, sent in (
            ("log-in", {"email": email, "password": CANARY}),
            ("log-in", {"email": email, "password": password, "extra": CANARY}),
            ("refresh", {"refresh_token": CANARY}),
            ("reset-password", {"token": CANARY, "password": password}),
            ("reset-password", {"token": CANARY, "password": CANARY[:5]}),
            ("forgot-password", {"email": email}),
        ):
            await client.post(f"/api/v1/auth/{path}", json=sent)
        change = {"old_password": password, "password": f"another {CANARY} for them"}
        assert (await client.post("/api/v1/auth/change-password", json=change, headers=own)).status_code == 200
        for headers in (bearer(CANARY), {"x-api-key": CANARY}, {"cookie": CANARY}, {"x-api-key": key}):
            await client.get("/api/v1/accounts", params={"q": CANARY}, headers=headers)
        await api.app.state.resources.aftermath.close()
        secrets = [CANARY, key, tokens["access_token"], tokens["refresh_token"]]

        # an error that nobody foresaw, in the middle of a statement with what was sent
        async def broken(*_: Any, **__: Any) -> None:
            async with api.app.state.resources.engine.connect() as connection:
                await connection.exec_driver_sql("select %(it)s from nowhere", {"it": CANARY})

        monkeypatch.setattr("api.modules.auth.service.AuthService.prepare", broken)
        failed = await client.post("/api/v1/auth/sign-up", json=body | {"email": f"x{email}", "password": GOOD})
        assert failed.status_code == 500
        assert CANARY not in failed.text
    written = log.getvalue()
    assert ProgrammingError.__name__ in written, "the control: what failed is logged"
    assert "nowhere" in written
    assert [secret for secret in secrets if secret in written] == []
