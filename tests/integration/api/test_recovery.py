"""Links in mails: they prove an address, set a forgotten password, work once, and tell nobody who has a log-in."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.dependencies.principal import RECHECK_AFTER
from api.modules.auth import recovery
from bevyly.clock import FixedClock
from bevyly.identity import keys
from bevyly.ids import new_id
from bevyly.mail.message import Mail
from tests.integration.api.conftest import Api, running
from tests.integration.api.test_identity import ME, PASSWORD, bearer, sign_up
from tests.support.databases import Database

AUTH = "/api/v1/auth"
NEW = "a stapler of blue cheese"
CLOCK = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def timed_api(module_database: Database, redis_url: str) -> AsyncIterator[Api]:
    """An API whose clock the test holds."""
    async with running(module_database, redis_url, clock=CLOCK, app_url="https://app.example") as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def ann(timed_api: Api) -> AsyncIterator["Ann"]:
    """A new user, and what she does."""
    CLOCK.instant = datetime(2026, 11, 23, 9, tzinfo=UTC)
    email = f"{new_id()}@example.com"
    async with timed_api.client(patient=True) as client:
        yield Ann(timed_api, client, email, await sign_up(client, email))


class Ann:
    def __init__(self, api: Api, client: httpx.AsyncClient, email: str, tokens: dict[str, Any]) -> None:
        self.api, self.client, self.email, self.tokens = api, client, email, tokens

    async def post(self, path: str, *, access: str | None = None, **body: Any) -> httpx.Response:
        headers = bearer(access) if access else {}
        answer = await self.client.post(f"{AUTH}/{path}", json=body, headers=headers)
        await self.settled()
        return answer

    async def settled(self) -> None:
        await self.api.app.state.resources.aftermath.close()

    def mails(self, kind: str, to: str | None = None) -> list[Mail]:
        return [mail for mail in self.api.mails(kind) if mail.to == (to or self.email)]

    def link(self, kind: str, to: str | None = None) -> str:
        found = re.search(r"https://app\.example/[a-z-]+#token=(\S+)", self.mails(kind, to)[-1].text)
        assert found is not None
        return found[1]

    async def me(self, access: str | None = None) -> httpx.Response:
        return await self.client.get(ME, headers=bearer(access or self.tokens["access_token"]))

    async def log_in(self, password: str, email: str | None = None) -> int:
        return (await self.post("log-in", email=email or self.email, password=password)).status_code


async def test_an_address_is_confirmed_by_its_mail_once(ann: Ann) -> None:
    assert (await ann.me()).json()["email_verified"] is False
    token = ann.link("verify_email")
    kept = ann.api.sql("select token_hash from one_time_tokens where email = %s", ann.email)
    assert kept == [(keys.hash_of(token),)], "only the hash is kept"
    assert (await ann.post("verify-email", token=token)).status_code == 204
    assert (await ann.me()).json()["email_verified"] is True
    twice = await ann.post("verify-email", token=token)
    assert (twice.status_code, twice.json()["code"]) == (422, "invalid_link")


async def test_of_links_asked_for_again_the_last_one_works(ann: Ann) -> None:
    first = ann.link("verify_email")
    assert (await ann.post("send-verification", access=ann.tokens["access_token"])).status_code == 202
    assert (await ann.post("verify-email", token=first)).status_code == 422
    assert (await ann.post("verify-email", token=ann.link("verify_email"))).status_code == 204
    assert (await ann.post("send-verification", access=ann.tokens["access_token"])).status_code == 202
    assert len(ann.mails("verify_email")) == 2, "what is confirmed needs no mail"


async def test_a_forgotten_password_is_set_by_mail_and_everybody_is_logged_out(ann: Ann) -> None:
    assert (await ann.post("forgot-password", email=ann.email.upper())).status_code == 202
    token = ann.link("reset_password")
    easy = await ann.post("reset-password", token=token, password="passwordpassword")
    assert (easy.status_code, easy.json()["code"]) == (422, "password_too_easy")
    assert (await ann.me()).status_code == 200
    assert (await ann.post("reset-password", token=token, password=NEW)).status_code == 204
    assert [await ann.log_in(PASSWORD), await ann.log_in(NEW)] == [401, 200]
    CLOCK.instant += RECHECK_AFTER
    assert (await ann.me()).status_code == 401
    dead = await ann.post("refresh", refresh_token=ann.tokens["refresh_token"])
    assert dead.status_code == 401
    assert (await ann.post("reset-password", token=token, password=PASSWORD)).status_code == 422
    assert len(ann.mails("password_changed")) == 1
    actions = ann.api.sql("select action from audit where entity_id = %s order by id", user_of(ann))
    assert {("user.password_reset_asked",), ("user.password_reset",)} <= set(actions)


def user_of(ann: Ann) -> str:
    return str(ann.api.sql("select id from users where email = %s", ann.email)[0][0])


async def test_a_link_is_too_old_after_an_hour_and_its_mail_is_not_sent_then(ann: Ann) -> None:
    await ann.post("forgot-password", email=ann.email)
    token = ann.link("reset_password")
    [(expires,)] = ann.api.sql(
        "select expires_at from mails where kind = 'reset_password' and recipient = %s", ann.email
    )
    assert expires == CLOCK.instant + timedelta(hours=1)
    CLOCK.instant = expires
    assert (await ann.post("reset-password", token=token, password=NEW)).status_code == 422
    CLOCK.instant -= timedelta(seconds=1)
    assert (await ann.post("reset-password", token=token, password=NEW)).status_code == 204, "the control"


async def test_of_sixteen_who_follow_a_link_at_once_one_gets_through(ann: Ann) -> None:
    await ann.post("forgot-password", email=ann.email)
    token = ann.link("reset_password")
    answers = await asyncio.gather(
        *(ann.client.post(f"{AUTH}/reset-password", json={"token": token, "password": NEW}) for _ in range(16))
    )
    assert sorted(one.status_code for one in answers) == [204] + [422] * 15


async def test_a_link_is_good_for_nothing_else_and_cannot_be_made_up(ann: Ann) -> None:
    verify = ann.link("verify_email")
    tenant = ann.api.sql("select customer_id from users where email = %s", ann.email)[0][0]
    made_up = [keys.mint(kind, tenant).text for kind in (keys.RESET, keys.LIVE, keys.VERIFY)]
    bodies = set()
    for token in (verify, *made_up, "x", "ä" * 50, verify.replace(keys.VERIFY, keys.RESET)):
        answer = await ann.post("reset-password", token=token, password=NEW)
        assert answer.status_code == 422, token
        bodies.add(answer.json()["detail"])
    assert len(bodies) == 1
    assert await ann.log_in(PASSWORD) == 200


async def test_nothing_about_an_answer_shows_whether_anybody_has_the_address(
    ann: Ann, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is there before anything was looked up: there is no work whose time could tell."""
    go_on, asked = asyncio.Event(), []
    real = recovery.find_logins

    async def waiting(engine: Any, email: str) -> list[tuple[str, str, str]]:
        asked.append(email)
        await go_on.wait()
        return await real(engine, email)

    monkeypatch.setattr(recovery, "find_logins", waiting)
    answers = [
        await ann.client.post(f"{AUTH}/forgot-password", json={"email": email})
        for email in (ann.email, f"{new_id()}@example.com")
    ]
    assert [(one.status_code, one.content) for one in answers] == [(202, b"")] * 2
    assert ann.mails("reset_password") == []
    go_on.set()
    await ann.settled()
    assert len(asked) == 2
    assert len(ann.mails("reset_password")) == 1, "the control: the one that exists gets its mail"


async def test_a_disabled_user_gets_no_link(ann: Ann) -> None:
    ann.api.sql("update users set disabled_at = now() where email = %s", ann.email)
    await ann.post("forgot-password", email=ann.email)
    assert ann.mails("reset_password") == []


async def test_a_changed_password_ends_every_session_but_the_new_one(ann: Ann) -> None:
    access = ann.tokens["access_token"]
    wrong = await ann.post("change-password", access=access, old_password="not it", password=NEW)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_password")
    changed = await ann.post("change-password", access=access, old_password=PASSWORD, password=NEW)
    assert changed.status_code == 200, changed.text
    assert changed.headers["cache-control"] == "no-store"
    CLOCK.instant += RECHECK_AFTER
    assert (await ann.me()).status_code == 401
    assert (await ann.me(changed.json()["access_token"])).status_code == 200
    assert (await ann.post("refresh", refresh_token=ann.tokens["refresh_token"])).status_code == 401
    assert (await ann.post("refresh", refresh_token=changed.json()["refresh_token"])).status_code == 200
    assert [await ann.log_in(PASSWORD), await ann.log_in(NEW)] == [401, 200]
    assert len(ann.mails("password_changed")) == 1


async def test_a_new_address_counts_once_it_is_confirmed_there(ann: Ann) -> None:
    access, new = ann.tokens["access_token"], f"{new_id()}@example.com"
    assert (await ann.post("change-email", access=access, email=new, password="x")).status_code == 422
    asked = await ann.post("change-email", access=access, email=new.upper(), password=PASSWORD)
    assert asked.status_code == 202, asked.text
    assert (await ann.me()).json()["email"] == ann.email
    old_verify = ann.link("verify_email")
    assert (await ann.post("confirm-email", token=ann.link("change_email", new))).status_code == 204
    CLOCK.instant += RECHECK_AFTER
    me = (await ann.me()).json()
    assert (me["email"], me["email_verified"]) == (new, True)
    assert [await ann.log_in(PASSWORD), await ann.log_in(PASSWORD, new)] == [401, 200]
    assert new in ann.mails("email_changed")[0].text, "the old address is told"
    stale = await ann.post("verify-email", token=old_verify)
    assert stale.status_code == 422, "what proves the old address proves nothing about the new one"


async def test_an_address_that_a_colleague_has_is_refused_also_later(ann: Ann) -> None:
    access, new = ann.tokens["access_token"], f"{new_id()}@example.com"
    await ann.post("change-email", access=access, email=new, password=PASSWORD)
    tenant = ann.api.sql("select customer_id from users where email = %s", ann.email)[0][0]
    ann.api.database.add_user(tenant, new)
    late = await ann.post("confirm-email", token=ann.link("change_email", new))
    assert (late.status_code, late.json()["code"]) == (409, "email_taken")
    taken = await ann.post("change-email", access=access, email=new, password=PASSWORD)
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")
