"""Custom fields over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.custom_fields.schemas import (
    CustomField,
    CustomFieldChange,
    CustomFieldCreate,
    CustomFieldPage,
    CustomFieldQuery,
)
from api.modules.custom_fields.service import CustomFieldService
from api.records.reads import one, page, written
from api.routing import answers, area, problems, read, requires

router = area("/custom-fields", "custom fields")


@read(router, "", CustomFieldPage)
@requires("custom_fields:read")
async def list_custom_fields(request: Request, query: Annotated[CustomFieldQuery, Query()]) -> Response:
    """Fields of the tenant's own, newest first."""
    return await page(request, "api_list_custom_fields", query)


@read(router, "/{field_id}", CustomField, responses=problems(404))
@requires("custom_fields:read")
async def get_custom_field(request: Request, field_id: str) -> Response:
    """One field of the tenant's own."""
    return await one(request, "api_get_custom_field", field_id, kind="custom_field")


@router.post("", status_code=201, responses=answers(CustomField, 409, status=201))
@requires("custom_fields:write")
async def create_custom_field(body: CustomFieldCreate, context: Write) -> Response:
    """A new field. Values that records have under its key stay as they are until they are written again."""
    service = CustomFieldService(context)
    row = await service.create(body.model_dump())
    location = f"/api/v1/custom-fields/{row.id}"
    return written(await service.fields.rendered(row.id), version=row.version, status=201, location=location)


@router.patch("/{field_id}", responses=answers(CustomField, 404, 409, 412))
@requires("custom_fields:write")
async def update_custom_field(field_id: str, body: CustomFieldChange, context: Write, if_match: IfMatch) -> Response:
    """Change a field, or archive it. Records keep the values that they have."""
    service = CustomFieldService(context)
    row = await service.update(field_id, body.model_dump(exclude_unset=True), expected_version=if_match)
    return written(await service.fields.rendered(row.id), version=row.version)


@router.delete("/{field_id}", status_code=204, responses=problems(404, 409, 412))
@requires("custom_fields:write")
async def delete_custom_field(field_id: str, context: Write, if_match: IfMatch) -> Response:
    """Delete a field that no record has a value of; archive others."""
    await CustomFieldService(context).delete(field_id, expected_version=if_match)
    return Response(status_code=204)
