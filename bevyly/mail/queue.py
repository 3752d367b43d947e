"""Queueing a mail in the transaction of its cause: both are committed, or neither; no request waits for a server.

The text is sealed, because it may carry a link that lets somebody in, and forgotten once the mail has left.
"""

from datetime import datetime

import orjson
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from bevyly.db.schema import QueuedMail
from bevyly.encryption import Vault
from bevyly.ids import new_id
from bevyly.mail.message import Mail

# inline: the app may queue mails but not read them, so nothing may come back
_ADD = insert(QueuedMail).inline()


async def queue_mail(
    session: AsyncSession,
    customer_id: str,
    mail: Mail,
    *,
    kind: str,
    vault: Vault,
    now: datetime,
    expires_at: datetime | None = None,
    mail_id: str | None = None,
) -> str:
    """Send `mail` if and only if the transaction of `session` commits; not after `expires_at`. Returns its id.

    `kind` says in the log what it was (`password_reset`); `mail_id` is chosen where its `Message-ID` must be known.
    """
    mail_id = mail_id or new_id()
    await session.execute(
        _ADD,
        {
            "customer_id": customer_id,
            "id": mail_id,
            "kind": kind,
            "recipient": mail.to,
            "body": sealed(mail, vault),
            "status": "pending",
            "tries": 0,
            "next_attempt_at": now,
            "expires_at": expires_at,
            "created_at": now,
        },
    )
    return mail_id


def sealed(mail: Mail, vault: Vault) -> str:
    """What is kept of a mail until it leaves."""
    kept = [mail.subject, mail.text, mail.html, mail.headers, mail.sender_name]
    return vault.seal(orjson.dumps(kept).decode())


def opened(recipient: str, body: str, vault: Vault) -> Mail:
    """The mail that was sealed; raises `CannotDecrypt`."""
    return Mail(recipient, *orjson.loads(vault.open(body)))
