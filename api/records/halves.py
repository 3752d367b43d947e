"""Many changes in one go: tried as a whole, and halved until those that the database refuses stand alone."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError

from api.problems import translate
from bevyly.db.unit_of_work import UnitOfWork
from bevyly.errors import BevylyError
from bevyly.events.envelope import Event

Change = TypeVar("Change")
Result = TypeVar("Result")
Attempt = Callable[[Sequence[Change]], Awaitable[tuple[list[Result], list[Event]]]]


async def in_halves(
    work: UnitOfWork,
    changes: Sequence[Change],
    attempt: Attempt[Change, Result],
    refused: Callable[[Change, BevylyError], Result],
) -> list[Result]:
    """The results of `attempt`, whose events are told where it worked; `refused` makes that of what cannot be."""
    if not changes:
        return []
    try:
        async with work.savepoint():
            results, events = await attempt(changes)
    except DBAPIError as error:
        if not _is_about_rows(error):
            raise
        refusal: BevylyError = translate(error)
    except BevylyError as error:
        refusal = error
    else:
        for event in events:
            work.emit(event)
        return results
    if len(changes) == 1:
        return [refused(changes[0], refusal)]
    half = len(changes) // 2
    return [
        *await in_halves(work, changes[:half], attempt, refused),
        *await in_halves(work, changes[half:], attempt, refused),
    ]


def _is_about_rows(error: DBAPIError) -> bool:
    about = psycopg.IntegrityError | psycopg.DataError | psycopg.errors.DeadlockDetected
    return isinstance(error.orig, about | psycopg.errors.InsufficientPrivilege)
