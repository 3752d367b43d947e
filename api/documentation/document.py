"""The OpenAPI document, put together of routes, examples and links."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.dependencies.rate_limit import RateLimits
from api.documentation import page
from api.documentation.examples import add_examples
from api.documentation.links import add_links
from api.documentation.tidy import tidy
from api.modules.events.schemas import cloud_event
from api.problems import MEDIA_TYPE as PROBLEM
from api.routing import PROBLEM_SCHEMA

EVENT_STREAM = "text/event-stream"
_EVENT = {"event": {"type": "string"}, "id": {"type": "string"}, "retry": {"type": "integer"}}
_AREAS = {
    "intent": "What Bevyly concludes: the briefing, signals, patterns, recommendations and scores.",
    "live": "What changes, as it changes.",
    "accounts": "Companies.",
    "contacts": "People.",
    "opportunities": "Deals, and what became of them.",
    "search": "All kinds of records, in one question.",
    "leads": "Those who may become customers, and their conversion.",
    "activities": "Emails, meetings, calls, tasks and notes.",
    "events": "Changes of other systems, taken in as CloudEvents.",
    "webhooks": "Events sent to your systems.",
    "auth": "Sign-up, log-in and sessions.",
    "api keys": "Keys for programs.",
    "custom fields": "Fields of the tenant's own, and their types.",
}
"""What an area is about, for the page; areas that are not here say it themselves."""
_SCHEMES = {
    "access_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def install(app: FastAPI, limits: RateLimits) -> None:
    """Let `app` serve its OpenAPI document and its documentation page."""
    app.openapi = lambda: document_of(app, limits)  # type: ignore[method-assign]  # as FastAPI has it done
    page.install(app)


def document_of(app: FastAPI, limits: RateLimits) -> dict[str, Any]:
    """The document of `app`, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title="Bevyly",
            version="1",
            openapi_version="3.1.0",
            summary="The few things worth doing today, each with its reason, expected value and proof.",
            description=_description(limits),
            routes=app.routes,
            separate_input_output_schemas=False,
        )
        components = document.setdefault("components", {})
        schema = dict(PROBLEM_SCHEMA)
        components.setdefault("schemas", {}).update(
            {**schema.pop("$defs", {}), "Problem": schema, "CloudEvent": cloud_event()}
        )
        components["securitySchemes"] = _SCHEMES
        components["responses"] = _share_problems(document)
        document["tags"] = _tags(document)
        _describe_streams(document)
        tidy(document)
        add_examples(document)
        add_links(document)
        app.openapi_schema = document
    return app.openapi_schema


def _tags(document: dict[str, Any]) -> list[dict[str, str]]:
    """The areas in the order in which they are told, then the others."""
    used = {tag for methods in document["paths"].values() for one in methods.values() for tag in one.get("tags", [])}
    names = [name for name in _AREAS if name in used] + sorted(used - _AREAS.keys())
    return [
        {"name": name, "x-displayName": name[:1].upper() + name[1:]}
        | ({"description": _AREAS[name]} if name in _AREAS else {})
        for name in names
    ]


def _share_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Each problem once, by its code, in place of a copy with every route."""
    shared: dict[str, Any] = {}
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                example = response.get("content", {}).get(PROBLEM, {}).get("example")
                if example is not None and len(response["content"]) == 1:
                    shared[example["code"]] = response
                    operation["responses"][status] = {"$ref": f"#/components/responses/{example['code']}"}
    return dict(sorted(shared.items()))


def _describe_streams(document: dict[str, Any]) -> None:
    """The schema of a stream is that of one event; a route names the schema of its `data`."""
    for methods in document["paths"].values():
        for operation in methods.values():
            content = operation["responses"].get("200", {}).get("content", {}).get(EVENT_STREAM)
            if content is not None:
                told = {name: value for name, value in content["schema"].items() if name in ("$ref", "anyOf")}
                data = {"type": "string", "contentMediaType": "application/json", "contentSchema": told}
                content["schema"] = {"type": "object", "properties": _EVENT | {"data": data}}


def _description(limits: RateLimits) -> str:
    rows = "\n".join(
        f"| `{rule.name}` | {counts} | {whose} | {rule.limit} in {rule.seconds} s |"
        for rule, counts, whose in limits.published()
    )
    return (
        "Every POST that needs a log-in, and sign-up, takes an `Idempotency-Key`: the same request again gets the same "
        "answer for 24 hours. Records carry an `ETag`; changes take `If-Match`. Errors are `application/problem+json` "
        "with a stable `code`. An answer may get new fields and new values: leave alone what you do not know."
        "\n\n"
        "Answers say in `RateLimit-Policy` and `RateLimit` by which limit they were counted and what is left of it; "
        "each route names its own as `x-rate-limit`. 429 and 503 come with `Retry-After`. Attempts to log in that fail "
        "wait besides, a little longer each time.\n\n"
        f"| limit | counts | for each | at most |\n|---|---|---|---|\n{rows}\n"
    )
