"""What detectors are worth to a tenant, where it draws its lines, and what people said of them.

Writer: `pipelines`; the word of a person through the API.
"""

from sqlalchemy import Double, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import (
    Base,
    Code,
    Id,
    Instant,
    tenant_fk,
)


class DetectorStanding(Base):
    """How often a detector was right for a tenant, and what follows from it. Written by the pipeline.

    `n` and `hits` count decided records that showed it. A comparison with records alike that did not is worth `votes`
    cases, of which `votes_right` ended as announced and `expected` would have anyway.
    """

    __tablename__ = "detector_standings"

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    signal_type: Mapped[Code] = mapped_column(primary_key=True)
    n: Mapped[int]
    hits: Mapped[int]
    votes: Mapped[float] = mapped_column(Double)
    votes_right: Mapped[float] = mapped_column(Double)
    expected: Mapped[float] = mapped_column(Double)
    precision: Mapped[float | None] = mapped_column(Double)
    precision_low: Mapped[float | None] = mapped_column(Double)
    precision_high: Mapped[float | None] = mapped_column(Double)
    lift: Mapped[float | None] = mapped_column(Double)
    lift_low: Mapped[float | None] = mapped_column(Double)
    lift_high: Mapped[float | None] = mapped_column(Double)
    odds: Mapped[float] = mapped_column(Double, comment="times those of records that were alike")
    odds_high: Mapped[float] = mapped_column(Double)
    lead_days: Mapped[float | None] = mapped_column(Double)
    lead_days_low: Mapped[float | None] = mapped_column(Double)
    lead_days_high: Mapped[float | None] = mapped_column(Double)
    answered: Mapped[int] = mapped_column(comment="answers of people to recommendations that stood on it")
    wrong: Mapped[int]
    not_useful: Mapped[int]
    weight: Mapped[float] = mapped_column(Double, comment="how loud it is: 1 where nothing is known")
    muted: Mapped[bool] = mapped_column(
        comment="by the rule; a person's word goes before: see the view muted_detectors"
    )
    reason: Mapped[str | None]
    since: Mapped[Instant]
    computed_at: Mapped[Instant]


class DetectorOverride(Base):
    """What a person said of a detector: muted or not, whatever the rule says. Written by the API."""

    __tablename__ = "detector_overrides"
    __table_args__ = (tenant_fk("set_by", "users"),)

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    signal_type: Mapped[Code] = mapped_column(primary_key=True)
    muted: Mapped[bool]
    reason: Mapped[str | None]
    set_by: Mapped[Id]
    set_at: Mapped[Instant]


class DetectorLine(Base):
    """A threshold that a tenant's outcomes moved, for all stages (`stage` is empty) or one. Written by the pipeline."""

    __tablename__ = "detector_lines"

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    name: Mapped[Code] = mapped_column(primary_key=True)
    stage: Mapped[Code] = mapped_column(primary_key=True)
    value: Mapped[float] = mapped_column(Double)
    n: Mapped[int]
    gain: Mapped[float] = mapped_column(Double, comment="over the default, in standard deviations of chance")
    learned_at: Mapped[Instant]
