"""What a mail is: plain words to one person, with a text and perhaps the same in HTML. No images, no tracking."""

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime, parseaddr
from html import escape


@dataclass(frozen=True)
class Mail:
    """One mail to one address. Line breaks in `subject` become spaces: it is a header."""

    to: str
    subject: str
    text: str
    html: str | None = None

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


def message_of(mail: Mail, *, mail_id: str, sender: str, queued_at: datetime) -> EmailMessage:
    """The mail as it travels. Its `Message-ID` comes from `mail_id`: a mail that is sent twice is recognised as one.

    Raises `ValueError` for what is not one plain address.
    """
    if parseaddr(mail.to)[1] != mail.to:
        raise ValueError("not one plain address")
    message = EmailMessage(policy=SMTPUTF8)
    message["Message-ID"] = f"<{mail_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Date"] = format_datetime(queued_at)
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text, cte="quoted-printable")
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return message
