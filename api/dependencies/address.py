"""The address of a client, as far as it may be believed: the server has already looked behind trusted proxies."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.requests import Request

_SITE_BITS = 64


def address_of(request: Request) -> str | None:
    """The address of the client, or None where it is none (a socket, nonsense in a header)."""
    try:
        return str(ip_address(request.client.host)) if request.client else None
    except ValueError:
        return None


def site_of(request: Request) -> str:
    """Who is counted together: an IPv4 address, or the /64 network that one holder of IPv6 addresses has."""
    client = request.scope["client"]
    return _site(client[0]) if client else "unknown"


@lru_cache(maxsize=4096)
def _site(host: str) -> str:
    try:
        parsed = ip_address(host)
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> _SITE_BITS << _SITE_BITS)}/{_SITE_BITS}"
