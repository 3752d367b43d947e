"""A newer forecast is used once it is shown to be no worse, on deals that neither knew the end of."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from models import gates
from models.forecast.gate import compare
from models.forecast.model import ForecastModel, train

Marts = tuple[pl.DataFrame, pl.DataFrame]


def worse(model: ForecastModel) -> ForecastModel:
    """One that takes every deal to be lost."""
    tenants = {name: table * np.array([0.05, 1.0])[:, None] for name, table in model.closing.tenants.items()}
    return replace(model, closing=replace(model.closing, tenants=tenants))


def test_it_waits_for_outcomes_and_then_passes_only_if_no_worse(world: Marts, then: datetime) -> None:
    first = train(*world, as_of=then - timedelta(days=56), compare=False)
    newer = train(*world, as_of=then - timedelta(days=28), compare=False)
    later = {"as_of": then + timedelta(days=112)}
    early = compare(first, newer, *world, as_of=then - timedelta(days=27))
    assert (early.outcome, early.look) == (gates.WAITING, 0)
    assert "next look is at 50" in early.reason
    passed = compare(first, newer, *world, **later)
    assert (passed.outcome, passed.look) == (
        gates.PROMOTED,
        gates.next_look(passed.figures["entities"], 0),
    )
    refused = compare(first, worse(newer), *world, **later)
    assert refused.outcome == gates.REFUSED
    assert compare(worse(first), newer, *world, **later).outcome == gates.PROMOTED
    assert compare(first, newer, *world, **later, looked=400).outcome == gates.WAITING, "each look is taken once"
