"""Trained models on their way into the object store and back: by key and checksum, each read once."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from bevyly import objects
from bevyly.objects import ObjectMissing, ObjectStore
from models import artefacts
from models.errors import ContractChanged, UntrustedArtefact
from models.forecast import artefact as forecast_artefact
from models.forecast.model import ForecastModel
from models.scoring import TrainedModel


class Model(Protocol):
    """What is kept under a key of its own."""

    @property
    def score_type(self) -> str: ...

    @property
    def version_id(self) -> str: ...


M = TypeVar("M", bound=Model)


class ShelfOf(Generic[M]):
    """Models of one kind for one run, kept in memory once they are read."""

    def __init__(self, store: ObjectStore, dumps: Callable[[M], bytes], loads: Callable[[bytes], M]) -> None:
        self.store = store
        self._dumps, self._loads = dumps, loads
        self._read: dict[str, M] = {}

    def put(self, model: M) -> tuple[str, str]:
        """Store `model`; its key, and the checksum of what was stored."""
        key = f"{model.score_type}/{model.version_id}"
        return key, objects.write(self.store, key + artefacts.SUFFIX, self._dumps(model))

    def load(self, version: Mapping[str, Any]) -> M:
        """The model of a row of the register; raises as `objects.read` and `loads` do."""
        key = version["artefact"]
        if key not in self._read:
            data = objects.read(self.store, key + artefacts.SUFFIX, version["artefact_sha256"])
            self._read[key] = self._loads(data)
        return self._read[key]

    def readable(self, version: Mapping[str, Any]) -> bool:
        """Whether this code can score with it: it is there, and was trained on the columns that are read now."""
        try:
            self.load(version)
        except (ObjectMissing, ContractChanged, UntrustedArtefact):
            return False
        return True


class Shelf(ShelfOf[TrainedModel]):
    """Scores."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store, artefacts.dumps, artefacts.loads)

    def forecasts(self) -> ShelfOf[ForecastModel]:
        """Forecasts in the same store."""
        return ShelfOf(self.store, forecast_artefact.dumps, forecast_artefact.loads)
