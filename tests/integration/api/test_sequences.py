"""Sequences: who gets in, what is sent and when, what is done once, what the records and the timeline say of it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from api.modules.sequences.letters import Letters
from api.modules.sequences.sequencer import Sequencer
from bevyly.clock import FixedClock
from bevyly.db.engine import make_async_engine
from bevyly.ids import new_id
from tests.integration.api.conftest import ENCRYPTION_KEY, SECRET, Api, running, two_tenants
from tests.integration.api.sequences import AGAIN, ALWAYS, CALL, EMAIL, Way
from tests.support.databases import Database

MONDAY = datetime(2026, 11, 23, 10, tzinfo=UTC)
CLOCK = FixedClock(MONDAY)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def started(module_database: Database, redis_url: str) -> AsyncIterator[Api]:
    async with running(module_database, redis_url, clock=CLOCK, mail_from="Acme <hello@acme.example>") as api:
        yield api


@pytest.fixture
def way(started: Api) -> Way:
    CLOCK.instant = MONDAY
    a, b = two_tenants(started.database)
    return Way(replace(started, a=a, b=b), CLOCK)


async def test_a_way_from_the_first_step_to_the_last(way: Way) -> None:
    """Two emails in one conversation, a call that must be done, and an end after a week of silence."""
    contact, enrolment = await way.under_way(EMAIL, AGAIN, CALL)
    await way.work(days=2)
    first, second = way.mails()
    assert (first.to, first.subject, first.sender_name) == ("Ann1@x.example", "Hi Ann", "Owner")
    assert first.text.startswith("A question, Ann Lee.\n\n-- \n")
    assert first.headers["Reply-To"] == f"owner@{way.tenant.customer_id}.example"
    assert first.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert second.subject == "Re: Hi Ann"
    history = (await way.enrolment(enrolment))["history"]
    assert second.headers["In-Reply-To"] == history[0]["message_id"]
    threads = (await way.call("GET", f"emails/threads?contact_id={contact}"))["data"]
    assert [(one["message_count"], one["awaiting_reply_from"]) for one in threads] == [(2, "them")]
    await way.work(days=1)
    found = await way.enrolment(enrolment)
    assert (found["next_at"], found["next_kind"], found["status"]) == (None, "end", "active")
    [task] = (await way.call("GET", f"tasks?owner_id={way.tenant.users['owner']}"))["data"]
    assert (task["subject"], task["contact_id"], found["waiting_for"]) == ("Call Ann Lee", contact, task["id"])
    await way.work(days=20)
    assert await way.state(enrolment) == ("active", None)
    await way.call("POST", f"activities/{task['id']}/complete", {})
    await way.work()
    found = await way.enrolment(enrolment)
    assert (found["status"], [step["outcome"] for step in found["history"]]) == (
        "finished",
        ["queued", "queued", "completed"],
    )
    types = [event.type for event in way.api.events()]
    assert [one for one in types if one.startswith("sequence.")] == ["sequence.enrolled", "sequence.finished"]
    assert types.count("email.sent") == 2
    timeline = (await way.call("GET", f"timeline/contact/{contact}"))["data"]
    assert [item["data"].get("subject") for item in timeline if item["kind"] == "activity"] == [
        "Call Ann Lee", "Re: Hi Ann", "Hi Ann",
    ]  # fmt: skip


async def test_who_gets_in_and_who_does_not_and_why(way: Way) -> None:
    sequence, other = await way.sequence(EMAIL), await way.sequence(EMAIL)
    fine, elsewhere, gone = await way.contact(), await way.contact(), await way.contact()
    nowhere, bad = await way.contact(email=None), await way.contact(email="Bad@x.example")
    lead = (await way.call("POST", "leads", {"contact_name": "Bo", "contact_email": "bo@y.example"}))["id"]
    won = (await way.call("POST", "leads", {"contact_name": "Cy", "contact_email": "cy@y.example"}))["id"]
    twin = await way.contact(email="BO@y.example")
    await way.call("POST", f"leads/{won}/convert", {})
    await way.call("DELETE", f"contacts/{gone}")
    await way.call("POST", "suppressions", {"email": "bad@x.example", "reason": "bounced"})
    await way.enrol(other, {"contact_id": elsewhere})
    people = [fine, fine, elsewhere, gone, nowhere, bad, new_id(), twin]
    rows = [{"contact_id": one} for one in people]
    results = await way.enrol(sequence, {"lead_id": lead}, {"lead_id": won}, *rows)
    assert [one.get("problem", {}).get("code") for one in results] == [
        None, "lead_converted", None, "already_enrolled", "in_another_sequence", "not_found", "no_email", "bounced",
        "not_found", "already_enrolled",
    ]  # fmt: skip
    [again] = await way.enrol(sequence, {"contact_id": elsewhere}, allow_parallel=True)
    assert again["status"] == "enrolled"
    [theirs] = await way.enrol(sequence, {"contact_id": await theirs_of(way)})
    assert theirs["problem"]["code"] == "not_found"
    stopped = results[2]["id"]
    assert (await way.call("POST", f"enrolments/{stopped}/stop"))["status"] == "stopped"
    [before] = await way.enrol(sequence, {"contact_id": fine})
    assert before["problem"]["code"] == "enrolled_before"
    assert (await way.enrol(sequence, {"contact_id": fine}, allow_again=True))[0]["status"] == "enrolled"


async def theirs_of(way: Way) -> str:
    answer = await way.answer("POST", "contacts", {"email": "x@theirs.example"}, tenant=way.api.b)
    return str(answer.json()["id"])


async def test_a_thousand_people_are_a_few_statements_and_one_answer(way: Way) -> None:
    sequence, tenant = await way.sequence(EMAIL), way.tenant.customer_id
    people = way.api.sql(
        "insert into contacts (customer_id, id, email) select %s, gen_random_uuid()::text, n || '@x.example' "
        "from generate_series(1, 1000) n returning id",
        tenant,
    )
    results = await way.enrol(sequence, *({"contact_id": row[0]} for row in people))
    assert {one["status"] for one in results} == {"enrolled"}
    assert len(way.told("sequence.enrolled")) == 1000
    page = await way.call("GET", f'enrolments?sequence_id={sequence["id"]}&filter=status eq "active"&count=exact')
    assert page["page"]["total"] == 1000


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ([EMAIL | {"subject": "{{contact.password}}"}], "body.steps.0.email.subject"),
        ([EMAIL | {"subject": "Hi\r\nBcc: all@x.example"}], "body.steps.0.email.subject"),
        ([EMAIL | {"body": "{{ contact.first_name.__class__ }}"}], "body.steps.0.email.body"),
        ([EMAIL | {"body": "{% for x in y %}"}], "body.steps.0.email.body"),
        ([AGAIN], "body.steps.0.subject"),
        ([EMAIL | {"id": new_id()}], "body.steps.0.id"),
        ([EMAIL | {"wait_days": 366}], "body.steps.0.email.wait_days"),
        ([EMAIL] * 31, "body.steps"),
    ],
)
async def test_steps_that_cannot_be_are_refused_when_they_are_saved(way: Way, steps: Any, field: str) -> None:
    answer = await way.answer("POST", "sequences", {"name": "x", "steps": steps})
    assert answer.status_code == 422
    assert field in [one["field"] for one in answer.json()["errors"]], answer.text


async def test_what_a_record_says_is_text_and_no_template_and_no_header(way: Way) -> None:
    evil = "{{sender.email}}\r\nBcc: all@x.example"
    await way.under_way(EMAIL, first_name=evil)
    [mail] = way.mails()
    assert mail.subject == "Hi {{sender.email}} Bcc: all@x.example"
    assert mail.headers.keys() == {"Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post"}


async def test_a_missing_value_pauses_until_it_is_there(way: Way) -> None:
    contact, enrolment = await way.under_way(EMAIL | {"body": "At {{account.name}}"})
    assert await way.state(enrolment) == ("paused", "missing_value")
    account = (await way.call("POST", "accounts", {"name": "Acme"}))["id"]
    await way.call("PATCH", f"contacts/{contact}", {"account_id": account})
    await way.call("POST", f"enrolments/{enrolment}/resume", {})
    await way.work()
    [mail] = way.mails()
    assert mail.text.startswith("At Acme\n")


async def test_changed_steps_are_for_those_who_have_not_passed_them(way: Way) -> None:
    """The step that somebody waits for goes, another one changes its text: nothing is done twice, or left out."""
    contact = await way.contact()
    sequence = await way.sequence(EMAIL, AGAIN, CALL)
    [result] = await way.enrol(sequence, {"contact_id": contact})
    await way.work()
    first, _, call = (await way.call("GET", f"sequences/{sequence['id']}"))["steps"]
    steps = [first | {"body": "Never read"}, {**EMAIL, "subject": "New"}, call | {"subject": "Ring {{contact.name}}"}]
    await way.call("PATCH", f"sequences/{sequence['id']}", {"steps": steps})
    assert (await way.enrolment(result["id"]))["step_id"] == call["id"]
    await way.work(days=9)
    done = way.api.sql("select subject from activities where contact_id = %s order by id", contact)
    assert done == [("Hi Ann",), ("Ring Ann Lee",)]
    other = {"kind": "task", "subject": "x", "id": first["id"]}
    answer = await way.answer("PATCH", f"sequences/{sequence['id']}", {"steps": [other]})
    assert answer.json()["code"] == "bad_steps"
    answer = await way.answer("PATCH", f"sequences/{sequence['id']}", {"steps": []})
    assert answer.json()["code"] == "steps_needed"


async def test_a_paused_or_deleted_sequence_does_nothing(way: Way) -> None:
    sequence, people = await way.sequence(EMAIL), [await way.contact() for _ in range(2)]
    enrolments = [one["id"] for one in await way.enrol(sequence, *({"contact_id": one} for one in people))]
    await way.call("PATCH", f"sequences/{sequence['id']}", {"status": "paused"})
    await way.call("POST", f"enrolments/{enrolments[1]}/pause")
    assert await way.work(days=1) == 0
    await way.call("DELETE", f"sequences/{sequence['id']}")
    await way.work()
    assert [await way.state(one) for one in enrolments] == [("stopped", "sequence_deleted")] * 2
    assert (await way.call("POST", f"sequences/{sequence['id']}/restore"))["status"] == "paused"
    assert await way.work(days=9) == 0
    assert way.mails() == []


WINDOW = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "17:00", "timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("enrolled", "wait", "due"),
    [
        ("2026-11-23T10:00:00Z", {}, "2026-11-23T10:00:00Z"),
        ("2026-11-23T15:59:30Z", {}, "2026-11-24T08:00:00Z"),
        ("2026-11-27T20:00:00Z", {}, "2026-11-30T08:00:00Z"),
        ("2026-10-23T07:30:00Z", {"wait_days": 3}, "2026-10-26T08:30:00Z"),
        ("2026-03-27T09:30:00Z", {"wait_days": 3}, "2026-03-30T08:30:00Z"),
        ("2026-03-27T15:30:00Z", {"wait_hours": 23}, "2026-03-30T07:00:00Z"),
    ],
)
async def test_nothing_leaves_outside_the_window_whatever_clocks_do(
    way: Way, enrolled: str, wait: Any, due: str
) -> None:
    way.clock.instant = datetime.fromisoformat(enrolled)
    sequence = await way.sequence(EMAIL | wait, window=WINDOW)
    [result] = await way.enrol(sequence, {"contact_id": await way.contact()})
    found = await way.enrolment(result["id"])
    assert datetime.fromisoformat(found["next_at"]) == datetime.fromisoformat(due)
    way.clock.instant = datetime.fromisoformat(due)
    await way.work()
    [(left, until)] = way.api.sql(
        "select next_attempt_at, expires_at from mails where customer_id = %s", way.tenant.customer_id
    )
    assert left == datetime.fromisoformat(due) < until
    assert until.hour in (15, 16), "it never leaves after the window closed"


async def test_a_step_that_is_late_waits_for_the_next_day(way: Way) -> None:
    """The tenant's own hours; the process was away while the window closed."""
    hours = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "17:00"}
    await way.call("PATCH", "settings", {"timezone": "America/New_York", "working_hours": hours})
    way.clock.instant = datetime(2026, 11, 23, 15, tzinfo=UTC)
    [result] = await way.enrol(await way.sequence(EMAIL, window=None), {"contact_id": await way.contact()})
    await way.work(hours=8)
    assert way.mails() == []
    found = await way.enrolment(result["id"])
    assert datetime.fromisoformat(found["next_at"]) == datetime(2026, 11, 24, 14, tzinfo=UTC)


async def test_a_mailbox_keeps_its_cap_and_its_distance(way: Way) -> None:
    sequence, owner = await way.sequence(EMAIL), way.tenant.users["owner"]
    people = [{"contact_id": await way.contact()} for _ in range(5)]
    await way.call("PATCH", f"mailboxes/{owner}", {"daily_cap": 3, "spacing_seconds": 600})
    await way.enrol(sequence, *people)
    sent = []
    for _ in range(12):
        await way.work(minutes=5)
        sent.append(len(way.api.rows("sequence_step_runs")))
    assert sent == [1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3]
    box = await way.call("GET", f"mailboxes/{owner}")
    assert (box["sent_on"], box["sent_count"]) == ("2026-11-23", 3)
    await way.work(hours=14)
    await way.work(minutes=10)
    assert len(way.api.rows("sequence_step_runs")) == 5


async def test_sequencers_that_race_do_each_step_once(way: Way) -> None:
    sequence = await way.sequence(EMAIL, AGAIN)
    await way.call("PATCH", f"mailboxes/{way.tenant.users['owner']}", {"daily_cap": 25})
    await way.enrol(sequence, *[{"contact_id": await way.contact()} for _ in range(30)])
    settings = way.api.app.state.resources.settings
    engines = [make_async_engine(way.api.database.app_url, pool_size=2) for _ in range(3)]
    racers = [Sequencer(one, way.api.database.pipeline_url, settings, clock=way.clock) for one in engines]
    try:
        for _ in range(4):
            await asyncio.gather(*(one.work_once() for one in racers))
    finally:
        for engine in engines:
            await engine.dispose()
    found = way.api.sql(
        "select count(*), count(distinct enrolment_id) from sequence_step_runs where customer_id = %s",
        way.tenant.customer_id,
    )
    assert found == [(25, 25)], "all that the cap lets through, each once"
    assert len(way.mails()) == len(way.told("email.sent")) == 25


async def test_a_step_that_fails_stands_in_nobodys_way(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch fails as a whole; one by one, only the one that cannot be done is put aside."""
    written = Letters.write

    def write(self: Letters, person: Any, *more: Any) -> Any:
        if person.last_name == "Bad":
            raise ValueError("not to be written")
        return written(self, person, *more)

    monkeypatch.setattr(Letters, "write", write)
    people = [await way.contact(last_name=name) for name in ("Lee", "Bad", "Ek")]
    enrolled = await way.enrol(await way.sequence(EMAIL), *({"contact_id": one} for one in people))
    await way.work()
    states = [await way.state(one["id"]) for one in enrolled]
    assert states == [("active", None), ("paused", "step_failed"), ("active", None)]
    assert len(way.mails()) == len(way.told("email.sent")) == 2


async def test_a_killed_sequencer_has_done_a_step_or_not_begun(way: Way) -> None:
    """It dies with everything written and nothing committed; the next one does it, once."""
    window = ALWAYS | {"timezone": None}
    [result] = await way.enrol(await way.sequence(EMAIL, window=window), {"contact_id": await way.contact()})
    environment = os.environ | {
        "DATABASE_URL": way.api.database.owner_url,
        "ENCRYPTION_KEYS": ENCRYPTION_KEY,
        "JWT_SECRET": SECRET,
        "BEVYLY_FAILPOINT": "sequence_written:1",
    }
    process = subprocess.Popen([sys.executable, "-m", "api.modules.sequences"], env=environment)
    assert process.wait(timeout=120) == -signal.SIGKILL
    assert way.api.rows("sequence_step_runs") == way.mails() == way.told("email.sent") == []
    way.clock.instant = datetime.now(UTC) + timedelta(minutes=1)
    await way.work()
    found = await way.enrolment(result["id"])
    assert [step["outcome"] for step in found["history"]] == ["queued"]
    assert len(way.mails()) == len(way.told("email.sent")) == 1
