"""Renaming and removing a tag on all records: each is changed by its own service, with its audit row and its event."""

from typing import Any

from api.dependencies.work import WriteContext
from api.modules.accounts.service import AccountService
from api.modules.contacts.service import ContactService
from api.modules.leads.service import LeadService
from api.modules.opportunities.service import OpportunityService
from api.modules.tags.repository import TagRepository
from api.records.service import RecordService

AT_ONCE = 200
"""Records that one unit of work changes: a second of locks at most."""

_SERVICES: tuple[type[RecordService[Any]], ...] = (AccountService, ContactService, OpportunityService, LeadService)


class TagService:
    """Changes of tags of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.tags = TagRepository(context.work.session, context.principal.customer_id)

    async def replace(self, tag: str, by: str | None) -> tuple[int, bool]:
        """Give up to `AT_ONCE` records another tag instead of `tag`, or none; how many, and whether others have it."""
        changed = 0
        if tag == by:
            return changed, False
        for kind in _SERVICES:
            service, room = kind(self.context), AT_ONCE - changed
            found = await self.tags.ids(kind.table, tag, room + 1)
            for record_id in found[:room]:
                changed += await self._replace(service, record_id, tag, by)
            if len(found) > room:
                return changed, True
        return changed, False

    async def _replace(self, service: RecordService[Any], record_id: str, tag: str, by: str | None) -> bool:
        """Whether the record, now that it is locked, still had the tag."""
        row = await service.records.lock(record_id)
        if tag not in row.tags:
            return False
        tags = {by if one == tag else one for one in row.tags} - {None}
        await service.update(record_id, {"tags": sorted(tags)}, expected_version=None)
        return True
