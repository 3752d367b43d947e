"""Compatibility: whether those who were built on the stored document can live with the present one.

`docs/openapi.json` is the document of the last landing. What a client may send must still be taken; what a client reads
must still be there and of its kind. Answers may get new fields, new values and new statuses. `python -m
api.documentation.compatibility` compares; `--accept` stores the present document, unless it breaks the stored one;
`--break` stores it all the same: for what nobody can have used yet.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.documentation.schemas import lost, refused

STORED = Path(__file__).parents[2] / "docs" / "openapi.json"
COMMAND = "make openapi"
Json = dict[str, Any]


def incompatibilities(old: Json, new: Json) -> list[str]:
    """What of `old` no longer holds in `new`, in words; empty where nothing does."""
    found: list[str] = []
    for path, methods in old["paths"].items():
        for method, before in methods.items():
            name, after = before["operationId"], new["paths"].get(path, {}).get(method)
            if after is None:
                found.append(f"{name}: {method.upper()} {path} is gone")
                continue
            if after["operationId"] != name:
                found.append(f"{name}: is called {after['operationId']} now, and so are the methods of clients")
            found += [f"{name}: {one}" for one in _Change(old, new, before, after).breaks()]
    return found


class _Change:
    """One operation before and after."""

    def __init__(self, old: Json, new: Json, before: Json, after: Json) -> None:
        self._old, self._new = old, new
        self._before, self._after = before, after

    def breaks(self) -> Iterator[str]:
        yield from self._parameters()
        yield from self._body()
        yield from self._responses()

    def _parameters(self) -> Iterator[str]:
        before, after = (
            {(one["in"], one["name"]): one for one in operation.get("parameters", [])}
            for operation in (self._before, self._after)
        )
        yield from (f"the parameter {name} is gone" for where, name in before.keys() - after.keys())
        for key, one in after.items():
            if one.get("required") and not before.get(key, {}).get("required"):
                yield f"the parameter {key[1]} is newly required"
            if key in before:
                path = f"the parameter {key[1]}"
                yield from refused(before[key]["schema"], one["schema"], self._old, self._new, path)

    def _body(self) -> Iterator[str]:
        before, after = self._before.get("requestBody", {}), self._after.get("requestBody", {})
        if after.get("required") and not before.get("required"):
            yield "a body is newly required"
        for media, content in before.get("content", {}).items():
            taken = after.get("content", {}).get(media)
            if taken is None:
                yield f"the body is no longer taken as {media}"
            else:
                schemas = content.get("schema", {}), taken.get("schema", {})
                yield from refused(*schemas, self._old, self._new, "body")

    def _responses(self) -> Iterator[str]:
        for status, response in self._before["responses"].items():
            if status not in self._after["responses"]:
                yield f"the answer {status} is gone"
                continue
            told = _content(response, self._old)
            tells = _content(self._after["responses"][status], self._new)
            for media, content in told.items():
                if media not in tells:
                    yield f"the answer {status} is no longer given as {media}"
                else:
                    schemas = content.get("schema", {}), tells[media].get("schema", {})
                    yield from lost(*schemas, self._old, self._new, f"answer {status}")


def _content(response: Json, document: Json) -> Json:
    name = response.get("$ref", "").rpartition("/")[2]
    found: Json = document["components"]["responses"][name] if name else response
    content: Json = found.get("content", {})
    return content


def render(document: Json) -> str:
    """The document as it is stored: a line for each thing, so that a review shows what changed."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def stored(path: Path = STORED) -> Json:
    """The document of the last landing."""
    document: Json = json.loads(path.read_text())
    return document


def present() -> Json:
    """The document as the routes say it now."""
    from api.main import create_app
    from bevyly.settings import Settings

    document: Json = json.loads(json.dumps(create_app(Settings()).openapi()))
    return document


def main(arguments: list[str], path: Path = STORED) -> int:
    """Exit code 0 when the stored document is the present one, or was made so; otherwise what to do, and 1."""
    now = present()
    found = incompatibilities(stored(path), now) if path.exists() else []
    if found and "--break" not in arguments:
        sys.stderr.writelines(f"{line}\n" for line in found)
        sys.stderr.write("Clients rely on this: take it back, or add beside it.\n")
        return 1
    if arguments:
        path.write_text(render(now))
    if path.read_text() != render(now):
        sys.stderr.write(f"{path.name} is not what the routes say: run `{COMMAND}` and commit it\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
