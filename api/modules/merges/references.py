"""What refers to a record that can be merged: each column is re-pointed when the record goes.

A foreign key to accounts, contacts or leads that is missing here fails a test. Rows of one event in time (scores,
signals, recommendations, enrichments, the audit) stay with the record that they were made for.
"""

from dataclasses import dataclass
from typing import Any

from bevyly.db.schema import Account, Activity, ActivityParticipant, Contact, Lead, Opportunity, SequenceEnrolment


@dataclass(frozen=True)
class Reference:
    """A column of `table` that names a record; the rows are of `kind`, where they have events of their own."""

    table: type[Any]
    column: str
    kind: str | None = None

    @property
    def name(self) -> str:
        """As `merges.moved` names it."""
        return f"{self.table.__tablename__}.{self.column}"

    @property
    def is_tombstone(self) -> bool:
        """Whether the rows are records that were merged into the named one before."""
        return self.column == "merged_into"


REFERENCES: dict[str, tuple[Reference, ...]] = {
    "account": (
        Reference(Account, "merged_into", "account"),
        Reference(Contact, "account_id", "contact"),
        Reference(Lead, "account_id", "lead"),
        Reference(Opportunity, "account_id", "opportunity"),
        Reference(Activity, "account_id"),
    ),
    "contact": (
        Reference(Contact, "merged_into", "contact"),
        Reference(Lead, "contact_id", "lead"),
        Reference(Opportunity, "contact_id", "opportunity"),
        Reference(Activity, "contact_id"),
        Reference(ActivityParticipant, "contact_id"),
        Reference(SequenceEnrolment, "contact_id"),
    ),
    "lead": (
        Reference(Lead, "merged_into", "lead"),
        Reference(Opportunity, "lead_id", "opportunity"),
        Reference(Activity, "lead_id"),
        Reference(SequenceEnrolment, "lead_id"),
    ),
}
"""By the kind of the record that goes, in one order everywhere: two merges wait instead of blocking each other."""
