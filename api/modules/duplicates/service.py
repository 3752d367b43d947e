"""What is done about duplicates: a record that is probably there already is refused; pairs that are none are kept."""

from itertools import combinations
from typing import Any

from api.dependencies.work import WriteContext
from api.modules.duplicates.errors import PossibleDuplicate
from api.modules.duplicates.repository import DuplicateRepository
from api.modules.duplicates.scoring import BLOCKED, Candidate, candidates
from api.records.repository import missing
from api.records.trail import Trail
from bevyly.db.unit_of_work import flush

MOST_NAMED = 5
KEY_FIELDS = {
    "account": {"name", "domain", "city"},
    "contact": {"first_name", "last_name", "email", "phone", "account_id"},
    "lead": {"company_name", "contact_name", "contact_email", "phone"},
}
"""A change of one of these can make a record the same as another one."""


class Duplicates:
    """Duplicates of one kind, for one tenant. Doors that match on their own (ingest, conversion) do not ask."""

    def __init__(self, context: WriteContext, kind: str, *, allowed: bool = False) -> None:
        self.context = context
        self.kind = kind
        self.allowed = allowed
        self.session = context.work.session
        self.repository = DuplicateRepository(self.session, context.principal.customer_id, kind)

    def matter(self, changed: set[str]) -> bool:
        """Whether a record can have become a duplicate that is refused, by a change of these fields."""
        return not self.allowed and bool(changed & KEY_FIELDS[self.kind])

    async def refuse(self, record_id: str, changed: set[str]) -> None:
        """Raise `PossibleDuplicate` for a record as it is now, if what changed can make it one."""
        if self.matter(changed):
            await flush(self.session)
            if await self.repository.surely(record_id):
                await self.refuse_likely(record_id)

    async def refuse_likely(self, record_id: str) -> None:
        """Raise `PossibleDuplicate` for a stored record that shares a strong key, if the rest of it agrees."""
        found = await self.repository.of(record_id)
        likely = candidates(self.kind, found["record"], found["candidates"]) if found else []
        if likely and likely[0].score >= BLOCKED:
            raise PossibleDuplicate(
                f"This {self.kind} is probably here already. Use that one, or ask with allow_duplicates=true.",
                candidates=[document(one) for one in likely[:MOST_NAMED]],
            )

    async def dismiss(self, ids: list[str]) -> None:
        """Remember that these are not the same; raises `NotFound` where one of them is not there."""
        wanted = sorted(set(ids))
        if await self.repository.living(wanted) != set(wanted):
            raise missing(self.kind)
        principal = self.context.principal
        pairs = list(combinations(wanted, 2))
        new = await self.repository.dismiss(pairs, by=principal.actor_id) if pairs else []
        trail = Trail(self.context)
        for one, two in new:
            trail.audit("duplicate.dismissed", (self.kind, one), after={"other_id": two})


def groups(kind: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a page that have candidates, as they are answered."""
    found = []
    for row in rows:
        likely = candidates(kind, row["record"], row["candidates"])
        if likely:
            record = row["record"]
            head = {"id": record["id"], "kind": kind, "title": record["title"] or "", "score": likely[0].score}
            found.append(head | {"candidates": [document(one) for one in likely]})
    return found


def document(one: Candidate) -> dict[str, Any]:
    """A candidate as it is answered."""
    return {"id": one.id, "kind": one.kind, "title": one.title, "matched": list(one.matched), "score": one.score}
