"""What happens to people and companies of a simulated tenant: who leaves for another company, who grows, who shrinks.

Some deals are silent because their contact is gone, some swell because the company does: what is seen of it says
something about the outcome, through the regime that the world gave the deal. Some who bought take their next job
elsewhere. Drawn apart, so that the rest of a simulated tenant is as it was without it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from bevyly.datasets.synthetic.world import World

_SILENT_FOR_A_MOVE: Final = 0.4
_BUYERS_WHO_MOVE: Final = 0.2
_SIZE_CHANGES: Final = {"silent": (0.2, -1), "surge": (0.3, 1), "steady": (0.03, 1), "ghosted": (0.03, -1)}


@dataclass(frozen=True)
class News:
    """`moves`: contact, at, account (where to). `sizes`: account, at, factor of headcount. Times in working days."""

    moves: pl.DataFrame
    sizes: pl.DataFrame


def draw_news(rng: np.random.Generator, world: World, touches: dict[str, pl.DataFrame]) -> News:
    """News of a world; who leaves is not heard of where they were any more."""
    return News(moves=_moves(rng, world, touches), sizes=_sizes(rng, world))


def _moves(rng: np.random.Generator, world: World, touches: dict[str, pl.DataFrame]) -> pl.DataFrame:
    deals = world.deals.with_columns(turned=pl.col("opened") + pl.col("turn") * pl.col("life"))
    silent = deals.filter(pl.col("regime") == "silent")
    left = silent.filter(pl.Series(rng.random(silent.height) < _SILENT_FOR_A_MOVE))
    won = deals.filter("won")
    bought = won.filter(pl.Series(rng.random(won.height) < _BUYERS_WHO_MOVE))
    later = pl.Series(rng.uniform(5, 40, bought.height))
    moves = pl.concat(
        [
            left.select("contact", at=pl.col("turned") + 0.5),
            bought.select("contact", at=pl.col("opened") + pl.col("life") + later),
        ]
    )
    to = rng.integers(1, world.accounts.height, moves.height)
    last = (
        pl.concat([frame.select("contact", "at") for frame in touches.values()])
        .group_by("contact")
        .agg(last=pl.col("at").max())
    )
    home = world.contacts.select("contact", "account")
    return (
        moves.with_columns(to=pl.Series(to))
        .join(home, on="contact", maintain_order="left")
        .join(last, on="contact", how="left", maintain_order="left")
        .filter(pl.col("last").is_null() | (pl.col("last") < pl.col("at")))
        .sort("contact", "at")
        .unique("contact", keep="first", maintain_order=True)
        .select("contact", "at", account=(pl.col("account") + pl.col("to")) % world.accounts.height)
    )


def _sizes(rng: np.random.Generator, world: World) -> pl.DataFrame:
    deals = world.deals
    chance = deals["regime"].replace_strict({name: share for name, (share, _) in _SIZE_CHANGES.items()})
    sign = deals["regime"].replace_strict({name: sign for name, (_, sign) in _SIZE_CHANGES.items()})
    changed = pl.Series(rng.random(deals.height)) < chance
    size = pl.Series(rng.uniform(0.22, 0.6, deals.height)) * sign
    return (
        deals.with_columns(factor=1 + size, at=pl.col("opened") + pl.col("turn") * pl.col("life"))
        .filter(changed)
        .sort("account", "at")
        .unique("account", keep="first", maintain_order=True)
        .select("account", "at", "factor")
    )
