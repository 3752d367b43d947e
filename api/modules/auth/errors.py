"""Errors of log-in and tokens."""

from bevyly.errors import Conflict, Unauthorized


class WrongLogin(Unauthorized):
    """Email and password do not belong together; which of them is wrong is not said."""

    code = "wrong_login"


class InvalidRefreshToken(Unauthorized):
    """The refresh token is unknown, expired, revoked or was used before."""

    code = "invalid_refresh_token"


class RefreshRace(Conflict):
    """The same refresh token was used a moment ago: the pair went to that caller."""

    code = "refresh_race"
