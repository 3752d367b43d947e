"""A data set's events in the two shapes that others read: envelopes for the outbox, rows of `raw.events`.

The envelope has the keys of `bevyly.events.envelope.Event`, in its order; a test reads them back through it.
"""

from typing import Final

import polars as pl

from bevyly.datasets.dataset import Dataset
from bevyly.datasets.jsontext import json_object, rfc3339
from bevyly.events.catalogue import topic_of

SCHEMA_VERSION: Final = 1


def outbox_frame(dataset: Dataset) -> pl.DataFrame:
    """`position`, `event_id`, `topic` and `envelope` of each event, in order of position."""
    return dataset.events.select("position", "event_id", topic=_topic(dataset), envelope=_envelope(dataset))


def events_frame(dataset: Dataset) -> pl.DataFrame:
    """The columns of `raw.events` but those the database gives, as if every event had come through one partition."""
    return dataset.events.select(
        pl.lit(dataset.tenant.customer_id).alias("customer_id"),
        "event_id",
        "type",
        pl.lit(SCHEMA_VERSION, pl.Int16).alias("schema_version"),
        "subject_type",
        "subject_id",
        "sequence",
        "occurred_at",
        "recorded_at",
        "data",
        pl.lit(dataset.source).alias("source"),
        pl.lit(None, pl.String).alias("causation_id"),
        pl.lit(None, pl.String).alias("correlation_id"),
        _topic(dataset).alias("topic"),
        pl.lit(0, pl.Int32).alias("partition"),
        (pl.col("position") - 1).alias("offset"),
    )


def _topic(dataset: Dataset) -> pl.Expr:
    topics = {type_: topic_of(type_) for type_ in dataset.events["type"].unique()}
    return pl.col("type").replace_strict(topics, return_dtype=pl.String)


def _envelope(dataset: Dataset) -> pl.Expr:
    head = json_object(
        {
            "id": pl.col("event_id"),
            "type": pl.col("type"),
            "source": pl.lit(dataset.source),
            "subject": pl.format("{}/{}", "subject_type", "subject_id"),
            "tenantid": pl.lit(dataset.tenant.customer_id),
            "sequence": pl.col("sequence"),
            "time": rfc3339(pl.col("occurred_at")),
            "recordedtime": rfc3339(pl.col("recorded_at")),
        },
        raw={
            "data": pl.col("data"),
            "schemaversion": pl.lit(str(SCHEMA_VERSION)),
            "causationid": pl.lit("null"),
            "correlationid": pl.lit("null"),
            "specversion": pl.lit('"1.0"'),
            "datacontenttype": pl.lit('"application/json"'),
        },
    )
    return head
