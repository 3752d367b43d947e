"""What can be asked of the list of enrolments."""

from typing import get_args

from api.modules.auth.listing import USERS
from api.modules.contacts.listing import CONTACTS
from api.modules.leads.listing import LEADS
from api.modules.sequences.schemas import EnrolmentStatus
from api.query.listing import Fields, Listing, Relation
from bevyly.db.schema import Sequence, SequenceEnrolment

SEQUENCES = Listing(
    name="sequences",
    table=Sequence,
    permission="sequences:read",
    fields=Fields(Sequence).of("id", "name", "status", "owner_id"),
)
ENROLMENTS = Listing(
    name="sequence_enrolments",
    table=SequenceEnrolment,
    permission="sequences:read",
    function="api_list_sequence_enrolments",
    fields=Fields(
        SequenceEnrolment,
        choices={"status": get_args(EnrolmentStatus), "next_kind": ("email", "call", "task", "end")},
        sortable=("next_at", "created_at"),
        facets=("status", "reason", "sender_id", "sequence_id"),
    ).of(
        "id", "sequence_id", "contact_id", "lead_id", "sender_id", "enrolled_by", "address", "status", "reason",
        "step_id", "next_kind", "next_at", "waiting_for", "ended_at", "version", "created_at", "updated_at",
    ),
    relations=(
        Relation("sequence", "sequence_id", SEQUENCES),
        Relation("contact", "contact_id", CONTACTS),
        Relation("lead", "lead_id", LEADS),
        Relation("sender", "sender_id", USERS),
    ),
)  # fmt: skip
