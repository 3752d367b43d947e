"""The one error of the runtime: a sentence that tells an operator what to do. No other error types belong here."""

from bevyly.errors import Unavailable


class CannotStart(Unavailable):
    """Something could not be started; the detail is one complete sentence for a terminal."""

    code, title = "cannot_start", "A service could not be started"
