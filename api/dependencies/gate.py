"""The gate: every route goes through it before its body is looked at. Who asks, may they, how often, what they see."""

from starlette.requests import Request

from api.dependencies.principal import Authenticator, Principal, credential_in
from api.dependencies.rate_limit import RateLimiter, RateLimits, Rule
from api.permissions import PUBLIC
from bevyly.db.scope import EVERY_OWNER, narrow_to
from bevyly.errors import Forbidden, Invalid, Unauthorized

_SAFE = ("GET", "HEAD")


class Gate:
    """Lets a request through to a route that asks for a permission, or raises."""

    def __init__(self, authenticator: Authenticator, limiter: RateLimiter, limits: RateLimits) -> None:
        self._authenticator = authenticator
        self._limiter = limiter
        self._limits = limits

    async def admit(self, request: Request, permission: str) -> Principal | None:
        """The principal of a request that may go on, narrowed to the records they see; None for a public route."""
        scope = request.scope
        narrow_to(EVERY_OWNER)
        if b"%00" in scope["query_string"] or "\x00" in scope["path"]:
            raise Invalid("The address contains a character that cannot be stored (NUL).")
        if permission == PUBLIC:
            await self._count(request, self._limits.authentication, _address(request))
            return None
        principal = await self._authenticated(request)
        await self._count(
            request, self._limits.reads if scope["method"] in _SAFE else self._limits.writes, principal.actor_id
        )
        if permission not in principal.permissions:
            raise Forbidden(f"This needs the permission {permission}.", permission=permission)
        scope["state"]["principal"] = principal
        narrow_to(principal.visible_owners)
        return principal

    async def _authenticated(self, request: Request) -> Principal:
        try:
            return await self._authenticator.principal(credential_in(request.scope["headers"]))
        except Unauthorized:
            await self._count(request, self._limits.refused, _address(request))
            raise

    async def _count(self, request: Request, rule: Rule, subject: str) -> None:
        request.scope["state"]["rate"] = await self._limiter.hit(rule, subject)


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"
