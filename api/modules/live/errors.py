"""What a stream is refused for."""

from bevyly.errors import BevylyError, Invalid


class TooManyStreams(BevylyError):
    """The user has as many streams open as one may."""

    code, status, title = "too_many_streams", 429, "Too many streams"


class InvalidPosition(Invalid):
    """`Last-Event-ID` is none of our ids."""

    code = "invalid_position"
