"""What happens between people in a simulated tenant: mails both ways, calls, meetings, tasks, visits, proposals.

Frames of touches have `deal` or `lead` (index), `at` (working days), `type`, `kind`, `direction`, `contact` (index),
`serial` (which activity of that kind it is), and where it applies `due` (working days) and `duration_seconds`.
Counts of actions come from the world, where they have their effect; when they happen is drawn here.
"""

from typing import Final

import numpy as np
import polars as pl

from bevyly.datasets.synthetic.calendar import Floats, Ints
from bevyly.datasets.synthetic.world import World, sigmoid

KIND: Final = {"meeting": "meeting", "call": "call", "email": "email", "task": "task", "page": "page_view"}
_SURGE_DAYS: Final = 4.0
ATTEMPT_SECONDS: Final = (20, 120)
"""Of a call that waits for an answer, such as a message that was left. Who talks at length meets."""


def deal_touches(rng: np.random.Generator, world: World, *, horizon: float) -> pl.DataFrame:
    """Touches of all deals; the regime of a deal decides what stops or swells at its turn."""
    deals = world.deals
    people = _involved(world)
    frames = [
        *_mails(rng, deals, people),
        _single(rng, deals, people, column="calls", type_="call.completed", kind="call"),
        *_meetings(rng, deals, people),
        *_tasks(rng, deals),
        _surges(rng, deals, people, horizon),
        *_proposals(rng, deals),
    ]
    turned = pl.col("opened") + pl.col("turn") * pl.col("life")
    late = pl.col("at") > turned
    dropped = (late & (pl.col("regime") == "silent")) | (
        late & (pl.col("regime") == "ghosted") & ((pl.col("direction") == "inbound") | (pl.col("kind") == "meeting"))
    )
    joined = pl.concat(frames, how="diagonal").join(
        deals.select("deal", "opened", "life", "turn", "regime"), on="deal", maintain_order="left"
    )
    alive = pl.col("at") < pl.col("opened") + pl.col("life")
    return joined.filter(alive & ~dropped).drop("opened", "life", "turn", "regime")


def lead_touches(rng: np.random.Generator, world: World) -> pl.DataFrame:
    """Touches of all leads: their own visits and forms, and what the rep does where somebody does anything."""
    leads = world.leads
    visits = rng.poisson(2 * np.exp(0.7 * leads["interest"].to_numpy()))
    touched = leads["touched"].to_numpy()
    forms = (rng.random(leads.height) < 0.6).astype(np.int64)
    worked = np.where(touched, 1 + rng.poisson(2.0, leads.height), 0)
    calls = np.where(touched, rng.poisson(1.2, leads.height), 0)
    replies = np.minimum(rng.binomial(worked, sigmoid(leads["interest"].to_numpy() - 0.3)), worked)
    return pl.concat(
        [
            _of_leads(
                leads, forms, np.full(forms.sum(), 0.001), type_="form.submitted", kind="form", direction="inbound"
            ),
            _of_leads(
                leads, visits, rng.random(visits.sum()), type_="page.viewed", kind="page_view", direction="inbound"
            ),
            _of_leads(
                leads, worked, rng.beta(1, 3, worked.sum()), type_="email.sent", kind="email", direction="outbound"
            ),
            _of_leads(
                leads, replies, rng.beta(2, 2, replies.sum()), type_="email.received", kind="email", direction="inbound"
            ),
            _of_leads(
                leads, calls, rng.beta(1, 2, calls.sum()), type_="call.completed", kind="call", direction="outbound"
            ).with_columns(duration_seconds=pl.Series(rng.integers(*ATTEMPT_SECONDS, calls.sum()))),
        ],
        how="diagonal",
    )


def _of_leads(
    leads: pl.DataFrame, counts: Ints, share: Floats, *, type_: str, kind: str, direction: str
) -> pl.DataFrame:
    lead = np.repeat(np.arange(leads.height), counts)
    at = leads["created"].to_numpy()[lead] + share * leads["life"].to_numpy()[lead]
    columns = {"lead": lead, "at": at, "contact": leads["contact"].to_numpy()[lead], "serial": np.arange(len(lead))}
    return pl.DataFrame(columns).with_columns(type=pl.lit(type_), kind=pl.lit(kind), direction=pl.lit(direction))


class _People:
    """Who at the customer takes part in a deal: its contact first, then others of the account."""

    def __init__(self, first: Ints, base: Ints, size: Ints, involved: Ints) -> None:
        self.first, self.base, self.size, self.involved = first, base, size, involved

    def pick(self, rng: np.random.Generator, deal: Ints) -> Ints:
        """One of them for each of the deals."""
        step = np.floor(rng.random(len(deal)) * self.involved[deal]).astype(np.int64)
        position = (self.first[deal] - self.base[deal] + step) % self.size[deal]
        chosen: Ints = self.base[deal] + position
        return chosen


def _involved(world: World) -> _People:
    sizes = world.contacts.group_by("account", maintain_order=True).len()["len"].cast(pl.Int64).to_numpy()
    bases = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    account = world.deals["account"].to_numpy()
    return _People(
        world.deals["contact"].to_numpy(), bases[account], sizes[account], world.deals["contacts"].to_numpy()
    )


def _spread(rng: np.random.Generator, deals: pl.DataFrame, counts: Ints) -> tuple[Ints, Floats]:
    """The deal of each action and when it happens: in the part of the life in which its regime lets it happen."""
    deal = np.repeat(np.arange(deals.height), counts)
    life = deals["life"].to_numpy() * np.where(deals["regime"].to_numpy() == "silent", deals["turn"].to_numpy(), 1.0)
    return deal, deals["opened"].to_numpy()[deal] + 0.02 + 0.96 * rng.random(len(deal)) * life[deal]


def _touch(deal: Ints, at: Floats, contact: Ints, *, type_: str, kind: str, direction: str) -> pl.DataFrame:
    return pl.DataFrame({"deal": deal, "at": at, "contact": contact, "serial": np.arange(len(deal))}).with_columns(
        type=pl.lit(type_), kind=pl.lit(kind), direction=pl.lit(direction)
    )


def _single(
    rng: np.random.Generator, deals: pl.DataFrame, people: _People, *, column: str, type_: str, kind: str
) -> pl.DataFrame:
    deal, at = _spread(rng, deals, deals[column].to_numpy())
    frame = _touch(deal, at, people.pick(rng, deal), type_=type_, kind=kind, direction="outbound")
    return frame.with_columns(duration_seconds=pl.Series(rng.integers(*ATTEMPT_SECONDS, len(deal))))


def _mails(rng: np.random.Generator, deals: pl.DataFrame, people: _People) -> list[pl.DataFrame]:
    """Mails out; some are opened, some answered: the more, the more the customer is interested."""
    deal, at = _spread(rng, deals, deals["emails"].to_numpy())
    sent = _touch(deal, at, people.pick(rng, deal), type_="email.sent", kind="email", direction="outbound")
    chance = sigmoid(0.9 * deals["interest"].to_numpy()[deal])
    opened = sent.filter(pl.Series(rng.random(len(deal)) < 0.4 + 0.4 * chance))
    replied = sent.filter(pl.Series(rng.random(len(deal)) < chance))
    inbound = pl.lit("inbound")
    return [
        sent,
        opened.with_columns(
            at=pl.col("at") + pl.Series(rng.exponential(0.3, opened.height)),
            type=pl.lit("email.opened"),
            direction=inbound,
        ),
        replied.with_columns(
            at=pl.col("at") + pl.Series(0.05 + rng.exponential(1.0, replied.height)),
            type=pl.lit("email.received"),
            direction=inbound,
        ),
    ]


def _meetings(rng: np.random.Generator, deals: pl.DataFrame, people: _People) -> list[pl.DataFrame]:
    deal, at = _spread(rng, deals, deals["meetings"].to_numpy())
    due = at + rng.uniform(1, 8, len(deal))
    planned = _touch(
        deal, at, people.pick(rng, deal), type_="meeting.scheduled", kind="meeting", direction="outbound"
    ).with_columns(due=pl.Series(due))
    held = planned.filter(pl.Series(rng.random(len(deal)) < 0.85)).with_columns(
        at=pl.col("due"),
        type=pl.lit("meeting.completed"),
        duration_seconds=pl.lit(2_700, pl.Int64),
    )
    return [planned, held]


def _tasks(rng: np.random.Generator, deals: pl.DataFrame) -> list[pl.DataFrame]:
    counts = rng.poisson(0.06 * deals["life"].to_numpy())
    deal, at = _spread(rng, deals, counts)
    planned = _touch(
        deal, at, deals["contact"].to_numpy()[deal], type_="task.created", kind="task", direction="internal"
    ).with_columns(due=pl.Series(at + rng.uniform(1, 10, len(deal))))
    done = planned.filter(pl.Series(rng.random(len(deal)) < 0.7)).with_columns(
        at=pl.col("due") - 0.2, type=pl.lit("task.completed")
    )
    return [planned, done]


def _surges(rng: np.random.Generator, deals: pl.DataFrame, people: _People, horizon: float) -> pl.DataFrame:
    """A week of many visits and clicks; where the deal is still open at the end, it is the last week."""
    surging = (deals["regime"] == "surge").to_numpy()
    deal = np.repeat(np.arange(deals.height), np.where(surging, rng.integers(8, 15, deals.height), 0))
    opened, life, turn = (deals[name].to_numpy() for name in ("opened", "life", "turn"))
    still_open = opened + life > horizon
    start = np.where(still_open, np.maximum(horizon - _SURGE_DAYS, opened), opened + turn * life)
    at = start[deal] + rng.random(len(deal)) * _SURGE_DAYS
    types = [("page.viewed", "page_view"), ("email.clicked", "email"), ("email.received", "email")]
    chosen = rng.integers(len(types), size=len(deal))
    frame = _touch(deal, at, people.pick(rng, deal), type_="", kind="", direction="inbound")
    # apart from the serials of mails
    return frame.with_columns(
        type=pl.Series(np.array([t for t, _ in types])[chosen]),
        kind=pl.Series(np.array([k for _, k in types])[chosen]),
        serial=pl.col("serial") + 1_000_000,
    )


def _proposals(rng: np.random.Generator, deals: pl.DataFrame) -> list[pl.DataFrame]:
    """A proposal when its stage is entered; an answer from those who are interested."""
    offered = deals.filter(pl.col("reached") >= 2)
    deal, contact = offered["deal"].to_numpy(), offered["contact"].to_numpy()
    sent = _touch(
        deal,
        offered["proposal_at"].to_numpy() + 0.05,
        contact,
        type_="proposal.sent",
        kind="proposal",
        direction="outbound",
    )
    answers = rng.random(offered.height) < sigmoid(0.5 + offered["interest"].to_numpy())
    replied = sent.filter(pl.Series(answers)).with_columns(
        at=pl.col("at") + pl.Series(0.5 + rng.exponential(2, int(answers.sum()))),
        type=pl.lit("proposal.replied"),
        direction=pl.lit("inbound"),
    )
    return [sent, replied]
