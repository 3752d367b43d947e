"""How a mail leaves this machine: over SMTP, or into a folder where no server is named.

Which mail, when, and how often it is tried is the sender's matter (`pipelines.mail`).
"""

import asyncio
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from bevyly.errors import BevylyError, MissingDependency
from bevyly.runtime.files import replace_file
from bevyly.settings import Settings

SMTP_SECONDS = 30.0
_PERMANENT = range(500, 600)


class MailRefused(BevylyError):
    """The server will never take this mail: there is no such mailbox, or it is not allowed."""

    code = "refused"


class MailServerAway(BevylyError):
    """No server took it this time; trying again later may help."""

    code, status = "server_away", 503


class Mailer(Protocol):
    """Anything that hands a mail on."""

    async def send(self, mail_id: str, message: EmailMessage) -> None:
        """Hand `message` on; raises `MailRefused` for ever, `MailServerAway` for now."""
        ...


class SmtpMailer:
    """Hands mails to an SMTP server, each over a connection of its own.

    `smtps://` is TLS from the first byte; `smtp://` insists on STARTTLS, so that nobody in between can talk it out of
    encryption, unless `?starttls=off` says that the way is safe.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise MissingDependency("SMTP_URL is not smtp://user:password@host:587 or smtps://user:password@host:465.")
        secure = parts.scheme == "smtps"
        self._host = parts.hostname
        self._port = port or (465 if secure else 587)
        self._tls = secure
        self._start_tls = not secure and parse_qs(parts.query).get("starttls") != ["off"]
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None

    async def send(self, mail_id: str, message: EmailMessage) -> None:
        """Hand `message` on; raises `MailRefused` for ever, `MailServerAway` for now."""
        try:
            async with asyncio.timeout(SMTP_SECONDS):
                await aiosmtplib.send(
                    message,
                    hostname=self._host,
                    port=self._port,
                    username=self._user,
                    password=self._password,
                    use_tls=self._tls,
                    start_tls=self._start_tls,
                )
        except aiosmtplib.SMTPException as error:
            raise _named(error) from error
        except (OSError, TimeoutError) as error:
            raise MailServerAway(type(error).__name__) from error


class SpoolMailer:
    """Writes each mail into a folder as `<id>.eml`, which mail programs open; again under the same name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def send(self, mail_id: str, message: EmailMessage) -> None:
        """Write `message`, as a whole or not at all."""
        try:
            await asyncio.to_thread(self._write, mail_id, message.as_bytes(policy=SMTPUTF8))
        except OSError as error:
            raise MailServerAway(type(error).__name__) from error

    def _write(self, mail_id: str, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(self.folder / f"{mail_id}.eml", content)


def mailer_of(settings: Settings) -> Mailer:
    """The mailer that `settings` name: SMTP, or the folder `mail` of Bevyly's own."""
    url = settings.smtp_url
    return SmtpMailer(url.get_secret_value()) if url else SpoolMailer(settings.home / "mail")


def _named(error: aiosmtplib.SMTPException) -> BevylyError:
    """What the server said of this mail. A login that it does not take is no fault of the mail."""
    codes = _codes(error)
    about_us = isinstance(error, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPConnectResponseError)
    if codes and not about_us and all(code in _PERMANENT for code in codes):
        return MailRefused(str(codes[0]))
    return MailServerAway(str(codes[0]) if codes else type(error).__name__)


def _codes(error: aiosmtplib.SMTPException) -> list[int]:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return [one.code for one in error.recipients]
    return [error.code] if isinstance(error, aiosmtplib.SMTPResponseException) else []
