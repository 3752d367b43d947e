"""Who may do what: the whole table. What is not here is granted to nobody; no route starts without a permission."""

from collections.abc import Set as AbstractSet

OWNER, ADMIN, MEMBER, VIEWER = "owner", "admin", "member", "viewer"
ROLES = (OWNER, ADMIN, MEMBER, VIEWER)

EVERYONE = frozenset(ROLES)
WORKERS = frozenset({OWNER, ADMIN, MEMBER})
MANAGERS = frozenset({OWNER, ADMIN})

PUBLIC = "public"
"""The mark of a route that asks for no principal: sign-up, log-in, refresh."""

PERMISSIONS: dict[str, frozenset[str]] = {
    "profile:read": EVERYONE,
    "profile:write": EVERYONE,
    "profile:log_out": EVERYONE,
    "sessions:read": EVERYONE,
    "sessions:write": EVERYONE,
    "credentials:write": EVERYONE,
    "api_keys:read": WORKERS,
    "api_keys:write": WORKERS,
    "accounts:read": EVERYONE,
    "accounts:write": WORKERS,
    "accounts:delete": MANAGERS,
    "accounts:merge": MANAGERS,
    "contacts:read": EVERYONE,
    "contacts:write": WORKERS,
    "contacts:delete": MANAGERS,
    "contacts:merge": MANAGERS,
    "opportunities:read": EVERYONE,
    "opportunities:write": WORKERS,
    "opportunities:delete": MANAGERS,
    "leads:read": EVERYONE,
    "leads:write": WORKERS,
    "leads:convert": WORKERS,
    "leads:delete": MANAGERS,
    "leads:merge": MANAGERS,
    "merges:read": EVERYONE,
    "duplicates:read": EVERYONE,
    "duplicates:write": WORKERS,
    "activities:read": EVERYONE,
    "activities:write": WORKERS,
    "activities:delete": MANAGERS,
    "search:read": EVERYONE,
    "tags:read": EVERYONE,
    "tags:write": MANAGERS,
    "events:write": WORKERS,
    "exports:read": WORKERS,
    "imports:read": WORKERS,
    "imports:write": WORKERS,
    "intent:read": EVERYONE,
    "intent:act": WORKERS,
    "intent:seen": EVERYONE,
    "intent:refresh": WORKERS,
    "detectors:write": MANAGERS,
    "models:read": EVERYONE,
    "models:promote": MANAGERS,
    "webhooks:read": MANAGERS,
    "webhooks:write": MANAGERS,
    "users:read": EVERYONE,
    "users:write": MANAGERS,
    "teams:read": EVERYONE,
    "teams:write": MANAGERS,
    "settings:read": EVERYONE,
    "settings:write": MANAGERS,
    "audit:read": MANAGERS,
    "decisions:read": MANAGERS,
    "pipelines:read": EVERYONE,
    "pipelines:write": MANAGERS,
    "invitations:read": MANAGERS,
    "invitations:write": MANAGERS,
    "live:read": EVERYONE,
    "custom_fields:read": EVERYONE,
    "custom_fields:write": MANAGERS,
    "agents:read": EVERYONE,
    "agents:write": MANAGERS,
    "agents:cancel": WORKERS,
    "approvals:read": EVERYONE,
    "approvals:decide": WORKERS,
    "approval_policies:write": MANAGERS,
    "analytics:read": EVERYONE,
    "privacy:read": MANAGERS,
    "privacy:write": MANAGERS,
    "sequences:read": EVERYONE,
    "sequences:write": WORKERS,
    "sequences:enrol": WORKERS,
    "sequences:delete": MANAGERS,
    "mailboxes:write": MANAGERS,
    "suppressions:read": MANAGERS,
    "suppressions:write": WORKERS,
    "suppressions:delete": MANAGERS,
    "settings:billing": frozenset({OWNER}),
}

_BY_ROLE = {role: frozenset(name for name, roles in PERMISSIONS.items() if role in roles) for role in ROLES}


def permissions_of(role: str) -> frozenset[str]:
    """Everything that `role` may do; nothing for a role that does not exist."""
    return _BY_ROLE.get(role, frozenset())


def effective(role: str, scopes: AbstractSet[str] | None) -> frozenset[str]:
    """What a key with `scopes` may do for a user of `role`: never more than that user. None means no narrowing."""
    granted = permissions_of(role)
    return granted if scopes is None else granted & scopes
