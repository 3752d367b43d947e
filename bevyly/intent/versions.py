"""Putting a model version in use: one statement for people, who may want an older one back, and for the pipeline.

The function `promote_model_version` retires the one before, and writes down what the score is shown as from then on. It
knows versions of the tenant only; `customer_id` None stands for the pooled ones, which the API's role may not change.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text

BY_TRAINING, BY_PERSON, BY_MONITORING = "training", "promotion", "monitoring"
PIPELINE = ("pipeline", None)

_PROMOTE = """
select kind, previous, changed
from promote_model_version(:customer_id, :version_id, :reason, :cause, :actor_type, :actor_id, :change_id, :at)
"""


def promotion(
    *,
    customer_id: str | None,
    version_id: str,
    reason: str,
    cause: str,
    actor: tuple[str, str | None],
    change_id: str,
    at: datetime,
) -> TextClause:
    """The statement; its row is (kind, previous, changed), all null where the tenant has no such version."""
    values: dict[str, Any] = {
        "customer_id": customer_id,
        "version_id": version_id,
        "reason": reason,
        "cause": cause,
        "actor_type": actor[0],
        "actor_id": actor[1],
        "change_id": change_id,
        "at": at,
    }
    return text(_PROMOTE).bindparams(**values)
