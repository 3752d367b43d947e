"""Errors of log-in, tokens and passwords."""

from bevyly.errors import Conflict, Invalid, Unauthorized


class WrongLogin(Unauthorized):
    """Email and password do not belong together; which of them is wrong is not said."""

    code = "wrong_login"


class WrongPassword(Invalid):
    """Who is asking is known, but the password given to confirm it is not theirs."""

    code = "wrong_password"


class InvalidRefreshToken(Unauthorized):
    """The refresh token is unknown, expired, revoked or was used before."""

    code = "invalid_refresh_token"


class RefreshRace(Conflict):
    """The same refresh token was used a moment ago: the pair went to that caller."""

    code = "refresh_race"


class InvalidLink(Invalid):
    """The token of a mail is unknown, expired, used, or a later one took its place."""

    code = "invalid_link"


class EmailTaken(Conflict):
    """Another user of the tenant has this email."""

    code = "email_taken"
