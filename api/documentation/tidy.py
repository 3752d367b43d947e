"""Leaves out of the document what was generated and tells nobody anything."""

from typing import Any


def tidy(document: dict[str, Any]) -> None:
    """Drop titles that repeat a field's name, and `null` as a value of a query or a header, where there is none."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _sendable(parameter["schema"])
            for response in operation["responses"].values():
                _without_nothing(response)
            _without_titles(operation)
    for schema in document["components"]["schemas"].values():
        _without_titles(schema)


def _without_nothing(response: dict[str, Any]) -> None:
    """An answer without a model has no body."""
    if all(content.get("schema") == {} for content in response.get("content", {}).values()):
        response.pop("content", None)


def _sendable(schema: dict[str, Any]) -> dict[str, Any]:
    parsed = schema.get("type") == "string" and not isinstance(schema.get("default"), str)
    schema = {name: value for name, value in schema.items() if name != "title" and not (parsed and name == "default")}
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
