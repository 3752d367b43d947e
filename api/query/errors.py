"""What can be wrong with a query: where in which parameter, and why. All of it is the caller's to mend."""

from bevyly.errors import Invalid


class InvalidQuery(Invalid):
    """A parameter of a query asks for what this list does not have. `position` counts characters from zero."""

    code = "invalid_query"

    def __init__(self, detail: str, *, parameter: str, position: int | None = None) -> None:
        where = {} if position is None else {"position": position}
        problem = {"field": f"query.{parameter}", "code": self.code, "message": detail}
        super().__init__(detail, parameter=parameter, errors=[problem], **where)


class InvalidFilter(InvalidQuery):
    """The filter cannot be understood, or compares what cannot be compared."""

    code = "invalid_filter"

    def __init__(self, detail: str, *, position: int | None = None) -> None:
        super().__init__(detail, parameter="filter", position=position)


class QueryTooExpensive(InvalidQuery):
    """The query would cost more than one request may."""

    code = "query_too_expensive"
