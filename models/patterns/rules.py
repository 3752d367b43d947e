"""Patterns with a name: which signals make them, in words for a person in sales.

Belongs here: definitions. Whether a pattern has meant anything for a tenant is measured in `lift`.
"""

from dataclasses import dataclass

import polars as pl

from models.signals.detector import ACCOUNT, LEAD, OPPORTUNITY


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A pattern holds where every group has a signal that is open, and `where` is true of the entity's mart row.

    `stability` is that of a discovered cluster (`clusters`); a named pattern has none.
    """

    pattern_type: str
    entity_type: str
    polarity: str
    groups: tuple[tuple[str, ...], ...]
    title: str
    where: pl.Expr | None = None
    stability: float | None = None

    @property
    def discovered(self) -> bool:
        """Whether it was found in a history instead of being named."""
        return self.stability is not None

    @property
    def members(self) -> tuple[str, ...]:
        """Every signal type that may be part of it."""
        return tuple(sorted({name for group in self.groups for name in group}))

    def conditions(self) -> list[pl.Expr]:
        """One expression a group: true where any of its signals is."""
        return [pl.any_horizontal([pl.col(name) for name in group]) for group in self.groups]

    def holds(self) -> pl.Expr:
        """True where the pattern is, over a frame with one boolean column a signal type and the mart's columns."""
        return pl.all_horizontal(
            [*self.conditions(), *([] if self.where is None else [self.where.fill_null(value=False)])]
        )


_QUIET = ("ghosted", "going_dark")
_DATES = ("close_date_overdue", "close_date_slipped", "close_date_unrealistic")
_AWAKE = ("engagement_surge", "high_intent_action")

NAMED: tuple[Rule, ...] = (
    Rule(
        pattern_type="zombie_deal",
        entity_type=OPPORTUNITY,
        polarity="-",
        groups=(("deal_aging",), _QUIET),
        title="Old and silent: it takes attention and gives nothing back",
    ),
    Rule(
        pattern_type="silent_slide",
        entity_type=OPPORTUNITY,
        polarity="-",
        groups=(_QUIET, ("deal_stalled", "close_date_slipped", "close_date_overdue", "engagement_drop")),
        title="Sliding away quietly: no answers, and no movement",
    ),
    Rule(
        pattern_type="champion_risk",
        entity_type=OPPORTUNITY,
        polarity="-",
        groups=(
            ("champion_left", "champion_unresponsive"),
            ("single_threaded", "missing_power", "deal_stalled", "no_next_step", "engagement_drop", *_DATES),
        ),
        title="Whoever speaks for us there is gone or silent, and nothing makes up for it",
    ),
    Rule(
        pattern_type="late_stage_fragile",
        entity_type=OPPORTUNITY,
        polarity="-",
        groups=(("single_threaded", "missing_power"), ("no_next_step", "engagement_drop", *_DATES)),
        title="Late and fragile: the right people are missing, and something else is",
        where=pl.col("stage").is_in(["proposal", "negotiation"]),
    ),
    Rule(
        pattern_type="forecast_fiction",
        entity_type=OPPORTUNITY,
        polarity="-",
        groups=(_DATES, ("going_dark", "deal_stalled", "no_next_step")),
        title="The forecast says soon, the deal says no",
    ),
    Rule(
        pattern_type="committee_forming",
        entity_type=OPPORTUNITY,
        polarity="+",
        groups=(("committee_surge", "new_stakeholder"), (*_AWAKE, "executive_engaged")),
        title="More people on their side are taking part",
        where=pl.col("contacts_engaged_30d") >= 3,
    ),
    Rule(
        pattern_type="warm_return",
        entity_type=OPPORTUNITY,
        polarity="+",
        groups=(_AWAKE, ("deal_aging", "deal_stalled")),
        title="Given up on, and now back in touch",
    ),
    Rule(
        pattern_type="hot_lead_neglected",
        entity_type=LEAD,
        polarity="-",
        groups=(("lead_ready",), ("lead_untouched", "going_dark", "ownership_gap")),
        title="Likely to buy, and nobody is talking to them",
    ),
    Rule(
        pattern_type="in_market_no_deal",
        entity_type=ACCOUNT,
        polarity="+",
        groups=(("engagement_surge",),),
        title="Active at this account, and no deal is open",
        where=(pl.col("open_opportunities").fill_null(0.0) == 0) & (pl.col("won_opportunities").fill_null(0.0) == 0),
    ),
    Rule(
        pattern_type="expansion_window",
        entity_type=ACCOUNT,
        polarity="+",
        groups=(("engagement_surge",),),
        title="A customer is getting active again, and no deal is open",
        where=(pl.col("open_opportunities").fill_null(0.0) == 0) & (pl.col("won_opportunities").fill_null(0.0) >= 1),
    ),
)
