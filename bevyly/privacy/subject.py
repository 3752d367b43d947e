"""The subject: everything by which one person is recognised, found from what a request names.

Contacts, leads and users with the same address are one person, so are records that were merged, and a lead and the
contact that it was converted to. Does not belong here: what becomes of them.
"""

import re
from collections.abc import Iterable
from typing import Any, Self

import msgspec
import psycopg
from psycopg.rows import dict_row

from bevyly.privacy import patterns
from bevyly.privacy.marks import Marks

Connection = psycopg.Connection[Any]

_CONTACTS = """
select id, merged_into, lower(email) as email, phone, concat_ws(' ', first_name, last_name) as name, version
from contacts where customer_id = %(tenant)s
  and (id = any(%(contacts)s) or lower(email) = any(%(emails)s) or merged_into = any(%(contacts)s)
       or id in (select contact_id from leads where customer_id = %(tenant)s and id = any(%(leads)s)
                 and converted_at is not null))
"""
_LEADS = """
select id, merged_into, lower(contact_email) as email, phone, contact_name as name, version
from leads where customer_id = %(tenant)s
  and (id = any(%(leads)s) or lower(contact_email) = any(%(emails)s) or merged_into = any(%(leads)s)
       or (contact_id = any(%(contacts)s) and (converted_at is not null or contact_email is null)))
"""
_USERS = """
select id, null as merged_into, email, null as phone, name, version from users
where customer_id = %(tenant)s and email = any(%(emails)s)
"""
_ADDRESSES_BEFORE_MERGES = """
select distinct lower(email) from merges m,
  lateral (values (before ->> 'email'), (before ->> 'contact_email')) as had (email)
where m.customer_id = %(tenant)s and email is not null
  and (survivor_id = any(%(persons)s) or absorbed_ids::text[] && %(persons)s)
"""
_ACTIVITIES = """
select id, (contact_id = any(%(persons)s) or lead_id = any(%(persons)s)) is true as theirs
from activities a where customer_id = %(tenant)s
  and (contact_id = any(%(persons)s) or lead_id = any(%(persons)s) or exists (
    select from activity_participants p where (p.customer_id, p.activity_id) = (a.customer_id, a.id)
      and (p.contact_id = any(%(persons)s) or lower(p.email) = any(%(emails)s))))
"""
_TABLES = {"contacts": _CONTACTS, "leads": _LEADS, "users": _USERS}
_SHORTEST_PHONE = 7


class Subject(msgspec.Struct, kw_only=True):
    """One person of one tenant: ids of records with their versions, and what texts call them."""

    customer_id: str
    contacts: dict[str, int] = {}
    leads: dict[str, int] = {}
    users: dict[str, int] = {}
    activities: set[str] = set()
    joined: set[str] = set()
    emails: set[str] = set()
    phones: set[str] = set()
    names: set[str] = set()

    @property
    def persons(self) -> list[str]:
        """Ids of contacts and leads."""
        return [*self.contacts, *self.leads]

    @property
    def ids(self) -> list[str]:
        """Ids of all records that are about nobody else."""
        return [*self.persons, *self.users, *self.activities]

    def found(self) -> dict[str, list[str]]:
        """Ids by kind, as a request shows them."""
        return {kind: sorted(ids) for kind in _TABLES if (ids := getattr(self, kind))}

    def parameters(self, marks: Marks) -> dict[str, Any]:
        """What the SQL of the catalogue asks for."""
        values = [*self.emails, *self.persons]
        return {
            "tenant": self.customer_id,
            "ids": self.ids,
            "persons": self.persons,
            "near": [*self.ids, *self.joined],
            "emails": sorted(self.emails),
            "marks": [mark for value in values for mark in marks.all(self.customer_id, value)],
            "mention": patterns.mention(ids=self.persons, emails=self.emails, phones=self.phones),
            "redaction": patterns.redaction(emails=self.emails, phones=self.phones, names=self.names),
            "mention_hints": patterns.hints([*self.persons, *self.emails, *self.phones]),
            "redaction_hints": patterns.hints([*self.emails, *self.phones, *self.names]),
            "loose": patterns.loose(self.emails),
        }

    def to_json(self) -> str:
        """As it is sealed."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, document: str) -> Self:
        """What `to_json` gave."""
        return msgspec.json.decode(document, type=cls)


def find(connection: Connection, subject: Subject) -> Subject:
    """Everything that belongs to what `subject` names, in place: until nothing more is found."""
    size = -1
    while size != (size := _size(subject)):
        for kind, statement in _TABLES.items():
            _take(subject, kind, _rows(connection, statement, subject))
        subject.emails |= {row[0] for row in connection.execute(_ADDRESSES_BEFORE_MERGES, _known(subject))}
    for row in _rows(connection, _ACTIVITIES, subject):
        (subject.activities if row["theirs"] else subject.joined).add(row["id"])
    return subject


def _size(subject: Subject) -> int:
    return len(subject.persons) + len(subject.users) + len(subject.emails)


def _rows(connection: Connection, statement: str, subject: Subject) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), _known(subject)).fetchall()


def _known(subject: Subject) -> dict[str, Any]:
    lists = {name: list(getattr(subject, name)) for name in ("contacts", "leads", "emails", "persons")}
    return {"tenant": subject.customer_id} | lists


def _take(subject: Subject, kind: str, rows: Iterable[dict[str, Any]]) -> None:
    records: dict[str, int] = getattr(subject, kind)
    for row in rows:
        records[row["id"]] = row["version"]
        if row["merged_into"]:
            records.setdefault(row["merged_into"], 0)
        if row["email"]:
            subject.emails.add(row["email"])
        if row["phone"] and _is_distinct(row["phone"]):
            subject.phones.add(row["phone"])
        if row["name"] and " " in row["name"].strip():
            subject.names.add(row["name"].strip())


def _is_distinct(phone: str) -> bool:
    """Whether a telephone number can be looked for in JSON: one that looks like a number there cannot."""
    digits = sum(letter.isdigit() for letter in phone)
    return digits >= _SHORTEST_PHONE and re.fullmatch(r"-?[\d.]+", phone.strip()) is None
