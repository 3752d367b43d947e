"""What may go wrong with sequences."""

from bevyly.errors import Conflict, Forbidden, Invalid, NotFound


class NotYours(Forbidden):
    """Members change their own sequences, and send as themselves."""

    code = "not_yours"


class StepsNeeded(Conflict):
    """A sequence that is active has at least one step."""

    code = "steps_needed"


class BadSteps(Invalid):
    """Steps that name no step of the sequence, change what one is, or lack a subject."""

    code = "bad_steps"


class SequenceNotActive(Conflict):
    """Nobody is enrolled in a draft or a paused sequence."""

    code = "sequence_not_active"


class SenderDisabled(Conflict):
    """Who is to send may not come in any more."""

    code = "sender_disabled"


class EnrolmentState(Conflict):
    """The enrolment is in a state in which this cannot be done."""

    code = "enrolment_state"


class UnknownLink(NotFound):
    """No mail of ours had this link."""

    code = "unknown_link"
