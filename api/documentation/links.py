"""Links: what can be done with what an operation answered. They follow from the paths: no route declares any."""

import re
from collections.abc import Iterator
from typing import Any

_METHODS = ("get", "put", "patch", "post", "delete")


def add_links(document: dict[str, Any]) -> None:
    """From whatever creates or lists records of a path to all operations on one of them."""
    paths = document["paths"]
    for path, methods in paths.items():
        targets = list(_on_one_of(path, paths))
        for method, status, pointer in (("post", "201", "/id"), ("get", "200", "/data/0/id")):
            response = methods.get(method, {}).get("responses", {}).get(status)
            if response is None or not targets:
                continue
            response["links"] = {
                operation_id: {"operationId": operation_id, "parameters": {name: f"$response.body#{pointer}"} | same}
                for operation_id, name, same in targets
            }


def _on_one_of(path: str, paths: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Operations on one record below `path`: id, the parameter that names it, and parameters that stay as they were."""
    below = re.compile(re.escape(path) + r"/\{(\w+)\}(/[a-z-]+)?")
    same = {name: f"$request.path.{name}" for name in re.findall(r"\{(\w+)\}", path)}
    for other, methods in paths.items():
        found = below.fullmatch(other)
        if found is not None:
            yield from ((methods[method]["operationId"], found[1], same) for method in _METHODS if method in methods)
