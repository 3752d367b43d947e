"""What a mail is: plain words to one person, with a text and perhaps the same in HTML. No images, no tracking."""

from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8, Policy
from email.utils import format_datetime, parseaddr
from html import escape

ONE_CLICK = "List-Unsubscribe"
"""The header whose link mail programs post to (RFC 8058)."""


@dataclass(frozen=True)
class Mail:
    """One mail to one address. Line breaks in `subject` become spaces: it is a header.

    `headers` are further ones; `sender_name` is shown instead of our own name, before our own address.
    """

    to: str
    subject: str
    text: str
    html: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    sender_name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", " ".join(self.subject.split()))


@dataclass(frozen=True)
class Link:
    """The one thing that a mail asks its reader to do."""

    label: str
    url: str


def letter(to: str, subject: str, *paragraphs: str, link: Link | None = None) -> Mail:
    """A mail of a few paragraphs, with the link after the first; the HTML says exactly what the text says."""
    first, *rest = paragraphs
    parts = [first, *([f"{link.label}:\n{link.url}"] if link else []), *rest]
    anchor = f'<a href="{escape(link.url)}">{escape(link.label)}</a>' if link else ""
    pieces = [escape(first), *([anchor] if link else []), *(escape(part) for part in rest)]
    html = "".join(f"<p>{piece}</p>\n" for piece in pieces)
    return Mail(to, subject, "\n\n".join(parts) + "\n", f"<!doctype html>\n<meta charset=utf-8>\n{html}")


class _OneClick(str):
    """That header on one line: a link that is broken over lines is encoded, and no program follows it then."""

    name = ONE_CLICK

    def __new__(cls, value: str) -> "_OneClick":
        if not value.isascii() or not value.isprintable():
            raise ValueError("not one line of ASCII")
        return super().__new__(cls, value)

    def fold(self, *, policy: Policy) -> str:
        """The header as it travels; the email package asks for it."""
        return f"{self.name}: {self}{policy.linesep}"


def message_id_of(mail_id: str, sender: str) -> str:
    """The `Message-ID` of a queued mail, which is known before it leaves."""
    return f"<{mail_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"


def message_of(mail: Mail, *, mail_id: str, sender: str, queued_at: datetime) -> EmailMessage:
    """The mail as it travels. Its `Message-ID` comes from `mail_id`: a mail that is sent twice is recognised as one.

    Raises `ValueError` for what is not one plain address, and for a header with a line break.
    """
    if parseaddr(mail.to)[1] != mail.to:
        raise ValueError("not one plain address")
    message = EmailMessage(policy=SMTPUTF8)
    message["Message-ID"] = message_id_of(mail_id, sender)
    message["Date"] = format_datetime(queued_at)
    message["From"] = sender if mail.sender_name is None else _named(mail.sender_name, sender)
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Auto-Submitted"] = "auto-generated"
    for name, value in mail.headers.items():
        message[name] = _OneClick(value) if name == ONE_CLICK else value
    message.set_content(mail.text, cte="quoted-printable")
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return message


def _named(name: str, sender: str) -> Address:
    return Address(" ".join(name.split()), addr_spec=parseaddr(sender)[1])
