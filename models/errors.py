"""Named errors of the machine-learning package.

Belongs here: refusals that a caller of `models` can act on. Errors that every door shares live in `bevyly.errors`.
"""

from bevyly.errors import Conflict, Invalid, MissingDependency


class LeakingColumns(Invalid):
    """A frame carries a label, or a column written after the fact: scoring on it would be reading the answer."""

    code, title = "leaking_columns", "The features contain the answer"


class MissingColumns(Invalid):
    """A frame lacks columns that the feature contract promises."""

    code, title = "missing_columns", "The features are incomplete"


class ContractChanged(Invalid):
    """An artefact was trained on another feature contract than the code has now."""

    code, title = "contract_changed", "The artefact belongs to another feature contract"


class UntrustedArtefact(Invalid):
    """An artefact names types that are not on our list, so it is not loaded."""

    code, title = "untrusted_artefact", "The artefact is not one of ours"


class MissingArtefact(MissingDependency):
    """There is no artefact at that place."""

    code, title = "missing_artefact", "The model artefact is missing"


class InputsGone(Conflict):
    """What a score was made from is no longer kept: it was erased, kept long enough, or never kept."""

    code, title = "score_inputs_gone", "The inputs are no longer kept"


class ArtefactGone(Conflict):
    """The model that made a score is not in the artefact store."""

    code, title = "artefact_gone", "The model is no longer kept"


class ArtefactChanged(Conflict):
    """The file in the artefact store is not the one that made the score."""

    code, title = "artefact_changed", "The model is not the one that made the score"
