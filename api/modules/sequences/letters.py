"""Emails of sequences: what is written, in whose name, with which link to end it.

Plain text, as people write to each other. It leaves from our own address under the sender's name, and answers go to
the sender; mail programs show a button that ends the mails (RFC 8058).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api.modules.sequences.templates import MissingValue
from api.modules.sequences.unsubscribing import PATH, UNSUBSCRIBE
from api.records.trail import Values
from bevyly.db.schema import Account, Contact, Lead, User
from bevyly.encryption import Vault
from bevyly.identity import keys
from bevyly.ids import new_id
from bevyly.mail.message import ONE_CLICK, Mail, message_id_of
from bevyly.mail.queue import queue_mail
from bevyly.settings import Settings

Fields = dict[str, str | None]
MAX_SUBJECT = 500


@dataclass(frozen=True)
class Sent:
    """An email that is to leave, not after `expires_at`; the activity that it is, what is kept of it with its step."""

    mail: Mail
    mail_id: str
    expires_at: datetime
    activity: Values = field(repr=False)
    kept: Fields = field(repr=False)


class Letters:
    """Writes emails and queues them."""

    def __init__(self, settings: Settings) -> None:
        self._from = settings.mail_from
        self._url = settings.public_url + PATH
        self._vault = Vault.of(settings)

    def write(self, person: Contact | Lead, sender: User, words: Values, before: Any, expires_at: datetime) -> Sent:
        """An email; without a subject it answers the one `before`. Raises `MissingValue` where there was none."""
        to = (person.email if isinstance(person, Contact) else person.contact_email) or ""
        answers = before if "subject" not in words else None
        if answers is None and "subject" not in words:
            raise MissingValue("subject")
        mail_id, link = new_id(), keys.mint(UNSUBSCRIBE, sender.customer_id)
        message_id, url = message_id_of(mail_id, self._from), f"{self._url}/{link.text}"
        headers = {
            "Reply-To": sender.email,
            ONE_CLICK: f"<{url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        if answers is not None:
            headers |= {"In-Reply-To": answers.message_id, "References": answers.message_id}
        subject = words["subject"] if answers is None else _answering(answers.subject)
        text = f"{words['body'].rstrip()}\n\n-- \nNo more mails from us: {url}\n"
        mail = Mail(to, subject, text, headers=headers, sender_name=sender.name or sender.email)
        contact_id = person.id if isinstance(person, Contact) else None
        activity = {
            "kind": "email",
            "subject": mail.subject,
            "body": words["body"],
            "message_id": message_id,
            "in_reply_to": answers.message_id if answers is not None else None,
            "thread_id": answers.thread_id if answers is not None else None,
            "participants": [
                {"user_id": sender.id, "email": sender.email, "role": "from"},
                {"contact_id": contact_id, "email": to, "role": "to"},
            ],
        }
        kept: Fields = {"mail_id": mail_id, "message_id": message_id, "unsubscribe_hash": link.hash}
        return Sent(mail, mail_id, expires_at, activity, kept)

    async def queue(self, session: AsyncSession, customer_id: str, sent: Sent, *, now: datetime) -> None:
        """Let it leave, if and only if the transaction of `session` commits."""
        await queue_mail(
            session,
            customer_id,
            sent.mail,
            kind="sequence",
            vault=self._vault,
            now=now,
            expires_at=sent.expires_at,
            mail_id=sent.mail_id,
        )


def fields_of(person: Contact | Lead, account: Account | None, sender: User) -> Fields:
    """The values of merge fields."""
    if isinstance(person, Contact):
        parts = [person.first_name, person.last_name]
        contact = {"email": person.email, "phone": person.phone, "title": person.title}
        company: Fields = {}
        if account is not None:
            company = {name: getattr(account, name) for name in ("name", "domain", "industry", "city", "country")}
    else:
        first, _, last = (person.contact_name or "").strip().partition(" ")
        parts = [first, last]
        contact = {"email": person.contact_email, "phone": person.phone}
        company = {"name": person.company_name}
    contact |= {"first_name": parts[0], "last_name": parts[1], "name": " ".join(part for part in parts if part)}
    own = {"name": sender.name, "first_name": (sender.name or "").partition(" ")[0], "email": sender.email}
    groups = {"contact": contact, "account": company, "sender": own}
    return {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}


def _answering(subject: str | None) -> str:
    text = subject or ""
    return text if text.lower().startswith("re:") else f"Re: {text}"[:MAX_SUBJECT]
