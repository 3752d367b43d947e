"""What each feature mart is made of: its SQL and that of everything above it, by the manifest that dbt writes.

Does not belong here: when a mart is built anew. That follows the hash of the whole project (`warehouse_code`).
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

Manifest = Mapping[str, Any]
Parts = dict[str, str]

MARTS = ("lead_features", "opportunity_features")
_OURS = "bevyly"


def marts_of(manifest: Manifest) -> dict[str, Any]:
    """For each of `MARTS`: `hash` over all parts and dbt's version, `models` and `macros` with the SHA-256 of their
    SQL.

    Macros of dbt itself are not parts: its version stands for them.
    """
    return {mart: _made_of(manifest, f"model.{_OURS}.{mart}") for mart in MARTS}


def _made_of(manifest: Manifest, mart: str) -> dict[str, Any]:
    models = _above(manifest["nodes"], "nodes", [mart])
    named = {macro for model in models for macro in manifest["nodes"][model]["depends_on"]["macros"]}
    macros = _above(manifest["macros"], "macros", named)
    parts = {
        "models": _hashes(manifest["nodes"], models, "raw_code"),
        "macros": _hashes(manifest["macros"], macros, "macro_sql"),
    }
    version = manifest["metadata"]["dbt_version"]
    lines = [version, *(f"{name} {digest}" for kind in parts.values() for name, digest in kind.items())]
    return {"hash": _digest("\n".join(lines)), "dbt_version": version, **parts}


def _above(known: Mapping[str, Any], kind: str, start: Any) -> list[str]:
    """Everything of ours that `start` rests on, itself included."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name in known and name not in found and known[name]["package_name"] == _OURS:
            found.add(name)
            waiting += known[name]["depends_on"][kind]
    return sorted(found)


def _hashes(known: Mapping[str, Any], names: list[str], text: str) -> Parts:
    return {name.rpartition(".")[2]: _digest(known[name][text]) for name in names}


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
