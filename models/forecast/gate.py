"""The forecast in use against a newer one, on deals of which neither knew how they would end.

Belongs here: the verdict, in the words of `gates`. Loss is the CRPS of the day of winning, each with its own chance:
worse for certain is refused, not worse by more than a margin is put in use, else more outcomes are waited for.
"""

from datetime import datetime

import polars as pl

from models import gates
from models.forecast.judging import beside, crps
from models.forecast.landmarks import OPEN, follow_up, landmarks
from models.forecast.model import ForecastModel

MARGIN = 0.05  # of the loss of the one in use


def compare(
    champion: ForecastModel,
    challenger: ForecastModel,
    snapshots: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    as_of: datetime,
    looked: int = 0,
    seed: int = 0,
) -> gates.Verdict:
    """The verdict on snapshots after both were trained, as known at `as_of` (aware); of the tenants that are given."""
    since = max(champion.as_of, challenger.as_of)
    rows = landmarks(snapshots.filter(pl.col("as_of") > since), outcomes, as_of=as_of)
    ended = rows.filter(pl.col("cause") != OPEN)["opportunity_id"].n_unique()
    look = gates.next_look(ended, looked)
    if not look:
        needed = next((one for one in gates.LOOKS if one > max(looked, ended)), gates.LOOKS[-1])
        reason = f"{ended} outcomes that neither learned from; the next look is at {needed}"
        return gates.Verdict(outcome=gates.WAITING, reason=reason, look=0, figures={"entities": ended})
    facts = rows["cause"].to_numpy(), rows["elapsed"].to_numpy(), follow_up(rows, as_of=as_of)
    first, second = (crps(model.won(rows), *facts) for model in (champion, challenger))
    found = beside(first, second, rows["opportunity_id"].rank("dense").to_numpy(), seed=seed)
    told = f"days off by {found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f}) more, of {found.first:.3f}"
    figures = {"entities": ended, "rows": rows.height, "crps": vars(found)}
    if found.low > 0:
        return gates.Verdict(outcome=gates.REFUSED, reason=f"it is worse: {told}", look=look, figures=figures)
    if found.high <= MARGIN * found.first:
        reason = f"not worse than the one before: {told}"
        return gates.Verdict(outcome=gates.PROMOTED, reason=reason, look=look, figures=figures)
    last = look == gates.LOOKS[-1]
    reason = f"not shown to be as good as the one in use: {told}" if last else f"undecided: {told}"
    return gates.Verdict(outcome=gates.REFUSED if last else gates.WAITING, reason=reason, look=look, figures=figures)
