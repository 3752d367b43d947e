"""A change and its events are there together or not at all, in one tenant."""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import select

from bevyly.clock import FixedClock
from bevyly.db.engine import make_async_engine
from bevyly.db.schema import Account, AuditEntry
from bevyly.db.unit_of_work import UnitOfWork, driver_of, flush, unit_of_work
from bevyly.events.envelope import Event, new_event
from bevyly.ids import new_id
from tests.support.databases import Database

CLOCK = FixedClock(datetime(2026, 3, 2, 9, tzinfo=UTC))


def _created(tenant: str, account_id: str) -> Event:
    return new_event(
        "account.created",
        tenant_id=tenant,
        subject=("account", account_id),
        sequence=1,
        data={"account_id": account_id, "name": "Ünïcode & Söhne", "custom": {}},
        clock=CLOCK,
    )


def _note(work: UnitOfWork, tenant: str, entity_id: str) -> None:
    work.note(
        AuditEntry,
        customer_id=tenant,
        id=new_id(),
        actor_type="user",
        action="account.created",
        entity_type="account",
        entity_id=entity_id,
        after={"name": "A"},
        occurred_at=CLOCK.now(),
    )


async def test_row_and_event_commit_together(database: Database) -> None:
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url)
    async with unit_of_work(engine, tenant) as work:
        account = Account(customer_id=tenant, name="Ünïcode & Söhne")
        work.session.add(account)
        await work.session.flush()
        event = _created(tenant, account.id)
        work.emit(event)
    await engine.dispose()
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("select count(*) from accounts").fetchone() == (1,)
        ((topic, envelope),) = connection.execute("select topic, envelope from outbox").fetchall()
    assert topic == "bevyly.domain"
    assert Event.from_json(envelope) == event


async def test_nothing_is_left_when_the_work_fails(database: Database) -> None:
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url)
    with pytest.raises(RuntimeError, match="half way"):
        async with unit_of_work(engine, tenant) as work:
            account_id = new_id()
            work.session.add(Account(customer_id=tenant, id=account_id, name="A"))
            work.emit(_created(tenant, account_id))
            await work.write_outbox()
            raise RuntimeError("half way")
    await engine.dispose()
    with psycopg.connect(database.owner_url) as connection:
        counts = connection.execute("select (select count(*) from accounts), (select count(*) from outbox)").fetchone()
    assert counts == (0, 0)


async def test_a_row_that_was_inserted_can_be_changed(database: Database) -> None:
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url)
    async with unit_of_work(engine, tenant) as work:
        account = Account(customer_id=tenant, id=new_id(), name="A", custom={"tier": "gold"})
        await work.insert(account)
        account.name, account.version = "B", 2
    await engine.dispose()
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute("select name, version, custom, deleted_at from accounts").fetchone()
    assert row == ("B", 2, {"tier": "gold"}, None)


async def test_what_failed_in_a_part_is_forgotten_with_its_notes_and_events(database: Database) -> None:
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url)
    kept, lost = new_id(), new_id()
    async with unit_of_work(engine, tenant) as work:
        for account_id in (kept, lost):
            with suppress(LookupError):
                async with work.savepoint():
                    await work.insert(Account(customer_id=tenant, id=account_id, name="A"))
                    _note(work, tenant, account_id)
                    work.emit(_created(tenant, account_id))
                    if account_id == lost:
                        raise LookupError
    await engine.dispose()
    with psycopg.connect(database.owner_url) as connection:
        found = connection.execute(
            "select (select string_agg(id, ',') from accounts), (select string_agg(entity_id, ',') from audit), "
            "(select string_agg(envelope::json ->> 'subject', ',') from outbox)"
        ).fetchone()
    assert found == (kept, kept, f"account/{kept}")


async def test_notes_without_events_are_written(database: Database) -> None:
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url)
    async with unit_of_work(engine, tenant) as work:
        for _ in range(2):
            _note(work, tenant, new_id())
    await engine.dispose()
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("select count(*) from audit").fetchone() == (2,)


async def test_a_connection_that_was_lost_while_idle_is_replaced(database: Database) -> None:
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url)
    async with unit_of_work(engine, tenant), unit_of_work(engine, tenant):
        pass
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        ended = connection.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
        ).fetchone()
    assert ended == (2,)
    async with unit_of_work(engine, tenant) as work:
        await work.insert(Account(customer_id=tenant, id=new_id(), name="A"))
    await engine.dispose()
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("select count(*) from accounts").fetchone() == (1,)


async def test_work_that_is_cancelled_leaves_nothing_and_a_connection_that_works(database: Database) -> None:
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url, pool_size=1)

    async def work_for_long() -> None:
        async with unit_of_work(engine, tenant) as work:
            await work.insert(Account(customer_id=tenant, id=new_id(), name="A"))
            await driver_of(work.session).execute("select pg_sleep(60)")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(work_for_long(), 0.5)
    async with unit_of_work(engine, tenant) as work:
        cursor = await driver_of(work.session).execute("select count(*) from accounts")
        assert await cursor.fetchone() == (0,)
    await engine.dispose()


async def test_an_event_of_another_tenant_is_refused(database: Database) -> None:
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url)
    with pytest.raises(ValueError, match="tenant"):
        async with unit_of_work(engine, tenant) as work:
            work.emit(_created(database.add_tenant("theirs"), new_id()))
    await engine.dispose()


async def test_the_tenant_does_not_stay_on_the_connection(database: Database) -> None:
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url, pool_size=1)
    async with unit_of_work(engine, tenant):
        pass
    async with engine.connect() as connection:
        setting = (await connection.exec_driver_sql("select current_setting('bevyly.customer_id', true)")).scalar()
    await engine.dispose()
    assert setting == ""


async def test_a_new_row_is_there_for_whatever_is_asked_next(database: Database) -> None:
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url)
    names = select(Account.name).where(Account.customer_id == tenant).order_by(Account.name)
    async with unit_of_work(engine, tenant) as work:
        await work.insert(Account(customer_id=tenant, id=new_id(), name="A"))
        assert (await work.session.scalars(names)).all() == ["A"]
        second = Account(customer_id=tenant, id=new_id(), name="B")
        await work.insert(second)
        second.name = "C"
        await flush(work.session)
        await work.insert(Account(customer_id=tenant, id=new_id(), name="D"))
        row = await work.ask(b"select array_agg(name order by name) from accounts where customer_id = %s", [tenant])
        assert row == (["A", "C", "D"],)
        await work.insert(Account(customer_id=tenant, id=new_id(), name="E"))
    await engine.dispose()
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("select string_agg(name, '' order by name) from accounts").fetchone() == ("ACDE",)


async def test_a_new_row_of_a_failed_part_is_forgotten(database: Database) -> None:
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url)
    async with unit_of_work(engine, tenant) as work:
        await work.insert(Account(customer_id=tenant, id=new_id(), name="before"))
        with pytest.raises(RuntimeError):
            async with work.savepoint():
                await work.insert(Account(customer_id=tenant, id=new_id(), name="within"))
                raise RuntimeError
        with pytest.raises(psycopg.IntegrityError):
            async with work.savepoint():
                await work.insert(Account(customer_id=tenant, id=new_id(), name="refused", owner_id=new_id()))
    await engine.dispose()
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("select name from accounts").fetchall() == [("before",)]


@pytest.mark.parametrize("more", [0, 1, 4])
async def test_new_rows_notes_and_events_are_told_of_at_once(database: Database, more: int) -> None:
    """However many there are: only so many share one trip."""
    tenant = database.add_tenant("ours")
    engine = make_async_engine(database.app_url)
    ids = [new_id() for _ in range(1 + more)]
    async with unit_of_work(engine, tenant) as work:
        for id_ in ids:
            await work.insert(Account(customer_id=tenant, id=id_, name="A"))
            _note(work, tenant, id_)
            work.emit(_created(tenant, id_))
        for id_ in ids:
            sure, body = await work.tell("api_tell_account", tenant, id_, False)
            assert not sure
            assert json.loads(body)["id"] == id_
    await engine.dispose()
    with psycopg.connect(database.owner_url) as connection:
        tables = ("accounts", "outbox", "audit")
        counts = [connection.execute(f"select count(*) from {table}").fetchone() for table in tables]
    assert counts == [(1 + more,)] * 3
