"""What can go wrong between us and Apollo, as named errors that say what a caller may still do.

`charge_unknown`: the request may have been carried out and charged although no answer arrived.
`halts`: the next call would fare no better; stop asking for now.
"""

from typing import ClassVar

from bevyly.errors import Unavailable


class ApolloFailure(Unavailable):
    """Base of all errors of the Apollo client. `retry_after` are the seconds that Apollo asked us to wait."""

    code = "apollo_failed"
    charge_unknown: ClassVar[bool] = False
    halts: ClassVar[bool] = False

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ApolloUnreachable(ApolloFailure):
    """No connection came about; nothing was asked."""

    code = "apollo_unreachable"


class ApolloServerError(ApolloFailure):
    """Apollo answered with a status of 500 or above."""

    code = "apollo_server_error"


class ApolloAnswerLost(ApolloFailure):
    """The request left, but no whole, readable answer came back in time."""

    code = "apollo_answer_lost"
    charge_unknown = True


class ApolloRateLimited(ApolloFailure):
    """Too many calls in this minute, hour or day."""

    code = "apollo_rate_limited"
    halts = True


class ApolloUnauthorized(ApolloFailure):
    """The API key is wrong, or may not use this endpoint."""

    code = "apollo_unauthorized"
    halts = True


class ApolloRefused(ApolloFailure):
    """Apollo found the request itself wrong."""

    code = "apollo_refused"
