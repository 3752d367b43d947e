"""Mails: queued with their cause, sent over real SMTP or into a folder, tried again, given up, forgotten."""

import asyncio
import email
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from bevyly.clock import FixedClock
from bevyly.db.engine import make_async_engine
from bevyly.db.unit_of_work import unit_of_work
from bevyly.encryption import Vault, new_key
from bevyly.errors import MissingDependency
from bevyly.mail.mailers import Mailer, MailServerAway, SmtpMailer, SpoolMailer, mailer_of
from bevyly.mail.message import ONE_CLICK, Link, Mail, letter, message_of
from bevyly.mail.queue import queue_mail
from bevyly.runtime.children import ChildProcess, ProcessSpec
from bevyly.runtime.ports import free_port
from bevyly.settings import Settings
from pipelines.mail.sender import DELAYS, LEASE, Sender
from pipelines.repositories.mails import claim, finish
from tests.support.databases import Database

VAULT = Vault([new_key()])
FROM = "Bevyly <no-reply@bevyly.example>"
RESET = letter(
    "ann@example.com", "Reset\r\nBcc: all@example.com", "Hello <Ann>,", "Bye.", link=Link("Here", "https://x/#t=1&u=2")
)


@dataclass
class Inbox:
    """What a real SMTP server does with mails; the answer to a recipient may be chosen."""

    envelopes: list[Envelope] = field(default_factory=list)
    answer: str = "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 OK"

    @property
    def mails(self) -> list[EmailMessage]:
        found = [email.message_from_bytes(one.content or b"", policy=default) for one in self.envelopes]
        return [one for one in found if isinstance(one, EmailMessage)]


@contextmanager
def smtp_server(inbox: Inbox, **options: Any) -> Iterator[str]:
    """A server on loopback; yields its URL."""
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{controller.port}?starttls=off"
    finally:
        controller.stop()


@dataclass
class Post:
    """A database with a tenant, a clock, and what the sender does with them."""

    database: Database
    clock: FixedClock
    tenant: str

    async def queue(self, mail: Mail = RESET, *, fail: bool = False, vault: Vault = VAULT, **more: Any) -> None:
        engine = make_async_engine(self.database.app_url, pool_size=1)
        try:
            async with unit_of_work(engine, self.tenant) as work:
                await queue_mail(
                    work.session, self.tenant, mail, kind="password_reset", vault=vault, now=self.clock.now(), **more
                )
                if fail:
                    raise RuntimeError("the cause failed")
        finally:
            await engine.dispose()

    async def send(self, mailer: Mailer, *, tidy: bool = False) -> int:
        sender = Sender(mailer, VAULT, sender=FROM, clock=self.clock, kept=timedelta(days=30))
        async with await self.connect() as connection:
            sent = await sender.send_due(connection)
            if tidy:
                await sender.tidy(connection)
            return sent

    async def connect(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        return await psycopg.AsyncConnection.connect(self.database.pipeline_url, autocommit=True)

    def rows(self, columns: str = "status, tries, last_error, body is null") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.pipeline_url) as connection:
            return connection.execute(f"select {columns} from mails order by id").fetchall()


@pytest.fixture
def post(database: Database) -> Post:
    return Post(database, FixedClock(datetime(2026, 11, 28, 9, tzinfo=UTC)), database.add_tenant("ours"))


async def test_a_mail_reaches_a_real_server_once_and_is_then_forgotten(post: Post) -> None:
    inbox = Inbox()
    await post.queue()
    assert "Hello" not in post.rows("body")[0][0], "what lies in the database is sealed"
    with smtp_server(inbox) as url:
        assert [await post.send(SmtpMailer(url)), await post.send(SmtpMailer(url))] == [1, 0]
    [mail] = inbox.mails
    assert inbox.envelopes[0].rcpt_tos == ["ann@example.com"]
    assert (mail["subject"], mail["bcc"]) == ("Reset Bcc: all@example.com", None), "no header can be smuggled in"
    assert mail["message-id"] == f"<{post.rows('id')[0][0]}@bevyly.example>"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == "Hello <Ann>,\n\nHere:\nhttps://x/#t=1&u=2\n\nBye.\n"
    assert [line for line in html.get_content().splitlines() if line.startswith("<p>")] == [
        "<p>Hello &lt;Ann&gt;,</p>", '<p><a href="https://x/#t=1&amp;u=2">Here</a></p>', "<p>Bye.</p>",
    ]  # fmt: skip
    assert post.rows() == [("sent", 1, None, True)]


async def test_a_mail_in_somebodys_name_carries_a_link_that_programs_can_follow(post: Post) -> None:
    """The link stays on one line, whatever its length; a name is a name, and no header."""
    inbox, link = Inbox(), f"<https://api.example/{'x' * 120}>"
    headers = {ONE_CLICK: link, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "Reply-To": "jo@x.example"}
    await post.queue(Mail("ann@example.com", "Hi", "Hello", headers=headers, sender_name='Jö "J", Dr.\r\nBcc: a@x'))
    with smtp_server(inbox) as url:
        await post.send(SmtpMailer(url))
    [mail] = inbox.mails
    assert f"{ONE_CLICK}: {link}\r\n".encode() in (inbox.envelopes[0].content or b"")
    assert (mail["reply-to"], mail["bcc"]) == ("jo@x.example", None)
    [sender] = mail["from"].addresses
    assert (sender.display_name, sender.addr_spec) == ('Jö "J", Dr. Bcc: a@x', "no-reply@bevyly.example")
    broken = Mail("a@x.example", "x", "x", headers={ONE_CLICK: "<x>\r\nBcc: b@x"})
    with pytest.raises(ValueError, match="one line"):
        message_of(broken, mail_id="1", sender=FROM, queued_at=post.clock.now())


async def test_a_mail_of_what_did_not_happen_is_not_sent(post: Post) -> None:
    with pytest.raises(RuntimeError):
        await post.queue(fail=True)
    assert post.rows() == []


async def test_a_lost_server_delays_a_mail_and_at_last_ends_it(post: Post) -> None:
    away = SmtpMailer(f"smtp://127.0.0.1:{free_port()}?starttls=off")
    await post.queue()
    for tries, delay in enumerate(DELAYS, start=1):
        assert [await post.send(away), await post.send(away)] == [1, 0]
        assert post.rows("status, tries, body is null") == [("pending", tries, False)]
        post.clock.instant += delay
    assert await post.send(away) == 1
    assert post.rows("status, tries, last_error like 'server_away %', body is null") == [("failed", 8, True, True)]
    post.clock.instant += timedelta(days=29)
    await post.send(away, tidy=True)
    assert len(post.rows()) == 1
    post.clock.instant += timedelta(days=2)
    await post.send(away, tidy=True)
    assert post.rows() == []


async def test_a_mailbox_that_does_not_exist_is_not_asked_again(post: Post) -> None:
    for answer, expected in (("550 no such user", "failed"), ("451 try later", "pending")):
        await post.queue()
        with smtp_server(Inbox(answer=answer)) as url:
            await post.send(SmtpMailer(url))
        assert post.rows("status, last_error")[-1] == (
            expected, f"{'refused' if expected == 'failed' else 'server_away'} {answer[:3]}",
        )  # fmt: skip


async def test_what_is_too_late_to_be_of_use_is_not_sent(post: Post, tmp_path: Path) -> None:
    await post.queue(expires_at=post.clock.now() + timedelta(hours=1))
    post.clock.instant += timedelta(hours=1)
    await post.send(SpoolMailer(tmp_path))
    assert post.rows() == [("failed", 1, "expired", True)]
    assert list(tmp_path.iterdir()) == []


async def test_the_mail_of_a_sender_that_died_is_sent_by_the_next(post: Post, tmp_path: Path) -> None:
    await post.queue()
    async with await post.connect() as connection:
        [lost] = await claim(connection, at=post.clock.now(), lease=LEASE, limit=10)
        assert await post.send(SpoolMailer(tmp_path)) == 0, "while the lease holds, nobody else sends it"
        post.clock.instant += LEASE
        assert await post.send(SpoolMailer(tmp_path)) == 1
        late = await finish(connection, lost, status="failed", error="x", again=None, at=post.clock.now())
    assert not late, "who lost the lease has no say"
    assert post.rows() == [("sent", 2, None, True)]


async def test_a_mail_that_ends_every_sender_is_given_up(post: Post, tmp_path: Path) -> None:
    await post.queue()
    async with await post.connect() as connection:
        for _ in range(len(DELAYS) + 1):
            assert len(await claim(connection, at=post.clock.now(), lease=LEASE, limit=10)) == 1
            post.clock.instant += LEASE
    await post.send(SpoolMailer(tmp_path))
    assert post.rows("status, last_error") == [("failed", "no sender survived it")]


async def test_without_a_server_mails_are_files_whatever_the_address(post: Post, tmp_path: Path) -> None:
    mailer = mailer_of(Settings(bevyly_home=tmp_path))
    await post.queue()
    await post.queue(Mail("jörg@example.com", "Grüße", "Hallo"))
    await post.queue(Mail("a@x.example\r\nBcc: b@x.example", "x", "x"))
    await post.send(mailer)
    files = sorted((tmp_path / "mail").iterdir())
    assert [file.suffix for file in files] == [".eml", ".eml"]
    mail = email.message_from_bytes(files[1].read_bytes(), policy=default)
    assert (mail["to"], mail["subject"]) == ("jörg@example.com", "Grüße")
    assert [row[0] for row in post.rows()] == ["sent", "sent", "failed"]


def authenticator(*arguments: Any) -> AuthResult:
    data = arguments[-1]
    return AuthResult(handled=False, success=isinstance(data, LoginPassword) and data.password == b"s@cret")


# the server warns of what this test is: a login over an open line
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_a_login_is_used_and_a_wrong_one_is_no_fault_of_the_mail(post: Post) -> None:
    inbox = Inbox()
    options = {"authenticator": authenticator, "auth_required": True, "auth_require_tls": False}
    with smtp_server(inbox, **options) as url:
        await post.queue()
        await post.send(SmtpMailer(url.replace("//", "//ann:wrong@")))
        assert post.rows("status, last_error") == [("pending", "server_away 535")]
        post.clock.instant += DELAYS[0]
        await post.send(SmtpMailer(url.replace("//", "//ann:s%40cret@")))
    assert [row[0] for row in post.rows()] == ["sent"]


async def test_nobody_talks_it_out_of_encryption(post: Post) -> None:
    inbox = Inbox()
    with smtp_server(inbox) as url:
        await post.queue()
        await post.send(SmtpMailer(url.removesuffix("?starttls=off")))
    assert (inbox.envelopes, post.rows("status")) == ([], [("pending",)])


@pytest.mark.parametrize("url", ["http://x", "smtp://", "smtp://x:port", "x"])
def test_an_address_that_is_none_is_said_at_the_start(url: str) -> None:
    with pytest.raises(MissingDependency, match=r"^SMTP_URL is not"):
        SmtpMailer(url)


async def test_a_silent_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bevyly.mail.mailers.SMTP_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(MailServerAway):
        await SmtpMailer(f"smtp://127.0.0.1:{silent.getsockname()[1]}").send("1", EmailMessage())


async def test_the_process_sends_what_is_queued_and_stops_when_asked(post: Post, tmp_path: Path) -> None:
    key = new_key()
    environment = {
        "DATABASE_URL": post.database.owner_url,
        "ENCRYPTION_KEYS": key,
        "BEVYLY_HOME": str(tmp_path),
        "MAIL_FROM": FROM,
    }
    argv = (sys.executable, "-m", "pipelines.mail")
    child = ChildProcess(ProcessSpec(name="mail", argv=argv, log=tmp_path / "log", environment=environment))
    child.start()
    try:
        await post.queue(vault=Vault([key]))
        async with asyncio.timeout(60):
            while not (found := list((tmp_path / "mail").glob("*.eml"))) or post.rows("status") != [("sent",)]:
                await asyncio.sleep(0.05)
        assert "From: Bevyly <no-reply@bevyly.example>" in found[0].read_text()
    finally:
        child.stop()
    assert "Traceback" not in (tmp_path / "log").read_text()
