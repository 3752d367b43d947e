"""A stored score made again from its stored inputs and its artefact, and held against what was stored, bit by bit.

Belongs here: that computation. Finding the row, its inputs and the artefact is the caller's business.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from models import artefacts
from models.errors import ArtefactChanged, ArtefactGone, InputsGone
from models.inputs import digest, frame_of
from models.schema import REASON
from models.scoring import TrainedModel

FIGURES = ("logit", "baseline_logit", "probability", "probability_low", "probability_high")
"""Floating-point numbers of a score."""
WORDS = ("points", "band")


def model_of(artefact: bytes | None, stored: Mapping[str, Any]) -> TrainedModel:
    """The model that made a stored score, of the bytes that the artefact store has under its key, if any.

    `stored` has artefact_sha256. Raises ArtefactGone, ArtefactChanged.
    """
    if artefact is None:
        raise ArtefactGone("The model that made this score is no longer in the artefact store.")
    if stored["artefact_sha256"] not in (None, sha256(artefact).hexdigest()):
        raise ArtefactChanged("The artefact is not the one that made this score.")
    return artefacts.loads(artefact, any_contract=True)


def reproduce(model: TrainedModel, stored: Mapping[str, Any]) -> dict[str, Any]:
    """What `model` makes of the inputs of a stored score, beside what was stored.

    `stored` has the columns of a score, and `document`. Not its rank, which tells of the other entities.
    Raises InputsGone where there is none. Returns identical, figures (name, stored and recomputed as number and as
    hexadecimal bits, identical), reasons (recomputed), reasons_identical (but for their
    words), inputs_sha256.
    """
    if stored["document"] is None:
        raise InputsGone("What this score was made from is no longer kept.")
    frame = frame_of([dict(stored)], model.recipe.contract)
    made = model.score(frame, model_version_id=stored["model_version_id"]).row(0, named=True)
    figures = [_figure(name, stored[name], made[name]) for name in (*FIGURES, *WORDS)]
    told = [_plain(reason) for reason in made["reasons"]]
    same = [_bits(one) for one in told] == [_bits(_plain(one)) for one in stored["reasons"]]
    return {
        "identical": same and all(figure["identical"] for figure in figures),
        "figures": figures,
        "reasons": told,
        "reasons_identical": same,
        "inputs_sha256": digest(stored["document"]),
    }


def _figure(name: str, stored: Any, made: Any) -> dict[str, Any]:
    if name in WORDS:
        return {"name": name, "stored": stored, "recomputed": made, "bits": None, "identical": stored == made}
    bits = {"stored": float(stored).hex(), "recomputed": float(made).hex()}
    identical = bits["stored"] == bits["recomputed"]
    return {"name": name, "stored": stored, "recomputed": made, "bits": bits, "identical": identical}


def _plain(reason: Mapping[str, Any]) -> dict[str, Any]:
    """JSON in PostgreSQL knows no negative zero; what is stored may leave out what is null."""
    return {**dict.fromkeys(REASON.to_schema()), **reason, "contribution": reason["contribution"] + 0.0}


def _bits(reason: Mapping[str, Any]) -> dict[str, Any]:
    # the words are those of the code that tells it, and may have become better since
    return {**reason, "text": None, "contribution": float(reason["contribution"]).hex()}
