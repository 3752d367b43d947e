"""What tests of sequences share: an API whose clock they set, a sequence, people in it, and the sequencer."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from api.modules.sequences.sequencer import Sequencer
from bevyly.clock import FixedClock
from bevyly.mail.message import Mail
from tests.integration.api.conftest import Api, Tenant

ALWAYS = {"days": [1, 2, 3, 4, 5, 6, 7], "start": "00:00", "end": "00:00", "timezone": "UTC"}
EMAIL = {"kind": "email", "subject": "Hi {{contact.first_name|there}}", "body": "A question, {{contact.name}}."}
AGAIN = {"kind": "email", "wait_days": 2, "body": "Did you see it?"}
CALL = {"kind": "call", "wait_days": 1, "subject": "Call {{contact.name}}"}
URL = re.compile(r"/api/v1/unsubscribe/\S+")


@dataclass
class Way:
    """One tenant's sequences, from the first step to the last."""

    api: Api
    clock: FixedClock
    made: int = field(default=0)

    @property
    def tenant(self) -> Tenant:
        return self.api.a

    async def call(self, method: str, path: str, body: Any = None, *, role: str = "owner", **more: Any) -> Any:
        """What a route answers; it must succeed."""
        answer = await self.answer(method, path, body, role=role, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def answer(
        self, method: str, path: str, body: Any = None, *, role: str = "owner", tenant: Tenant | None = None
    ) -> httpx.Response:
        async with self.api.client(tenant or self.tenant, role) as client:
            return await client.request(method, f"/api/v1/{path}", json=body)

    async def sequence(self, *steps: dict[str, Any], window: Any = ALWAYS, active: bool = True, **more: Any) -> Any:
        """A sequence that is active; without spacing between its emails."""
        body = {"name": "Outbound", "steps": list(steps), "send_window": window}
        made = await self.call("POST", "sequences", body, **more)
        await self.call("PATCH", f"mailboxes/{self.tenant.users['owner']}", {"spacing_seconds": 0})
        return await self.call("PATCH", f"sequences/{made['id']}", {"status": "active"}, **more) if active else made

    async def contact(self, **values: Any) -> str:
        self.made += 1
        body = {"first_name": "Ann", "last_name": "Lee", "email": f"Ann{self.made}@x.example"} | values
        return str((await self.call("POST", "contacts?allow_duplicates=true", body))["id"])

    async def enrol(self, sequence: Any, *people: dict[str, str], role: str = "owner", **more: Any) -> list[Any]:
        body = {"people": list(people)} | more
        path = f"sequences/{sequence['id']}/enrolments"
        return list((await self.call("POST", path, body, role=role))["results"])

    async def under_way(self, *steps: dict[str, Any], **values: Any) -> tuple[str, str]:
        """A contact for whom the first step was done; ids of the contact and of the enrolment."""
        contact = await self.contact(**values)
        [result] = await self.enrol(await self.sequence(*steps), {"contact_id": contact})
        await self.work()
        return contact, result["id"]

    async def work(self, **later: float) -> int:
        """Let time pass, and do everything that is due then."""
        self.clock.instant += timedelta(**later)
        done = 0
        while did := await self.sequencer().work_once():
            done += did
        return done

    def sequencer(self) -> Sequencer:
        resources = self.api.app.state.resources
        return Sequencer(resources.engine, self.api.database.pipeline_url, resources.settings, clock=self.clock)

    async def enrolment(self, enrolment_id: str) -> Any:
        return await self.call("GET", f"enrolments/{enrolment_id}")

    async def state(self, enrolment_id: str) -> tuple[str, str | None]:
        found = await self.enrolment(enrolment_id)
        return found["status"], found["reason"]

    def mails(self) -> list[Mail]:
        """Mails of sequences that wait to leave."""
        return self.api.mails("sequence", self.tenant)

    def told(self, type_: str) -> list[dict[str, Any]]:
        return [event.data for event in self.api.events() if event.type == type_]
