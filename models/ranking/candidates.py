"""Every action that is called for, with everything known about its entity.

Belongs here: joining findings, actions and entities. Choosing among candidates is `choose`.
"""

import polars as pl

from models.explanations import OTHER
from models.ranking.catalogue import ACTIONS, BY_HYGIENE, Action
from models.ranking.chances import REASON, with_chances
from models.signals.detector import ACCOUNT, LEAD, OPPORTUNITY
from models.signals.frames import Frames, prepare
from models.signals.text import money
from models.texts import INCIDENTAL

_CARRIED = (
    "owner_id", "name", "currency", "amount", "amount_minor", "p", "p_low", "p_high", "display", "band",
    "model_version_id", "score_reasons", "as_of",
)  # fmt: skip


def entities(frames: Frames, entity_type: str, tenants: pl.DataFrame, zombies: pl.DataFrame) -> pl.DataFrame | None:
    """Mart rows of `entity_type` with habits, chances, amounts and norms; `tenants` as in `norms.tenant_norms`."""
    rows = prepare(frames, entity_type)
    if rows is None:
        return None
    known = tenants.select("customer_id", pl.col("currency").alias("tenant_currency"), "median_won_minor")
    rows = with_chances(rows, entity_type, frames.scores).join(
        known, on="customer_id", how="left", maintain_order="left"
    )
    if entity_type == ACCOUNT:
        rows = rows.with_columns(value_minor=pl.lit(None, dtype=pl.Float64), currency=pl.lit(None, dtype=pl.String))
    own = pl.col("value_minor").cast(pl.Float64)
    rows = rows.with_columns(
        pl.coalesce(own, "median_won_minor").alias("amount"),
        pl.coalesce(own, "median_won_minor").cast(pl.Int64).alias("amount_minor"),
        # An amount without a currency is the tenant's; the median is in the tenant's currency.
        pl.when(own.is_null())
        .then(pl.col("tenant_currency"))
        .otherwise(pl.coalesce("currency", "tenant_currency"))
        .alias("currency"),
        pl.col("as_of").dt.cast_time_unit("us"),
    )
    marked = zombies.with_columns(pl.lit(value=True).alias("is_zombie"))
    keys = ["customer_id", "entity_type", "entity_id"]
    return rows.join(marked, on=keys, how="left", maintain_order="left").with_columns(
        pl.col("is_zombie").fill_null(value=False)
    )


def candidates(called: pl.DataFrame, frames: Frames, zombies: pl.DataFrame, tenants: pl.DataFrame) -> pl.DataFrame:
    """One row an action that is called for and possible, over all entities; empty where nothing is.

    `zombies`: entities that are old and silent (`findings.zombies`), whether or not that pattern was kept.
    """
    parts = []
    for entity_type in (OPPORTUNITY, LEAD, ACCOUNT):
        rows = entities(frames, entity_type, tenants, zombies)
        for action in ACTIONS if rows is not None else ():
            wanted = called.filter(
                (pl.col("action_type") == action.action_type) & (pl.col("entity_type") == entity_type)
            )
            if rows is not None and not wanted.is_empty():
                parts.append(_of_action(rows, wanted, action))
    return pl.concat(parts) if parts else pl.DataFrame()


def _of_action(rows: pl.DataFrame, wanted: pl.DataFrame, action: Action) -> pl.DataFrame:
    # Marts differ by entity; a column that an action reads and this mart lacks is unknown.
    needed = {
        name for expr in (action.possible, action.done, *action.payload.values()) for name in expr.meta.root_names()
    }
    absent = sorted((needed | set(action.counters)) - set(rows.columns))
    known = rows.with_columns(pl.lit(None).alias(name) for name in absent)
    joined = wanted.join(known, on=["customer_id", "entity_type", "entity_id"], how="inner", maintain_order="left")
    joined = joined.filter(action.possible.fill_null(value=False))
    baseline = pl.struct(pl.col(name).cast(pl.Float64) for name in action.counters) if action.counters else pl.lit(None)
    payload = pl.struct(
        pl.lit(action.action_type).alias("type"),
        *(value.alias(name) for name, value in action.payload.items()),
        baseline.alias("baseline"),
    )
    return joined.with_columns(
        action.done.fill_null(value=False).cast(pl.Boolean).alias("done"),
        payload.struct.json_encode().alias("payload"),
        pl.lit(action.cause).alias("cause"),
        pl.lit(action.valued).alias("valued"),
        pl.lit(float(action.minutes)).alias("minutes"),
    ).select(*wanted.columns, *_CARRIED, "done", "payload", "cause", "valued", "minutes")


def reasons() -> pl.Expr:
    """Up to three reasons for and two against from the score, then what was found; the rest is left to the score.

    What keeps records true is worth doing whatever the chance.
    """
    feature = pl.element().struct.field("code").str.split(":").list.first()
    told = pl.col("score_reasons").list.filter(~feature.is_in([OTHER, *sorted(INCIDENTAL)]))
    contribution = pl.element().struct.field("contribution")
    bright = told.list.filter(contribution > 0).list.head(3)
    dark = told.list.filter(contribution < 0).list.head(2)
    empty = pl.lit([], dtype=pl.List(REASON))
    bright, dark = (pl.when(pl.col("valued") != BY_HYGIENE).then(some) for some in (bright, dark))
    return pl.concat_list(pl.coalesce(bright, empty), pl.coalesce(dark, empty), pl.coalesce("signal_reasons", empty))


def named_amount() -> pl.Expr:
    """The amount in words, or nothing."""
    return pl.when(pl.col("amount_minor").is_not_null()).then(money(pl.col("amount_minor"), pl.col("currency")))
