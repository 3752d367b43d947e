"""The gate: every route goes through it before its body is looked at. Who asks, may they, how often, what they see."""

from starlette.requests import Request

from api.dependencies.address import site_of
from api.dependencies.principal import Authenticator, Principal, credential_in
from api.dependencies.rate_limit import RateLimited, RateLimiter, RateLimits, Rule
from api.permissions import PUBLIC
from bevyly.db.scope import EVERY_OWNER, narrow_to
from bevyly.errors import Forbidden, Invalid, Unauthorized


class Gate:
    """Lets a request through to a route that asks for a permission, or raises."""

    def __init__(self, authenticator: Authenticator, limiter: RateLimiter, limits: RateLimits) -> None:
        self.authenticator = authenticator
        self._limiter = limiter
        self._limits = limits

    async def admit(self, request: Request, permission: str, cost: str) -> Principal | None:
        """The principal of a request that may go on, at the cost of its route and narrowed to the records they see.

        None for a public route.
        """
        scope = request.scope
        narrow_to(EVERY_OWNER)
        if b"%00" in scope["query_string"] or "\x00" in scope["path"]:
            raise Invalid("The address contains a character that cannot be stored (NUL).")
        site, rule = site_of(request), getattr(self._limits, cost)
        await self._count(request, self._limits.addresses, site)
        if permission == PUBLIC:
            await self._count(request, rule, site)
            return None
        principal = await self._authenticated(request, site)
        await self._count(request, rule, principal.actor_id)
        if permission not in principal.permissions:
            raise Forbidden(f"This needs the permission {permission}.", permission=permission)
        scope["state"]["principal"] = principal
        narrow_to(principal.visible_owners)
        return principal

    async def _authenticated(self, request: Request, site: str) -> Principal:
        try:
            return await self.authenticator.principal(credential_in(request.scope["headers"]))
        except Unauthorized:
            await self._count(request, self._limits.refused, site)
            raise

    async def _count(self, request: Request, rule: Rule, subject: str) -> None:
        """Count a request; its answer shows the rule that it was counted by last."""
        try:
            request.scope["state"]["rate"] = await self._limiter.hit(rule, subject)
        except RateLimited as error:
            request.scope["state"]["rate"] = error.decision
            raise
