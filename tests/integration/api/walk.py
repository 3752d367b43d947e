"""Every route of the API, as its own document names it, with paths and bodies that fit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.documents import document

KINDS = ("open", "won", "lost")
_NOBODY = "00000000-0000-4000-8000-000000000000"

# A body that is valid for each route that takes one; a new route must be added here.
BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/accounts": {"name": "x"},
    "PATCH /api/v1/accounts/{account_id}": {"name": "y"},
    "POST /api/v1/contacts": {},
    "PATCH /api/v1/contacts/{contact_id}": {"title": "y"},
    "POST /api/v1/opportunities": {"name": "x"},
    "PATCH /api/v1/opportunities/{opportunity_id}": {"stage": "lost"},
    "POST /api/v1/leads": {"company_name": "x"},
    "PATCH /api/v1/leads/{lead_id}": {"status": "working"},
    "POST /api/v1/leads/{lead_id}/convert": {},
    "POST /api/v1/activities": {"kind": "note"},
    "PATCH /api/v1/activities/{activity_id}": {"subject": "y"},
    "POST /api/v1/activities/{activity_id}/complete": {},
    "POST /api/v1/tags/rename": {"tag": "x", "to": "y"},
    "POST /api/v1/tags/delete": {"tag": "x"},
    **{
        f"POST /api/v1/{plural}/batch": {"rows": [{"op": "create"}]}
        for plural in ("accounts", "contacts", "leads", "opportunities", "activities")
    },
    "POST /api/v1/events": {
        "specversion": "1.0",
        "id": "1",
        "source": "walk",
        "type": "lead.created",
        "data": {"lead_id": "1", "company_name": "x"},
    },
    "POST /api/v1/imports": {},
    "PUT /api/v1/imports/{import_id}/mapping": {"columns": [{"column": "name", "field": "name"}]},
    "POST /api/v1/imports/{import_id}/start": {"dry_run": True},
    "POST /api/v1/intent/briefing/refresh": {},
    "POST /api/v1/intent/briefing/seen": {"version": 1},
    "POST /api/v1/intent/recommendations/{recommendation_id}/accept": {},
    "POST /api/v1/intent/recommendations/{recommendation_id}/dismiss": {},
    "POST /api/v1/intent/recommendations/{recommendation_id}/complete": {},
    "POST /api/v1/intent/recommendations/{recommendation_id}/snooze": {"until": "2199-01-01T00:00:00Z"},
    "POST /api/v1/intent/scores/{score_id}/reproduce": {},
    "PATCH /api/v1/intent/detectors/{signal_type}": {"muted": True},
    "POST /api/v1/intent/models/{model_id}/promote": {"reason": "the last one is off"},
    "POST /api/v1/api-keys": {"name": "x", "scopes": ["api_keys:write"]},
    "POST /api/v1/webhooks": {"url": "https://93.184.215.14/hook", "event_types": ["opportunity.*"]},
    "PATCH /api/v1/webhooks/{endpoint_id}": {"description": "y"},
    "PATCH /api/v1/users/{user_id}": {"role": "owner"},
    "POST /api/v1/users/{user_id}/disable": {},
    "POST /api/v1/users/{user_id}/transfer": {"transfer_to": "00000000-0000-7000-8000-000000000000"},
    "POST /api/v1/teams": {"name": "x"},
    "PATCH /api/v1/teams/{team_id}": {"name": "y"},
    "POST /api/v1/pipelines": {
        "name": "x",
        "stages": [{"key": f"x_{kind}", "name": kind, "probability": 0.5, "kind": kind} for kind in KINDS],
    },
    "PATCH /api/v1/pipelines/{pipeline_id}": {"name": "y"},
    "POST /api/v1/pipelines/{pipeline_id}/stages": {"key": "another", "name": "Another", "probability": 0.5},
    "PATCH /api/v1/pipelines/{pipeline_id}/stages/{stage_id}": {"probability": 0.25},
    "POST /api/v1/pipelines/{pipeline_id}/stages/{stage_id}/archive": {},
    "POST /api/v1/pipelines/{pipeline_id}/reorder": {"stage_ids": []},
    "POST /api/v1/invitations": {"email": "new@example.com", "role": "viewer"},
    "POST /api/v1/invitations/accept": {"token": "x", "password": "x" * 12},
    "PATCH /api/v1/settings": {"timezone": "Europe/Berlin"},
    "PATCH /api/v1/me": {"name": "y"},
    "POST /api/v1/accounts/{account_id}/merge": {"other_ids": [_NOBODY]},
    "POST /api/v1/accounts/{account_id}/unmerge": {"merge_id": _NOBODY},
    "POST /api/v1/contacts/{contact_id}/merge": {"other_ids": [_NOBODY]},
    "POST /api/v1/contacts/{contact_id}/unmerge": {"merge_id": _NOBODY},
    "POST /api/v1/leads/{lead_id}/merge": {"other_ids": [_NOBODY]},
    "POST /api/v1/leads/{lead_id}/unmerge": {"merge_id": _NOBODY},
    "POST /api/v1/privacy/requests": {"kind": "erasure", "email": "x@example.com"},
    "POST /api/v1/privacy/purge": {"kind": "contact", "record_id": _NOBODY},
    "POST /api/v1/duplicates/dismiss": {"kind": "lead", "ids": [_NOBODY, _NOBODY[:-1] + "1"]},
    "POST /api/v1/auth/log-out": {},
    "POST /api/v1/auth/sign-up": {"company": "x", "email": "x@example.com", "password": "correct horse battery"},
    "POST /api/v1/auth/log-in": {"email": "x@example.com", "password": "x"},
    "POST /api/v1/auth/refresh": {"refresh_token": "x"},
    "POST /api/v1/auth/forgot-password": {"email": "x@example.com"},
    "POST /api/v1/auth/reset-password": {"token": "x", "password": "correct horse battery"},
    "POST /api/v1/auth/verify-email": {"token": "x"},
    "POST /api/v1/auth/confirm-email": {"token": "x"},
    "POST /api/v1/auth/change-password": {"old_password": "x", "password": "correct horse battery"},
    "POST /api/v1/auth/change-email": {"email": "x@example.com", "password": "x"},
    "POST /api/v1/api-keys/{key_id}/rotate": {},
    "POST /api/v1/custom-fields": {"object": "account", "key": "x", "label": "x", "type": "number"},
    "PATCH /api/v1/custom-fields/{field_id}": {"label": "y"},
    "PUT /api/v1/agents/lead_source": {"enabled": True, "sponsor_id": _NOBODY, "defaults": {"limit": 20}},
    "PUT /api/v1/agents/enrichment": {
        "enabled": True,
        "sponsor_id": _NOBODY,
        "cost_cap_minor": 5000,
        "currency": "EUR",
    },
    **{
        f"PUT /api/v1/agents/{agent}": {
            "enabled": False,
            "sponsor_id": _NOBODY,
            "defaults": {"instructions": "Be brief."},
        }
        for agent in ("email", "voice")
    },
    "POST /api/v1/agents/lead_source/runs": {"criteria": {"industry": "Software"}},
    **{f"POST /api/v1/agents/{agent}/runs": {"account_id": _NOBODY} for agent in ("enrichment", "email", "voice")},
    "POST /api/v1/approvals/{approval_id}/approve": {"content_hash": "0" * 64},
    "POST /api/v1/approvals/{approval_id}/reject": {"reason": "not now"},
    "POST /api/v1/approvals/{approval_id}/edit": {
        "content": {"command": "agent.draft_email", "account_id": _NOBODY, "purpose": "y"}
    },
    "POST /api/v1/approval-policies": {"requires": "manager", "action": "draft_email", "audience": "customer"},
    "POST /api/v1/sequences": {"name": "x"},
    "PATCH /api/v1/sequences/{sequence_id}": {"name": "y"},
    "POST /api/v1/sequences/{sequence_id}/enrolments": {"people": [{"lead_id": _NOBODY}]},
    "POST /api/v1/enrolments/{enrolment_id}/resume": {},
    "PATCH /api/v1/mailboxes/{user_id}": {"daily_cap": 10},
    "POST /api/v1/suppressions": {"email": "x@example.com"},
}

STREAMS = {
    *("/api/v1/audit/export", "/api/v1/live", "/api/v1/imports/{import_id}/errors.csv"),
    "/api/v1/privacy/requests/{request_id}/file",
    "/api/v1/unsubscribe/{token}",
    *(
        f"/api/v1/exports/{kind}.{form}"
        for kind in ("accounts", "contacts", "leads", "opportunities", "activities", "recommendations")
        for form in ("csv", "parquet")
    ),
}
"""Reads that are no JSON document; each has tests of its own."""


# The query of each route that cannot do without one.
QUERIES = {
    "GET /api/v1/intent/briefing/diff": "from=2020-01-01T00:00:00Z",
    "GET /api/v1/live": "follow=false",
    "GET /api/v1/search": "q=secret&limit=1",
    "POST /api/v1/imports": "kind=account",
}


@dataclass(frozen=True)
class Operation:
    """One route of the OpenAPI document."""

    method: str
    path: str
    permission: str
    query: tuple[str, ...]
    body_ids: tuple[str, ...]
    has_body: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def path_ids(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def body(self) -> dict[str, Any] | None:
        """A valid body, or None where the route takes none."""
        return dict(BODIES[self.name]) if self.has_body else None

    def url(self, ids: dict[str, str]) -> str:
        """The path with `ids` in it, and its query if it needs one; a name without id is a route nobody thought of."""
        query = QUERIES.get(self.name)
        return self.path.format(**ids) + (f"?{query}" if query else "")


def operations() -> list[Operation]:
    """All routes that the document names."""
    return list(_operations(document()))


def _operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            schema = _body_schema(document, described)
            yield Operation(
                method=method.upper(),
                path=path,
                permission=described["x-permission"],
                query=tuple(one["name"] for one in described.get("parameters", []) if one["in"] == "query"),
                body_ids=tuple(name for name in schema.get("properties", {}) if name.endswith("_id")),
                has_body="requestBody" in described,
            )


def _body_schema(document: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    schema: dict[str, Any] = document["components"]["schemas"].get(name, {})
    return schema
