"""Why an approval is not given."""

from bevyly.errors import Conflict, Forbidden, PreconditionFailed


class NotPending(Conflict):
    """Somebody has decided before; `status` says how."""

    code = "approval_not_pending"


class ApprovalExpired(Conflict):
    """It waited too long: ask the agent again."""

    code = "approval_expired"


class ContentChanged(PreconditionFailed):
    """The content is not the one that was seen; `content_hash` is that of the present one."""

    code = "approval_content_changed"


class ManagerRequired(Forbidden):
    """A policy leaves this to owners and admins; `policy_id` is that policy."""

    code = "manager_required"


class SelfApproval(Forbidden):
    """Who asked for it, or is the agent's sponsor, cannot allow it as well."""

    code = "self_approval"
