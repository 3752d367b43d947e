"""Objections outlive who made them: an address that is not to be written to becomes a mark when its person is erased.

Whoever is entered again later, by hand or from a file, is then still not written to.
"""

from datetime import datetime
from typing import Any

import psycopg

from bevyly.privacy.marks import Marks
from bevyly.privacy.subject import Subject

_OBJECTIONS = "select email, reason, created_at from suppressions where customer_id = %s and email = any(%s)"
_KEEP = (
    "insert into suppression_marks (customer_id, mark, reason, created_at) values (%s, %s, %s, %s) "
    "on conflict (customer_id, mark) do nothing"
)


def keep_objections(connection: psycopg.Connection[Any], subject: Subject, marks: Marks) -> None:
    """Mark the addresses of `subject` that are not to be written to, before they are erased."""
    tenant = subject.customer_id
    found = connection.execute(_OBJECTIONS, (tenant, sorted(subject.emails))).fetchall()
    rows: list[tuple[str, str, str, datetime]] = [
        (tenant, marks.mark(tenant, email), reason, created_at) for email, reason, created_at in found
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_KEEP, rows)
