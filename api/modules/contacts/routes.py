"""Contacts over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.contacts.listing import CONTACTS
from api.modules.contacts.schemas import Contact, ContactChange, ContactCreate, ContactPage, ContactQuery
from api.modules.contacts.service import ContactService
from api.modules.duplicates.schemas import AllowDuplicates
from api.modules.duplicates.service import Duplicates
from api.query.reading import listed, read_list
from api.records.creation import created
from api.records.reads import one, written
from api.routing import answers, area, problems, read, requires

router = area("/contacts", "contacts")


@read_list(router, "", ContactPage, CONTACTS)
@requires("contacts:read")
async def list_contacts(request: Request, query: Annotated[ContactQuery, Query()]) -> Response:
    """Contacts, newest first."""
    return await listed(request, CONTACTS, query)


@read(router, "/{contact_id}", Contact, responses=problems(308, 404))
@requires("contacts:read")
async def get_contact(request: Request, contact_id: str) -> Response:
    """One contact."""
    return await one(request, "api_get_contact", contact_id, kind="contact")


@router.post("", status_code=201, responses=answers(Contact, 404, 409, status=201))
@requires("contacts:write")
async def create_contact(body: ContactCreate, context: Write, allow_duplicates: AllowDuplicates = False) -> Response:
    """A new contact."""
    service = ContactService(context)
    row = await service.create(body.model_dump(exclude_unset=True))
    return await created(service, row, Duplicates(context, "contact", allowed=allow_duplicates))


@router.patch("/{contact_id}", responses=answers(Contact, 404, 409, 412))
@requires("contacts:write")
async def update_contact(
    contact_id: str, body: ContactChange, context: Write, if_match: IfMatch, allow_duplicates: AllowDuplicates = False
) -> Response:
    """Change fields of a contact."""
    service = ContactService(context)
    row = await service.update(contact_id, body.model_dump(exclude_unset=True), expected_version=if_match)
    await Duplicates(context, "contact", allowed=allow_duplicates).refuse(row.id, service.written)
    return written(await service.records.rendered(row.id), version=row.version)


@router.delete("/{contact_id}", status_code=204, responses=problems(404, 409, 412))
@requires("contacts:delete")
async def delete_contact(contact_id: str, context: Write, if_match: IfMatch) -> Response:
    """Hide a contact; it can be restored."""
    await ContactService(context).delete(contact_id, expected_version=if_match)
    return Response(status_code=204)


@router.post("/{contact_id}/restore", responses=answers(Contact, 404, 409))
@requires("contacts:delete")
async def restore_contact(contact_id: str, context: Write) -> Response:
    """Bring a deleted contact back."""
    service = ContactService(context)
    row = await service.restore(contact_id)
    return written(await service.records.rendered(row.id), version=row.version)
