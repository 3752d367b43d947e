"""Somebody who was erased is in no table of the warehouse, and neither a run nor a rebuild brings them back."""

from datetime import UTC, datetime, timedelta

import psycopg

from bevyly.ids import new_id
from bevyly.privacy.erasing import count, erase
from bevyly.privacy.marks import Marks
from bevyly.privacy.subject import Subject, find
from tests.dbt.warehouse import Event, Warehouse

BEGAN = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = BEGAN + timedelta(days=10)
EMAIL, NAME = "canary@nest.example", "Tweety Bird"
MODELS = (
    "run",
    "--select",
    "+lead_features",
    "+int_activities_linked",
    "+int_contacts_changed",
    "+opportunity_features",
)
TEXTS = """
select format('%%I.%%I', n.nspname, c.relname), c.relname, string_agg(format('%%I::text', a.attname), ', ')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind = 'r' and n.nspname in ('intermediate', 'marts') group by 1, 2
"""


def history(tenant: str, person: dict[str, str]) -> list[Event]:
    """A lead that became a contact, an email of theirs, a deal of their account, and another lead."""
    who = {"contact_name": NAME, "contact_email": EMAIL}
    names = {"first_name": "Tweety", "last_name": "Bird", "email": EMAIL, "account_id": person["account"]}
    steps = [
        ("account.created", "account", {"name": "Nest", "domain": "nest.example"}),
        ("lead.created", "lead", {"status": "new", "account_id": person["account"]} | who),
        ("lead.created", "other", {"status": "new", "contact_name": "Else", "account_id": person["account"]}),
        ("contact.created", "contact", names),
        ("opportunity.created", "deal", {"account_id": person["account"], "name": f"For {NAME}", "stage": "proposal"}),
        (
            "email.received",
            "email",
            {
                "contact_id": person["contact"],
                "lead_id": person["lead"],
                "opportunity_id": person["deal"],
                "body": f"I, {EMAIL}",
            },
        ),
    ]
    events = []
    for day, (type_, of, data) in enumerate(steps):
        kind = type_.partition(".")[0] if of != "email" else "activity"
        subject, at = person[of], BEGAN + timedelta(days=day)
        named = {f"{kind}_id": subject} | ({"contact_id": person["contact"]} if of == "deal" else {})
        events.append(Event(tenant, new_id(), type_, subject, 1, at, named | data))
    return events


def test_features_know_of_an_erasure_and_no_run_brings_anybody_back(warehouse: Warehouse) -> None:
    person = {name: new_id() for name in ("account", "lead", "contact", "deal", "email", "other")}
    tenant, control = new_id(), new_id()
    stranger = {name: new_id() for name in person}
    warehouse.load(history(tenant, person) + history(control, stranger))
    warehouse.dbt(*MODELS, now=NOW.isoformat())
    before = said(warehouse, tenant, person)
    assert {"int_leads_changed", "int_contacts_changed", "lead_features", "int_activities_recorded"} <= before
    champion = "select champion_contact_id from marts.opportunity_features where customer_id = %s"
    assert warehouse.row(champion, (tenant,)) == {"champion_contact_id": person["contact"]}

    marks = Marks(["key"])
    subject = Subject(customer_id=tenant, contacts={person["contact"]: 1}, leads={person["lead"]: 1}, emails={EMAIL})
    subject.names.add(NAME)
    with psycopg.connect(warehouse.database.pipeline_url) as connection:
        parameters = find(connection, subject).parameters(marks)
        erase(connection, parameters)
        assert set(count(connection, parameters)) <= {"raw.events", "intermediate.int_opportunities_changed"}
    assert said(warehouse, tenant, person) <= DEALS
    assert texts(warehouse, tenant, (EMAIL, "tweety")) == set()

    gone = NOW + timedelta(hours=1)
    warehouse.load(
        Event(tenant, new_id(), f"{kind}.erased", person[kind], 2, gone, {f"{kind}_id": person[kind]})
        for kind in ("contact", "lead")
    )
    for arguments in ((), ("--full-refresh",)):
        warehouse.dbt(*MODELS, *arguments, now=(NOW + timedelta(days=1)).isoformat())
        assert (
            said(warehouse, tenant, person) <= {"int_leads_changed", "int_contacts_changed"} | RECORDS | DEALS | MARTS
        )
        leads = warehouse.rows("select lead_id from marts.lead_features where customer_id = %s", (tenant,))
        assert [row["lead_id"] for row in leads] == [person["other"]]
        assert warehouse.row(champion, (tenant,)) == {"champion_contact_id": None}
        assert texts(warehouse, tenant, (EMAIL, "tweety")) == set()
    assert texts(warehouse, control, (EMAIL,)) >= {"int_leads_changed", "int_contacts_changed"}


DEALS = {"int_opportunities_changed"}
"""The deal stays, and with it the id of a contact that is no more."""
MARTS = {"opportunity_features"}
"""So it does where the deal is computed anew; that they were its champion is not."""
RECORDS = {"int_records_withdrawn", "int_records_hidden", "int_leads_linked", "int_leads_touched"}
"""What knows that a record was erased, by its id and nothing else."""


def said(warehouse: Warehouse, tenant: str, person: dict[str, str]) -> set[str]:
    """Tables of the warehouse that hold an id, the address or the name."""
    return texts(warehouse, tenant, (person["lead"], person["contact"], EMAIL, "tweety"))


def texts(warehouse: Warehouse, tenant: str, needles: tuple[str, ...]) -> set[str]:
    found = set()
    for row in warehouse.rows(TEXTS):
        table, name, columns = row.values()
        if "customer_id" in columns:
            rows = f"select lower(array_to_string(array[{columns}], '|')) as text from {table} where customer_id = %s"
            if any(needle in one["text"] for one in warehouse.rows(rows, (tenant,)) for needle in needles):
                found.add(name)
    return found
