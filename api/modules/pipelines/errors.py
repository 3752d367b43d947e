"""Errors of changes to pipelines."""

from bevyly.errors import Conflict


class TooMany(Conflict):
    """There are as many pipelines or stages as there may be."""

    code = "too_many"


class StageInUse(Conflict):
    """Deals are open in the stage: say where they go."""

    code = "stage_in_use"


class StageNeeded(Conflict):
    """A pipeline keeps a stage of each kind, and the default pipeline stays."""

    code = "stage_needed"


class NotAnOpenStage(Conflict):
    """Deals can be moved only to another stage that is open."""

    code = "not_an_open_stage"
