"""Models at rest: one skops file with plain values, arrays and the card. Never pickle.

Belongs here: saving and loading, and the list of types that a file may name. What is inside comes from
`TrainedModel.state`.
"""

import io
import os
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import skops.io

from models.card import card_of
from models.errors import ContractChanged, MissingArtefact, UntrustedArtefact
from models.schema import RECIPES
from models.scoring import TrainedModel

TRUSTED: tuple[str, ...] = ()  # beyond numpy arrays and plain values, which skops trusts by itself, nothing is needed
FORMAT = 1
SUFFIX = ".skops"


def dumps(model: TrainedModel) -> bytes:
    """`model` and its card as the bytes of an artefact."""
    return pack(card(model), model.state())


def pack(told: dict[str, Any], state: dict[str, Any]) -> bytes:
    """A card and the state of a model, plain values and arrays, as the bytes of an artefact."""
    return bytes(skops.io.dumps({"format": FORMAT, "card": told, "model": state}))


def loads(data: bytes, *, any_contract: bool = False) -> TrainedModel:
    """The model of an artefact's bytes; it scores the same frame to the same bits.

    `any_contract` is for scoring what was scored then: a model of an earlier contract reads inputs of its own time.
    Raises UntrustedArtefact, ContractChanged.
    """
    state = content(data)["model"]
    if not any_contract:
        _check_contract(state)
    return TrainedModel.from_state(state)


def save(model: TrainedModel, path: Path) -> Path:
    """Write `model` and its card to `path`; readers see the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    unfinished.write_bytes(dumps(model))
    unfinished.replace(path)
    return path


def load(path: Path, *, any_contract: bool = False) -> TrainedModel:
    """The model that was saved at `path`; raises as `loads`, and MissingArtefact."""
    return loads(_read(path), any_contract=any_contract)


def load_card(path: Path) -> dict[str, Any]:
    """Only the card of the artefact at `path`."""
    return dict(content(_read(path))["card"])


def card(model: TrainedModel) -> dict[str, Any]:
    """The card of `model`, with the versions of what made it."""
    return card_of(
        model,
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Versions of what a model is made with."""
    return {name: _version(name) for name in ("bevyly", "scikit-learn", "numpy", "skops", "polars")}


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise MissingArtefact(f"No model artefact at {path.name}; train the score first.", path=str(path))
    return path.read_bytes()


def content(data: bytes) -> dict[str, Any]:
    """What `pack` put into an artefact's bytes: `card` and `model`; raises UntrustedArtefact."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise UntrustedArtefact("The artefact is not a skops file.")
    foreign = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED))
    if foreign:
        raise UntrustedArtefact(f"The artefact names types that are not ours: {', '.join(foreign)}", types=foreign)
    packed = skops.io.load(io.BytesIO(data), trusted=list(TRUSTED))
    if not isinstance(packed, dict) or packed.get("format") != FORMAT:
        raise UntrustedArtefact("The artefact is not in a format that this code writes.")
    return packed


def _check_contract(state: dict[str, Any]) -> None:
    now = RECIPES[state["score_type"]].contract.digest
    if state["contract"] != now:
        raise ContractChanged(
            f"The {state['score_type']} artefact was trained on another feature contract; train it again.",
            artefact=state["contract"],
            code=now,
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
