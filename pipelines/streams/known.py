"""What rules of streams know of a tenant beside the event itself. Where it is read is the detector's business."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bevyly.events.envelope import Event
from pipelines.repositories.detectors import Ear
from pipelines.repositories.told_before import Amendment


@dataclass(frozen=True, kw_only=True)
class Known:
    """`amendments` are those of deals, in order; `deals` are what leads have become."""

    ear: Ear = field(default_factory=Ear)
    amendments: Mapping[str, Sequence[Amendment]] = field(default_factory=dict)
    deals: Mapping[str, str] = field(default_factory=dict)

    def told(self, event: Event) -> list[Amendment]:
        """All that was told of the deal of an `opportunity.updated` until then, and that."""
        itself = Amendment(event.id, event.sequence, event.data["before"], event.data["after"])
        told = self.amendments.get(event.subject_id, ())
        return [*(one for one in told if (one.sequence, one.event_id) < (event.sequence, event.id)), itself]
