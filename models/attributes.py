"""Custom fields: JSON text to columns, by a vocabulary learned from training rows.

Belongs here: which keys of `attributes` become features, of which kind, and reading them. Mart columns are
`encoding`'s.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

PREFIX = "attributes."
DOUBTFUL = "doubtful_"  # keys so prefixed may have been written after sales contact; a recipe decides
MAX_KEYS = 60
_NUMERIC_SHARE = 0.99


@dataclass(frozen=True, kw_only=True)
class Field:
    """One custom field that became a feature: numeric when `levels` is None, else one code per level (0 = rare)."""

    key: str
    levels: tuple[str, ...] | None


def parse(attributes: pl.Series) -> list[dict[str, Any]]:
    """Documents of a JSON text column; anything but an object counts as empty."""
    texts = attributes.cast(pl.String).fill_null("null").to_list()
    documents = json.loads("[" + ",".join(texts) + "]")  # one C call, several times faster than one per row
    return [document if isinstance(document, dict) else {} for document in documents]


def learn(documents: Sequence[dict[str, Any]], *, min_count: int, max_levels: int, doubtful: bool) -> tuple[Field, ...]:
    """The fields worth a feature: present in `min_count` documents, not constant, most frequent first."""
    seen = Counter(key for document in documents for key, value in document.items() if value is not None)
    keys = [
        key for key, count in seen.most_common() if count >= min_count and (doubtful or not key.startswith(DOUBTFUL))
    ]
    fields = [_field(key, documents, min_count, max_levels) for key in sorted(keys[:MAX_KEYS])]
    return tuple(field for field in fields if field is not None)


def column(field: Field, documents: Sequence[dict[str, Any]]) -> np.ndarray:
    """float64 values of `field`, NaN where missing; for a categorical field the code of its level."""
    values = [document.get(field.key) for document in documents]
    if field.levels is None:
        return np.array([_number(value) for value in values], dtype=np.float64)
    return encode_levels([_text(value) for value in values], field.levels)


def encode_levels(texts: Sequence[str | None], levels: Sequence[str]) -> np.ndarray:
    """float64 codes: 1.. for a known level, 0 for a rare or unseen one, NaN for none."""
    codes: dict[str | None, float] = {level: index + 1.0 for index, level in enumerate(levels)}
    codes[None] = np.nan
    return np.array([codes.get(text, 0.0) for text in texts], dtype=np.float64)


def top_levels(texts: Sequence[str | None], *, min_count: int, max_levels: int) -> tuple[str, ...]:
    """Levels frequent enough to be learned, sorted."""
    counts = Counter(text for text in texts if text is not None)
    return tuple(sorted(level for level, count in counts.most_common(max_levels) if count >= min_count))


def _field(key: str, documents: Sequence[dict[str, Any]], min_count: int, max_levels: int) -> Field | None:
    values = [document[key] for document in documents if document.get(key) is not None]
    numbers = np.array([_number(value) for value in values])
    known = numbers[~np.isnan(numbers)]
    if len(known) >= _NUMERIC_SHARE * len(values):
        varies = len(np.unique(known)) > 1 or len(values) < len(documents)
        return Field(key=key, levels=None) if varies else None
    levels = top_levels([_text(value) for value in values], min_count=min_count, max_levels=max_levels)
    rest = len(documents) - sum(_text(document.get(key)) in levels[:1] for document in documents)
    return Field(key=key, levels=levels) if levels and rest >= min_count else None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else np.nan


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True)
