"""Webhooks over HTTP."""

from typing import Annotated

import orjson
from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Process, Write
from api.modules.webhooks.schemas import (
    DeliveryDetail,
    DeliveryPage,
    DeliveryQuery,
    NewWebhook,
    Replayed,
    ReplayQuery,
    Webhook,
    WebhookChange,
    WebhookCreate,
    WebhookPage,
    WebhookQuery,
)
from api.modules.webhooks.service import WebhookService
from api.records.reads import JSON, one, page, written
from api.records.repository import missing
from api.resources import resources_of
from api.routing import answers, area, problems, read, requires
from bevyly.ids import is_id

router = area("/webhooks", "webhooks")


@read(router, "", WebhookPage)
@requires("webhooks:read")
async def list_webhooks(request: Request, query: Annotated[WebhookQuery, Query()]) -> Response:
    """Endpoints, newest first."""
    return await page(request, "api_list_webhooks", query)


@read(router, "/{endpoint_id}", Webhook, responses=problems(404))
@requires("webhooks:read")
async def get_webhook(request: Request, endpoint_id: str) -> Response:
    """One endpoint."""
    return await one(request, "api_get_webhook", endpoint_id, kind="webhook")


@router.post("", status_code=201, responses=answers(NewWebhook, 409, status=201))
@requires("webhooks:write")
async def create_webhook(body: WebhookCreate, context: Write, process: Process) -> Response:
    """A new endpoint, at most 20. Its secret is in this answer and in that of a rotation, nowhere else."""
    service = WebhookService(context, process.settings)
    row, secret = await service.create(body.model_dump(exclude_unset=True))
    document = await service.webhooks.rendered(row.id)
    return _with_secret(document, secret, version=row.version, status=201, location=f"/api/v1/webhooks/{row.id}")


@router.patch("/{endpoint_id}", responses=answers(Webhook, 404, 412))
@requires("webhooks:write")
async def update_webhook(
    endpoint_id: str, body: WebhookChange, context: Write, process: Process, if_match: IfMatch
) -> Response:
    """Change fields of an endpoint; what waits for it goes to its new URL."""
    service = WebhookService(context, process.settings)
    row = await service.update(endpoint_id, body.model_dump(exclude_unset=True), expected_version=if_match)
    return written(await service.webhooks.rendered(row.id), version=row.version)


@router.delete("/{endpoint_id}", status_code=204, responses=problems(404, 412))
@requires("webhooks:write")
async def delete_webhook(endpoint_id: str, context: Write, process: Process, if_match: IfMatch) -> Response:
    """Forget an endpoint and its secrets; what waits for it is not sent."""
    await WebhookService(context, process.settings).delete(endpoint_id, expected_version=if_match)
    return Response(status_code=204)


@router.post("/{endpoint_id}/rotate-secret", responses=answers(NewWebhook, 404, 412))
@requires("webhooks:write")
async def rotate_webhook_secret(endpoint_id: str, context: Write, process: Process, if_match: IfMatch) -> Response:
    """A new secret. The one before signs along for 24 hours, so that receivers can change over."""
    service = WebhookService(context, process.settings)
    row, secret = await service.rotate_secret(endpoint_id, expected_version=if_match)
    return _with_secret(await service.webhooks.rendered(row.id), secret, version=row.version)


@router.post("/{endpoint_id}/enable", responses=answers(Webhook, 404))
@requires("webhooks:write")
async def enable_webhook(endpoint_id: str, context: Write, process: Process) -> Response:
    """Send to an endpoint again that was switched off."""
    service = WebhookService(context, process.settings)
    row = await service.enable(endpoint_id)
    return written(await service.webhooks.rendered(row.id), version=row.version)


@router.post("/{endpoint_id}/test", status_code=202, responses=answers(DeliveryDetail, 404, status=202))
@requires("webhooks:write")
async def test_webhook(endpoint_id: str, context: Write, process: Process) -> Response:
    """Send a `webhook.ping`, once, without further tries; the answer's `Location` tells how it went."""
    service = WebhookService(context, process.settings)
    return await _delivery(service, endpoint_id, await service.send_ping(endpoint_id))


@read(router, "/{endpoint_id}/deliveries", DeliveryPage, responses=problems(404))
@requires("webhooks:read")
async def list_deliveries(request: Request, endpoint_id: str, query: Annotated[DeliveryQuery, Query()]) -> Response:
    """What was sent to an endpoint and what waits for it, newest first, with the attempts. Kept for 30 days."""
    await one(request, "api_get_webhook", endpoint_id, kind="webhook")
    return await page(request, "api_list_webhook_deliveries", query, endpoint_id=endpoint_id)


@read(router, "/{endpoint_id}/deliveries/{delivery_id}", DeliveryDetail, responses=problems(404))
@requires("webhooks:read")
async def get_delivery(request: Request, endpoint_id: str, delivery_id: str) -> Response:
    """One delivery with its attempts and the event that it carries."""
    customer_id = request.scope["state"]["principal"].customer_id
    known = is_id(endpoint_id) and is_id(delivery_id)
    reader = resources_of(request).reader
    row = await reader.one("api_get_webhook_delivery", customer_id, delivery_id, endpoint_id) if known else None
    if row is None or row[0] is None:
        raise missing("delivery")
    return Response(row[0], media_type=JSON)


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/replay",
    status_code=202,
    responses=answers(DeliveryDetail, 404, 409, status=202),
)
@requires("webhooks:write")
async def replay_delivery(endpoint_id: str, delivery_id: str, context: Write, process: Process) -> Response:
    """Send one delivery again now, under the same `webhook-id`, with a new run of tries."""
    service = WebhookService(context, process.settings)
    await service.replay(endpoint_id, delivery_id)
    return await _delivery(service, endpoint_id, delivery_id)


@router.post("/{endpoint_id}/replay", status_code=202, responses=answers(Replayed, 404, 409, status=202))
@requires("webhooks:write")
async def replay_failed_deliveries(
    endpoint_id: str, query: Annotated[ReplayQuery, Query()], context: Write, process: Process
) -> Replayed:
    """Send again everything that failed since an instant, at most 10,000 deliveries a call."""
    service = WebhookService(context, process.settings)
    replayed, more = await service.replay_failed(endpoint_id, since=query.since)
    return Replayed(replayed=replayed, more=more)


async def _delivery(service: WebhookService, endpoint_id: str, delivery_id: str) -> Response:
    body = await service.webhooks.rendered_delivery(endpoint_id, delivery_id)
    location = f"/api/v1/webhooks/{endpoint_id}/deliveries/{delivery_id}"
    return Response(body, status_code=202, media_type=JSON, headers={"location": location})


def _with_secret(
    document: bytes, secret: str, *, version: int, status: int = 200, location: str | None = None
) -> Response:
    body = orjson.dumps(orjson.loads(document) | {"secret": secret})
    answer = written(body, version=version, status=status, location=location)
    answer.headers["cache-control"] = "no-store"
    return answer
