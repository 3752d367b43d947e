"""Loading into a real PostgreSQL: twice, in parts, cut off, and beside another tenant."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from bevyly.datasets import bpic2012, maven_crm, x_education
from bevyly.datasets.dataset import Dataset, Tenant
from bevyly.datasets.load import LoadResult, load_dataset
from bevyly.datasets.synthetic import simulate
from bevyly.datasets.tables import TABLES
from bevyly.datasets.tenants import ensure_tenant, read_progress, tenant_of
from bevyly.errors import Conflict, Invalid, NotFound
from bevyly.events.envelope import Event
from tests.support.databases import Database
from tests.unit.datasets.tiny import NOW, TENANT, write_bpic2012, write_maven_crm, write_x_education

LAST_DAY = date(2012, 1, 12)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bpic2012(tmp_path)


def tenant(database: Database, name: str = "Tiny") -> Tenant:
    customer_id, _ = ensure_tenant(database.pipeline_url, name)
    return tenant_of(name, customer_id=customer_id)


def load(
    database: Database, folder: Path, into: Tenant, *, until: date | None = None, chunk: int = 1_000, weeks: int = 0
) -> LoadResult:
    url = database.pipeline_url
    before = read_progress(url, customer_id=into.customer_id, dataset="bpic2012")
    now = NOW + timedelta(weeks=weeks)
    dataset = bpic2012.read(folder, tenant=into, now=now, until=until, shift_weeks=before.shift_weeks)
    return load_dataset(url, dataset, chunk=chunk)


def contents(database: Database, customer_id: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a tenant, by table."""
    tables = {name: list(columns) for name, columns in TABLES.items()} | {"outbox": ["event_id", "topic", "envelope"]}
    with psycopg.connect(database.pipeline_url) as connection:
        return {
            name: connection.execute(
                f"select {', '.join(columns)} from {name} where customer_id = %s order by {columns[0]}", (customer_id,)
            ).fetchall()
            for name, columns in tables.items()
        }


def outbox(database: Database, customer_id: str) -> list[Event]:
    """What the relay will publish, in its order."""
    with psycopg.connect(database.pipeline_url) as connection:
        rows = connection.execute(
            "select envelope from outbox where customer_id = %s order by position", (customer_id,)
        )
        return [Event.from_json(envelope) for (envelope,) in rows]


def test_a_second_load_changes_nothing_even_weeks_later(database: Database, folder: Path) -> None:
    into = tenant(database)
    first = load(database, folder, into)
    before = contents(database, into.customer_id)
    assert first.new_events == first.events == len(before["outbox"])
    again = load(database, folder, into, weeks=3)
    assert (again.rows, again.new_events, again.events) == (0, 0, first.events)
    assert contents(database, into.customer_id) == before


@pytest.mark.parametrize("chunk", [1, 7, 1_000])
def test_in_parts_gives_what_all_at_once_gives(database: Database, folder: Path, chunk: int) -> None:
    at_once, in_parts = tenant(database, "At once"), tenant(database, "In parts")
    load(database, folder, at_once)
    for day in (date(2012, 1, 2), date(2012, 1, 5), date(2012, 1, 4), None):
        load(database, folder, in_parts, until=day, chunk=chunk, weeks=1)
    whole, parts = (contents(database, t.customer_id) for t in (at_once, in_parts))
    assert {name: len(rows) for name, rows in whole.items()} == {name: len(rows) for name, rows in parts.items()}
    versions = "select external_id, version, status, stage from opportunities where customer_id = %s order by 1"
    leads = "select external_id, version, status, converted_at is null from leads where customer_id = %s order by 1"
    with psycopg.connect(database.pipeline_url) as connection:
        for statement in (versions, leads):
            one, two = (connection.execute(statement, (t.customer_id,)).fetchall() for t in (at_once, in_parts))
            assert one == two
    assert [e.type for e in outbox(database, at_once.customer_id)] == [
        e.type for e in outbox(database, in_parts.customer_id)
    ]


def test_the_outbox_keeps_the_order_of_time_and_of_each_subject(database: Database, folder: Path) -> None:
    into = tenant(database)
    load(database, folder, into, chunk=7)
    events = outbox(database, into.customer_id)
    assert [event.time for event in events] == sorted(event.time for event in events)
    for subject in {event.subject for event in events}:
        sequences = [event.sequence for event in events if event.subject == subject]
        assert sequences == list(range(1, len(sequences) + 1))


def test_no_event_is_in_the_outbox_before_its_row(database: Database, folder: Path) -> None:
    into = tenant(database)
    dataset = bpic2012.read(folder, tenant=into, now=NOW)
    table_of = {"account": "accounts", "contact": "contacts", "lead": "leads"} | {
        "opportunity": "opportunities",
        "activity": "activities",
    }

    def check(_done: int, _total: int) -> None:
        with psycopg.connect(database.pipeline_url) as connection:
            for event in outbox(database, into.customer_id):
                found = connection.execute(
                    f"select 1 from {table_of[event.subject_type]} where customer_id = %s and id = %s",
                    (into.customer_id, event.subject_id),
                ).fetchone()
                assert found, event.subject

    assert load_dataset(database.pipeline_url, dataset, chunk=5, progress=check).new_events > 5


class CutOffError(Exception):
    """Stands for the end of the process."""


def test_a_load_that_was_cut_off_goes_on_where_it_stopped(database: Database, folder: Path) -> None:
    whole, cut = tenant(database, "Whole"), tenant(database, "Cut")
    load(database, folder, whole)

    def stop(done: int, _total: int) -> None:
        if done >= 20:
            raise CutOffError

    dataset = bpic2012.read(folder, tenant=cut, now=NOW)
    with pytest.raises(CutOffError):
        load_dataset(database.pipeline_url, dataset, chunk=10, progress=stop)
    assert len(outbox(database, cut.customer_id)) == 20
    assert load(database, folder, cut).new_events == dataset.events.height - 20
    sizes = [{name: len(rows) for name, rows in contents(database, t.customer_id).items()} for t in (whole, cut)]
    assert sizes[0] == sizes[1]


def test_two_loads_at_once_do_not_double_anything(database: Database, folder: Path) -> None:
    into = tenant(database)
    dataset = bpic2012.read(folder, tenant=into, now=NOW)
    calls: Iterator[int] = iter(range(100))

    def other_load(_done: int, _total: int) -> None:
        if next(calls) == 0:
            load_dataset(database.pipeline_url, dataset, chunk=1_000)

    with pytest.raises(Conflict, match="at work"):
        load_dataset(database.pipeline_url, dataset, chunk=10, progress=other_load)
    assert len(outbox(database, into.customer_id)) == dataset.events.height


def test_tenants_do_not_touch_each_other(database: Database, folder: Path) -> None:
    one, two = tenant(database, "One"), tenant(database, "Two")
    load(database, folder, one, until=date(2012, 1, 3))
    before = contents(database, one.customer_id)
    load(database, folder, two)
    assert contents(database, one.customer_id) == before
    assert {event.tenant_id for event in outbox(database, two.customer_id)} == {two.customer_id}


def test_what_people_changed_meanwhile_does_not_break_the_rest(database: Database, folder: Path) -> None:
    into = tenant(database)
    load(database, folder, into, until=date(2012, 1, 5))
    with psycopg.connect(database.pipeline_url) as connection:
        deal = connection.execute(
            "update opportunities set version = version + 5, custom = %s "
            "where customer_id = %s and external_id = '1' returning id, version",
            (Jsonb({}), into.customer_id),
        ).fetchone()
        assert deal
        connection.execute(
            "update opportunity_history set valid_to = now() where opportunity_id = %s and field = 'stage'", (deal[0],)
        )
        connection.execute(
            "insert into opportunity_history (customer_id, id, opportunity_id, field, old_value, new_value, valid_from)"
            " values (%s, 'theirs', %s, 'stage', 'proposal', 'qualification', now())",
            (into.customer_id, deal[0]),
        )
    load(database, folder, into)
    with psycopg.connect(database.pipeline_url) as connection:
        version, stage = connection.execute(
            "select version, stage from opportunities where customer_id = %s and id = %s", (into.customer_id, deal[0])
        ).fetchone() or (0, "")
        now_open = connection.execute(
            "select new_value from opportunity_history where customer_id = %s and opportunity_id = %s "
            "and field = 'stage' and valid_to is null",
            (into.customer_id, deal[0]),
        ).fetchall()
    assert (version > deal[1], stage, now_open) == (True, "won", [("won",)])


def test_the_shift_of_the_first_load_is_kept_with_the_tenant(database: Database, folder: Path) -> None:
    into = tenant(database)
    first = load(database, folder, into, until=date(2012, 1, 3))
    kept = read_progress(database.pipeline_url, customer_id=into.customer_id, dataset="bpic2012")
    assert (kept.events, kept.shift_weeks) == (first.events, bpic2012.read(folder, tenant=into, now=NOW).shift_weeks)
    with psycopg.connect(database.pipeline_url) as connection:
        connection.execute(
            "update customers set settings = settings || %s where id = %s", (Jsonb({"a": 1}), into.customer_id)
        )
    load(database, folder, into, weeks=9)
    with psycopg.connect(database.pipeline_url) as connection:
        (settings,) = connection.execute(
            "select settings from customers where id = %s", (into.customer_id,)
        ).fetchone() or ({},)
    assert settings["a"] == 1
    assert settings["datasets"]["bpic2012"]["shift_weeks"] == kept.shift_weeks


def test_other_options_than_the_first_time_are_refused(database: Database, tmp_path: Path) -> None:
    into = tenant(database)
    folder = write_x_education(tmp_path, [{"Prospect ID": "p", "Lead Number": 1, "Converted": 1}])
    plain, doubtful = (
        x_education.read(folder, tenant=into, now=NOW, with_doubtful=with_doubtful) for with_doubtful in (False, True)
    )
    load_dataset(database.pipeline_url, plain)
    with pytest.raises(Conflict, match="with other options before: repeat those"):
        load_dataset(database.pipeline_url, doubtful)


def test_every_data_set_fits_the_tables(database: Database, tmp_path: Path) -> None:
    into = tenant(database)
    write_x_education(tmp_path, [{"Prospect ID": "p", "Lead Number": 7_001, "Converted": 0}])
    sets: list[Dataset] = [
        x_education.read(tmp_path, tenant=into, now=NOW),
        maven_crm.read(write_maven_crm(tmp_path), tenant=into, now=NOW),
        simulate(into, months=1, seed=1, until=NOW).dataset,
        bpic2012.read(write_bpic2012(tmp_path), tenant=into, now=NOW),
    ]
    for dataset in sets:
        result = load_dataset(database.pipeline_url, dataset)
        assert result.rows == sum(frame.height for frame in dataset.tables.values())
    assert len(outbox(database, into.customer_id)) == sum(dataset.events.height for dataset in sets)
    # each set of a tenant keeps its own progress
    assert [load_dataset(database.pipeline_url, dataset).new_events for dataset in sets] == [0, 0, 0, 0]


def test_a_tenant_is_made_once_with_an_owner_who_has_no_password(database: Database) -> None:
    url = database.pipeline_url
    first = ensure_tenant(url, "Demo Co", "Demo@Example.com")
    assert ensure_tenant(url, "Demo Co", "demo@example.com") == first
    with psycopg.connect(url) as connection:
        users = connection.execute(
            "select id, email, role, password_hash from users where customer_id = %s", (first[0],)
        ).fetchall()
    assert users == [(first[1], "demo@example.com", "owner", None)]
    assert ensure_tenant(url, "Other Co")[0] != first[0]


def test_a_tenant_that_people_made_is_used_and_an_ambiguous_name_refused(database: Database) -> None:
    made = database.add_tenant("Acme")
    assert ensure_tenant(database.pipeline_url, "Acme")[0] == made
    database.add_tenant("Acme")
    with pytest.raises(Invalid, match="Several tenants are called 'Acme'"):
        ensure_tenant(database.pipeline_url, "Acme")
    with pytest.raises(Invalid, match="has no letter or digit"):
        ensure_tenant(database.pipeline_url, "!!!")


def test_a_tenant_that_is_not_there_is_an_error(database: Database) -> None:
    with pytest.raises(NotFound):
        read_progress(database.pipeline_url, customer_id=TENANT.customer_id, dataset="bpic2012")
