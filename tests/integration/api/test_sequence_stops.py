"""What ends a sequence: each rule in the transaction of its cause, and once more right before anything is sent."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes as email_of
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio

from api.modules.sequences.execution import Execution
from bevyly.clock import FixedClock
from bevyly.db.unit_of_work import unit_of_work
from bevyly.encryption import Vault
from bevyly.ids import new_id
from bevyly.mail.mailers import SpoolMailer
from bevyly.privacy.marks import Marks
from pipelines.mail.sender import Sender
from tests.integration.api.conftest import ENCRYPTION_KEY, Api, running, two_tenants
from tests.integration.api.sequences import AGAIN, CALL, EMAIL, URL, Way
from tests.support.databases import Database

MONDAY = datetime(2026, 11, 23, 10, tzinfo=UTC)
CLOCK = FixedClock(MONDAY)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def started(module_database: Database, redis_url: str) -> AsyncIterator[Api]:
    async with running(module_database, redis_url, clock=CLOCK) as api:
        yield api


@pytest.fixture
def way(started: Api) -> Way:
    CLOCK.instant = MONDAY
    a, b = two_tenants(started.database)
    return Way(replace(started, a=a, b=b), CLOCK)


def email(**values: Any) -> dict[str, Any]:
    return {"kind": "email", "direction": "inbound", "subject": "Re: Hi"} | values


@pytest.mark.parametrize(
    ("activity", "reason"),
    [
        (email(contact_id="ME"), "replied"),
        (email(participants=[{"email": "ANN1@x.example", "role": "from"}]), "replied"),
        (email(message_id="<1@x>", in_reply_to="OURS", participants=[{"email": "boss@x.example"}]), "replied"),
        ({"kind": "meeting", "due_at": "2026-11-25T10:00:00Z", "participants": [{"contact_id": "ME"}]}, "meeting"),
        (email(participants=[{"contact_id": "ME", "role": "cc"}, {"email": "else@x.example"}]), None),
        (email(contact_id="ME", occurred_at="2026-11-20T10:00:00Z"), None),
        (email(contact_id="ME", direction="outbound"), None),
        (email(contact_id="OTHER"), None),
        ({"kind": "call", "contact_id": "ME"}, None),
    ],
)
async def test_an_answer_or_a_meeting_stops_in_its_own_transaction(
    way: Way, activity: dict[str, Any], reason: str | None
) -> None:
    """Nothing runs in between: the enrolment is over when the activity is there, and the waiting mail is withdrawn."""
    me, enrolment = await way.under_way(EMAIL, AGAIN)
    ours = (await way.enrolment(enrolment))["history"][0]["message_id"]
    names = {"ME": me, "OTHER": await way.contact(), "OURS": ours}
    await way.call("POST", "activities", named(activity, names))
    assert await way.state(enrolment) == (("stopped", reason) if reason else ("active", None))
    assert [one["reason"] for one in way.told("sequence.stopped")] == [reason] * (reason is not None)
    noted = "select actor_type, after from audit where action = 'sequence_enrolment.stopped' and entity_id = %s"
    expected = [("sequence", {"status": "stopped", "reason": reason})] if reason else []
    assert way.api.sql(noted, enrolment) == expected
    [(status, error)] = way.api.sql(
        "select status, last_error from mails where customer_id = %s", way.tenant.customer_id
    )
    assert (status, error) == (("failed", "withdrawn") if reason else ("pending", None))


def named(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: named(one, names) for name, one in value.items()}
    return [named(one, names) for one in value] if isinstance(value, list) else names.get(value, value)


@pytest.mark.parametrize("door", ["batch", "events"])
async def test_answers_that_come_by_other_doors_stop_as_well(way: Way, door: str) -> None:
    me, enrolment = await way.under_way(EMAIL, AGAIN)
    if door == "batch":
        row = email(contact_id=me) | {"op": "create"}
        await way.call("POST", "activities/batch", {"rows": [row]})
    else:
        person = {"contact_id": "c-1", "email": "ann1@x.example"}
        told = [("contact.created", person), ("email.received", {"activity_id": "e-1", "participants": [person]})]
        for number, (type_, data) in enumerate(told):
            event = {"specversion": "1.0", "id": str(number), "source": "crm", "type": type_, "data": data}
            answer = await way.call("POST", "events", event)
            assert answer["status"] == "created", answer
    assert await way.state(enrolment) == ("stopped", "replied")


async def test_an_answer_out_of_the_writers_sight_stops_too(way: Way) -> None:
    """Who records the answer sees their own records alone, and the person belongs to somebody else."""
    me, enrolment = await way.under_way(EMAIL, AGAIN)
    await way.call("PATCH", "settings", {"record_visibility": "own"})
    body = email(participants=[{"email": "ann1@x.example"}])
    await way.call("POST", "activities", body, role="member")
    hidden = await way.answer("GET", f"enrolments/{enrolment}", role="member")
    assert hidden.status_code == 404
    assert (await way.call("GET", "enrolments", role="member"))["data"] == []
    for name in ("pause", "stop"):
        assert (await way.answer("POST", f"enrolments/{enrolment}/{name}", role="member")).status_code == 404
    sequence = (await way.enrolment(enrolment))["sequence_id"]
    assert (await way.call("GET", f"sequences/{sequence}/statistics", role="member"))["enrolled"] == 0
    [result] = await way.enrol({"id": sequence}, {"contact_id": me}, role="member")
    assert result["problem"]["code"] == "not_found"
    assert await way.state(enrolment) == ("stopped", "replied")


async def test_nothing_is_sent_after_an_answer_that_no_door_of_ours_recorded(way: Way) -> None:
    """A loader wrote it straight into the table: the look before the next step finds it."""
    me, enrolment = await way.under_way(EMAIL, AGAIN)
    way.api.sql(
        "insert into activities (customer_id, id, kind, direction, occurred_at, contact_id) "
        "values (%s, %s, 'email', 'inbound', %s, %s)",
        *(way.tenant.customer_id, new_id(), way.clock.instant, me),
    )
    assert await way.state(enrolment) == ("active", None)
    await way.work(days=3)
    assert await way.state(enrolment) == ("stopped", "replied")
    assert len((await way.enrolment(enrolment))["history"]) == 1


async def test_an_answer_that_races_a_step_comes_before_it_or_after(way: Way) -> None:
    """The step is under way when the answer comes: the answer waits for it, then stops what is left."""
    me, enrolment = await way.under_way(EMAIL, AGAIN, AGAIN)
    way.clock.instant += timedelta(days=2)
    engine, letters = way.api.app.state.resources.engine, way.sequencer()._letters
    async with unit_of_work(engine, way.tenant.customer_id) as work:
        marks = Marks.of(way.api.app.state.resources.settings)
        assert await Execution(work, way.clock, letters, marks).of([enrolment]) == 1
        answer = asyncio.create_task(way.answer("POST", "activities", email(contact_id=me)))
        while not answer.done() and way.api.sql("select 1 from pg_locks where not granted") == []:
            await asyncio.sleep(0.01)
    assert (await answer).status_code == 201
    await way.work(days=9)
    found = await way.enrolment(enrolment)
    assert (found["status"], found["reason"], len(found["history"])) == ("stopped", "replied", 2)


async def link_of(way: Way) -> tuple[httpx.AsyncClient, str]:
    found = URL.search(way.mails()[0].text)
    assert found
    assert way.mails()[0].headers["List-Unsubscribe"] == f"<http://127.0.0.1:8000{found[0]}>"
    return way.api.client(), found[0]


async def test_the_link_of_a_mail_shows_and_only_a_post_ends(way: Way) -> None:
    me, enrolment = await way.under_way(EMAIL, AGAIN)
    anybody, link = await link_of(way)
    async with anybody:
        shown = await anybody.get(link)
        assert (shown.status_code, "<form method=post>" in shown.text) == (200, True)
        assert await way.state(enrolment) == ("active", None)
        for _ in range(2):
            done = await anybody.post(link, data={"List-Unsubscribe": "One-Click"})
            assert (done.status_code, "no more such mails to ann1@x.example" in done.text) == (200, True)
    assert await way.state(enrolment) == ("stopped", "unsubscribed")
    [row] = (await way.call("GET", "suppressions"))["data"]
    assert (row["email"], row["reason"], row["enrolment_id"]) == ("ann1@x.example", "unsubscribed", enrolment)
    [noted] = (await way.call("GET", "audit?action=suppression.created"))["data"]
    assert (noted["actor_type"], noted["after"]["email"]) == ("recipient", "ann1@x.example")
    [again] = await way.enrol(await way.sequence(EMAIL), {"contact_id": me})
    assert again["problem"]["code"] == "unsubscribed"
    await way.call("DELETE", f"suppressions/{row['id']}")
    [again] = await way.enrol(await way.sequence(EMAIL), {"contact_id": me})
    assert again["status"] == "enrolled"


async def test_a_mail_that_really_left_is_sent_and_its_button_works(way: Way, tmp_path: Path) -> None:
    """All processes in a row: the step, the mail as a file, what its header says, what a mail program posts."""
    _, enrolment = await way.under_way(EMAIL, AGAIN)
    vault, mailer = Vault([ENCRYPTION_KEY]), SpoolMailer(tmp_path)
    sender = Sender(mailer, vault, sender="Acme <hello@acme.example>", clock=way.clock, kept=timedelta(days=30))
    async with await psycopg.AsyncConnection.connect(way.api.database.pipeline_url, autocommit=True) as connection:
        await sender.send_due(connection)
    await way.work()
    [step] = (await way.enrolment(enrolment))["history"]
    assert (step["outcome"], datetime.fromisoformat(step["settled_at"])) == ("sent", way.clock.instant)
    file = tmp_path / f"{step['message_id'].strip('<').partition('@')[0]}.eml"
    mail = email_of(file.read_bytes(), policy=default)
    assert (str(mail["from"]), str(mail["to"])) == ("Owner <hello@acme.example>", "Ann1@x.example")
    async with way.api.client() as program:
        answer = await program.post(str(mail["list-unsubscribe"]).strip("<>"), data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert await way.state(enrolment) == ("stopped", "unsubscribed")


async def test_a_link_that_we_did_not_make_does_nothing(way: Way) -> None:
    _, enrolment = await way.under_way(EMAIL, AGAIN)
    anybody, link = await link_of(way)
    head, token = link.rsplit("/", 1)
    b = way.api.b.customer_id.replace("-", "")
    forged = [
        token[:-1] + ("a" if token[-1] != "a" else "b"),
        token[:50] + token[50:60][::-1] + token[60:],
        token.replace(way.tenant.customer_id.replace("-", ""), b),
        token.upper(),
        "x",
        "%00",
        "bvy_unsubscribe_" + "0" * 66,
    ]
    async with anybody:
        for one in forged:
            for method in ("GET", "POST"):
                answer = await anybody.request(method, f"{head}/{one}")
                assert answer.status_code in (404, 422), one
    assert await way.state(enrolment) == ("active", None)
    assert way.api.rows("suppressions") == way.api.rows("suppressions", way.api.b) == []


@pytest.mark.parametrize(
    ("error", "outcome", "state", "suppressed"),
    [
        (None, "sent", ("active", None), []),
        ("refused 550", "bounced", ("stopped", "bounced"), ["bounced"]),
        ("refused 554", "bounced", ("stopped", "bounced"), []),
        ("server_away TimeoutError", "failed", ("paused", "mail_failed"), []),
    ],
)
async def test_what_becomes_of_a_mail_becomes_of_the_enrolment(
    way: Way, error: str | None, outcome: str, state: tuple[str, str | None], suppressed: list[str]
) -> None:
    _, enrolment = await way.under_way(EMAIL, AGAIN)
    way.api.sql(
        "update mails set status = %s, last_error = %s, finished_at = %s, body = null where customer_id = %s",
        *("failed" if error else "sent", error, way.clock.instant, way.tenant.customer_id),
    )
    await way.work()
    found = await way.enrolment(enrolment)
    assert ((found["status"], found["reason"]), found["history"][0]["outcome"]) == (state, outcome)
    assert [row["reason"] for row in (await way.call("GET", "suppressions"))["data"]] == suppressed


async def test_a_person_who_is_deleted_stops_and_one_who_is_merged_goes_on(way: Way) -> None:
    sequence = await way.sequence(CALL, EMAIL)
    stays, goes, both, gone = [await way.contact() for _ in range(4)]
    other = await way.sequence(CALL)
    ids = {one: (await way.enrol(sequence, {"contact_id": one}))[0]["id"] for one in (stays, goes, gone)}
    [second] = await way.enrol(other, {"contact_id": both})
    await way.call("DELETE", f"contacts/{gone}")
    assert await way.state(ids[gone]) == ("stopped", "person_deleted")
    merged = await way.call("POST", f"contacts/{stays}/merge", {"other_ids": [goes, both]})
    assert await way.state(ids[stays]) == ("active", None)
    assert await way.state(ids[goes]) == ("stopped", "merged")
    moved = await way.enrolment(second["id"])
    assert (moved["contact_id"], moved["status"]) == (stays, "active")
    await way.call("POST", f"contacts/{stays}/unmerge", {"merge_id": merged["merge_id"]})
    assert (await way.enrolment(second["id"]))["contact_id"] == both


async def test_a_converted_lead_goes_on_as_the_contact(way: Way) -> None:
    sequence = await way.sequence(EMAIL, AGAIN)
    lead = (await way.call("POST", "leads", {"contact_name": "Bo Ek", "contact_email": "bo@y.example"}))["id"]
    [result] = await way.enrol(sequence, {"lead_id": lead})
    await way.work()
    contact = (await way.call("POST", f"leads/{lead}/convert", {}))["contact_id"]
    found = await way.enrolment(result["id"])
    assert (found["lead_id"], found["contact_id"], found["status"]) == (lead, contact, "active")
    await way.call("POST", "activities", email(contact_id=contact))
    assert await way.state(result["id"]) == ("stopped", "replied")


async def test_a_disabled_sender_pauses_and_somebody_else_goes_on(way: Way) -> None:
    sequence, member = await way.sequence(EMAIL), way.tenant.users["member"]
    mine = await way.contact()
    [result] = await way.enrol(sequence, {"contact_id": mine}, sender_id=member)
    await way.call("POST", f"users/{member}/disable", {})
    assert await way.state(result["id"]) == ("paused", "sender_disabled")
    assert (await way.answer("POST", f"enrolments/{result['id']}/resume", {})).json()["code"] == "sender_disabled"
    await way.call("POST", f"enrolments/{result['id']}/resume", {"sender_id": way.tenant.users["owner"]})
    await way.work()
    assert way.mails()[0].headers["Reply-To"] == f"owner@{way.tenant.customer_id}.example"


async def test_members_change_their_own_sequences_and_send_as_themselves(way: Way) -> None:
    sequence, mine = await way.sequence(EMAIL), await way.sequence(EMAIL, active=False, role="member")
    contact = await way.contact()
    refused = [
        await way.answer("PATCH", f"sequences/{sequence['id']}", {"name": "Mine"}, role="member"),
        await way.answer(
            "POST",
            f"sequences/{sequence['id']}/enrolments",
            {"people": [{"contact_id": contact}], "sender_id": way.tenant.users["owner"]},
            role="member",
        ),
    ]
    assert [one.json()["code"] for one in refused] == ["not_yours"] * 2
    await way.call("PATCH", f"sequences/{mine['id']}", {"name": "Mine"}, role="member")
    await way.call("PATCH", f"sequences/{mine['id']}", {"name": "A manager's word"})
    [result] = await way.enrol(sequence, {"contact_id": contact}, role="member")
    assert (await way.enrolment(result["id"]))["sender_id"] == way.tenant.users["member"]


async def test_statistics_count_what_came_of_whom(way: Way) -> None:
    sequence = await way.sequence(EMAIL, AGAIN)
    people = [await way.contact() for _ in range(4)]
    enrolled = await way.enrol(sequence, *({"contact_id": one} for one in people))
    await way.work()
    way.api.sql(
        "update mails set status = 'sent', finished_at = now(), body = null where customer_id = %s",
        way.tenant.customer_id,
    )
    await way.work()
    await way.call("POST", "activities", email(contact_id=people[0]))
    await way.call("POST", f"enrolments/{enrolled[1]['id']}/pause")
    await way.work(days=2)
    await way.call("POST", "activities", {"kind": "meeting", "contact_id": people[2]})
    found = await way.call("GET", f"sequences/{sequence['id']}/statistics")
    totals = {name: found[name] for name in ("enrolled", "active", "paused", "stopped", "replied", "meeting")}
    assert totals == {"enrolled": 4, "active": 1, "paused": 1, "stopped": 2, "replied": 1, "meeting": 1}
    steps = [[step[name] for name in ("executed", "sent", "replied", "meeting")] for step in found["steps"]]
    assert steps == [[4, 4, 1, 0], [2, 0, 0, 1]]
