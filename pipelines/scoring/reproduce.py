"""Stored scores made again in a process of their own: `bevyly reproduce`.

Each model is loaded anew, once. What is compared, and how, is `models.reproduction`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from bevyly.errors import NotFound
from bevyly.objects import ObjectStore, find
from models.artefacts import SUFFIX
from models.reproduction import model_of, reproduce
from models.scoring import TrainedModel
from pipelines.repositories.scores import stored_scores
from pipelines.repositories.staging import Connection


def reproduced(connection: Connection, store: ObjectStore, score_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each score made again, with its id; raises NotFound, InputsGone, ArtefactGone, ArtefactChanged."""
    loaded: dict[str, TrainedModel] = {}
    found = {row["id"]: row for row in map(orjson.loads, stored_scores(connection, score_ids))}
    for score_id in score_ids:
        if score_id not in found:
            raise NotFound(f"There is no score {score_id}.")
        stored = found[score_id]
        key = stored["artefact"]
        if key not in loaded:
            loaded[key] = model_of(find(store, key + SUFFIX), stored)
        yield {"score_id": score_id, **reproduce(loaded[key], stored)}
