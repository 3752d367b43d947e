"""The kinds of records that can be changed many at once: their service, their shapes, how a row finds its record."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from api.modules.accounts.schemas import AccountChange, AccountCreate
from api.modules.accounts.service import AccountService
from api.modules.activities.schemas import ActivityChange, ActivityCreate
from api.modules.activities.service import ActivityService
from api.modules.contacts.schemas import ContactChange, ContactCreate
from api.modules.contacts.service import ContactService
from api.modules.leads.schemas import LeadChange, LeadCreate
from api.modules.leads.service import LeadService
from api.modules.opportunities.schemas import OpportunityChange, OpportunityCreate
from api.modules.opportunities.service import OpportunityService
from api.records.service import RecordService

REFERENCES = {
    "account_id": "account",
    "contact_id": "contact",
    "lead_id": "lead",
    "opportunity_id": "opportunity",
    "owner_id": "user",
    "user_id": "user",
}
"""Fields that name another row, and of which kind it is."""


@dataclass(frozen=True)
class Kind:
    """One kind of records. One that is `alone` is written before the next one is looked at: it may belong to it."""

    name: str
    plural: str
    service: type[RecordService[Any]]
    create: type[BaseModel]
    change: type[BaseModel]
    keys: dict[str, str] = field(default_factory=dict)
    """Words for what a row can be matched by, and the field each of them means; `id` always works."""

    alone: bool = False

    @property
    def upserts_change(self) -> bool:
        """Whether a record that is told again takes what is told: else it stays, since a touch has happened once."""
        return issubclass(self.create, self.change)

    @property
    def required(self) -> tuple[str, ...]:
        """Fields that a new record must have."""
        return tuple(name for name, one in self.create.model_fields.items() if one.is_required())


_BY_EXTERNAL_ID = {"external_id": "external_id"}
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "account",
            "accounts",
            AccountService,
            AccountCreate,
            AccountChange,
            _BY_EXTERNAL_ID | {"domain": "domain", "name": "name"},
        ),
        Kind(
            "contact",
            "contacts",
            ContactService,
            ContactCreate,
            ContactChange,
            _BY_EXTERNAL_ID | {"email": "email"},
        ),
        Kind("lead", "leads", LeadService, LeadCreate, LeadChange, _BY_EXTERNAL_ID | {"email": "contact_email"}),
        Kind(
            "opportunity",
            "opportunities",
            OpportunityService,
            OpportunityCreate,
            OpportunityChange,
            _BY_EXTERNAL_ID,
        ),
        Kind("activity", "activities", ActivityService, ActivityCreate, ActivityChange, _BY_EXTERNAL_ID, alone=True),
    )
}


def compared(field_name: str, value: str) -> str:
    """`value` as it is compared with others of its field: external ids exactly, all else without regard to case."""
    return value if field_name == "external_id" else value.lower()
