"""Leaves out of the document what was generated and tells nobody anything."""

from typing import Any


def tidy(document: dict[str, Any]) -> None:
    """Drop titles that repeat a field's name, and `null` as a value of a query or a header, where there is none."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _sendable(parameter["schema"])
            _without_titles(operation)
    for schema in document["components"]["schemas"].values():
        _without_titles(schema)


def _sendable(schema: dict[str, Any]) -> dict[str, Any]:
    schema = {name: value for name, value in schema.items() if name != "title"}
    branches: list[dict[str, Any]] = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    if len(branches) != 1:
        return schema
    return branches[0] | {name: value for name, value in schema.items() if name not in ("anyOf", "default")}


def _without_titles(value: Any) -> None:
    if isinstance(value, list):
        for one in value:
            _without_titles(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "properties":
                for field in one.values():
                    if isinstance(field.get("title"), str):
                        del field["title"]
            if name not in ("example", "examples"):
                _without_titles(one)
