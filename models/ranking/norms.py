"""What a tenant's deals are worth when nothing better is known.

Belongs here: norms over outcomes. Norms of stages come from marts.stage_norms.
"""

from datetime import datetime

import polars as pl


def tenant_norms(tenants: pl.DataFrame, outcomes: pl.DataFrame, *, as_of: datetime) -> pl.DataFrame:
    """`tenants` (customer_id, currency) with median_won_minor: of deals won in that currency, else of all its deals."""
    priced = outcomes.filter(pl.col("value_minor").is_not_null() & (pl.col("opened_at") <= as_of)).join(
        tenants.select("customer_id", pl.col("currency").alias("own")), on="customer_id", how="inner"
    )
    same = priced.filter(pl.col("currency").fill_null(pl.col("own")) == pl.col("own"))
    won = (pl.col("outcome") == "won") & (pl.col("decided_at") <= as_of)
    value = pl.col("value_minor").cast(pl.Float64)
    medians = same.group_by("customer_id").agg(
        pl.coalesce(value.filter(won).median(), value.median()).alias("median_won_minor")
    )
    return tenants.select("customer_id", "currency").join(medians, on="customer_id", how="left", maintain_order="left")
