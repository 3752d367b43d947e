"""Links that end mails: one in each email, which anybody who has it may use, and no other way to make one.

The text of a link is a secret of 160 random bits that names its tenant; its hash is kept with the email, for as long as
the email is known. It opens its own units of work: who uses it is nobody that we know.
"""

from dataclasses import dataclass, replace

from api.modules.sequences.errors import UnknownLink
from api.modules.sequences.repository import SequenceRepository
from api.modules.sequences.stopping import OF_ADDRESSES, Moment, Stops
from api.resources import Resources
from bevyly.db.schema import AuditEntry
from bevyly.db.unit_of_work import UnitOfWork, unit_of_work
from bevyly.identity import keys
from bevyly.ids import new_id
from bevyly.privacy.marks import Marks

UNSUBSCRIBE = "bvy_unsubscribe_"
PATH = "/api/v1/unsubscribe"


@dataclass(frozen=True)
class Subscriber:
    """Whose mails a link ends, of which company, and whether they have ended.

    Somebody whose address changed since has two.
    """

    addresses: tuple[str, ...]
    company: str
    unsubscribed: bool


class Unsubscribing:
    """Looks links up, and uses them."""

    def __init__(self, resources: Resources, request_id: str | None) -> None:
        self._resources = resources
        self._marks = Marks.of(resources.settings)
        self._moment = Moment(resources.clock.now(), request_id=request_id)

    async def look(self, token: str) -> Subscriber:
        """What a link is about; raises `UnknownLink`. Changes nothing: mail scanners follow every link."""
        async with unit_of_work(self._resources.engine, _tenant_in(token)) as work:
            return (await self._found(work, token))[0]

    async def use(self, token: str) -> Subscriber:
        """Never write to this person again; the same again changes nothing. Raises `UnknownLink`."""
        async with unit_of_work(self._resources.engine, _tenant_in(token)) as work:
            found, enrolment_id = await self._found(work, token)
            sequences = SequenceRepository(work.session, work.customer_id)
            for address in found.addresses:
                made = await sequences.suppress(address, "unsubscribed", enrolment_id=enrolment_id, now=self._moment.at)
                if made is not None:
                    self._note(work, made, address)
            await Stops(work).where(OF_ADDRESSES, "unsubscribed", self._moment, values=list(found.addresses))
            return replace(found, unsubscribed=True)

    async def _found(self, work: UnitOfWork, token: str) -> tuple[Subscriber, str]:
        sequences = SequenceRepository(work.session, work.customer_id)
        run = await sequences.run_of_link(keys.hash_of(token))
        if run is None or run.address is None:
            raise _unknown()
        addresses = tuple(sorted({run.address, await sequences.address_of(run.enrolment_id)}))
        company = (await sequences.tenant()).name
        known = await sequences.suppressed(addresses, self._marks)
        return Subscriber(addresses, company, len(known) == len(addresses)), run.enrolment_id

    def _note(self, work: UnitOfWork, suppression_id: str, address: str) -> None:
        work.note(
            AuditEntry,
            customer_id=work.customer_id,
            id=new_id(),
            actor_type="recipient",
            actor_id=None,
            action="suppression.created",
            entity_type="suppression",
            entity_id=suppression_id,
            after={"email": address, "reason": "unsubscribed"},
            request_id=self._moment.request_id,
            occurred_at=self._moment.at,
        )


def _tenant_in(token: str) -> str:
    tenant = keys.tenant_in(UNSUBSCRIBE, token)
    if tenant is None:
        raise _unknown()
    return tenant


def _unknown() -> UnknownLink:
    return UnknownLink("This link is not one of ours. Take the one from the latest mail.")
