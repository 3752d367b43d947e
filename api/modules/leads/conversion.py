"""Conversion of a lead: one transaction in which it becomes an account, a contact and, on request, an opportunity."""

from typing import Any

from api.dependencies.work import WriteContext
from api.modules.accounts.service import AccountService
from api.modules.contacts.service import ContactService
from api.modules.duplicates.scoring import MAILBOXES
from api.modules.leads.repository import CONVERTIBLE, ConversionRepository
from api.modules.leads.service import LeadService, already_converted
from api.modules.opportunities.service import OpportunityService
from api.records.repository import require_living, why_missing
from api.records.trail import Trail, Values
from bevyly.db.schema import Lead
from bevyly.errors import Conflict
from bevyly.ids import is_id


class NotConvertible(Conflict):
    """A disqualified lead is not converted; it must be taken up again first."""

    code = "lead_not_convertible"


class LeadConversion:
    """Converts leads of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.trail = Trail(context)
        self.leads = ConversionRepository(context.work.session, context.principal.customer_id)

    async def convert(self, lead_id: str, wanted: Values) -> dict[str, Any]:
        """What the lead became; raises `NotFound`, `AlreadyConverted` or `NotConvertible`."""
        lead = await self.leads.claim(lead_id, self.trail.now) if is_id(lead_id) else None
        if lead is None:
            raise await self._why_not(lead_id)
        await LeadService(self.context).require_visible(wanted)
        before = _links(lead)
        account_id, account_created = await self._account(lead, wanted.get("account_id"))
        contact_id, contact_created = await self._contact(lead, wanted.get("contact_id"), account_id)
        opportunity_id = await self._opportunity(lead, wanted.get("opportunity"), account_id, contact_id)
        lead.account_id, lead.contact_id, lead.opportunity_id = account_id, contact_id, opportunity_id
        lead.score_at_conversion, lead.score_id_at_conversion = await self.leads.score(lead.id)
        became = {"account_id": account_id, "contact_id": contact_id, "opportunity_id": opportunity_id}
        self._tell(lead, before, became)
        await self.context.work.session.flush()
        await require_living(self.context.work.session, self.leads.customer_id, became.items())
        return {"lead_id": lead.id, **became, "account_created": account_created, "contact_created": contact_created}

    async def record(self, lead: Lead, became: Values) -> None:
        """A conversion that was done elsewhere, into records that exist; `lead` is held by the caller.

        Raises `AlreadyConverted` or `NotConvertible`.
        """
        if lead.converted_at is not None:
            raise already_converted(lead)
        if lead.status not in CONVERTIBLE:
            raise NotConvertible("A disqualified lead cannot be converted.")
        before = _links(lead)
        lead.status, lead.converted_at, lead.updated_at = "converted", self.trail.now, self.trail.now
        lead.version += 1
        lead.account_id = became.get("account_id") or lead.account_id
        lead.contact_id = became.get("contact_id") or lead.contact_id
        lead.opportunity_id = became.get("opportunity_id")
        lead.score_at_conversion, lead.score_id_at_conversion = await self.leads.score(lead.id)
        self._tell(lead, before, _links(lead))

    async def _why_not(self, lead_id: str) -> Exception:
        lead = await self.leads.find(lead_id) if is_id(lead_id) else None
        if lead is None:
            return await why_missing(self.context.work.session, "lead", self.leads.customer_id, lead_id)
        if lead.converted_at is not None:
            return already_converted(lead)
        return NotConvertible("A disqualified lead cannot be converted.")

    async def _account(self, lead: Lead, wanted: str | None) -> tuple[str | None, bool]:
        chosen = wanted or lead.account_id
        if chosen is not None:
            return chosen, False
        domain, name = company_domain(lead.contact_email), lead.company_name
        if domain is None and name is None:
            return None, False
        await self.leads.one_at_a_time(domain or name or "")
        found = await self.leads.account_by_domain(domain) if domain else None
        if found is None and name is not None:
            found = await self.leads.account_by_name(name)
        if found is not None:
            return found.id, False
        values = {"name": name or domain, "domain": domain, "owner_id": lead.owner_id}
        return (await AccountService(self.context).create(values)).id, True

    async def _contact(self, lead: Lead, wanted: str | None, account_id: str | None) -> tuple[str | None, bool]:
        chosen = wanted or lead.contact_id
        if chosen is not None:
            return chosen, False
        if lead.contact_email is None and lead.contact_name is None:
            return None, False
        found = await self.leads.contact_by_email(lead.contact_email) if lead.contact_email else None
        if found is not None:
            return found.id, False
        first, _, last = (lead.contact_name or "").strip().partition(" ")
        values = {
            "account_id": account_id,
            "first_name": first[:100] or None,
            "last_name": last[:100] or None,
            "email": lead.contact_email,
            "phone": lead.phone,
            "owner_id": lead.owner_id,
        }
        return (await ContactService(self.context).create(values)).id, True

    async def _opportunity(
        self, lead: Lead, wanted: Values | None, account_id: str | None, contact_id: str | None
    ) -> str | None:
        if wanted is None:
            return None
        if account_id is None:
            raise NotConvertible("An opportunity needs an account: name a company or an account.")
        values = {
            "account_id": account_id,
            "contact_id": contact_id,
            "lead_id": lead.id,
            "name": lead.company_name or lead.contact_name or lead.contact_email,
            "value_minor": lead.value,
            "currency": lead.currency,
            "owner_id": lead.owner_id,
        }
        return (await OpportunityService(self.context).create(values | wanted)).id

    def _tell(self, lead: Lead, before: Values, became: Values) -> None:
        subject = ("lead", lead.id)
        self.trail.emit("lead.converted", subject, sequence=lead.version, data={"lead_id": lead.id, **became})
        self.trail.audit("lead.converted", subject, before=before, after={"status": "converted", **became})


def _links(lead: Lead) -> Values:
    return {name: getattr(lead, name) for name in ("account_id", "contact_id", "opportunity_id")}


def company_domain(email: str | None) -> str | None:
    """The domain of a company's mailbox, or None for a private one."""
    domain = (email or "").rpartition("@")[2].lower()
    return domain if domain and domain not in MAILBOXES else None
