"""The phases of a unit's life, as the supervisor keeps them and the commands show them."""

from enum import StrEnum


class Phase(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    BACKOFF = "restarting"
    STOPPED = "stopped"


HEALTHY = (Phase.READY, Phase.DONE)
