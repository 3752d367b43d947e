"""Examples: a file for each operation, named by its id, and how they come into the document.

A file has `status` and, where there are any, `request`, `query`, `response`, and `before`: operations whose examples
are sent first, so that this one can succeed. A test sends each to a real API. `make openapi` writes what is missing.
"""

import json
from pathlib import Path
from typing import Any

from bevyly.ids import derived_id

FOLDER = Path(__file__).parents[1] / "examples"
_SAMPLES = {"entity_type": "opportunity"}


def path_of(operation_id: str) -> Path:
    """Where the example of an operation is."""
    return FOLDER / f"{operation_id}.json"


def example_of(operation_id: str) -> dict[str, Any]:
    """The example of an operation; empty where there is none."""
    path = path_of(operation_id)
    example: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return example


def add_examples(document: dict[str, Any]) -> None:
    """Put the examples into `document`; those that routes declare themselves stay."""
    for methods in document["paths"].values():
        for operation in methods.values():
            example = example_of(operation["operationId"])
            for parameter in operation.get("parameters", []):
                _sample(parameter, example.get("query", {}))
            if "request" in example:
                _put(operation["requestBody"]["content"], example["request"])
            if "response" in example:
                _put(operation["responses"][str(example["status"])]["content"], example["response"])


def _put(content: dict[str, Any], value: Any) -> None:
    for described in content.values():
        described.setdefault("example", value)


def _sample(parameter: dict[str, Any], query: dict[str, Any]) -> None:
    name = parameter["name"]
    if parameter["in"] == "path":
        parameter["example"] = _SAMPLES.get(name) or derived_id("example", name)
    elif name in query:
        parameter["example"] = query[name]
