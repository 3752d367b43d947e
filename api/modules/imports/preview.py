"""What a file seems to be: its first rows, and a mapping that may be sent as it is."""

from collections.abc import Sequence
from typing import Any

import orjson

from api.modules.imports.errors import NotNow
from api.modules.imports.fields import CUSTOM, MATCHES, fields_of, guess
from api.modules.imports.files import Shape, head_rows
from api.modules.imports.reading import key_field

ROWS = 10


def preview(head: tuple[Any, ...], own: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The document of a preview; raises `NotNow` where the file is gone. `own` are the tenant's own fields."""
    kind, encoding, delimiter, has_header, columns, content = head
    if content is None:
        raise NotNow("The file of this import is not kept any more.")
    names: list[str] = orjson.loads(columns)
    rows = head_rows(content, Shape(encoding, delimiter, has_header, names), ROWS)
    labels = {one["key"]: one["label"] for one in own if one["object"] == kind and not one["archived"]}
    guessed = guess(kind, names, rows, labels)
    told = [
        {"column": name} | guessed.get(name, {"field": f"{CUSTOM}{name.removeprefix(CUSTOM)[:100]}"}) for name in names
    ]
    fields = {one["field"] for one in told}
    keys = [word for word in MATCHES[kind] if key_field(kind, word) in fields]
    mode: dict[str, Any] = {"mode": "upsert", "match_by": keys[0]} if keys else {"mode": "create", "match_by": None}
    return {
        "columns": [
            {
                "column": name,
                "field": guessed.get(name, {}).get("field"),
                "by": guessed.get(name, {}).get("by"),
                "samples": [row[index] for row in rows if index < len(row)][:3],
            }
            for index, name in enumerate(names)
        ],
        "rows": rows,
        "fields": list(fields_of(kind)),
        "mapping": mode | {"columns": told},
    }
