"""A change and its events are there together or not at all, in one tenant."""

from datetime import UTC, datetime

import psycopg
import pytest

from bevyly.clock import FixedClock
from bevyly.db.engine import make_async_engine
from bevyly.db.schema import Account
from bevyly.db.unit_of_work import unit_of_work
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
