"""Simulated sales teams with a known truth: for checkouts without data sets, load tests, and models of effects.

The truth (chances, effects of actions) is returned beside the data set and never enters a database.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from bevyly.datasets.dataset import Dataset, Tenant, assemble
from bevyly.datasets.synthetic.calendar import WorkingTime
from bevyly.datasets.synthetic.news import draw_news
from bevyly.datasets.synthetic.rows import NAME, Rows
from bevyly.datasets.synthetic.touches import deal_touches, lead_touches
from bevyly.datasets.synthetic.world import ACTION_CAP, ACTION_EFFECTS, World, draw_world
from bevyly.errors import Invalid

MAX_MONTHS: Final = 60
_NEWS: Final = 1

__all__ = ["NAME", "Simulation", "simulate"]


@dataclass(frozen=True)
class Simulation:
    """A data set and its truth: each opportunity's chance to win, and what each kind of action adds to its logit.

    A chance is that of the deal's whole life, with the actions that are still to come.
    """

    dataset: Dataset
    truth: pl.DataFrame


def simulate(tenant: Tenant, *, months: int, seed: int, until: datetime, number: int = 0) -> Simulation:
    """`months` months of work of tenant `number`, which end at `until`. Equal arguments give equal data.

    Raises `Invalid` where `months` is not between 1 and 60.
    """
    if not 1 <= months <= MAX_MONTHS:
        raise Invalid(f"--months is {months}: choose between 1 and {MAX_MONTHS}.")
    rng = np.random.default_rng([seed, number])
    time = WorkingTime.ending(until, months=months)
    horizon = time.days(until)
    world = draw_world(rng, months=months, horizon=horizon)
    touches = {"deal": deal_touches(rng, world, horizon=horizon), "lead": lead_touches(rng, world)}
    news = draw_news(np.random.default_rng([seed, number, _NEWS]), world, touches)
    rows = Rows(world, tenant=tenant, time=time, until=until)
    draft = rows.draft(rng, touches, news)
    options: dict[str, str | int | bool] = {
        "seed": seed,
        "months": months,
        "number": number,
        "until": until.isoformat(),
    }
    dataset = assemble(draft, name=NAME, tenant=tenant, shift_weeks=0, options=options)
    return Simulation(dataset, _truth(world, rows, dataset))


def _truth(world: World, rows: Rows, dataset: Dataset) -> pl.DataFrame:
    known = world.deals.with_columns(rows.ids("deal", world.deals["deal"]).alias("opportunity_id"))
    return known.join(dataset.opportunities.select(opportunity_id="id"), on="opportunity_id", how="semi").select(
        pl.lit(dataset.tenant.customer_id).alias("customer_id"),
        "opportunity_id",
        "regime",
        "interest",
        "base_logit",
        *(f"{name}s" for name in ACTION_EFFECTS),
        *(pl.lit(effect).alias(f"effect_of_{name}") for name, effect in ACTION_EFFECTS.items()),
        pl.lit(ACTION_CAP).alias("effect_cap"),
        "logit",
        "win_probability",
        "won",
    )
