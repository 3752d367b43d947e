"""Refusals that a client receives as a Kafka error code."""

from kio.schema.errors import ErrorCode


class Refused(Exception):
    """A request, or one partition or topic of it, is answered with `code`."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(message or code.name)
        self.code = code
        self.message = message or code.name.replace("_", " ")
