"""Trained models on their way into the object store and back: by key and checksum, each read once."""

from collections.abc import Mapping
from typing import Any

from bevyly import objects
from bevyly.objects import ObjectMissing, ObjectStore
from models import artefacts
from models.errors import ContractChanged, UntrustedArtefact
from models.scoring import TrainedModel


class Shelf:
    """Models of one run, kept in memory once they are read."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._read: dict[str, TrainedModel] = {}

    def put(self, model: TrainedModel) -> tuple[str, str]:
        """Store `model`; its key, and the checksum of what was stored."""
        key = f"{model.score_type}/{model.version_id}"
        return key, objects.write(self._store, key + artefacts.SUFFIX, artefacts.dumps(model))

    def load(self, version: Mapping[str, Any]) -> TrainedModel:
        """The model of a row of the register; raises as `objects.read` and `artefacts.loads` do."""
        key = version["artefact"]
        if key not in self._read:
            data = objects.read(self._store, key + artefacts.SUFFIX, version["artefact_sha256"])
            self._read[key] = artefacts.loads(data)
        return self._read[key]

    def readable(self, version: Mapping[str, Any]) -> bool:
        """Whether this code can score with it: it is there, and was trained on the columns that are read now."""
        try:
            self.load(version)
        except (ObjectMissing, ContractChanged, UntrustedArtefact):
            return False
        return True
