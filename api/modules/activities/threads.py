"""Which thread an email belongs to: by the ids of RFC 5322, and without them by subject and people.

An email without any relation begins a thread, which has that email's id as its own.
"""

import re
from datetime import timedelta

from api.modules.activities.repository import ThreadRepository
from api.records.trail import Values
from bevyly.db.schema import Activity

WINDOW = timedelta(days=30)
"""How far apart two emails with the same subject may be and still be one conversation."""
_PREFIX = re.compile(r"^\s*(?:(?:re|fw|fwd|aw|wg|sv|vs|vl|rv|tr|antw|rif|odp|ynt)(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)


def subject_key(subject: str | None) -> str | None:
    """A subject as all emails of a conversation share it; None where nothing is left of it."""
    bare = " ".join(_PREFIX.sub("", subject or "").split()).lower()
    return bare[:500] or None


class Threading:
    """Finds the thread of a new email."""

    def __init__(self, threads: ThreadRepository) -> None:
        self._threads = threads

    async def place(self, row: Activity, *, references: list[str], participants: list[Values]) -> None:
        """Give an email its thread; emails that it shows to belong together become one thread."""
        row.subject_key = subject_key(row.subject)
        ancestors = {*references, *([row.in_reply_to] if row.in_reply_to else [])}
        await self._threads.one_at_a_time(row.subject_key or "")
        if row.message_id or ancestors:
            found = await self._threads.by_message(row.message_id, ancestors)
            if len(found) > 1:
                await self._threads.join(found[1:], found[0])
            row.thread_id = found[0] if found else None
        if row.thread_id is None and not ancestors:
            row.thread_id = await self._by_subject(row, participants)
        row.thread_id = row.thread_id or row.id

    async def _by_subject(self, row: Activity, participants: list[Values]) -> str | None:
        contacts = {one["contact_id"] for one in participants if one.get("contact_id")}
        contacts |= {row.contact_id} if row.contact_id else set()
        emails = {one["email"].lower() for one in participants if one.get("email") and not one.get("user_id")}
        if row.subject_key is None or not (contacts or emails):
            return None
        since, until = row.occurred_at - WINDOW, row.occurred_at + WINDOW
        return await self._threads.by_subject(
            row.subject_key, contacts=contacts, emails=emails, since=since, until=until
        )
