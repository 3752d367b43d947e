"""Models on the API's side: loaded when a question needs one, for one tenant, the last few kept.

An artefact holds the heads of all tenants; what is kept is the head of the one who asked.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import Any

from bevyly.objects import ObjectStore, find
from models.artefacts import SUFFIX
from models.errors import ArtefactChanged, ArtefactGone
from models.reproduction import model_of
from models.scoring import TrainedModel

MAX_KEPT = 64


class Models:
    """The models in an artefact store. Safe to be called from several threads."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, str], TrainedModel] = OrderedDict()
        self._lock = Lock()

    def loaded(self, score: Mapping[str, Any]) -> TrainedModel:
        """The model that made a stored score, read anew; raises ArtefactGone, ArtefactChanged."""
        return model_of(find(self._store, score["artefact"] + SUFFIX), score)

    def known(self, score: Mapping[str, Any]) -> TrainedModel | None:
        """The model that made a stored score, from memory where it was asked for lately; None where it is gone."""
        tenant = score["customer_id"]
        key = (score["artefact"], tenant)
        with self._lock:
            if key not in self._kept:
                try:
                    model = self.loaded(score)
                except (ArtefactGone, ArtefactChanged):
                    return None
                own = {name: head for name, head in model.heads.items() if name == tenant}
                self._kept[key] = replace(model, heads=own)
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]
