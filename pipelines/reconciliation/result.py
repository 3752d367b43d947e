"""What a reconciliation found: counts per tenant and day, and the names of events that are not where they belong."""

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from bevyly.errors import Invalid

# clocks of relay, broker and database may differ by this much, and no event is judged by its time alone
SLACK = timedelta(minutes=15)
MISSING_IN_RAW = "missing_in_raw"
MISSING_ON_KAFKA = "missing_on_kafka"
UNKNOWN = "unknown_origin"
DOUBLED = "doubled"
DIFFERING = "differing"
OUT_OF_ORDER = "out_of_order"
KINDS = (MISSING_IN_RAW, MISSING_ON_KAFKA, UNKNOWN, DOUBLED, DIFFERING, OUT_OF_ORDER)


@dataclass(frozen=True, kw_only=True)
class Window:
    """From when until when (exclusive) events were published, and of which tenant (None: all)."""

    since: datetime
    until: datetime
    tenant: str | None = None

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise Invalid("A window needs instants with a time zone.")
        if self.since >= self.until:
            raise Invalid(f"Nothing lies between {self.since:%Y-%m-%d %H:%M} and {self.until:%Y-%m-%d %H:%M}.")

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the statements; `first` and `last` are the borders with slack."""
        return {
            "since": self.since,
            "until": self.until,
            "first": self.since - SLACK,
            "last": self.until + SLACK,
            "tenant": self.tenant,
        }


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One event that is not as it should be; `event_id` is None where a message cannot be read."""

    kind: str
    customer_id: str | None
    event_id: str | None
    published_at: datetime
    detail: str
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None


@dataclass(frozen=True, kw_only=True)
class TenantDay:
    """Distinct events of one tenant that were published on one UTC day, counted in each place.

    `set_aside`: dead letters of the ingest. `waiting`: still in the outbox, or not reached by the ingest. `repeats`:
    messages on Kafka beyond the first of their event. `forgotten`: no longer kept by Kafka, known to raw events.
    `unjournaled`: from before the journal begins. `customer_id` is None for messages that cannot be read.
    """

    customer_id: str | None
    tenant: str
    day: date
    journal: int
    kafka: int
    raw: int
    set_aside: int
    waiting: int
    repeats: int
    forgotten: int
    unjournaled: int
    missing_in_raw: int
    missing_on_kafka: int
    unknown_origin: int
    doubled: int
    differing: int
    out_of_order: int

    @property
    def damage(self) -> dict[str, int]:
        """How many events each kind of damage has hit, where any."""
        return {kind: number for kind in KINDS if (number := getattr(self, kind))}


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The outcome for one window. Counts in `rows` are exact; `findings` names at most as many a kind as were asked."""

    window: Window
    rows: tuple[TenantDay, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def proven(self) -> bool:
        """Whether nothing is missing, doubled, different, of unknown origin or out of order."""
        return not any(row.damage for row in self.rows)

    @property
    def complete(self) -> bool:
        """Whether journal and Kafka still had all of the window to show."""
        return not (self.total("forgotten") or self.total("unjournaled"))

    @property
    def settled(self) -> bool:
        """Whether nothing is on its way."""
        return self.total("waiting") == 0

    @property
    def missing(self) -> tuple[Finding, ...]:
        """Events that raw events or Kafka lack."""
        return self.named(MISSING_IN_RAW, MISSING_ON_KAFKA)

    @property
    def doubled(self) -> tuple[Finding, ...]:
        """Events that raw events hold twice."""
        return self.named(DOUBLED)

    @property
    def unknown(self) -> tuple[Finding, ...]:
        """Events that Kafka or raw events hold and nobody published."""
        return self.named(UNKNOWN)

    @property
    def differing(self) -> tuple[Finding, ...]:
        """Events whose content is not the same everywhere."""
        return self.named(DIFFERING)

    @property
    def out_of_order(self) -> tuple[Finding, ...]:
        """Events that came after a later one of their subject."""
        return self.named(OUT_OF_ORDER)

    def named(self, *kinds: str) -> tuple[Finding, ...]:
        """Findings of these kinds."""
        return tuple(finding for finding in self.findings if finding.kind in kinds)

    def total(self, count: str) -> int:
        """The sum of one count over all rows."""
        return sum(int(getattr(row, count)) for row in self.rows)

    def as_document(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "since": self.window.since,
            "until": self.window.until,
            "tenant": self.window.tenant,
            "proven": self.proven,
            "complete": self.complete,
            "settled": self.settled,
            "rows": [asdict(row) for row in self.rows],
            "findings": [asdict(finding) for finding in self.findings],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }
