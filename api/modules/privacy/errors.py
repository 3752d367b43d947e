"""What can be wrong with a request of a person."""

from bevyly.errors import Conflict


class NotNow(Conflict):
    """The request is in a state in which this cannot be done."""

    code = "privacy_request_state"


class BeingWorkedOn(Conflict):
    """The request is being worked on, such as its preview: ask again when its status has changed."""

    code = "privacy_request_busy"


class NoFile(Conflict):
    """The request has no file: it is no export, is not done, or its file was kept long enough."""

    code = "no_file"


class StillNeeded(Conflict):
    """Other records need this one: they go first."""

    code = "still_needed"
